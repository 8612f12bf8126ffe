//! Which process this is, told from its parent by memory that fork empties.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// Bytes of the mapping; the system rounds it up to a page.
const SIZE: usize = size_of::<AtomicU64>();

/// A page that is all zeros in a child after fork (`MADV_WIPEONFORK`). NULL before the first question.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// The last number that was given. A child inherits it.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A number that no parent or child of this process has. The process ID would not do: in a PID namespace a child
/// can have its parent's. Where the system cannot empty a page (Linux before 4.14), it is the process ID all the same.
pub(crate) fn process_identity() -> u64 {
    let Some(number) = page() else {
        return u64::from(std::process::id());
    };
    match number.load(Ordering::Acquire) {
        0 => {
            let fresh = LAST.fetch_add(1, Ordering::AcqRel) + 1;
            let first = number.compare_exchange(0, fresh, Ordering::AcqRel, Ordering::Acquire);
            first.map_or_else(|other| other, |_| fresh)
        }
        known => known,
    }
}

fn page() -> Option<&'static AtomicU64> {
    let known = PAGE.load(Ordering::Acquire);
    // SAFETY: NULL, or a mapping that is never unmapped and has room for an AtomicU64, which all zeros are.
    if let Some(number) = unsafe { known.as_ref() } {
        return Some(number);
    }
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: asks for fresh memory at no particular address.
    let fresh = unsafe { mmap_anonymous(ptr::null_mut(), SIZE, protection, MapFlags::PRIVATE) };
    let fresh = fresh.ok()?;
    // SAFETY: the mapping above; the advice leaves the content as it is.
    let wiped = unsafe { madvise(fresh, SIZE, Advice::LinuxWipeOnFork) }.is_ok();
    let (old, new) = (ptr::null_mut(), fresh.cast());
    let kept = match wiped {
        true => PAGE.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire),
        false => Err(old),
    };
    let known = match kept {
        Ok(_) => new,
        Err(other) => {
            // SAFETY: the mapping above, which nobody else has seen: another thread was first, or it is of no use.
            let _ = unsafe { munmap(fresh, SIZE) };
            other
        }
    };
    // SAFETY: as at the first one.
    unsafe { known.as_ref() }
}
