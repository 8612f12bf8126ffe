//! The simulated card behind a real pcscd: serves vpcd, obeys a control socket. Uses the library for every byte of
//! the card.

#![forbid(unsafe_code)]

mod arguments;
mod client;
mod control;
mod export;
mod serve;
mod storage;
mod vpcd;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use arguments::Arguments;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "jpki-card-simulator: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let words = std::env::args_os()
        .skip(1)
        .map(|word| {
            word.into_string()
                .map_err(|word| format!("{word:?} is not UTF-8"))
        })
        .collect::<Result<Vec<String>, String>>()?;
    match Arguments::parse(&words)? {
        Arguments::Help => {
            io::stdout().write_all(arguments::help().as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Arguments::Serve(options) => serve::serve(&options),
        Arguments::Control { socket, command } => client::ask(&socket, &command),
    }
}
