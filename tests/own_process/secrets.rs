//! Runs everything at log level trace and searches the log for PINs, certificates, names and data.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

#[path = "../it/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::sync::Mutex;

use common::reader_with;
use common::{AUTH, FakePcsc, Fixture, Mechanism, SIGN, Template};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;
use jpki_card_simulator::pki::Holder;
use log::{LevelFilter, Log, Metadata, Record};
use sha2::{Digest, Sha256};

/// Digits and letters that occur nowhere else by chance.
const PIN: &[u8] = b"8642";
const NEW_PIN: &[u8] = b"9753";
const WRONG_PIN: &[u8] = b"7391";
const PASSWORD: &[u8] = b"QWZX97531";
const NEW_PASSWORD: &[u8] = b"KJHGF86420";
const WRONG_PASSWORD: &[u8] = b"VBNMZ13579";
const DATA: &[u8] = b"a secret letter to nobody";

/// Keeps every line.
struct Paper(Mutex<Vec<String>>);

impl Log for Paper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {}", record.target(), record.args());
        self.0.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

static PAPER: Paper = Paper(Mutex::new(Vec::new()));

/// Everything a program can do with a token, right and wrong.
fn everything(fixture: &Fixture, slot: CK_SLOT_ID) {
    let (pin, wrong, new) = match slot {
        AUTH => (PIN, WRONG_PIN, NEW_PIN),
        _ => (PASSWORD, WRONG_PASSWORD, NEW_PASSWORD),
    };
    fixture.token_info(slot).unwrap();
    let session = fixture.open(slot);
    // The other token's PIN, a wrong one, the wrong one again, and the right one with a line feed.
    let other = if slot == AUTH { PASSWORD } else { PIN };
    for refused in [other, wrong, wrong, &[pin, b"\n"].concat()] {
        fixture.login(session, CKU_USER, refused).unwrap_err();
    }
    fixture.login(session, CKU_SO, pin).unwrap_err();
    fixture
        .login_user(session, CKU_USER, pin, b"name")
        .unwrap_err();
    fixture.login(session, CKU_USER, pin).unwrap();
    fixture.set_pin(session, wrong, new).unwrap_err();
    fixture.set_pin(session, pin, other).unwrap_err();
    for object in fixture.find(session, &Template::new()).unwrap() {
        for kind in [
            CKA_VALUE,
            CKA_SUBJECT,
            CKA_ISSUER,
            CKA_MODULUS,
            CKA_SERIAL_NUMBER,
        ] {
            let _ = fixture.attribute(session, object, kind);
        }
    }
    let key = fixture.private_key(session);
    for kind in fixture.mechanisms(slot).unwrap() {
        let mechanism = Mechanism::usual(kind);
        let data = match kind {
            CKM_RSA_PKCS_PSS => Sha256::digest(DATA).to_vec(),
            _ => DATA.to_vec(),
        };
        if fixture.sign_init(session, &mechanism, key).is_err() {
            continue;
        }
        if slot == SIGN {
            fixture.login(session, CKU_CONTEXT_SPECIFIC, pin).unwrap();
        }
        let signature = fixture.sign(session, &data).unwrap();
        let public = fixture.public_key(session);
        fixture.verify_init(session, &mechanism, public).unwrap();
        fixture.verify(session, &data, &signature).unwrap();
    }
    fixture
        .digest_init(session, &Mechanism::plain(CKM_SHA256))
        .unwrap();
    fixture.digest(session, DATA).unwrap();
    fixture.random(session, 64).unwrap();
    let data = Template::class(CKO_DATA).bytes(CKA_VALUE, DATA);
    fixture.create_object(session, &data).unwrap();
    fixture.set_pin(session, pin, new).unwrap();
    fixture.set_pin(session, new, pin).unwrap();
    fixture.logout(session).unwrap();
    // The same with faults of the card.
    for misbehaviour in [
        Misbehaviour::Random,
        Misbehaviour::Truncated,
        Misbehaviour::Oversized,
        Misbehaviour::AnswerInstead(vec![0x6F, 0x00]),
    ] {
        for n in 1..=5 {
            let session = fixture.open(slot);
            fixture.reader().misbehave(n, misbehaviour.clone());
            let _ = fixture.login(session, CKU_USER, pin);
            fixture.reader().behave();
            let _ = fixture.login(session, CKU_USER, pin);
            let key = fixture.find(session, &Template::class(CKO_PRIVATE_KEY));
            if let Ok([key]) = key.as_deref() {
                fixture.reader().misbehave(n, misbehaviour.clone());
                let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
                let _ = fixture.sign_once(session, &rsa, *key, DATA);
                fixture.reader().behave();
            }
            let _ = fixture.close_all_sessions(slot);
        }
    }
}

