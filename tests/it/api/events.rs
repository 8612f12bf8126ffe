//! Readers and cards come and go (PKCS#11 3.2, 5.5: slots, C_WaitForSlotEvent). What belongs here: which
//! slots there are, what lives in them, and who is told. In process; `pcscd/` has the same on a real one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of tests fail like tests"
)]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::stage::{READER, card, reader_with};
use common::{AUTH, Desk, PIN, SIGN, Service, Stage};
use cryptoki_sys::*;
use jpki_card_simulator::VirtualReader;
use jpki_pkcs11::config::Config;

/// The slots that events tell of, until there is none; each at most once.
fn events(stage: &Stage) -> Vec<CK_SLOT_ID> {
    let mut slots = Vec::new();
    loop {
        match stage.wait_for_slot_event(CKF_DONT_BLOCK) {
            Ok(slot) => slots.push(slot),
            Err(code) => {
                assert_eq!(code, CKR_NO_EVENT);
                break;
            }
        }
    }
    slots.sort_unstable();
    slots
}

fn present(stage: &Stage, slot: CK_SLOT_ID) -> bool {
    stage.slot_info(slot).unwrap().flags & CKF_TOKEN_PRESENT != 0
}

#[test]
fn what_was_there_before_is_no_event() {
    let stage = Stage::plastic();
    assert_eq!(events(&stage), []);
}

#[test]
fn each_change_is_told_once_for_both_slots() {
    let stage = Stage::plastic();
    for _ in 0..3 {
        stage.take_out();
        assert_eq!(events(&stage), [AUTH, SIGN]);
        stage.put_back();
        assert_eq!(events(&stage), [AUTH, SIGN]);
        assert_eq!(events(&stage), []);
    }
    // Out and in between two looks is a change too: it may be another card.
    stage.take_out();
    stage.put_back();
    assert_eq!(events(&stage), [AUTH, SIGN]);
}

#[test]
fn a_look_at_the_slots_takes_no_event_away() {
    let stage = Stage::plastic();
    stage.take_out();
    assert_eq!(stage.slot_list(true).unwrap(), []);
    assert!(!present(&stage, AUTH));
    assert_eq!(events(&stage), [AUTH, SIGN]);
}

#[test]
fn the_same_card_back_is_logged_out_and_its_sessions_are_dead() {
    let stage = Stage::plastic();
    let auth = stage.logged_in(AUTH);
    let sign = stage.logged_in(SIGN);
    let key = stage.private_key(auth);
    stage.take_out();
    stage.put_back();
    assert_eq!(stage.state(auth), Err(CKR_DEVICE_REMOVED));
    for session in [auth, sign] {
        assert_eq!(stage.state(session), Err(CKR_SESSION_HANDLE_INVALID));
        assert_eq!(
            stage.close_session(session),
            Err(CKR_SESSION_HANDLE_INVALID)
        );
    }
    let again = stage.open(AUTH);
    assert!(again > auth.max(sign), "handles are never used again");
    assert_eq!(stage.state(again), Ok(CKS_RW_PUBLIC_SESSION));
    assert_eq!(
        stage.number(again, key, CKA_CLASS),
        Err(CKR_OBJECT_HANDLE_INVALID)
    );
    assert_eq!(stage.token_info(AUTH).unwrap().ulSessionCount, 1);
}

#[test]
fn another_persons_card_and_other_kinds_of_card() {
    let stage = Stage::plastic();
    let reader = stage.reader();
    let first = stage.token_info(AUTH).unwrap().serialNumber;
    let mut serials = vec![first];
    // Another label makes another sample: another person.
    for (name, profile) in [
        ("person", "plastic,label=JPKIAPICCTOKEN3"),
        ("phone", "android"),
    ] {
        let session = stage.logged_in(AUTH);
        reader.add(name, card(profile));
        reader.insert(name).unwrap();
        assert_eq!(events(&stage), [AUTH, SIGN]);
        assert!(stage.state(session).is_err());
        let serial = stage.token_info(AUTH).unwrap().serialNumber;
        assert!(!serials.contains(&serial), "{name}");
        serials.push(serial);
        assert_eq!(stage.state(stage.open(AUTH)), Ok(CKS_RW_PUBLIC_SESSION));
    }
    for (name, profile) in [("bank", "foreign"), ("key", "fido")] {
        reader.add(name, card(profile));
        reader.insert(name).unwrap();
        assert_eq!(events(&stage), [AUTH, SIGN]);
        assert!(present(&stage, AUTH));
        let (answer, apdus) = stage.apdus(|| stage.token_info(AUTH));
        assert_eq!(answer.unwrap_err(), CKR_TOKEN_NOT_RECOGNIZED);
        assert_eq!(apdus, 1);
        // It is left alone from then on.
        let (answer, apdus) = stage.apdus(|| stage.open_session(SIGN, true));
        assert_eq!((answer, apdus), (Err(CKR_TOKEN_NOT_RECOGNIZED), 0));
    }
    reader.insert("card").unwrap();
    assert_eq!(stage.token_info(AUTH).unwrap().serialNumber, first);
    assert_eq!(stage.tries(), (3, 5));
}

