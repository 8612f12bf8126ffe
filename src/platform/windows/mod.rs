//! Windows. Experimental: built and tested under Wine (docs/windows.md).

mod files;
#[cfg(test)]
pub(crate) mod for_tests;
mod guarded_read;
mod loaded;
mod locale;
mod locked_page;
mod privileges;
mod process;
mod reader_name;
mod standard_error;
mod subprocess;

pub(crate) use files::{file_identity, system_settings, user_settings, without_waiting};
pub(crate) use guarded_read::GuardedRead;
pub(crate) use loaded::stay_loaded;
pub(crate) use locale::system_locale;
pub(crate) use locked_page::LockedPage;
pub(crate) use privileges::is_privileged;
pub(crate) use process::{
    NoCancellation, NotInherited, has_no_descriptor_left, not_inherited, process_identity,
    terminal_name,
};
pub(crate) use reader_name::reader_text;
pub(crate) use standard_error::{standard_error, write_quietly};
pub(crate) use subprocess::Subprocess;
