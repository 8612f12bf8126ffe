//! The arguments of `C_Initialize` (PKCS#11 3.2, 5.4.1).

use cryptoki_sys::{
    CK_C_INITIALIZE_ARGS, CK_VOID_PTR, CKF_LIBRARY_CANT_CREATE_OS_THREADS, CKF_OS_LOCKING_OK,
};

use super::Argument;
use super::input::In;
use crate::cryptoki::rv::{Result, Rv};
use crate::platform::GuardedRead;

/// The arguments of `C_Initialize`.
pub(super) struct InitializeArgs(In<CK_C_INITIALIZE_ARGS>);

impl Argument for InitializeArgs {
    type Raw = CK_VOID_PTR;

    unsafe fn new(raw: CK_VOID_PTR) -> InitializeArgs {
        // SAFETY: the caller's promise is the same.
        InitializeArgs(unsafe { In::new(raw.cast()) })
    }
}

impl InitializeArgs {
    /// May the library start threads of its own?
    pub(super) fn allow_threads(&self) -> bool {
        let flags = self.0.get().map_or(0, |args| args.flags);
        flags & CKF_LIBRARY_CANT_CREATE_OS_THREADS == 0
    }

    /// Checks what they ask for, and gives the configuration in `pReserved`.
    ///
    /// We lock with the operating system's primitives in every case. The only request we cannot
    /// serve is mutex functions without `CKF_OS_LOCKING_OK`: the standard's third case, "the library
    /// needs to use the supplied function pointers", and `CKR_CANT_LOCK` where it does not.
    ///
    /// The standard wants `pReserved` NULL. NSS ("library parameters") and p11-kit
    /// ("x-init-reserved") put a configuration string there, and so do we read it: as far as
    /// [`MAX_RESERVED`], and with U+FFFD for what is not UTF-8, so that `config` can name the fault.
    pub(super) fn reserved(&self) -> Result<Option<String>> {
        let Some(args) = self.0.get() else {
            return Ok(None);
        };
        // Copies: the structure is packed on Windows.
        let callbacks = [
            { args.CreateMutex }.is_some(),
            { args.DestroyMutex }.is_some(),
            { args.LockMutex }.is_some(),
            { args.UnlockMutex }.is_some(),
        ];
        match (callbacks, args.flags & CKF_OS_LOCKING_OK != 0) {
            ([false, false, false, false], _) | ([true, true, true, true], true) => {}
            ([true, true, true, true], false) => return Err(Rv::CantLock.into()),
            _ => return Err(Rv::ArgumentsBad.into()),
        }
        let text: *const u8 = args.pReserved.cast_const().cast();
        if text.is_null() {
            return Ok(None);
        }
        // The standard promises NULL here, so that whatever else it is may be no pointer at all.
        let memory = GuardedRead::new().ok_or(Rv::HostMemory)?;
        let bytes = memory.string(text, MAX_RESERVED).ok_or(Rv::ArgumentsBad)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// A longer configuration is cut off here.
const MAX_RESERVED: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, CString};
    use std::ptr;

    use cryptoki_sys::{CK_FLAGS, CK_RV};

    use super::*;

    unsafe extern "C" fn create(_: *mut CK_VOID_PTR) -> CK_RV {
        unreachable!("we never lock with the application's functions")
    }

    unsafe extern "C" fn other(_: CK_VOID_PTR) -> CK_RV {
        unreachable!("we never lock with the application's functions")
    }

    fn args(
        callbacks: [bool; 4],
        flags: CK_FLAGS,
        reserved: Option<&CStr>,
    ) -> CK_C_INITIALIZE_ARGS {
        CK_C_INITIALIZE_ARGS {
            CreateMutex: callbacks[0].then_some(create as _),
            DestroyMutex: callbacks[1].then_some(other as _),
            LockMutex: callbacks[2].then_some(other as _),
            UnlockMutex: callbacks[3].then_some(other as _),
            flags,
            pReserved: reserved.map_or(ptr::null_mut(), |text| text.as_ptr().cast_mut().cast()),
        }
    }

    fn reserved(args: Option<&CK_C_INITIALIZE_ARGS>) -> Result<Option<String>> {
        let args = args.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: NULL, or arguments of ours.
        unsafe { InitializeArgs::new(args.cast_mut().cast()) }.reserved()
    }

    #[test]
    fn locking_as_the_standard_has_it() {
        for bits in 0..16 {
            let callbacks = [0, 1, 2, 3].map(|bit| bits >> bit & 1 == 1);
            for flags in [0, CKF_OS_LOCKING_OK, CKF_LIBRARY_CANT_CREATE_OS_THREADS] {
                let args = args(callbacks, flags, None);
                let expected = match bits {
                    0 => None,
                    15 if flags == CKF_OS_LOCKING_OK => None,
                    15 => Some(Rv::CantLock),
                    _ => Some(Rv::ArgumentsBad),
                };
                let got = reserved(Some(&args));
                assert_eq!(got.err().map(|error| error.rv()), expected);
            }
        }
    }

    #[test]
    fn the_reserved_string() {
        let text = |text: &CStr| {
            let args = args([false; 4], 0, Some(text));
            reserved(Some(&args)).unwrap().unwrap()
        };
        assert_eq!(text(c"pss = \"off\""), "pss = \"off\"");
        assert_eq!(text(c""), "");
        assert_eq!(text(c"pss \xff"), "pss \u{fffd}");
        let long = CString::new(vec![b'x'; MAX_RESERVED + 1]).unwrap();
        assert_eq!(text(&long).len(), MAX_RESERVED);
        assert_eq!(reserved(None).unwrap(), None);
        for address in [1, 0x10, 0xdead_beef] {
            let mut args = args([false; 4], 0, None);
            args.pReserved = ptr::without_provenance_mut(address);
            let refused = reserved(Some(&args)).unwrap_err();
            assert_eq!(refused.rv(), Rv::ArgumentsBad);
        }
    }
}