#[test]
fn two_to_eight_readers_each_keep_their_slots() {
    for count in 2..=8 {
        let desk = Desk::default();
        for number in 0..count {
            desk.plug(&format!("Reader {number:02}"), reader_with("plastic"));
        }
        let stage = Stage::on(desk, |_| ());
        let all: Vec<CK_SLOT_ID> = (0..2 * count).collect();
        assert_eq!(stage.slot_list(true).unwrap(), all);
        let sessions: Vec<_> = (0..count).map(|it| stage.logged_in(2 * it)).collect();
        // One card goes: the others stay logged in.
        let gone = count / 2;
        stage.desk.reader(&format!("Reader {gone:02}")).remove();
        assert_eq!(events(&stage), [2 * gone, 2 * gone + 1]);
        assert_eq!(stage.slot_list(false).unwrap(), all);
        assert_eq!(stage.slot_list(true).unwrap().len() as u64, 2 * count - 2);
        for (number, session) in (0..).zip(&sessions) {
            let expected = match number == gone {
                true => Err(CKR_SESSION_HANDLE_INVALID),
                false => Ok(CKS_RW_USER_FUNCTIONS),
            };
            assert_eq!(stage.state(*session), expected);
        }
    }
}

#[test]
fn a_reader_that_is_pulled_and_plugged_in_again_has_its_old_slots() {
    let desk = Desk::default();
    for name in ["A", "B", "C"] {
        desk.plug(name, reader_with("plastic"));
    }
    let stage = Stage::on(desk, |_| ());
    let descriptions = |stage: &Stage| -> Vec<[u8; 64]> {
        let slots = stage.slot_list(false).unwrap();
        let infos = slots.iter().map(|&slot| stage.slot_info(slot).unwrap());
        infos.map(|info| info.slotDescription).collect()
    };
    let before = descriptions(&stage);
    let session = stage.logged_in(2);
    let other = stage.logged_in(4);
    let reader = stage.desk.reader("B");
    stage.desk.unplug("B");
    assert_eq!(events(&stage), [2, 3]);
    assert_eq!(stage.slot_list(false).unwrap(), [0, 1, 2, 3, 4, 5]);
    assert!(!present(&stage, 2));
    assert_eq!(stage.token_info(2).unwrap_err(), CKR_TOKEN_NOT_PRESENT);
    assert_eq!(stage.state(other), Ok(CKS_RW_USER_FUNCTIONS));

    // Another one comes first: it is appended.
    stage.desk.plug("D", VirtualReader::new());
    stage.desk.plug("B", reader);
    assert_eq!(events(&stage), [2, 3]);
    assert_eq!(stage.slot_list(false).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(descriptions(&stage)[..6], before);
    assert_eq!(stage.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    stage.logged_in(2);
    // A card that comes with a new reader, or later, is an event of its slots.
    stage.desk.plug("E", reader_with("plastic"));
    assert_eq!(events(&stage), [8, 9]);
    stage.desk.reader("D").add("late", card("plastic"));
    stage.desk.reader("D").insert("late").unwrap();
    assert_eq!(events(&stage), [6, 7]);
}

#[test]
fn a_wait_is_woken_by_insertion_removal_and_a_new_reader() {
    let stage = Stage::plastic();
    let changes: [(&str, &dyn Fn()); 4] = [
        ("removal", &|| stage.take_out()),
        ("insertion", &|| stage.put_back()),
        ("a new reader with a card", &|| {
            stage.desk.plug("Reader 01", reader_with("plastic"))
        }),
        ("a reader pulled out", &|| stage.desk.unplug("Reader 01")),
    ];
    for (name, change) in changes {
        let caller = stage.caller();
        let waiter = thread::spawn(move || (caller.wait_for_slot_event(0), Instant::now()));
        thread::sleep(Duration::from_millis(100));
        assert!(!waiter.is_finished(), "before {name}");
        let start = Instant::now();
        change();
        let (slot, woken) = waiter.join().unwrap();
        slot.unwrap();
        assert!(woken - start < Duration::from_millis(600), "{name}");
        events(&stage);
    }
}

#[test]
fn finalize_ends_every_wait_and_initialise_may_follow_at_once() {
    let stage = Stage::plastic();
    for _ in 0..5 {
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let caller = stage.caller();
                thread::spawn(move || caller.wait_for_slot_event(0))
            })
            .collect();
        thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        stage.finalize().unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
        // NSS ends the wait of its thread in this way.
        common::mount(Box::new(stage.desk.clone()), Config::default()).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
        }
        stage.slot_list(false).unwrap();
    }
}

