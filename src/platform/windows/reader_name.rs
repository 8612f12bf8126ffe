//! The names of readers, which PC/SC's older functions give in the code page of the system.

use std::ffi::CStr;
use std::ptr;

use windows_sys::Win32::Globalization::{CP_ACP, MultiByteToWideChar};

/// The text of a name: `pcsc` calls `SCardListReadersA`.
pub(crate) fn reader_text(name: &CStr) -> String {
    decoded(name).unwrap_or_else(|| name.to_string_lossy().into_owned())
}

fn decoded(name: &CStr) -> Option<String> {
    let bytes = name.to_bytes();
    let length = i32::try_from(bytes.len()).ok()?;
    // SAFETY: reads so many bytes; without room it answers how many units they are.
    let units =
        unsafe { MultiByteToWideChar(CP_ACP, 0, bytes.as_ptr(), length, ptr::null_mut(), 0) };
    let mut text = vec![0_u16; usize::try_from(units).ok()?];
    // SAFETY: the same bytes, and room for so many units.
    let filled =
        unsafe { MultiByteToWideChar(CP_ACP, 0, bytes.as_ptr(), length, text.as_mut_ptr(), units) };
    (filled > 0 && filled == units).then(|| String::from_utf16_lossy(&text))
}
