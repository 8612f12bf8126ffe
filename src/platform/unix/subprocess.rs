//! A program that runs beside the host and is talked to over one socket.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec, read};
use rustix::net::{SendFlags, send};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How long a program that was told to end may take before it is told again, and how often it is told.
const GRACE: Duration = Duration::from_millis(300);

/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);

/// A program whose standard input and output are our socket. It ends with this value.
pub(crate) struct Subprocess {
    child: Child,
    /// Names the process also when the host has reaped it and its number has gone to another one.
    handle: Option<OwnedFd>,
    socket: UnixStream,
}

impl Subprocess {
    /// Starts a program with this environment and no other.
    ///
    /// # Errors
    /// What the system says: no such program, no descriptor left.
    pub(crate) fn start(
        program: &Path,
        environment: &[(OsString, OsString)],
    ) -> io::Result<Subprocess> {
        let (socket, theirs) = UnixStream::pair()?;
        let socket = UnixStream::from(above_standard(&socket)?);
        socket.set_nonblocking(true)?;
        let child = Command::new(program)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(above_standard(&theirs)?))
            .stdout(Stdio::from(above_standard(&theirs)?))
            .stderr(Stdio::null())
            .spawn()?;
        let handle = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let handle = handle.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Ok(Subprocess {
            child,
            handle,
            socket,
        })
    }

    /// Sends bytes to its standard input. A program that has ended is an error, not a SIGPIPE.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what it has written; `None`: nothing came for so long.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] when it has ended, and what the system says.
    pub(crate) fn read(&self, into: &mut [u8], patience: Duration) -> io::Result<Option<usize>> {
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        let mut waited = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut waited, Some(&patience)) {
            // A host's timer can interrupt each wait.
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match read(&self.socket, into) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => Ok(Some(length)),
            Err(Errno::INTR | Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Has it ended within so long? A host that ignores SIGCHLD, or reaps every child, leaves us nothing to wait
    /// for, which is an answer too.
    fn has_ended(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < end => thread::sleep(PAUSE),
                Ok(None) => return false,
                Ok(Some(_)) | Err(_) => return true,
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(handle) = &self.handle {
            // It may have ended just now.
            let _ = pidfd_send_signal(handle, signal);
        }
    }
}

/// The same socket under a number that is no standard stream's. In a host that has closed its own, the system gives
/// those numbers; they would be closed when the program starts.
fn above_standard(socket: &UnixStream) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(socket, 3)?)
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        // A dialog that is open does not look at its input.
        for signal in [Signal::TERM, Signal::KILL] {
            if self.has_ended(GRACE) {
                return;
            }
            self.signal(signal);
        }
        self.has_ended(GRACE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Subprocess {
        let environment = [("SCRIPT".into(), script.into())];
        // A program without arguments is all that is ever started: the script comes on its input.
        let process = Subprocess::start(Path::new("/bin/sh"), &environment).unwrap();
        process.write(b"eval \"$SCRIPT\"\n").unwrap();
        process
    }

    fn all_of(process: &Subprocess) -> Vec<u8> {
        let mut said = Vec::new();
        let mut part = [0; 64];
        loop {
            match process.read(&mut part, Duration::from_secs(5)) {
                Ok(Some(length)) => said.extend_from_slice(&part[..length]),
                Ok(None) => panic!("it says nothing"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                    return said;
                }
            }
        }
    }

    #[test]
    fn it_gets_the_environment_that_was_given_and_no_other() {
        let said = all_of(&shell("echo \"$SCRIPT\" | wc -l; echo \"[$HOME]\"; exit"));
        assert_eq!(said, b"1\n[]\n");
    }

    #[test]
    fn a_program_that_has_ended_is_an_error_and_no_signal() {
        let process = shell("exit 3");
        all_of(&process);
        assert!((0..10).any(|_| process.write(b"more\n").is_err()));
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let started = Instant::now();
        let process = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
        let mut ready = [0; 6];
        while process.read(&mut ready, Duration::from_secs(1)).unwrap() != Some(6) {}
        let handle = process.handle.as_ref().unwrap().try_clone().unwrap();
        drop(process);
        assert!(
            pidfd_send_signal(&handle, Signal::CONT).is_err(),
            "it lives"
        );
        assert!(started.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn what_is_not_there_cannot_be_started() {
        assert!(Subprocess::start(Path::new("/nonexistent/pinentry"), &[]).is_err());
    }
}
