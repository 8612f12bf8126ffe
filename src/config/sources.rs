//! Where settings come from, and reading a file without trusting it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::Problem;
use super::keys::VARIABLE_PREFIX;
use super::program::program_name;
use crate::platform::{is_privileged, system_settings, user_settings, without_waiting};

/// All that a configuration is made of. Tests make their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files, in order; what a later one says wins.
    pub files: Vec<PathBuf>,
    /// The string in `pReserved` of `C_Initialize`.
    pub parameters: Option<String>,
    /// Environment variables; those of others do no harm.
    pub variables: Vec<(OsString, OsString)>,
    /// The name of the executable.
    pub program: String,
    /// The process has rights that its caller does not have.
    pub privileged: bool,
}

impl Sources {
    /// The sources of this process.
    pub fn of_this_process(parameters: Option<&str>) -> Sources {
        let environment = std::env::vars_os().collect();
        Sources::gather(parameters, environment, is_privileged(), program_name())
    }

    /// The sources of a process with this environment. A privileged one, which does for its caller
    /// what the caller may not, takes nothing from the caller's home and environment.
    pub fn gather(
        parameters: Option<&str>,
        environment: Vec<(OsString, OsString)>,
        privileged: bool,
        program: String,
    ) -> Sources {
        let mut sources = Sources {
            files: vec![system_settings().join(FOLDER).join(FILE)],
            parameters: parameters.map(str::to_owned),
            variables: Vec::new(),
            program,
            privileged,
        };
        if !privileged {
            sources.files.extend(user_file(&environment));
            sources.variables = environment
                .into_iter()
                .filter(|(name, _)| name.to_string_lossy().starts_with(VARIABLE_PREFIX))
                .collect();
        }
        sources
    }
}

/// The path of the user's configuration file.
fn user_file(environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    let folder = user_settings(|wanted| {
        let mut variables = environment.iter();
        let (_, value) = variables.find(|(name, _)| name == wanted)?;
        Some(value.clone())
    })?;
    Some(folder.join(FOLDER).join(FILE))
}

/// The text of a configuration file. `Ok(None)`: there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, Problem> {
    // Asked before it is opened, since opening a device can do something, and once more of the open
    // file, since a path can change between the two.
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(Problem::NotAFile),
        Ok(_) => {}
        Err(error) => return absent_or_unreadable(&error),
    }
    let opened = without_waiting(OpenOptions::new().read(true)).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) => return absent_or_unreadable(&error),
    };
    let metadata = file
        .metadata()
        .map_err(|error| Problem::Unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(Problem::NotAFile);
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Problem::Unreadable(error.to_string()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
        return Err(Problem::TooLarge);
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| Problem::NotUtf8)
}

/// A file that is not there, on a path that may not be there either, is nothing to complain of.
fn absent_or_unreadable(error: &std::io::Error) -> Result<Option<String>, Problem> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(None),
        _ => Err(Problem::Unreadable(error.to_string())),
    }
}

const FOLDER: &str = "jpki-pkcs11";
const FILE: &str = "config.toml";
const LARGEST_FILE: u64 = 1024 * 1024;
