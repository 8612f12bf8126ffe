//! What the holder is told in the log when a PIN is refused. `UPDATE_GOLDEN=1` writes the page of it.

use std::fmt::Write;
use std::sync::Mutex;

use crate::common::config::{Config, LastTry};
use crate::common::module::Language;
use crate::common::{AUTH, Fixture, PIN, SIGN, golden};
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

/// One refusal: what is done, on which card, with which settings.
struct Case {
    what: &'static str,
    profile: &'static str,
    change: fn(&mut Config),
    work: fn(&Fixture) -> Result<(), CK_RV>,
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

const CASES: &[Case] = &[
    Case {
        what: "a wrong PIN",
        profile: "plastic",
        change: |_| (),
        work: |it| login(it, AUTH, b"0000"),
    },
    Case {
        what: "a wrong PIN, the third",
        profile: "plastic,auth-tries=1",
        change: |config| config.last_try = LastTry::Allow,
        work: |it| login(it, AUTH, b"0000"),
    },
    Case {
        what: "the same wrong PIN once more",
        profile: "plastic",
        change: |_| (),
        work: |it| login(it, AUTH, b"0000").or_else(|_| login(it, AUTH, b"0000")),
    },
    Case {
        what: "one try left",
        profile: "plastic,auth-tries=1",
        change: |_| (),
        work: |it| login(it, AUTH, PIN),
    },
    Case {
        what: "a locked PIN",
        profile: "plastic,auth-tries=0",
        change: |_| (),
        work: |it| login(it, AUTH, PIN),
    },
    Case {
        what: "a wrong password",
        profile: "plastic",
        change: |_| (),
        work: |it| login(it, SIGN, b"WRONG99"),
    },
    Case {
        what: "a locked password",
        profile: "plastic,sign-tries=0",
        change: |_| (),
        work: |it| login(it, SIGN, b"WRONG99"),
    },
    Case {
        what: "text that cannot be a PIN",
        profile: "plastic",
        change: |_| (),
        work: |it| login(it, AUTH, b"12345"),
    },
    Case {
        what: "a new PIN that the card refuses",
        profile: "plastic",
        change: |_| (),
        work: |it| change(it, Misbehaviour::AnswerInstead(vec![0x6A, 0x80])),
    },
    Case {
        what: "a change whose end is not known",
        profile: "plastic",
        change: |_| (),
        work: |it| change(it, Misbehaviour::RemovedAfter),
    },
];

#[test]
fn each_refusal_is_told_once_with_its_tries() {
    log::set_logger(&PAPER).unwrap();
    log::set_max_level(LevelFilter::Warn);
    let mut page = String::new();
    for case in CASES {
        let fixture = Fixture::configured(case.profile, |config| {
            config.language = Some(Language::English);
            (case.change)(config);
        });
        PAPER.0.lock().unwrap().clear();
        let code = (case.work)(&fixture).unwrap_err();
        writeln!(page, "# {}: {code:#x}", case.what).unwrap();
        for line in PAPER.0.lock().unwrap().iter() {
            writeln!(page, "{line}").unwrap();
        }
        page.push('\n');
    }
    log::set_max_level(LevelFilter::Off);
    golden::check("told.txt", &page);
}
