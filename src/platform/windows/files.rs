//! Files: where settings stand, and opening one without a wait.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::ptr;

use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6464KEY, RegGetValueW,
};
use windows_sys::w;

/// Room for a path (MAX_PATH), in UTF-16 units.
const ROOM: usize = 260;

/// Opening a file does not wait here.
pub(crate) fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Which file is open here. Nothing closes it behind our back.
pub(crate) fn file_identity(_: &File) -> Option<(u64, u64)> {
    None
}

/// The folder of the system's settings: below the one of programs, which only an administrator may write. Any user may
/// make a folder in `C:\ProgramData`.
pub(crate) fn system_settings() -> PathBuf {
    program_files().unwrap_or_else(|| PathBuf::from(r"C:\Program Files"))
}

/// The folder of programs, from the registry's part that only an administrator may write: the variable `ProgramFiles` is
/// the user's to set. The same one for programs of 32 and of 64 bits.
fn program_files() -> Option<PathBuf> {
    let mut path = [0_u16; ROOM];
    let mut bytes = u32::try_from(size_of_val(&path)).ok()?;
    // SAFETY: the names end with NUL; there is room for so many bytes, and for their number.
    let error = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            w!(r"SOFTWARE\Microsoft\Windows\CurrentVersion"),
            w!("ProgramFilesDir"),
            RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY,
            ptr::null_mut(),
            path.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    // The NUL counts.
    let length = usize::try_from(bytes)
        .ok()?
        .checked_div(2)?
        .checked_sub(1)?;
    let path = PathBuf::from(String::from_utf16(path.get(..length)?).ok()?);
    (error == 0 && path.is_absolute()).then_some(path)
}

/// The folder of the user's settings.
pub(crate) fn user_settings(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = variable("APPDATA").map(PathBuf::from)?;
    folder.is_absolute().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_those_of_windows() {
        assert_eq!(system_settings(), PathBuf::from(r"C:\Program Files"));
        let folder =
            |value: &'static str| user_settings(|name| (name == "APPDATA").then(|| value.into()));
        assert_eq!(folder(r"C:\users\a"), Some(PathBuf::from(r"C:\users\a")));
        for ignored in ["", "x", r"\x", "C:x"] {
            assert_eq!(folder(ignored), None, "{ignored}");
        }
    }
}
