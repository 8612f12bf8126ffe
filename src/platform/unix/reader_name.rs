//! The names of readers.

use std::ffi::CStr;

/// The text of a name. It is UTF-8, of which pcscd can cut the end off (docs/pcscd.md).
pub(crate) fn reader_text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}
