//! The function lists of PKCS#11 2.40, 3.0 and 3.2, the interfaces that name them, and the three symbols that
//! programs find us by (5.4).

use std::ffi::{CStr, c_void};
use std::ptr;

use cryptoki_sys::{
    CK_FLAGS, CK_FUNCTION_LIST, CK_FUNCTION_LIST_3_0, CK_FUNCTION_LIST_3_2,
    CK_FUNCTION_LIST_PTR_PTR, CK_INTERFACE, CK_INTERFACE_PTR, CK_INTERFACE_PTR_PTR, CK_RV,
    CK_ULONG_PTR, CK_UTF8CHAR_PTR, CK_VERSION, CK_VERSION_PTR,
};

use super::{digest, general, message, object, random, session, sign, slot, unsupported, verify};

/// Writes the three lists from one table. A field that is missing or has another signature than
/// the standard's does not compile.
macro_rules! function_lists {
    (
        $v2_40:ident { $($chapter_2_40:ident: $($in_2_40:ident)*;)* }
        $v3_0:ident adds { $($chapter_3_0:ident: $($in_3_0:ident)*;)* }
        $v3_2:ident adds { $($chapter_3_2:ident: $($in_3_2:ident)*;)* }
    ) => {
        pub(super) static $v2_40: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
            version: CK_VERSION { major: 2, minor: 40 },
            $($($in_2_40: Some($chapter_2_40::$in_2_40),)*)*
        };
        pub(super) static $v3_0: CK_FUNCTION_LIST_3_0 = CK_FUNCTION_LIST_3_0 {
            version: CK_VERSION { major: 3, minor: 0 },
            $($($in_2_40: Some($chapter_2_40::$in_2_40),)*)*
            $($($in_3_0: Some($chapter_3_0::$in_3_0),)*)*
        };
        pub(super) static $v3_2: CK_FUNCTION_LIST_3_2 = CK_FUNCTION_LIST_3_2 {
            version: CK_VERSION { major: 3, minor: 2 },
            $($($in_2_40: Some($chapter_2_40::$in_2_40),)*)*
            $($($in_3_0: Some($chapter_3_0::$in_3_0),)*)*
            $($($in_3_2: Some($chapter_3_2::$in_3_2),)*)*
        };
    };
}

function_lists! {
    V2_40 {
        general: C_Initialize C_Finalize C_GetInfo C_GetFunctionList;
        slot: C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_WaitForSlotEvent C_GetMechanismList
            C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN;
        session: C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo
            C_GetOperationState C_SetOperationState C_Login C_Logout;
        object: C_CreateObject C_CopyObject C_DestroyObject C_GetObjectSize C_GetAttributeValue
            C_SetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal;
        digest: C_DigestInit C_Digest C_DigestUpdate C_DigestKey C_DigestFinal;
        sign: C_SignInit C_Sign C_SignUpdate C_SignFinal;
        verify: C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit
            C_VerifyRecover;
        random: C_SeedRandom C_GenerateRandom;
        unsupported: C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt
            C_DecryptUpdate C_DecryptFinal C_SignRecoverInit C_SignRecover C_DigestEncryptUpdate
            C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey
            C_GenerateKeyPair C_WrapKey C_UnwrapKey C_DeriveKey C_GetFunctionStatus
            C_CancelFunction;
    }
    V3_0 adds {
        general: C_GetInterfaceList C_GetInterface;
        session: C_LoginUser C_SessionCancel;
        message: C_MessageSignInit C_SignMessage C_SignMessageBegin C_SignMessageNext
            C_MessageSignFinal C_MessageVerifyInit C_VerifyMessage C_VerifyMessageBegin
            C_VerifyMessageNext C_MessageVerifyFinal;
        unsupported: C_MessageEncryptInit C_EncryptMessage C_EncryptMessageBegin
            C_EncryptMessageNext C_MessageEncryptFinal C_MessageDecryptInit C_DecryptMessage
            C_DecryptMessageBegin C_DecryptMessageNext C_MessageDecryptFinal;
    }
    V3_2 adds {
        session: C_GetSessionValidationFlags;
        verify: C_VerifySignatureInit C_VerifySignature C_VerifySignatureUpdate
            C_VerifySignatureFinal;
        unsupported: C_EncapsulateKey C_DecapsulateKey C_WrapKeyAuthenticated
            C_UnwrapKeyAuthenticated C_AsyncComplete C_AsyncGetID C_AsyncJoin;
    }
}

