//! Reads through a pointer that may lead nowhere.

use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// Memory that somebody else has named.
pub(crate) struct GuardedRead;

impl GuardedRead {
    /// Never `None` here.
    pub(crate) fn new() -> Option<GuardedRead> {
        Some(GuardedRead)
    }

    /// The bytes of a string that ends with NUL, at most `most` of them, without it. `None`: memory that cannot be
    /// read comes first. Nothing behind the NUL is read.
    pub(crate) fn string(&self, address: *const u8, most: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for index in 0..most {
            match read(address.wrapping_add(index))? {
                0 => break,
                byte => bytes.push(byte),
            }
        }
        Some(bytes)
    }
}

fn read(address: *const u8) -> Option<u8> {
    let mut byte = 0_u8;
    let mut read = 0;
    // SAFETY: answers with the pseudo handle of this process.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the system checks the address; there is room for one byte and the count.
    let good = unsafe {
        ReadProcessMemory(
            process,
            address.cast(),
            (&raw mut byte).cast(),
            1,
            &raw mut read,
        )
    };
    (good != 0 && read == 1).then_some(byte)
}
