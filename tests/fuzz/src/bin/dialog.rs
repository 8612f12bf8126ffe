//! What a pinentry answers: a program that writes the input, whatever it is asked. What comes back as a PIN is no
//! longer than the input, and every answer ends.
#![no_main]

use std::cell::LazyCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, process};

use jpki_pkcs11::messages::DialogText;
use jpki_pkcs11::pinentry::Pinentry;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static FOLDER: LazyCell<PathBuf> = LazyCell::new(|| {
        let folder = env::temp_dir().join(format!("jpki-fuzz-dialog-{}", process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let program = folder.join("pinentry");
        let text = format!("#!/bin/sh\nexec cat '{}'\n", folder.join("answers").display());
        fs::write(&program, text).expect("a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        folder
    });
}

fuzz_target!(|bytes: &[u8]| {
    let [kind, answers @ ..] = bytes else { return };
    let program = FOLDER.with(|folder| {
        fs::write(folder.join("answers"), answers).expect("the answers");
        folder.join("pinentry")
    });
    let pinentry = Pinentry::new(Some(program), Duration::from_secs(1));
    let dialog = DialogText {
        title: "JPKI".to_owned(),
        description: "100 % 暗証番号\nof the card".to_owned(),
        error: String::new(),
        prompt: "PIN".to_owned(),
        agree: "OK".to_owned(),
        cancel: "No".to_owned(),
    };
    if kind % 2 == 0 {
        if let Ok(length) = pinentry.ask(&dialog, &|| true, <[u8]>::len) {
            assert!(length <= answers.len(), "a PIN longer than all answers");
        }
    } else {
        let _ = pinentry.confirm(&dialog, &|| true);
    }
});
