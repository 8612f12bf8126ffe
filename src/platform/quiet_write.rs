//! Writes to a descriptor of the program without a signal for it.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

/// Writes once. A pipe whose reader has gone gives no SIGPIPE, which would end the program for a line of ours.
pub(crate) fn write_quietly(descriptor: impl AsFd, bytes: &[u8]) {
    let Some(blocked) = PipeSignal::block() else {
        return;
    };
    let descriptor = descriptor.as_fd().as_raw_fd();
    // SAFETY: the bytes are there for the call.
    let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
    blocked.restore(written < 0);
}

/// SIGPIPE blocked for this thread.
struct PipeSignal {
    only: libc::sigset_t,
    before: libc::sigset_t,
    /// It was pending before, from somebody else.
    pending: bool,
}

impl PipeSignal {
    fn block() -> Option<PipeSignal> {
        let mut only = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        let mut pending = MaybeUninit::uninit();
        // SAFETY: each function fills the set that it is given, and `sigemptyset` comes before `sigaddset`.
        unsafe {
            libc::sigemptyset(only.as_mut_ptr());
            libc::sigaddset(only.as_mut_ptr(), libc::SIGPIPE);
            libc::sigpending(pending.as_mut_ptr());
            if libc::pthread_sigmask(libc::SIG_BLOCK, only.as_ptr(), before.as_mut_ptr()) != 0 {
                return None;
            }
            Some(PipeSignal {
                only: only.assume_init(),
                before: before.assume_init(),
                pending: libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1,
            })
        }
    }

    /// `failed`: the write may have caused a signal, which is taken away.
    fn restore(self, failed: bool) {
        let no_time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the sets were filled by `block`.
        unsafe {
            if failed && !self.pending {
                libc::sigtimedwait(&raw const self.only, ptr::null_mut(), &raw const no_time);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut());
        }
    }
}