/// The interfaces, in the order in which `C_GetInterface` offers them.
///
/// 3.0 comes first and is the default: OpenSC's tools, p11-kit and NSS ask for "PKCS 11" of any
/// version and use what they get, and what they were written against is 3.0. Whoever knows 3.2 can
/// ask for it.
///
/// None has `CKF_INTERFACE_FORK_SAFE`, which would promise a forked child its own copy of
/// sessions, objects and logins: a child of ours starts empty,
/// because two processes cannot hold one login on one card.
pub(super) static INTERFACES: Interfaces = Interfaces([
    interface(ptr::from_ref(&V3_0).cast()),
    interface(ptr::from_ref(&V3_2).cast()),
    interface(ptr::from_ref(&V2_40).cast()),
]);

/// The name of the standard's own interfaces.
pub(super) const NAME: &CStr = c"PKCS 11";

/// C's structures have pointers that one may write through, for want of a `const`.
pub(super) struct Interfaces(pub(super) [CK_INTERFACE; 3]);

// SAFETY: all pointers go to statics which nobody writes: by the standard lists and names
// are not written to.
unsafe impl Sync for Interfaces {}

const fn interface(list: *const c_void) -> CK_INTERFACE {
    CK_INTERFACE {
        pInterfaceName: NAME.as_ptr().cast_mut().cast(),
        pFunctionList: list.cast_mut(),
        flags: 0,
    }
}

/// The version that every list begins with.
pub(super) fn version(interface: &CK_INTERFACE) -> CK_VERSION {
    let version: *const CK_VERSION = interface.pFunctionList.cast_const().cast();
    // SAFETY: `interface` is one of ours.
    unsafe { version.read() }
}

/// Returns the function list of 2.40.
///
/// # Safety
/// `list` is NULL or has room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    // SAFETY: the caller's promise is the same.
    unsafe { general::C_GetFunctionList(list) }
}

/// Lists the interfaces: 3.0, 3.2, 2.40.
///
/// # Safety
/// `count` is NULL or a number, `list` is NULL or has room for that many interfaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterfaceList(list: CK_INTERFACE_PTR, count: CK_ULONG_PTR) -> CK_RV {
    // SAFETY: the caller's promise is the same.
    unsafe { general::C_GetInterfaceList(list, count) }
}

/// Returns the first interface with the name, the version and the flags that are given.
///
/// # Safety
/// `name` is NULL or ends with NUL, `version` is NULL or a version, `interface` is NULL or has room
/// for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterface(
    name: CK_UTF8CHAR_PTR,
    version: CK_VERSION_PTR,
    interface: CK_INTERFACE_PTR_PTR,
    flags: CK_FLAGS,
) -> CK_RV {
    // SAFETY: the caller's promise is the same.
    unsafe { general::C_GetInterface(name, version, interface, flags) }
}

#[cfg(test)]
mod tests {
    use std::mem;

    use cryptoki_sys::{
        CK_ULONG, CKF_INTERFACE_FORK_SAFE, CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL, CKR_OK,
    };

    use super::*;

    /// What is behind a list's version, slot by slot.
    fn slots<T>(list: &'static T) -> Vec<usize> {
        let first = mem::offset_of!(CK_FUNCTION_LIST, C_Initialize);
        let count = (size_of::<T>() - first) / size_of::<usize>();
        let slots: *const usize = ptr::from_ref(list).wrapping_byte_add(first).cast();
        let slot = |place| slots.wrapping_add(place);
        // SAFETY: a function list is a version and then pointers to functions. On Windows they are not aligned.
        let read = |place| unsafe { slot(place).read_unaligned() };
        (0..count).map(read).collect()
    }

