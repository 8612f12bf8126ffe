//! Whether the process has rights that other programs of its user do not have.

use std::ptr;

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE};
use windows_sys::Win32::Security::{
    GetTokenInformation, TOKEN_ELEVATION_TYPE, TOKEN_QUERY, TokenElevationType,
    TokenElevationTypeFull,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Is this process elevated (UAC)? Then programs of the same user without its rights can write the user's settings and,
/// in `HKEY_CURRENT_USER\Environment`, its variables. Where UAC is off, and for a service, there is no such difference.
pub(crate) fn is_privileged() -> bool {
    // An elevated process may always look at its own token.
    elevation_type().is_none_or(|kind| kind == TokenElevationTypeFull)
}

fn elevation_type() -> Option<TOKEN_ELEVATION_TYPE> {
    // SAFETY: answers with the pseudo handle of this process.
    let process = unsafe { GetCurrentProcess() };
    let mut token: HANDLE = ptr::null_mut();
    // SAFETY: there is room for the handle.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
        return None;
    }
    let mut kind: TOKEN_ELEVATION_TYPE = 0;
    let size = u32::try_from(size_of::<TOKEN_ELEVATION_TYPE>()).ok()?;
    let mut written = 0;
    // SAFETY: the token is open; there is room for the type and for the length.
    let good = unsafe {
        GetTokenInformation(
            token,
            TokenElevationType,
            (&raw mut kind).cast(),
            size,
            &raw mut written,
        )
    };
    // SAFETY: the handle from above, not used any more.
    unsafe { CloseHandle(token) };
    (good != 0).then_some(kind)
}
