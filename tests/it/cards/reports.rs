//! Each report in `tests/reports` is a card on which the module must work. What it costs there stands beside it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;

use cryptoki_sys::*;
use jpki_card_simulator::like::Like;

use crate::common::golden::{self, Script};
use crate::common::{AUTH, Fixture, Mechanism, PIN, REST, Template};

/// Reports of real cards, and those that were written from what others published.
const FOLDERS: [&str; 2] = ["cards", "published"];

fn reports(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reports")
        .join(folder);
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    files
}

/// What a program does with a card, with the APDUs of each step.
fn work(options: &str) -> String {
    let fixture = Fixture::with(options);
    let mut script = Script::new(&fixture);
    let mut session = 0;
    script.step("both tokens and the certificate", || {
        fixture.slot_list(true).unwrap();
        session = fixture.open(AUTH);
        let certificates = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]);
        for object in fixture.find(session, &certificates).unwrap() {
            fixture.attribute(session, object, CKA_VALUE).unwrap();
        }
    });
    script.step("C_Login", || {
        fixture.login(session, CKU_USER, PIN).unwrap();
    });
    let key = fixture.private_key(session);
    let mut rsa_pss = Ok(Vec::new());
    for what in ["the first signature", "the next one"] {
        sleep(REST);
        script.step(what, || {
            let mechanism = Mechanism::usual(CKM_SHA256_RSA_PKCS);
            fixture
                .sign_once(session, &mechanism, key, b"data")
                .unwrap();
        });
    }
    sleep(REST);
    script.step("RSA-PSS", || {
        let mechanism = Mechanism::usual(CKM_SHA256_RSA_PKCS_PSS);
        rsa_pss = fixture.sign_once(session, &mechanism, key, b"data");
    });
    script.step("C_Logout", || fixture.logout(session).unwrap());
    assert!(!fixture.is_open(), "{options}: left open");
    assert_eq!(fixture.tries().0, 3, "{options}");
    let info = fixture.token_info(AUTH).unwrap();
    let text = |field: &[u8]| String::from_utf8_lossy(field).trim_end().to_owned();
    let mut seen = format!("card           {options}\n");
    writeln!(seen, "model          {}", text(&info.model)).unwrap();
    let word = match rsa_pss {
        Ok(_) => "made".to_owned(),
        Err(code) => format!("{code:#x}"),
    };
    writeln!(seen, "RSA-PSS        {word}").unwrap();
    for line in script.to_string().lines() {
        if let Some(step) = line.strip_prefix("# ") {
            writeln!(seen, "{step}").unwrap();
        }
    }
    seen
}

#[test]
fn the_module_works_on_every_card_that_was_reported() {
    for folder in FOLDERS {
        for file in reports(folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            let like = Like::from_report(&text).unwrap();
            let name = file.file_stem().unwrap().to_str().unwrap();
            let expected = format!("../../reports/{folder}/{name}.expected");
            golden::check(&expected, &work(&like.options));
        }
    }
}
