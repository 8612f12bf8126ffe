//! What only the operating system can do, for each system the same names. A leaf: it imports nothing of the crate, and nothing else
//! of the crate asks which system it is, but for `messages`.

#[cfg_attr(unix, path = "unix/mod.rs")]
#[cfg_attr(windows, path = "windows/mod.rs")]
mod system;

#[cfg(test)]
pub(crate) use system::for_tests;
pub(crate) use system::{
    GuardedRead, LockedPage, NoCancellation, NotInherited, Subprocess, file_identity,
    has_no_descriptor_left, is_privileged, not_inherited, process_identity, reader_text,
    standard_error, stay_loaded, system_locale, system_settings, terminal_name, user_settings,
    without_waiting, write_quietly,
};
