//! The virtual card that lies in the private pcscd: its PINs, its control socket, its timing.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::Result;

/// The authentication PIN of every virtual card.
pub const PIN: &str = "1234";

/// The signature password of every virtual card.
pub const PASSWORD: &str = "ABC123";

/// How long the card takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// As the tables call it.
    pub name: &'static str,
    /// Milliseconds for each APDU.
    pub apdu: f64,
    /// Microseconds for each byte.
    pub byte: f64,
    /// Milliseconds for each signature.
    pub signature: f64,
}

/// The three models. No log of a real card was ever published; these span what is plausible.
pub const MODELS: [Timing; 3] = [
    Timing {
        name: "none",
        apdu: 0.0,
        byte: 0.0,
        signature: 0.0,
    },
    Timing {
        name: "contactless",
        apdu: 15.0,
        byte: 100.0,
        signature: 250.0,
    },
    Timing {
        name: "slow",
        apdu: 20.0,
        byte: 80.0,
        signature: 400.0,
    },
];

impl Timing {
    /// Sets both readers to it.
    ///
    /// # Errors
    /// When a simulator does not answer.
    pub fn set(&self) -> Result<()> {
        let words = format!("timing {},{},{}", self.apdu, self.byte, self.signature);
        tell("VIRTUAL_CARD_CONTROL", &words)?;
        tell("VIRTUAL_CARD_CONTROL_2", &words)?;
        Ok(())
    }

    /// What it says that an exchange takes, in milliseconds.
    pub fn cost(&self, bytes: usize, signs: bool) -> f64 {
        let signature = if signs { self.signature } else { 0.0 };
        self.apdu + self.byte * bytes as f64 / 1000.0 + signature
    }
}

/// A command of `jpki-card-simulator ctl` to the reader of this variable.
///
/// # Errors
/// When there is no simulator, or it says so.
pub fn tell(variable: &str, words: &str) -> Result<String> {
    let path = folder(variable)?;
    let mut stream = UnixStream::connect(&path).map_err(|error| format!("{path:?}: {error}"))?;
    writeln!(stream, "{words}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.trim_end().strip_prefix("ok") {
        Some(answer) => Ok(answer.trim().to_owned()),
        None => Err(format!("{words}: {answer}").into()),
    }
}

/// A path from the environment of `tests/virtual-pcscd`.
///
/// # Errors
/// When the program does not run below it.
pub fn folder(variable: &str) -> Result<PathBuf> {
    let path = env::var_os(variable).ok_or_else(|| {
        format!("{variable} is not set; this runs below tests/virtual-pcscd, see tests/bench/run")
    })?;
    Ok(path.into())
}
