//! `pthread_cancel` while a call of ours is under way.

use std::ffi::c_int;

// Not in the crate libc.
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

/// The same number in glibc and musl.
const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// While it lives, this thread is not cancelled: glibc unwinds a cancelled thread, and unwinding through Rust's
/// frames into C ends the program. The cancellation is done at the next point after it.
pub(crate) struct NoCancellation {
    before: c_int,
}

impl NoCancellation {
    pub(crate) fn new() -> NoCancellation {
        let mut before = PTHREAD_CANCEL_DISABLE;
        // SAFETY: the pointer is good for one c_int.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        NoCancellation { before }
    }
}

impl Drop for NoCancellation {
    fn drop(&mut self) {
        let mut ours = 0;
        // SAFETY: as above; the state is the one that the thread had.
        unsafe { pthread_setcancelstate(self.before, &raw mut ours) };
    }
}
