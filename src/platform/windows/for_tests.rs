//! What unit tests need of the system. A test that asks for what is not here fails.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::symlink_file;
use std::path::{Path, PathBuf};

/// A variable that says where the user's settings are.
pub(crate) const USER_SETTINGS: (&str, &str) = ("APPDATA", r"C:\x");

/// A link to a file.
pub(crate) fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    symlink_file(original, link)
}

/// What whole paths begin with.
pub(crate) const DRIVE: &str = "C:";

/// A value that is not Unicode.
pub(crate) fn not_unicode() -> OsString {
    OsString::from_wide(&[0xd800, u16::from(b'=')])
}

/// Sets what the user may do with a file.
pub(crate) fn set_mode(_: &Path, _: u32) {
    panic!("files have no mode");
}

/// What can be opened and is no file.
pub(crate) fn special_files(_: &Path) -> Vec<PathBuf> {
    vec![PathBuf::from("NUL"), PathBuf::from("CON")]
}

/// What starts a program with rights that its caller does not have: the user's consent alone does.
pub(crate) fn privileged_starters() -> &'static [&'static [&'static str]] {
    &[]
}

/// Is this true in a forked child?
pub(crate) fn in_child(_: impl FnOnce() -> bool) -> bool {
    panic!("there is no fork");
}
