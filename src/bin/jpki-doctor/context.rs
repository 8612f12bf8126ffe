//! What every task may look at, and how a task ends.

use std::process::ExitCode;

use jpki_pkcs11::config::Config;

use crate::arguments::Arguments;
use crate::paths::Paths;

/// What every task may look at.
pub(crate) struct Context {
    pub(crate) arguments: Arguments,
    pub(crate) config: Config,
    /// What is wrong with the configuration.
    pub(crate) complaints: Vec<String>,
    pub(crate) paths: Paths,
}

/// How a task ended: the exit status of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to do.
    Fine,
    /// The user has something to do.
    Todo,
    /// The command line is wrong.
    Usage,
    /// A program that was started has ended with this exit status.
    OfProgram(u8),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Todo => 1,
            Outcome::Usage => 2,
            Outcome::OfProgram(status) => status,
        })
    }
}
