//! Standard error, which a program with windows has not.

use std::io::{self, Write};

use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};
use windows_sys::Win32::System::Diagnostics::Debug::OutputDebugStringW;

/// Where lines for people go.
pub(crate) enum StandardError {
    /// The stream.
    Stream(io::Stderr),
    /// What a debugger shows, or DebugView.
    Debugger,
}

/// Standard error, or what takes its place.
pub(crate) fn standard_error() -> Option<StandardError> {
    // SAFETY: asks for a handle, which stays the system's.
    let handle = unsafe { GetStdHandle(STD_ERROR_HANDLE) };
    Some(match handle.is_null() {
        true => StandardError::Debugger,
        false => StandardError::Stream(io::stderr()),
    })
}

/// Writes once; there is no signal for a pipe whose reader has gone.
pub(crate) fn write_quietly(mut stream: impl Write, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            StandardError::Stream(stream) => stream.write(bytes),
            StandardError::Debugger => {
                let text: Vec<u16> = String::from_utf8_lossy(bytes)
                    .encode_utf16()
                    .chain([0])
                    .collect();
                // SAFETY: a text that ends with NUL.
                unsafe { OutputDebugStringW(text.as_ptr()) };
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
