//! Programs that are asked something, with a time limit.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at whether the program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What a program says on standard output when it succeeds. `None`: it is not there, fails, or takes longer than the limit; then
/// it is ended.
pub(crate) fn output(program: &str, arguments: &[&str], limit: Duration) -> Option<String> {
    let mut process = start(program, arguments, Stdio::piped())?;
    let mut pipe = process.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // What came before the pipe broke is what there is.
        let _ = pipe.read_to_end(&mut text);
        text
    });
    let succeeded = ends_well(&mut process, limit);
    succeeded
        .then(|| reader.join().ok())?
        .map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// Does it end well within the limit? What it says is not heard. Else it is ended.
pub(crate) fn succeeds(program: &str, arguments: &[&str], limit: Duration) -> bool {
    let process = start(program, arguments, Stdio::null());
    process.is_some_and(|mut process| ends_well(&mut process, limit))
}

fn start(program: &str, arguments: &[&str], stdout: Stdio) -> Option<Child> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

fn ends_well(process: &mut Child, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end => thread::sleep(LOOK),
            _ => {
                // It may end by itself meanwhile.
                let _ = process.kill();
                let _ = process.wait();
                return false;
            }
        }
    }
}

/// Is there a program of this name in the search path?
pub(crate) fn is_there(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
