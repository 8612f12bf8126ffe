//! Whether the program may open another file.

use std::fs::File;

/// Has the process, or the system, as many files open as it may?
pub(crate) fn has_no_descriptor_left() -> bool {
    let error = File::open("/dev/null").err();
    let number = error.and_then(|error| error.raw_os_error());
    matches!(number, Some(libc::EMFILE | libc::ENFILE))
}
