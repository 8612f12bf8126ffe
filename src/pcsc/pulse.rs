//! Is pcscd alive? pcsc-lite's library waits for its answers without any limit: a pcscd that hangs
//! (stopped, or stuck in a driver) would hang us. It uses a socket of its own. It never sends a byte.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, shutdown,
    socket_with,
};

use super::Error;

/// Who has answered so recently is taken to be alive.
const FRESH: Duration = Duration::from_millis(500);

/// So long may the first sign of life take: a pcscd that the first connection starts has to look for
/// its readers before.
const PATIENCE: Duration = Duration::from_secs(5);

/// So long is waited for one that gave no sign the last time.
const LESS_PATIENCE: Duration = Duration::from_millis(500);

/// And so long it is not asked again in between.
const PAUSE: Duration = Duration::from_secs(5);

/// The queue of pcscd's socket holds one connection: several programs at once are no sign of death.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// What was seen of pcscd last. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    alive_at: Option<Instant>,
    silent_at: Option<Instant>,
}

impl Pulse {
    /// It has just answered.
    pub(super) fn felt(&self) {
        *self.0.lock() = Seen {
            alive_at: Some(Instant::now()),
            silent_at: None,
        };
    }

    /// Does pcscd answer? Nothing that the library has a clearer word for is an error here: no
    /// socket, a socket that refuses us.
    ///
    /// # Errors
    /// [`Error::NoService`] when it does not, in bounded time.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut seen = self.0.lock();
        if seen.alive_at.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        if seen.silent_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(silent());
        }
        let patience = match seen.silent_at {
            None => PATIENCE,
            Some(_) => LESS_PATIENCE,
        };
        // What cannot be tried is left to the library.
        let alive = feel(patience).unwrap_or(true);
        let now = Some(Instant::now());
        *seen = match alive {
            true => Seen {
                alive_at: now,
                silent_at: None,
            },
            false => Seen {
                alive_at: None,
                silent_at: now,
            },
        };
        if alive { Ok(()) } else { Err(silent()) }
    }
}

fn silent() -> Error {
    Error::NoService("pcscd does not answer".to_owned())
}

/// Connects and hangs up: a pcscd that is alive notices, and hangs up too. An error: there is nobody
/// to connect to.
fn feel(patience: Duration) -> Result<bool, Errno> {
    let end = Instant::now() + patience;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(socket_path())?;
    loop {
        match connect(&socket, &address) {
            Ok(()) => break,
            Err(Errno::AGAIN | Errno::INTR) if Instant::now() < end => thread::sleep(RETRY_PAUSE),
            Err(Errno::AGAIN) => return Ok(false),
            Err(other) => return Err(other),
        }
    }
    shutdown(&socket, Shutdown::Write)?;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut hung_up = [PollFd::new(&socket, PollFlags::IN)];
        match poll(&mut hung_up, Some(&left)) {
            Err(Errno::INTR) => {}
            count => return Ok(count? > 0),
        }
    }
}

/// As the library finds it. Where a distribution has moved it, there is nothing to connect to, and
/// the library is left to itself.
fn socket_path() -> PathBuf {
    env::var_os("PCSCLITE_CSOCK_NAME").map_or_else(|| USUAL_SOCKET.into(), PathBuf::from)
}

/// pcsc-lite's own default since 1.6, on any system with /run.
const USUAL_SOCKET: &str = "/run/pcscd/pcscd.comm";
