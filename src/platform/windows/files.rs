//! Files: where settings stand, and opening one without a wait.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;

/// Opening a file does not wait here.
pub(crate) fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Which file is open here. Nothing closes it behind our back.
pub(crate) fn file_identity(_: &File) -> Option<(u64, u64)> {
    None
}

/// The folder of the system's settings: below the one of programs, which only an administrator may write. Anybody may
/// make a folder in C:\\ProgramData.
pub(crate) fn system_settings() -> PathBuf {
    // A host can set another value for itself alone, and could read our memory as well.
    let programs = std::env::var_os("ProgramFiles").map(PathBuf::from);
    let programs = programs.filter(|path| path.is_absolute());
    programs.unwrap_or_else(|| PathBuf::from(r"C:\Program Files"))
}

/// The folder of the user's settings.
pub(crate) fn user_settings(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = variable("APPDATA").map(PathBuf::from)?;
    folder.is_absolute().then_some(folder)
}
