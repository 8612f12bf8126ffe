//! The C ABI of PKCS#11: pointers become values, one method of `cryptoki` is called, its answer becomes a CK_RV.
//! It may import `cryptoki` and the leaves.
//!
//! A function of the standard is a line or three here, and all of them safe Rust:
//! - its parameters have types which say what the pointers are for (`input`, `output`). They are
//!   made in one `unsafe` place, the `cryptoki!` macro; what they then allow is safe;
//! - checks come in the order "initialised, session handle, pointers, everything else", and an
//!   output's place is checked before the work is done for it;
//! - `guard` logs, turns an `Err` into its code and lets no panic out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cryptoki_sys::{CK_BBOOL, CK_FLAGS, CK_NOTIFY, CK_RV, CK_SESSION_HANDLE, CK_ULONG, CKR_OK};

use crate::cryptoki::rv::{Error, Result, Rv};
use crate::platform::NoCancellation;

/// Writes the functions of a chapter of the standard.
///
/// ```text
/// fn C_Name(value: Kind, (pointer, length): Kind, …) [ends CKF_… of session] { body }
/// ```
/// `Kind` is an [`Argument`] for a single C parameter and a [`Pair`] for two that belong together;
/// the body sees the value under the (first) name. `ends` names the operation that an argument
/// error ends, see [`ending`].
macro_rules! cryptoki {
    ($(
        $(#[$doc:meta])*
        fn $name:ident(
            $( $(($pointer:ident, $length:ident))? $($value:ident)? : $kind:ty ),* $(,)?
        ) $(ends $operation:ident of $session:ident)? $body:block
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Every pointer is NULL or good for what the standard says of this parameter, and stays so
        /// until the function returns.
        #[allow(non_snake_case, reason = "the name is the standard's")]
        pub(super) unsafe extern "C" fn $name($(
            $($pointer: <$kind as $crate::ffi::Pair>::Pointer,
              $length: <$kind as $crate::ffi::Pair>::Length)?
            $($value: <$kind as $crate::ffi::Argument>::Raw)?
        ),*) -> cryptoki_sys::CK_RV {
            $(
                $(
                    // SAFETY: the caller's promise above is the one that `new` asks for, and the
                    // value does not outlive this function.
                    let $pointer = unsafe { <$kind as $crate::ffi::Pair>::new($pointer, $length) };
                )?
                $(
                    // SAFETY: as above.
                    let $value = unsafe { <$kind as $crate::ffi::Argument>::new($value) };
                )?
            )*
            let body = move || -> $crate::cryptoki::rv::Result<()> { $body };
            $(let body = move || $crate::ffi::ending($session, cryptoki_sys::$operation, body);)?
            $crate::ffi::guard(stringify!($name), body)
        }
    )*};
}

mod attributes;
mod digest;
mod general;
mod initialize;
mod input;
mod list;
mod message;
mod object;
mod output;
mod process;
mod random;
mod return_codes;
mod session;
mod sign;
mod slot;
mod unsupported;
mod verify;

pub use list::{C_GetFunctionList, C_GetInterface, C_GetInterfaceList};
pub use process::initialize_with;

/// What one parameter of a C function becomes.
trait Argument {
    /// The parameter as C passes it.
    type Raw;

    /// # Safety
    /// A pointer in `raw` is NULL or good for what the type does with it, for as long as the value
    /// lives.
    unsafe fn new(raw: Self::Raw) -> Self;
}

/// What two parameters that belong together become: a pointer and a length, or a pointer to one.
trait Pair {
    /// The first parameter as C passes it.
    type Pointer;
    /// The second one.
    type Length;

    /// # Safety
    /// As [`Argument::new`].
    unsafe fn new(pointer: Self::Pointer, length: Self::Length) -> Self;
}

/// Parameters that are values already.
macro_rules! plain_arguments {
    ($($kind:ty),*) => {$(
        impl Argument for $kind {
            type Raw = $kind;

            unsafe fn new(raw: $kind) -> $kind {
                raw
            }
        }
    )*};
}

// CK_ULONG is every handle, every ID and every flag word.
plain_arguments!(CK_ULONG, CK_BBOOL, CK_NOTIFY);

/// Runs the body of a C function: logs its name and its code (never data), maps an error to its
/// code, and stops a panic, because unwinding into C is undefined. After a panic nobody knows what
/// holds any more: the module answers `CKR_GENERAL_ERROR` until `C_Finalize`.
fn guard(function: &'static str, body: impl FnOnce() -> Result<()>) -> CK_RV {
    let _whole = NoCancellation::new();
    let call = AssertUnwindSafe(|| {
        log::debug!("{function}");
        match body() {
            Ok(()) => {
                log::debug!("{function}: CKR_OK");
                CKR_OK
            }
            Err(error) => {
                let rv = return_codes::listed(function, error.rv());
                match error {
                    Error::Rv(cause) if cause == rv => log::debug!("{function}: {}", rv.name()),
                    cause => log::debug!("{function}: {} ({cause})", rv.name()),
                }
                rv.code()
            }
        }
    });
    catch_unwind(call).unwrap_or_else(|payload| {
        process::panicked();
        // Logging can panic, and so can a payload when it is dropped. What then comes out of the
        // second `catch_unwind` is leaked: only that cannot panic.
        let aftermath = AssertUnwindSafe(|| {
            log::error!("{function}: caught a panic, this is a bug of the module");
            drop(payload);
        });
        std::mem::forget(catch_unwind(aftermath));
        Rv::GeneralError.code()
    })
}

/// Ends the session's operation when the body fails on its arguments. By the standard
/// a call of `C_Sign` and its like ends the operation in every case but two: it tells a length, or
/// `CKR_BUFFER_TOO_SMALL`; `cryptoki` cannot do that for a call that never reached it.
fn ending(
    session: CK_SESSION_HANDLE,
    operation: CK_FLAGS,
    body: impl FnOnce() -> Result<()>,
) -> Result<()> {
    body().inspect_err(|error| {
        if let (Error::Rv(Rv::ArgumentsBad), Ok(module)) = (error, process::module()) {
            // The caller hears of the arguments, not of a session that is gone meanwhile.
            module.session_cancel(session, operation).ok();
        }
    })
}

#[cfg(test)]
mod tests {
    use cryptoki_sys::{CKR_DEVICE_REMOVED, CKR_GENERAL_ERROR, CKR_SLOT_ID_INVALID};

    use super::*;
    use crate::{card, pcsc};

    #[test]
    fn errors_become_their_codes() {
        assert_eq!(guard("ok", || Ok(())), CKR_OK);
        assert_eq!(
            guard("rv", || Err(Rv::SlotIdInvalid.into())),
            CKR_SLOT_ID_INVALID
        );
        assert_eq!(
            guard("cause", || Err(
                card::Error::from(pcsc::Error::Removed).into()
            )),
            CKR_DEVICE_REMOVED
        );
    }

    #[test]
    fn a_panic_does_not_cross() {
        assert_eq!(guard("panic", || panic!("caught")), CKR_GENERAL_ERROR);
    }

    #[test]
    fn not_even_a_panic_that_panics_when_it_is_dropped() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let code = guard("bomb", || std::panic::panic_any(Bomb));
        assert_eq!(code, CKR_GENERAL_ERROR);
    }
}
