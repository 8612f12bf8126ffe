//! A configuration: by its first byte a file in TOML, a string as NSS and p11-kit hand it over, or the
//! value of a variable.
#![no_main]

use std::path::PathBuf;
use std::{env, fs, process};

use jpki_pkcs11::config::{Config, Sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [kind, text @ ..] = bytes else { return };
    let mut sources = Sources {
        program: "firefox".to_owned(),
        ..Sources::default()
    };
    match kind % 3 {
        0 => {
            let file = file();
            fs::write(&file, text).expect("a temporary file");
            sources.files.push(file);
        }
        1 => sources.parameters = Some(String::from_utf8_lossy(text).into_owned()),
        _ => {
            let text = String::from_utf8_lossy(text).replace('\0', "");
            let (name, value) = text.split_once('=').unwrap_or((&text, ""));
            let name = format!("JPKI_PKCS11_{name}");
            sources.variables.push((name.into(), value.into()));
        }
    }
    let (config, complaints) = Config::from_sources(&sources);
    let _ = (config.slots_shown(), config.ca_certificates_shown());
    for complaint in &complaints {
        assert!(!complaint.text(config.spoken_language()).is_empty());
    }
});

fn file() -> PathBuf {
    env::temp_dir().join(format!("jpki-fuzz-{}.toml", process::id()))
}
