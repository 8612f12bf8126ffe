//! One page of memory for secrets: locked, not dumped, empty in a forked child, wiped when dropped.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize;

/// Bytes of a page. The system rounds a mapping up to whole pages, so a larger page does no harm, and
/// the size needs not be asked for: rustix::param reads the auxiliary vector, which ends a program
/// that runs under valgrind.
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
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: asks for fresh memory at no particular address; no existing memory is touched.
        let start =
            unsafe { mmap_anonymous(ptr::null_mut(), SIZE, protection, MapFlags::PRIVATE) }.ok()?;
        let page = LockedPage {
            start: NonNull::new(start.cast())?,
        };
        page.protect();
        Some(page)
    }

    /// Keeps the page out of swap, core dumps and forked children. A system that refuses one of
    /// these (a memory lock limit of 0) gets a warning, not a failure: without any login the holder
    /// would turn to a program that keeps the PIN on its heap.
    fn protect(&self) {
        // SAFETY: start and SIZE are those of the mapping, which lives as long as self.
        if unsafe { mlock(self.address(), SIZE) }.is_err() {
            log::warn!("the memory for the PIN could not be locked (RLIMIT_MEMLOCK)");
        }
        #[cfg(target_os = "linux")]
        for advice in [Advice::LinuxDontDump, Advice::LinuxWipeOnFork] {
            // SAFETY: as above; both kinds of advice leave the content as it is.
            if unsafe { madvise(self.address(), SIZE, advice) }.is_err() {
                log::warn!("the system refuses memory advice {advice:?} for the PIN's page");
            }
        }
    }

    fn address(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }

    /// The whole page.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has SIZE bytes, and mmap gives zeroed memory.
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
        // SAFETY: the mapping is ours and no reference to it is left. munmap also unlocks.
        let freed = unsafe { munmap(self.address(), SIZE) };
        debug_assert_eq!(freed, Ok(()));
    }
}
