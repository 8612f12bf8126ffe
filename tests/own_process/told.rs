//! What the holder is told in the log when a PIN is refused, or something else is in the way. `UPDATE_GOLDEN=1` writes the page of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

#[path = "../it/common/mod.rs"]
mod common;

use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

use common::config::LastTry;
use common::module::Language;
use common::{AUTH, Fixture, PIN, SIGN, Service, golden};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Keeps the lines for the holder: warnings and errors.
struct Paper(Mutex<Vec<String>>);

static PAPER: Paper = Paper(Mutex::new(Vec::new()));

impl Log for Paper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

fn login(fixture: &Fixture, slot: CK_SLOT_ID, pin: &[u8]) -> Result<(), CK_RV> {
    let session = fixture.open(slot);
    let answer = fixture.login(session, CKU_USER, pin);
    fixture.close_session(session).unwrap();
    answer
}

/// `C_SetPIN` on a card whose fifth answer, to CHANGE REFERENCE DATA, is another one.
fn change(fixture: &Fixture, fifth: Misbehaviour) -> Result<(), CK_RV> {
    let session = fixture.open(AUTH);
    fixture.reader().misbehave(5, fifth);
    fixture.set_pin(session, PIN, b"4711")
}

/// A signature with a kept PIN, after another program has sent wrong ones so many times.
fn refused_elsewhere(fixture: &Fixture, times: u32) -> Result<(), CK_RV> {
    let session = fixture.logged_in(AUTH);
    let mut other = fixture.other_client();
    other.select_jpki();
    for _ in 0..times {
        other.verify_auth(b"0000");
    }
    // Longer than what no other program can have used.
    std::thread::sleep(Duration::from_millis(100));
    fixture.signature(session).map(|_| ())
}

/// What is done, on which card, with which last try.
type Case = (
    &'static str,
    &'static str,
    LastTry,
    fn(&Fixture) -> Result<(), CK_RV>,
);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("a wrong PIN", "plastic", LastTry::Guard, |it| login(it, AUTH, b"0000")),
    ("a wrong PIN, the third", "plastic,auth-tries=1", LastTry::Allow, |it| login(it, AUTH, b"0000")),
    ("the same wrong PIN once more", "plastic", LastTry::Guard, |it| {
        login(it, AUTH, b"0000").or_else(|_| login(it, AUTH, b"0000"))
    }),
    ("one try left", "plastic,auth-tries=1", LastTry::Guard, |it| login(it, AUTH, PIN)),
    ("a locked PIN", "plastic,auth-tries=0", LastTry::Guard, |it| login(it, AUTH, PIN)),
    ("a wrong password", "plastic", LastTry::Guard, |it| login(it, SIGN, b"WRONG99")),
    ("a locked password", "plastic,sign-tries=0", LastTry::Guard, |it| login(it, SIGN, b"WRONG99")),
    ("text that cannot be a PIN", "plastic", LastTry::Guard, |it| login(it, AUTH, b"12345")),
    ("a new PIN that the card refuses", "plastic", LastTry::Guard, |it| {
        change(it, Misbehaviour::AnswerInstead(vec![0x6A, 0x80]))
    }),
    ("a service that stops, and stops again", "plastic", LastTry::Guard, |it| {
        for service in [Service::Stopped, Service::Stopped, Service::Running, Service::Forbidden] {
            it.pcsc.set_service(service);
            it.slot_list(false)?;
        }
        it.token_info(AUTH).map(|_| ())
    }),
    ("a card that another program holds", "plastic", LastTry::Guard, |it| {
        it.take_out();
        it.put_back();
        it.pcsc.occupy(Duration::from_secs(5));
        (0..3).map(|_| it.token_info(AUTH).map(|_| ())).fold(Ok(()), Result::and)
    }),
    ("a kept PIN that is wrong for another program, too", "plastic", LastTry::Guard, |it| {
        refused_elsewhere(it, 1)
    }),
    ("a kept PIN that another program has locked", "plastic", LastTry::Guard, |it| {
        refused_elsewhere(it, 3)
    }),
    ("a card that nothing closes, told once", "plastic,leaving-keeps", LastTry::Guard, |it| {
        it.pcsc.keep_power();
        let session = it.logged_in(AUTH);
        it.signature(session).and_then(|_| it.signature(session)).map(|_| ())
    }),
    ("a change whose end is not known", "plastic", LastTry::Guard, |it| change(it, Misbehaviour::RemovedAfter)),
];

#[test]
fn each_trouble_is_told_once_and_refusals_with_their_tries() {
    log::set_logger(&PAPER).unwrap();
    log::set_max_level(LevelFilter::Warn);
    let mut page = String::new();
    for &(what, profile, last_try, work) in CASES {
        let fixture = Fixture::configured(profile, |config| {
            config.language = Some(Language::English);
            config.last_try = last_try;
        });
        PAPER.0.lock().unwrap().clear();
        let code = work(&fixture).err().unwrap_or(CKR_OK);
        writeln!(page, "# {what}: {code:#x}").unwrap();
        for line in PAPER.0.lock().unwrap().iter() {
            writeln!(page, "{line}").unwrap();
        }
        page.push('\n');
    }
    golden::check("told.txt", &page);
}
