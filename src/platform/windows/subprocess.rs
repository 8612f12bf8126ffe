//! A program that runs beside the host and is talked to over pipes.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

/// Bytes that are read at a time.
const PART: usize = 1024;

/// A program whose standard input and output are our pipes. It ends with this value.
pub(crate) struct Subprocess {
    child: Child,
    input: Mutex<Option<ChildStdin>>,
    /// What it has written, in parts; a thread reads, because a pipe cannot be waited for with a limit.
    output: Mutex<(Receiver<Vec<u8>>, Vec<u8>)>,
}

impl Subprocess {
    /// Starts a program with this environment and no other.
    ///
    /// # Errors
    /// What the system says: no such program.
    pub(crate) fn start(
        program: &Path,
        environment: &[(OsString, OsString)],
    ) -> io::Result<Subprocess> {
        let mut child = Command::new(program)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (sender, output) = sync_channel(1);
        let input = child.stdin.take();
        if let Some(mut stream) = child.stdout.take() {
            thread::spawn(move || {
                let mut part = [0; PART];
                while let Ok(length @ 1..) = stream.read(&mut part) {
                    let read = part.get(..length).unwrap_or_default().to_vec();
                    if sender.send(read).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Subprocess {
            child,
            input: Mutex::new(input),
            output: Mutex::new((output, Vec::new())),
        })
    }

    /// Sends bytes to its standard input.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *self.input.lock() {
            Some(input) => input.write_all(bytes),
            None => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    /// Reads what it has written; `None`: nothing came for so long.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] when it has ended.
    pub(crate) fn read(&self, into: &mut [u8], patience: Duration) -> io::Result<Option<usize>> {
        let mut output = self.output.lock();
        let (parts, rest) = &mut *output;
        if rest.is_empty() {
            match parts.recv_timeout(patience) {
                Ok(part) => *rest = part,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = rest.len().min(into.len());
        for (to, from) in into.iter_mut().zip(rest.drain(..length)) {
            *to = from;
        }
        Ok(Some(length))
    }
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        self.input.lock().take();
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