/// Lower case, and nothing but letters and digits: `[0x38, 0x36]`, `38 36` and `3836` are one.
fn squeezed(text: &str) -> String {
    let text = text.to_lowercase().replace("0x", "");
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decimal(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect()
}

#[test]
fn trace_log_has_no_secrets() {
    log::set_logger(&PAPER).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let mut certificates = Vec::new();
    for kind in ["plastic", "android"] {
        for language in [None, Some(common::module::Language::Japanese)] {
            let pcsc = FakePcsc::default();
            let profile = format!("{kind},auth-pin=8642,sign-password=QWZX97531");
            pcsc.plug(common::READER, reader_with(&profile));
            let fixture = Fixture::on(pcsc, |config| config.language = language);
            for slot in [AUTH, SIGN] {
                everything(&fixture, slot);
            }
            let issued = fixture
                .reader()
                .inserted_card(|card| card.credentials().clone())
                .unwrap();
            certificates.push(issued.auth.unwrap().certificate);
            certificates.push(issued.sign.unwrap().certificate);
        }
    }

    let lines = PAPER.0.lock().unwrap().clone();
    assert!(lines.len() > 1000, "{} lines", lines.len());
    // Most are the same as another one.
    let lines: BTreeSet<String> = lines.into_iter().collect();
    // It did log what it may: names of functions, headers of commands, lengths, status words.
    for expected in ["C_Login", "C_SetPIN: CKR_OK", "00 20 00 98", "9000"] {
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{expected}"
        );
    }

    let holder = Holder::sample();
    let mut secrets: Vec<(&str, String)> = Vec::new();
    for pin in [
        PIN,
        NEW_PIN,
        WRONG_PIN,
        PASSWORD,
        NEW_PASSWORD,
        WRONG_PASSWORD,
        DATA,
    ] {
        let text = String::from_utf8(pin.to_vec()).unwrap().to_lowercase();
        let said = lines
            .iter()
            .find(|line| line.to_lowercase().contains(&text));
        assert_eq!(said, None, "{text}");
        secrets.push(("hexadecimal", hex(pin)));
        secrets.push(("decimal", decimal(pin)));
    }
    let hash = Sha256::digest(DATA);
    secrets.push(("hash of the data", hex(&hash[..8])));
    secrets.push(("hash of the data", decimal(&hash[..8])));
    for name in [&holder.name, &holder.address, &holder.city] {
        secrets.push(("name", squeezed(name)));
        secrets.push(("name", hex(&name.as_bytes()[..9.min(name.len())])));
    }
    secrets.push(("birth date", "19800217".to_owned()));
    for certificate in &certificates {
        // What stands in every certificate of the kind is no secret: it starts behind the header.
        for piece in certificate[16..].chunks_exact(8) {
            secrets.push(("certificate", hex(piece)));
            secrets.push(("certificate", decimal(piece)));
        }
    }
    for line in &lines {
        let squeezed = squeezed(line);
        for (what, secret) in &secrets {
            assert!(!squeezed.contains(secret), "{what} {secret} in: {line}");
        }
    }
}
