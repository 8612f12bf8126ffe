//! Programs that are asked something, with a time limit.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at whether the program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What a program says on standard output when it succeeds. `None`: it is not there, fails, or takes longer than the limit; then
/// it is ended.
pub(crate) fn output(program: &str, arguments: &[&str], limit: Duration) -> Option<String> {
    let mut process = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut pipe = process.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // What came before the pipe broke is what there is.
        let _ = pipe.read_to_end(&mut text);
        text
    });
    let end = Instant::now() + limit;
    let status = loop {
        match process.try_wait().ok()? {
            Some(status) => break status,
            None if Instant::now() > end => {
                // It may end by itself meanwhile.
                let _ = process.kill();
                let _ = process.wait();
                return None;
            }
            None => thread::sleep(LOOK),
        }
    };
    let text = reader.join().ok()?;
    status
        .success()
        .then(|| String::from_utf8_lossy(&text).into_owned())
}

/// Is there a program of this name in the search path?
pub(crate) fn is_there(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
