//! The module in the host's memory.

/// Keeps it there when the host unloads it: the linker's `-z nodelete` does (build.rs).
pub(crate) fn stay_loaded() {}
