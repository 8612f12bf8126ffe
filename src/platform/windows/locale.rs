//! The user's language.

use windows_sys::Win32::Globalization::GetUserDefaultLocaleName;

/// Room for a name (LOCALE_NAME_MAX_LENGTH).
const ROOM: usize = 85;

/// What the system says of it, as the variables of the locale would: `ja_JP`.
pub(crate) fn system_locale() -> Option<String> {
    let mut name = [0_u16; ROOM];
    let room = i32::try_from(ROOM).ok()?;
    // SAFETY: fills in at most so many units.
    let length = unsafe { GetUserDefaultLocaleName(name.as_mut_ptr(), room) };
    // The NUL counts.
    let length = usize::try_from(length).ok()?.checked_sub(1)?;
    Some(String::from_utf16_lossy(name.get(..length)?).replace('-', "_"))
}
