//! Unit tests of the configuration, one file per question. Here is what they share.

mod files_that_are_none;
mod mistakes_in_a_file;
mod order;
mod parameters;
mod readers;
mod the_table;
mod this_process;
mod values;
mod variables;
mod what_a_program_sees;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::platform::for_tests::{DRIVE, not_unicode, set_mode, special_files, symlink};

/// A folder that goes away with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("jpki-config-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn texts(complaints: &[Diagnostic]) -> Vec<String> {
    complaints.iter().map(Diagnostic::to_string).collect()
}

/// What a file of this text makes of the defaults; places are told without the folder.
fn from_file_for(program: &str, text: impl AsRef<[u8]>) -> (Config, Vec<String>) {
    let folder = Folder::new();
    let sources = Sources {
        files: vec![folder.file("config.toml", text)],
        program: program.to_owned(),
        ..Sources::default()
    };
    let (config, complaints) = Config::from_sources(&sources);
    let whole = sources.files[0].display().to_string();
    let complaints = texts(&complaints)
        .into_iter()
        .map(|text| text.replace(&whole, "config.toml"))
        .collect();
    (config, complaints)
}

fn from_file(text: impl AsRef<[u8]>) -> (Config, Vec<String>) {
    from_file_for("", text)
}

fn from_parameters(text: &str) -> (Config, Vec<String>) {
    let sources = Sources {
        parameters: Some(text.to_owned()),
        ..Sources::default()
    };
    let (config, complaints) = Config::from_sources(&sources);
    (config, texts(&complaints))
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect()
}

fn from_variables(variables: &[(&str, &str)]) -> (Config, Vec<String>) {
    let sources = Sources {
        variables: environment(variables),
        ..Sources::default()
    };
    let (config, complaints) = Config::from_sources(&sources);
    (config, texts(&complaints))
}

fn nothing() -> Vec<String> {
    Vec::new()
}