    fn choose(
        name: Option<&CStr>,
        version: Option<(u8, u8)>,
        flags: CK_FLAGS,
    ) -> Result<(u8, u8), CK_RV> {
        let name = name.map_or(ptr::null(), CStr::as_ptr);
        let version = version.map(|(major, minor)| CK_VERSION { major, minor });
        let version = version.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut interface = ptr::null_mut();
        // SAFETY: every pointer is NULL or to something of ours.
        let rv = unsafe {
            C_GetInterface(
                name.cast_mut().cast(),
                version.cast_mut(),
                &mut interface,
                flags,
            )
        };
        // SAFETY: it stays NULL or becomes an interface.
        match unsafe { interface.as_ref() } {
            Some(interface) => {
                assert_eq!(rv, CKR_OK);
                let version = super::version(interface);
                Ok((version.major, version.minor))
            }
            None => Err(rv),
        }
    }

    #[test]
    fn lists_are_full_and_agree() {
        let lists = [slots(&V2_40), slots(&V3_0), slots(&V3_2)];
        assert_eq!(lists.each_ref().map(Vec::len), [68, 92, 104]);
        for list in &lists {
            assert!(list.iter().all(|&slot| slot != 0));
            assert!(lists[2].starts_with(list));
        }
    }

    #[test]
    fn the_function_list_is_2_40() {
        let mut list = ptr::null_mut();
        // SAFETY: `list` is ours.
        assert_eq!(unsafe { C_GetFunctionList(&mut list) }, CKR_OK);
        assert!(ptr::eq(list, &V2_40));
        assert_eq!((V2_40.version.major, V2_40.version.minor), (2, 40));
        // SAFETY: NULL is allowed.
        let rv = unsafe { C_GetFunctionList(ptr::null_mut()) };
        assert_eq!(rv, CKR_ARGUMENTS_BAD);
    }

    #[test]
    fn interfaces_are_chosen_by_all_that_is_asked() {
        let pkcs11 = Some(NAME);
        assert_eq!(choose(None, None, 0), Ok((3, 0)));
        assert_eq!(choose(pkcs11, None, 0), Ok((3, 0)));
        for version in [(3, 2), (3, 0), (2, 40)] {
            assert_eq!(choose(pkcs11, Some(version), 0), Ok(version));
            assert_eq!(choose(None, Some(version), 0), Ok(version));
        }
        for version in [(3, 1), (3, 3), (2, 20), (0, 0)] {
            let none = choose(pkcs11, Some(version), 0);
            assert_eq!(none, Err(CKR_ARGUMENTS_BAD));
        }
        for name in [c"PKCS 1", c"PKCS 11 ", c"", c"Vendor JPKI"] {
            assert_eq!(choose(Some(name), None, 0), Err(CKR_ARGUMENTS_BAD));
        }
        let fork_safe = choose(pkcs11, None, CKF_INTERFACE_FORK_SAFE);
        assert_eq!(fork_safe, Err(CKR_ARGUMENTS_BAD));
        // SAFETY: NULL is allowed.
        let rv = unsafe { C_GetInterface(ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
        assert_eq!(rv, CKR_ARGUMENTS_BAD);
    }

    #[test]
    fn interfaces_are_listed() {
        let nothing = interface(ptr::null());
        for (room, expected) in [
            (0, CKR_BUFFER_TOO_SMALL),
            (2, CKR_BUFFER_TOO_SMALL),
            (3, CKR_OK),
        ] {
            let (mut list, mut count) = ([nothing; 3], room as CK_ULONG);
            // SAFETY: both are ours, and there is room for three.
            let rv = unsafe { C_GetInterfaceList(list.as_mut_ptr(), &mut count) };
            assert_eq!((rv, count), (expected, 3));
            let given = list.iter().filter(|i| !i.pFunctionList.is_null());
            assert_eq!(given.count(), if rv == CKR_OK { 3 } else { 0 });
        }
        let mut count = 0;
        // SAFETY: NULL is allowed, `count` is ours.
        let rv = unsafe { C_GetInterfaceList(ptr::null_mut(), &mut count) };
        assert_eq!((rv, count), (CKR_OK, 3));
        // SAFETY: NULL is allowed.
        let rv = unsafe { C_GetInterfaceList(ptr::null_mut(), ptr::null_mut()) };
        assert_eq!(rv, CKR_ARGUMENTS_BAD);
    }
}
