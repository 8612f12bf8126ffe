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
        let only = pipe_signal_alone();
        let (mut before, mut pending) = (only, only);
        // SAFETY: fills the set that it is given.
        unsafe { libc::sigpending(&raw mut pending) };
        // SAFETY: reads one set and fills the other.
        let blocked =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const only, &raw mut before) };
        // SAFETY: reads the set.
        let pending = unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) } == 1;
        (blocked == 0).then_some(PipeSignal {
            only,
            before,
            pending,
        })
    }

    /// `failed`: the write may have caused a signal, which is taken away.
    fn restore(self, failed: bool) {
        if failed && !self.pending {
            let no_time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: reads the set and the time; nothing is to be told of the signal.
            unsafe {
                libc::sigtimedwait(&raw const self.only, ptr::null_mut(), &raw const no_time)
            };
        }
        let before = &raw const self.before;
        // SAFETY: reads the set that `block` got.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut()) };
    }
}

fn pipe_signal_alone() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: fills the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set was filled.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: changes the set.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}
