//! Reads through a pointer that may lead nowhere.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

/// No page of memory is smaller, in bytes.
const PAGE: usize = 4096;

/// Memory that somebody else has named.
pub(crate) struct GuardedRead {
    /// The kernel copies a byte into it, or says EFAULT.
    writer: OwnedFd,
    reader: OwnedFd,
}

impl GuardedRead {
    /// `None`: no file descriptors are left.
    pub(crate) fn new() -> Option<GuardedRead> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        Some(GuardedRead { writer, reader })
    }

    /// The bytes of a string that ends with NUL, at most `most` of them, without it. `None`: memory that cannot be
    /// read comes first. Nothing behind the NUL is read.
    pub(crate) fn string(&self, address: *const u8, most: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for index in 0..most {
            let at = address.wrapping_add(index);
            let first_of_page = index == 0 || at.addr().is_multiple_of(PAGE);
            if first_of_page && !self.can_read(at) {
                return None;
            }
            // SAFETY: the kernel has just read a byte of this page.
            match unsafe { at.read() } {
                0 => break,
                byte => bytes.push(byte),
            }
        }
        Some(bytes)
    }

    fn can_read(&self, address: *const u8) -> bool {
        // SAFETY: the kernel checks the address itself; the byte goes into a pipe of ours.
        let written = unsafe { libc::write(self.writer.as_raw_fd(), address.cast(), 1) };
        let mut byte = [0];
        written == 1 && rustix::io::read(&self.reader, &mut byte) == Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_that_lead_nowhere() {
        let guarded = GuardedRead::new().unwrap();
        for address in [1, 0x10, 0xdead_beef, usize::MAX, usize::MAX - 4095] {
            let pointer = std::ptr::without_provenance(address);
            assert_eq!(guarded.string(pointer, 100), None, "{address:#x}");
        }
        assert_eq!(
            guarded.string(c"text".as_ptr().cast(), 100),
            Some(b"text".to_vec())
        );
        assert_eq!(
            guarded.string(c"text".as_ptr().cast(), 3),
            Some(b"tex".to_vec())
        );
        let long = std::ffi::CString::new(vec![b'x'; 3 * PAGE]).unwrap();
        let read = guarded.string(long.as_ptr().cast(), 4 * PAGE);
        assert_eq!(read.map(|bytes| bytes.len()), Some(3 * PAGE));
    }
}
