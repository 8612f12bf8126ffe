//! The wire of vsmartcard: a length of two bytes, then the payload. A payload of one byte is a command to the reader,
//! every other one an APDU or its answer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::net::sockopt::{Timeout, set_socket_timeout, set_tcp_nodelay, set_tcp_quickack};
use rustix::net::{SendFlags, send};

/// Power off. The app on a phone selects the MF in its place: a phone cannot switch a card off.
pub(super) const POWER_OFF: u8 = 0;
/// Power on; the ATR is asked for afterwards.
pub(super) const POWER_ON: u8 = 1;
/// Warm reset.
pub(super) const RESET: u8 = 2;
/// What is the card's ATR? The only command with an answer; the driver asks it every 400 ms to see whether the card is
/// still there.
pub(super) const ATR: u8 = 4;

/// The other end does not take what is written for so long.
const SEND_LIMIT: Duration = Duration::from_secs(3);

/// Why nothing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The other end has closed the connection.
    Closed,
    /// It has said nothing for too long.
    Late,
}

/// One end of a connection, over whatever kind of socket.
pub(super) struct Wire {
    socket: OwnedFd,
    received: Vec<u8>,
}

impl Wire {
    pub(super) fn new(socket: OwnedFd) -> Wire {
        // A Unix socket has no such options and needs none.
        let _ = set_tcp_nodelay(&socket, true);
        let _ = set_socket_timeout(&socket, Timeout::Send, Some(SEND_LIMIT));
        Wire {
            socket,
            received: Vec::new(),
        }
    }

    /// Sends a payload in one piece. What the length cannot say is refused.
    pub(super) fn send(&mut self, payload: &[u8]) -> Result<(), Lost> {
        let length = u16::try_from(payload.len()).map_err(|_| Lost::Closed)?;
        let mut message = Vec::with_capacity(2 + payload.len());
        message.extend(length.to_be_bytes());
        message.extend(payload);
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            match send(&self.socket, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(Lost::Late),
                Err(_) => return Err(Lost::Closed),
            }
        }
        Ok(())
    }

    /// The next payload.
    pub(super) fn receive(&mut self, limit: Duration) -> Result<Vec<u8>, Lost> {
        let end = Instant::now() + limit;
        loop {
            let missing = self.missing();
            if missing == 0 {
                let payload = self.received.split_off(2);
                self.received.clear();
                return Ok(payload);
            }
            // vpcd sends length and payload in two writes, and its system keeps the second one back until the first is
            // acknowledged: up to 40 ms, unless it is told so before each read (docs/pcscd.md).
            let _ = set_tcp_quickack(&self.socket, true);
            if !is_readable(self.as_fd(), end.saturating_duration_since(Instant::now())) {
                return Err(Lost::Late);
            }
            // Never a byte of the next message: the relay polls the socket for that one.
            let mut room = vec![0; missing];
            match read(&self.socket, &mut room) {
                Ok(0) => return Err(Lost::Closed),
                Ok(length) => self.received.extend(room.iter().take(length)),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Err(Lost::Closed),
            }
        }
    }

    /// How many bytes of the length or the payload have not come yet.
    fn missing(&self) -> usize {
        match self.received.split_first_chunk::<2>() {
            None => 2 - self.received.len(),
            Some((length, payload)) => usize::from(u16::from_be_bytes(*length)) - payload.len(),
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Is there something to read, or an end, within so long?
pub(super) fn is_readable(socket: BorrowedFd<'_>, limit: Duration) -> bool {
    let mut one = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    wait(&mut one, limit).is_ok_and(|ready| ready > 0)
}

/// Waits for one of these, at most so long.
pub(super) fn wait(sockets: &mut [PollFd<'_>], limit: Duration) -> io::Result<usize> {
    let limit = Timespec::try_from(limit).ok();
    match poll(sockets, limit.as_ref()) {
        Err(Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}
