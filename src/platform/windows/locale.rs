//! The user's language.

use windows_sys::Win32::Globalization::{GetUserDefaultUILanguage, LCIDToLocaleName};

/// Room for a name (LOCALE_NAME_MAX_LENGTH).
const ROOM: usize = 85;

/// The language of the user's windows, as the variables of the locale would name it: `ja_JP`. The format of dates and
/// numbers may be another country's.
pub(crate) fn system_locale() -> Option<String> {
    let mut name = [0_u16; ROOM];
    let room = i32::try_from(ROOM).ok()?;
    // SAFETY: asks for a number.
    let language = unsafe { GetUserDefaultUILanguage() };
    // SAFETY: fills in at most so many units.
    let length = unsafe { LCIDToLocaleName(language.into(), name.as_mut_ptr(), room, 0) };
    // The NUL counts.
    let length = usize::try_from(length).ok()?.checked_sub(1)?;
    Some(String::from_utf16_lossy(name.get(..length)?).replace('-', "_"))
}
