//! A program that runs beside the host and is talked to over pipes.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use windows_sys::Win32::System::Pipes::PeekNamedPipe;

/// Between two looks into the pipe, which cannot be waited for with a limit.
const PAUSE: Duration = Duration::from_millis(10);

/// A program whose standard input and output are our pipes. It ends with this value.
pub(crate) struct Subprocess {
    child: Child,
    input: Mutex<Option<ChildStdin>>,
    output: Mutex<Option<ChildStdout>>,
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
        Ok(Subprocess {
            input: Mutex::new(child.stdin.take()),
            output: Mutex::new(child.stdout.take()),
            child,
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
        let output = output.as_mut().ok_or(ErrorKind::UnexpectedEof)?;
        let end = Instant::now() + patience;
        while available(output).ok_or(ErrorKind::UnexpectedEof)? == 0 {
            if Instant::now() >= end {
                return Ok(None);
            }
            thread::sleep(PAUSE);
        }
        output.read(into).map(Some)
    }
}

/// Bytes that wait in the pipe; `None`: its other end is closed.
fn available(pipe: &ChildStdout) -> Option<u32> {
    let mut count = 0;
    let (none, no_count) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: asks for the count alone; the handle is open.
    let good = unsafe {
        PeekNamedPipe(
            pipe.as_raw_handle(),
            none,
            0,
            no_count,
            &raw mut count,
            ptr::null_mut(),
        )
    };
    (good != 0).then_some(count)
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        self.input.lock().take();
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
