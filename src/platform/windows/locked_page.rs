//! One page of memory for secrets: locked, wiped when dropped.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualFree, VirtualLock,
};
use zeroize::Zeroize;

/// Bytes of a page.
const SIZE: usize = 4096;

/// One private page from the system.
pub(crate) struct LockedPage {
    start: NonNull<u8>,
}

// SAFETY: the page belongs to this value alone; nothing about it is bound to a thread.
unsafe impl Send for LockedPage {}
// SAFETY: shared references only read.
unsafe impl Sync for LockedPage {}

impl LockedPage {
    /// A page of zeros. `None`: the system has no memory.
    pub(crate) fn new() -> Option<LockedPage> {
        // SAFETY: asks for fresh memory at no particular address.
        let start =
            unsafe { VirtualAlloc(ptr::null(), SIZE, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE) };
        let page = LockedPage {
            start: NonNull::new(start.cast())?,
        };
        // SAFETY: the memory above.
        if unsafe { VirtualLock(page.address(), SIZE) } == 0 {
            log::warn!("the memory for the PIN could not be locked");
        }
        Some(page)
    }

    fn address(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }

    /// The whole page.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the memory has SIZE bytes, and VirtualAlloc gives zeros.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), SIZE) }
    }

    /// The whole page, to write.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` excludes every other reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), SIZE) }
    }
}

impl Drop for LockedPage {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        // SAFETY: the memory is ours and no reference to it is left. It is unlocked too.
        unsafe { VirtualFree(self.address(), 0, MEM_RELEASE) };
    }
}
