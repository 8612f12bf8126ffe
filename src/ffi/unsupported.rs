//! The functions that a token of ours cannot do: each of them has its place in the lists all the same (PKCS#11 3.2,
//! section 5).

use cryptoki_sys::{
    CK_ASYNC_DATA_PTR, CK_ATTRIBUTE_PTR, CK_BYTE_PTR, CK_FLAGS, CK_MECHANISM_PTR, CK_OBJECT_HANDLE,
    CK_OBJECT_HANDLE_PTR, CK_RV, CK_SESSION_HANDLE, CK_ULONG, CK_ULONG_PTR, CK_UTF8CHAR_PTR,
    CK_VOID_PTR,
};

use super::{guard, process};
use crate::cryptoki::rv::Rv;

/// Writes functions which answer `$rv` to a session that exists. Their parameters are those behind
/// the session handle.
macro_rules! unsupported {
    ($rv:ident: $( $name:ident($($kind:ty),*); )*) => {$(
        #[allow(non_snake_case, reason = "the name is the standard's")]
        pub(super) extern "C" fn $name(session: CK_SESSION_HANDLE $(, _: $kind)*) -> CK_RV {
            guard(stringify!($name), || {
                process::module_of(session)?;
                Err(Rv::$rv.into())
            })
        }
    )*};
}

// 5.8 and 5.10: the keys sign, and nothing else.
unsupported! { FunctionNotSupported:
    C_EncryptInit(CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
    C_DecryptInit(CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
}
unsupported! { FunctionNotSupported:
    C_Encrypt(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
    C_EncryptUpdate(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
    C_EncryptFinal(CK_BYTE_PTR, CK_ULONG_PTR);
    C_Decrypt(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
    C_DecryptUpdate(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
    C_DecryptFinal(CK_BYTE_PTR, CK_ULONG_PTR);
}

// 5.9 and 5.11: the same, message by message.
unsupported! { FunctionNotSupported:
    C_MessageEncryptInit(CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
    C_MessageDecryptInit(CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
}
unsupported! { FunctionNotSupported:
    C_EncryptMessage(
        CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR,
        CK_ULONG_PTR
    );
    C_EncryptMessageBegin(CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);
    C_EncryptMessageNext(
        CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR, CK_FLAGS
    );
    C_MessageEncryptFinal();
    C_DecryptMessage(
        CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR,
        CK_ULONG_PTR
    );
    C_DecryptMessageBegin(CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);
    C_DecryptMessageNext(
        CK_VOID_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR, CK_FLAGS
    );
    C_MessageDecryptFinal();
}

// 5.13: a signature with recovery would be the one that C_Sign makes with CKM_RSA_PKCS; nobody asks
// for it under this name.
unsupported! { FunctionNotSupported:
    C_SignRecoverInit(CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
}
unsupported! { FunctionNotSupported:
    C_SignRecover(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
}

// 5.17: two operations at once, one of which is always encryption or decryption.
unsupported! { FunctionNotSupported:
    C_DigestEncryptUpdate(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
    C_DecryptDigestUpdate(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
    C_SignEncryptUpdate(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
    C_DecryptVerifyUpdate(CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
}

// 5.18: the keys of a card are made by a municipality.
unsupported! { FunctionNotSupported:
    C_GenerateKey(CK_MECHANISM_PTR, CK_ATTRIBUTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR);
    C_GenerateKeyPair(CK_MECHANISM_PTR,
        CK_ATTRIBUTE_PTR, CK_ULONG, CK_ATTRIBUTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR,
        CK_OBJECT_HANDLE_PTR
    );
    C_WrapKey(CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR);
    C_UnwrapKey(CK_MECHANISM_PTR,
        CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_ATTRIBUTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR
    );
    C_DeriveKey(CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR);
    C_WrapKeyAuthenticated(CK_MECHANISM_PTR,
        CK_OBJECT_HANDLE, CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR
    );
    C_UnwrapKeyAuthenticated(CK_MECHANISM_PTR,
        CK_OBJECT_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_ATTRIBUTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG,
        CK_OBJECT_HANDLE_PTR
    );
    C_EncapsulateKey(CK_MECHANISM_PTR,
        CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR,
        CK_OBJECT_HANDLE_PTR
    );
    C_DecapsulateKey(CK_MECHANISM_PTR,
        CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR
    );
}

// 5.20: functions of PKCS#11 1.0, kept for their places in the list.
unsupported! { FunctionNotParallel:
    C_GetFunctionStatus();
    C_CancelFunction();
}

// 5.21: C_OpenSession refuses CKF_ASYNC_SESSION, so no function was ever pending.
unsupported! { FunctionNotSupported:
    C_AsyncComplete(CK_UTF8CHAR_PTR, CK_ASYNC_DATA_PTR);
    C_AsyncGetID(CK_UTF8CHAR_PTR, CK_ULONG_PTR);
    C_AsyncJoin(CK_UTF8CHAR_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);
}
