//! This module's C functions, linked into this program: what a C program calls, with nothing in between.
//! The benchmark's `unsafe` is here and in `heap`. Nothing here allocates: what is counted is the module's.

use std::ptr;

use cryptoki_sys::*;
use jpki_pkcs11::ffi::C_GetFunctionList;

use crate::Result;

/// The function list of PKCS#11 2.40.
#[derive(Clone, Copy)]
pub struct Functions(&'static CK_FUNCTION_LIST);

/// Calls one function of the list; anything but `CKR_OK` is an error.
macro_rules! call {
    ($self:ident, $name:ident($($argument:expr),* $(,)?)) => {{
        let function = $self.0.$name.ok_or(concat!(stringify!($name), " is missing"))?;
        // SAFETY: every pointer among the arguments is NULL or to a live place of the length given.
        match unsafe { function($($argument),*) } {
            CKR_OK => {}
            other => return Err(format!("{}: {other:#X}", stringify!($name)).into()),
        }
    }};
}

impl Functions {
    /// The list of the module in this program.
    ///
    /// # Errors
    /// When it gives none.
    pub fn new() -> Result<Functions> {
        let mut list = ptr::null_mut();
        // SAFETY: the place for the answer is live.
        let code = unsafe { C_GetFunctionList(&mut list) };
        if code != CKR_OK {
            return Err("C_GetFunctionList failed".into());
        }
        // SAFETY: the list is a static of the module.
        Ok(Functions(unsafe { list.as_ref() }.ok_or("no list")?))
    }

    /// `C_GetSlotList` into a place that is large enough.
    ///
    /// # Errors
    /// What the function says.
    pub fn slot_list(&self) -> Result<CK_ULONG> {
        let mut slots = [0; 8];
        let mut count = slots.len() as CK_ULONG;
        call!(self, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &mut count));
        Ok(count)
    }

    /// `C_GetSlotInfo`.
    ///
    /// # Errors
    /// What the function says.
    pub fn slot_info(&self, slot: CK_SLOT_ID) -> Result<CK_SLOT_INFO> {
        let mut info = CK_SLOT_INFO::default();
        call!(self, C_GetSlotInfo(slot, &mut info));
        Ok(info)
    }

    /// `C_GetTokenInfo`.
    ///
    /// # Errors
    /// What the function says.
    pub fn token_info(&self, slot: CK_SLOT_ID) -> Result<CK_TOKEN_INFO> {
        let mut info = CK_TOKEN_INFO::default();
        call!(self, C_GetTokenInfo(slot, &mut info));
        Ok(info)
    }

    /// `C_OpenSession`, read-only.
    ///
    /// # Errors
    /// What the function says.
    pub fn open_session(&self, slot: CK_SLOT_ID) -> Result<CK_SESSION_HANDLE> {
        let mut session = 0;
        let flags = CKF_SERIAL_SESSION;
        call!(
            self,
            C_OpenSession(slot, flags, ptr::null_mut(), None, &mut session)
        );
        Ok(session)
    }

    /// `C_GetSessionInfo`.
    ///
    /// # Errors
    /// What the function says.
    pub fn session_info(&self, session: CK_SESSION_HANDLE) -> Result<CK_SESSION_INFO> {
        let mut info = CK_SESSION_INFO::default();
        call!(self, C_GetSessionInfo(session, &mut info));
        Ok(info)
    }

    /// `C_Login` as user.
    ///
    /// # Errors
    /// What the function says.
    pub fn login(&self, session: CK_SESSION_HANDLE, pin: &str) -> Result<()> {
        let length = pin.len() as CK_ULONG;
        let pin = pin.as_ptr().cast_mut();
        call!(self, C_Login(session, CKU_USER, pin, length));
        Ok(())
    }

    /// A whole search by class: its first object.
    ///
    /// # Errors
    /// What the functions say; when there is none.
    pub fn find(
        &self,
        session: CK_SESSION_HANDLE,
        class: CK_OBJECT_CLASS,
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut class = class;
        let mut template = CK_ATTRIBUTE {
            type_: CKA_CLASS,
            pValue: (&raw mut class).cast(),
            ulValueLen: size_of_val(&class) as CK_ULONG,
        };
        let (mut object, mut count) = (0, 0);
        call!(self, C_FindObjectsInit(session, &mut template, 1));
        call!(self, C_FindObjects(session, &mut object, 1, &mut count));
        call!(self, C_FindObjectsFinal(session));
        match count {
            1 => Ok(object),
            _ => Err("no such object".into()),
        }
    }

    /// `C_GetAttributeValue` of the three that every client asks: class, ID, label.
    ///
    /// # Errors
    /// What the function says.
    pub fn attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
    ) -> Result<CK_ULONG> {
        let mut room = [[0_u8; 64]; 3];
        let [class, id, label] = &mut room;
        let mut template =
            [(CKA_CLASS, class), (CKA_ID, id), (CKA_LABEL, label)].map(|(kind, place)| {
                CK_ATTRIBUTE {
                    type_: kind,
                    pValue: place.as_mut_ptr().cast(),
                    ulValueLen: place.len() as CK_ULONG,
                }
            });
        call!(
            self,
            C_GetAttributeValue(session, object, template.as_mut_ptr(), 3)
        );
        Ok(template.map(|attribute| attribute.ulValueLen).iter().sum())
    }

    /// `C_GetAttributeValue` of a certificate's bytes.
    ///
    /// # Errors
    /// What the function says.
    pub fn value(&self, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> Result<CK_ULONG> {
        let mut room = [0_u8; 4096];
        let mut template = CK_ATTRIBUTE {
            type_: CKA_VALUE,
            pValue: room.as_mut_ptr().cast(),
            ulValueLen: room.len() as CK_ULONG,
        };
        call!(self, C_GetAttributeValue(session, object, &mut template, 1));
        Ok(template.ulValueLen)
    }

    /// `C_SignInit` and `C_Sign`.
    ///
    /// # Errors
    /// What the functions say.
    pub fn sign(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
        mechanism: CK_MECHANISM_TYPE,
        data: &[u8],
    ) -> Result<CK_ULONG> {
        let mut pss = CK_RSA_PKCS_PSS_PARAMS {
            hashAlg: CKM_SHA256,
            mgf: CKG_MGF1_SHA256,
            sLen: 32,
        };
        let mut mechanism = match mechanism {
            CKM_RSA_PKCS_PSS => CK_MECHANISM {
                mechanism,
                pParameter: (&raw mut pss).cast(),
                ulParameterLen: size_of_val(&pss) as CK_ULONG,
            },
            _ => CK_MECHANISM {
                mechanism,
                pParameter: ptr::null_mut(),
                ulParameterLen: 0,
            },
        };
        let mut signature = [0; 256];
        let mut length = signature.len() as CK_ULONG;
        call!(self, C_SignInit(session, &mut mechanism, key));
        call!(
            self,
            C_Sign(
                session,
                data.as_ptr().cast_mut(),
                data.len() as CK_ULONG,
                signature.as_mut_ptr(),
                &mut length
            )
        );
        Ok(length)
    }
}
