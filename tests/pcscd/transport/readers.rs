//! Readers, and the cards that come to them and go.

use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use cryptoki_sys::CKU_USER;

use super::super::common::AUTH;
use super::super::common::config::{Config, PinEntry};
use super::super::common::module::pcsc::{Disposition, Error, Transport};
use super::super::common::module::{initialize_with, pcsc_service};
use super::super::rig::{BACK, SEEN, control, number, start_pcscd, stop_pcscd};
use super::{Floor, PATIENCE, begin, is_alive, is_open};

#[test]
#[ignore = "needs tests/pcscd/run"]
fn card_that_is_taken_out_and_put_back() {
    let floor = Floor::new();
    let mut channel = floor.connect();
    let first = floor.insertion().unwrap();
    assert!(is_alive(&mut *channel));
    control("remove");
    let rig = &floor.rig;
    rig.until(BACK, "the removal", |_| floor.insertion().is_none());
    assert_eq!(floor.transport.survey().unwrap()[0].insertion, None);
    assert!(!is_alive(&mut *channel));
    assert!(channel.begin(PATIENCE).is_err());
    assert_eq!(
        floor.transport.connect(&floor.reader).err(),
        Some(Error::NoCard)
    );
    control("insert me");
    rig.until(BACK, "the insertion", |_| floor.insertion().is_some());
    let second = floor.insertion().unwrap();
    assert_ne!(second, first);
    let seen = &floor.transport.survey().unwrap()[0];
    assert_eq!(seen.insertion, Some(second));
    assert!(!seen.atr.is_empty());
    assert!(!is_alive(&mut *channel), "it was made to the card before");
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn reader_that_is_not_there() {
    let floor = Floor::new();
    let before = floor.insertion();
    let name = "No such reader 00 00";
    assert_eq!(floor.transport.insertion(name), Err(Error::NoReader));
    assert_eq!(floor.transport.connect(name).err(), Some(Error::NoReader));
    assert_eq!(floor.insertion(), before, "the service is the same");
}

/// It counts insertions from the start again.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn insertion_before_a_restart_is_none_after_it() {
    let floor = Floor::new();
    let mut insertions = vec![floor.insertion().unwrap()];
    for _ in 0..3 {
        stop_pcscd();
        assert!(floor.transport.survey().is_err());
        start_pcscd();
        let seen = || floor.transport.insertion(&floor.reader).ok().flatten();
        let rig = &floor.rig;
        rig.until(BACK, "the card after the restart", |_| seen().is_some());
        let insertion = floor.insertion().unwrap();
        assert!(!insertions.contains(&insertion), "{insertions:?}");
        insertions.push(insertion);
    }
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn watch_ends_with_an_event_and_when_it_is_cancelled() {
    let floor = Floor::new();
    let long = Duration::from_secs(60);
    let mut watch = floor.transport.watch().unwrap();
    // What it has not seen yet is an event.
    watch.wait(long).unwrap();
    let quiet = Duration::from_secs(1);
    let mut lasts = || {
        let start = Instant::now();
        watch.wait(quiet).unwrap();
        start.elapsed() >= quiet
    };
    // pcscd may still be at what was before, as the power of an unused card.
    assert!((0..5).any(|_| lasts()), "nothing happens");

    control("remove");
    let start = Instant::now();
    watch.wait(long).unwrap();
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(floor.insertion(), None);

    let canceller = watch.canceller();
    let waiting = thread::spawn(move || {
        let answer = loop {
            match watch.wait(long) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        (watch.wait(long), answer)
    });
    thread::sleep(SEEN);
    let start = Instant::now();
    canceller.cancel();
    let answers = waiting.join().unwrap();
    assert_eq!(answers, (Err(Error::Cancelled), Error::Cancelled));
    assert!(start.elapsed() < PATIENCE);
    // The thread inside libpcsclite has ended too.
    floor
        .rig
        .until(PATIENCE, "the thread ends", |_| !has_thread("jpki-events"));
}

fn has_thread(name: &str) -> bool {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads
        .filter_map(|it| fs::read_to_string(it.unwrap().path().join("comm")).ok())
        .any(|it| it.trim_end() == name)
}

/// PC/SC cuts a long name in the middle of a character. The reader is of tests/reader-driver, at a pcscd of its own.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn reader_with_a_pin_pad_and_a_long_name() {
    let folder = tempfile::tempdir().unwrap();
    let typed = folder.path().join("typed");
    fs::write(&typed, "1234\n1234\n").unwrap();
    let output = Command::new("tests/virtual-pcscd")
        .args(["--name", &"読".repeat(41)])
        .arg("--reader")
        .arg(format!("apdu=65536:pad={}", typed.display()))
        .arg("--")
        .arg(env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "transport::readers::child_at_that_reader",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "a part of reader_with_a_pin_pad_and_a_long_name"]
fn child_at_that_reader() {
    let floor = Floor::new();
    let (name, cut) = floor.reader.split_at(40 * "読".len());
    assert_eq!(name, "読".repeat(40));
    assert!(cut.starts_with(char::REPLACEMENT_CHARACTER), "{cut}");
    assert!(floor.insertion().is_some());
    let mut channel = floor.connect();
    let abilities = channel.abilities();
    assert_eq!(abilities.max_apdu_data, 65_536);
    // SCARD_CTL_CODE(2000 + tag) of pcsc-lite.
    assert_eq!(abilities.verify_pin, Some(0x4200_07D6));
    assert_eq!(abilities.modify_pin, Some(0x4200_07D7));
    let mut exchange = begin(&mut *channel);
    assert!(exchange.control(0x4200_0000, &[]).is_err());
    exchange.end(Disposition::Leave).unwrap();
    drop(channel);

    let config = Config {
        pin_entry: PinEntry::Pinpad,
        ..Config::default()
    };
    let rig = floor.rig;
    initialize_with(Box::new(pcsc_service()), config).unwrap();
    let session = rig.open_session(AUTH, true).unwrap();
    rig.login_without_pin(session, CKU_USER).unwrap();
    rig.sign_well(session, AUTH).unwrap();
    rig.finalize().unwrap();
    assert_eq!(number(&control("counters me"), "auth_verifies"), 2);
    assert!(!is_open());
}