#[test]
fn of_two_waits_one_hears_of_each_slot() {
    let stage = Stage::plastic();
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let caller = stage.caller();
            thread::spawn(move || caller.wait_for_slot_event(0))
        })
        .collect();
    thread::sleep(Duration::from_millis(50));
    stage.take_out();
    let mut slots: Vec<_> = waiters
        .into_iter()
        .map(|it| it.join().unwrap().unwrap())
        .collect();
    slots.sort_unstable();
    assert_eq!(slots, [AUTH, SIGN]);
    assert_eq!(events(&stage), []);
}

#[test]
fn the_service_goes_and_comes_back() {
    for service in [Service::Stopped, Service::Forbidden] {
        let stage = Stage::plastic();
        let session = stage.logged_in(AUTH);
        stage.desk.set_service(service);
        assert_eq!(stage.slot_list(true).unwrap(), []);
        assert_eq!(stage.slot_list(false).unwrap(), [AUTH, SIGN]);
        assert!(stage.state(session).is_err());
        assert!(stage.open_session(AUTH, true).is_err());
        assert_eq!(events(&stage), [AUTH, SIGN]);
        stage.desk.set_service(Service::Running);
        assert_eq!(events(&stage), [AUTH, SIGN]);
        assert_eq!(stage.state(session), Err(CKR_SESSION_HANDLE_INVALID));
        stage.logged_in(AUTH);
    }
}

#[test]
fn a_service_that_was_not_there_at_the_start() {
    let desk = Desk::default();
    desk.set_service(Service::Stopped);
    let stage = Stage::on(desk, |_| ());
    assert_eq!(stage.slot_list(false).unwrap(), []);
    let caller = stage.caller();
    let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
    thread::sleep(Duration::from_millis(100));
    stage.desk.set_service(Service::Running);
    stage.desk.plug(READER, reader_with("plastic"));
    thread::sleep(Duration::from_millis(600));
    assert_eq!(stage.slot_list(true).unwrap(), [AUTH, SIGN]);
    // The list that was empty is the first one: the application sees the card in it, and is told of
    // whatever comes next.
    stage.take_out();
    waiter.join().unwrap().unwrap();
    stage.put_back();
    let session = stage.open(AUTH);
    stage.login(session, CKU_USER, PIN).unwrap();
}

/// Ten thousand times in docs/robustness.md: `CYCLES=10000 cargo test --release --test events cycles`.
#[test]
fn many_cycles_leave_nothing_behind() {
    let cycles = std::env::var("CYCLES").map_or(500, |text| text.parse().unwrap());
    let stage = Stage::plastic();
    let memory = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let cycle = |number: u32| {
        let session = stage.logged_in(AUTH);
        let key = stage.private_key(session);
        let mechanism = common::Mechanism::plain(CKM_SHA256_RSA_PKCS);
        stage.sign_once(session, &mechanism, key, b"data").unwrap();
        stage.take_out();
        assert_eq!(events(&stage), [AUTH, SIGN]);
        stage.put_back();
        events(&stage);
        if number.is_multiple_of(10) {
            stage.finalize().unwrap();
            let desk = Box::new(stage.desk.clone());
            common::mount(desk, Config::default()).unwrap();
            stage.slot_list(false).unwrap();
        }
        // The simulator's own log is no growth of the module.
        stage.reader().reset_log();
    };
    for number in 0..100 {
        cycle(number);
    }
    let before = (files(), memory());
    for number in 0..cycles {
        cycle(number);
    }
    let after = (files(), memory());
    eprintln!("{cycles} cycles: {before:?} -> {after:?} (files, KiB)");
    assert_eq!(before.0, after.0);
    assert!(after.1 < before.1 + 2048, "{before:?} -> {after:?}");
}
