//! Linux, and as far as the compiler tells macOS.

mod descriptors;
mod files;
#[cfg(test)]
pub(crate) mod for_tests;
mod guarded_read;
mod loaded;
mod locale;
mod locked_page;
mod no_cancellation;
mod not_inherited;
mod privileges;
mod process_identity;
mod quiet_write;
mod reader_name;
mod standard_error;
mod subprocess;
mod terminal;

pub(crate) use descriptors::has_no_descriptor_left;
pub(crate) use files::{file_identity, system_settings, user_settings, without_waiting};
pub(crate) use guarded_read::GuardedRead;
pub(crate) use loaded::stay_loaded;
pub(crate) use locale::system_locale;
pub(crate) use locked_page::LockedPage;
pub(crate) use no_cancellation::NoCancellation;
pub(crate) use not_inherited::{NotInherited, not_inherited};
pub(crate) use privileges::is_privileged;
pub(crate) use process_identity::process_identity;
pub(crate) use quiet_write::write_quietly;
pub(crate) use reader_name::reader_text;
pub(crate) use standard_error::standard_error;
pub(crate) use subprocess::Subprocess;
pub(crate) use terminal::terminal_name;
