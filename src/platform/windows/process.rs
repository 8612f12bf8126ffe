//! What other systems have and this one has not: fork, thread cancellation, terminals with names.

use std::path::Path;

/// While it lives, this thread is not cancelled: no thread is here.
pub(crate) struct NoCancellation;

impl NoCancellation {
    pub(crate) fn new() -> NoCancellation {
        NoCancellation
    }
}

/// While this lives, a child after fork does not keep the socket: there is no fork.
pub(crate) struct NotInherited;

impl NotInherited {
    /// Is the socket still there? There is none.
    pub(crate) fn is_open(&self) -> bool {
        true
    }
}

/// Opens it.
pub(crate) fn not_inherited<T>(
    open: impl FnOnce() -> T,
    _: impl Fn(&Path) -> bool,
) -> (T, Option<NotInherited>) {
    (open(), None)
}

/// A number that no parent or child of this process has.
pub(crate) fn process_identity() -> u64 {
    u64::from(std::process::id())
}

/// Has the process as many files open as it may? There is no such limit.
pub(crate) fn has_no_descriptor_left() -> bool {
    false
}

/// The terminal that the program was started at.
pub(crate) fn terminal_name() -> Option<String> {
    None
}
