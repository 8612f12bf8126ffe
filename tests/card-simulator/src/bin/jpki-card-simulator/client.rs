//! The other end of the control socket: one command, one answer.

use std::{
    error::Error,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::ExitCode,
};

pub(crate) fn ask(socket: &Path, command: &str) -> Result<ExitCode, Box<dyn Error>> {
    let mut stream = UnixStream::connect(socket)
        .map_err(|error| format!("no simulator at {}: {error}", socket.display()))?;
    writeln!(stream, "{command}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    io::stdout().write_all(answer.as_bytes())?;
    Ok(match answer.starts_with("ok") {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
