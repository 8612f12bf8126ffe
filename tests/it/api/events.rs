//! Slots and events while readers and cards come and go (PKCS#11 3.2, 5.5). `pcscd/` has the same on a real pcscd.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::config::Config;
use crate::common::fixture::{READER, card, reader_with};
use crate::common::module::pcsc::Error;
use crate::common::{AUTH, Call, Failure, FakePcsc, Fixture, PIN, SIGN, Service};
use cryptoki_sys::*;
use jpki_card_simulator::VirtualReader;

/// The slots of all pending events.
fn events(fixture: &Fixture) -> Vec<CK_SLOT_ID> {
    let mut slots = Vec::new();
    loop {
        match fixture.wait_for_slot_event(CKF_DONT_BLOCK) {
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

fn present(fixture: &Fixture, slot: CK_SLOT_ID) -> bool {
    fixture.slot_info(slot).unwrap().flags & CKF_TOKEN_PRESENT != 0
}

#[test]
fn cards_present_at_the_start_are_no_event() {
    let fixture = Fixture::plastic();
    assert!(events(&fixture).is_empty());
}

#[test]
fn card_that_comes_after_c_initialize_is_an_event() {
    let fixture = Fixture::plastic();
    let initialized_without = |prepare: &dyn Fn()| {
        fixture.finalize().unwrap();
        prepare();
        fixture.initialize(Config::default()).unwrap();
    };
    // The first look is the one of C_WaitForSlotEvent.
    initialized_without(&|| fixture.take_out());
    fixture.put_back();
    assert_eq!(events(&fixture), [AUTH, SIGN]);
    // The reader comes with the card, after an empty list of slots.
    let reader = fixture.reader();
    initialized_without(&|| fixture.pcsc.unplug(READER));
    assert_eq!(fixture.slot_list(true), Ok(vec![]));
    fixture.pcsc.plug(READER, reader);
    assert_eq!(events(&fixture), [AUTH, SIGN]);
    // pcscd comes after C_Initialize.
    initialized_without(&|| fixture.pcsc.set_service(Service::Stopped));
    assert!(events(&fixture).is_empty());
    fixture.pcsc.set_service(Service::Running);
    assert_eq!(events(&fixture), [AUTH, SIGN]);
}

#[test]
fn each_change_is_one_event_for_each_slot() {
    let fixture = Fixture::plastic();
    for _ in 0..3 {
        fixture.take_out();
        assert_eq!(events(&fixture), [AUTH, SIGN]);
        fixture.put_back();
        assert_eq!(events(&fixture), [AUTH, SIGN]);
        assert!(events(&fixture).is_empty());
    }
    // A removal and an insertion between two looks are a change: the card may be another one.
    fixture.take_out();
    fixture.put_back();
    assert_eq!(events(&fixture), [AUTH, SIGN]);
}

#[test]
fn slot_list_consumes_no_event() {
    let fixture = Fixture::plastic();
    fixture.take_out();
    assert!(fixture.slot_list(true).unwrap().is_empty());
    assert!(!present(&fixture, AUTH));
    assert_eq!(events(&fixture), [AUTH, SIGN]);
}

#[test]
fn reinserted_card_is_logged_out_and_without_sessions() {
    let fixture = Fixture::plastic();
    let auth = fixture.logged_in(AUTH);
    let sign = fixture.logged_in(SIGN);
    let key = fixture.private_key(auth);
    fixture.take_out();
    fixture.put_back();
    assert_eq!(fixture.state(auth), Err(CKR_DEVICE_REMOVED));
    for session in [auth, sign] {
        assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
        assert_eq!(
            fixture.close_session(session),
            Err(CKR_SESSION_HANDLE_INVALID)
        );
    }
    let again = fixture.open(AUTH);
    assert!(again > auth.max(sign), "handles are never used again");
    assert_eq!(fixture.state(again), Ok(CKS_RW_PUBLIC_SESSION));
    assert_eq!(
        fixture.number(again, key, CKA_CLASS),
        Err(CKR_OBJECT_HANDLE_INVALID)
    );
    assert_eq!({ fixture.token_info(AUTH).unwrap().ulSessionCount }, 1);
}

#[test]
fn another_card_is_another_token() {
    let fixture = Fixture::plastic();
    let reader = fixture.reader();
    let first = fixture.token_info(AUTH).unwrap().serialNumber;
    let mut serials = vec![first];
    // Another label makes another sample: another person.
    for (name, profile) in [
        ("person", "plastic,label=JPKIAPICCTOKEN3"),
        ("phone", "android"),
    ] {
        let session = fixture.logged_in(AUTH);
        reader.add(name, card(profile));
        reader.insert(name).unwrap();
        assert_eq!(events(&fixture), [AUTH, SIGN]);
        assert!(fixture.state(session).is_err());
        assert_eq!(fixture.counters().auth_verifies, 0, "{name}");
        let serial = fixture.token_info(AUTH).unwrap().serialNumber;
        assert!(!serials.contains(&serial), "{name}");
        serials.push(serial);
        assert_eq!(fixture.state(fixture.open(AUTH)), Ok(CKS_RW_PUBLIC_SESSION));
    }
    for (name, profile) in [("bank", "foreign"), ("key", "fido")] {
        reader.add(name, card(profile));
        reader.insert(name).unwrap();
        assert_eq!(events(&fixture), [AUTH, SIGN]);
        let (answer, apdus) = fixture.apdus(|| fixture.token_info(AUTH));
        assert_eq!(answer.unwrap_err(), CKR_TOKEN_NOT_RECOGNIZED);
        assert_eq!(apdus, 1);
        assert!(!present(&fixture, AUTH));
        // No further APDU is sent to it.
        let (answer, apdus) = fixture.apdus(|| fixture.open_session(SIGN, true));
        assert_eq!((answer, apdus), (Err(CKR_TOKEN_NOT_RECOGNIZED), 0));
    }
    reader.insert("card").unwrap();
    assert_eq!(fixture.token_info(AUTH).unwrap().serialNumber, first);
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn two_to_eight_readers_keep_their_slots() {
    for count in 2..=8 {
        let pcsc = FakePcsc::default();
        for number in 0..count {
            pcsc.plug(&format!("Reader {number:02}"), reader_with("plastic"));
        }
        let fixture = Fixture::on(pcsc, |_| ());
        let all: Vec<CK_SLOT_ID> = (0..2 * count).collect();
        assert_eq!(fixture.slot_list(true).unwrap(), all);
        let sessions: Vec<_> = (0..count).map(|it| fixture.logged_in(2 * it)).collect();
        // The other cards stay logged in.
        let gone = count / 2;
        fixture.pcsc.reader(&format!("Reader {gone:02}")).remove();
        assert_eq!(events(&fixture), [2 * gone, 2 * gone + 1]);
        assert_eq!(fixture.slot_list(false).unwrap(), all);
        assert_eq!(fixture.slot_list(true).unwrap().len(), all.len() - 2);
        for (number, session) in (0..).zip(&sessions) {
            let expected = match number == gone {
                true => Err(CKR_SESSION_HANDLE_INVALID),
                false => Ok(CKS_RW_USER_FUNCTIONS),
            };
            assert_eq!(fixture.state(*session), expected);
        }
    }
}

#[test]
fn replugged_reader_has_its_old_slots() {
    let pcsc = FakePcsc::default();
    for name in ["A", "B", "C"] {
        pcsc.plug(name, reader_with("plastic"));
    }
    let fixture = Fixture::on(pcsc, |_| ());
    let descriptions = |fixture: &Fixture| -> Vec<[u8; 64]> {
        let slots = fixture.slot_list(false).unwrap();
        let infos = slots.iter().map(|&slot| fixture.slot_info(slot).unwrap());
        infos.map(|info| info.slotDescription).collect()
    };
    let before = descriptions(&fixture);
    let session = fixture.logged_in(2);
    let other = fixture.logged_in(4);
    let reader = fixture.pcsc.reader("B");
    fixture.pcsc.unplug("B");
    assert_eq!(fixture.state(session), Err(CKR_DEVICE_REMOVED));
    assert_eq!(events(&fixture), [2, 3]);
    assert_eq!(fixture.slot_list(false).unwrap(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(fixture.slot_list(true).unwrap(), [0, 1, 4, 5]);
    assert!(!present(&fixture, 2));
    assert_eq!(fixture.token_info(2).unwrap_err(), CKR_TOKEN_NOT_PRESENT);
    assert_eq!(fixture.state(other), Ok(CKS_RW_USER_FUNCTIONS));

    // A new reader is appended.
    fixture.pcsc.plug("D", VirtualReader::new());
    fixture.pcsc.plug("B", reader);
    assert_eq!(events(&fixture), [2, 3]);
    assert_eq!(fixture.slot_list(false).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(descriptions(&fixture)[..6], before);
    assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    fixture.logged_in(2);
    // A card that comes with a new reader, or later, is an event of its slots.
    fixture.pcsc.plug("E", reader_with("plastic"));
    assert_eq!(events(&fixture), [8, 9]);
    fixture.pcsc.reader("D").add("late", card("plastic"));
    fixture.pcsc.reader("D").insert("late").unwrap();
    assert_eq!(events(&fixture), [6, 7]);
}

#[test]
fn wait_ends_with_each_change() {
    let fixture = Fixture::plastic();
    let changes: [(&str, &dyn Fn()); 4] = [
        ("removal", &|| fixture.take_out()),
        ("insertion", &|| fixture.put_back()),
        ("a new reader with a card", &|| {
            fixture.pcsc.plug("Reader 01", reader_with("plastic"))
        }),
        ("a reader pulled out", &|| fixture.pcsc.unplug("Reader 01")),
    ];
    for (name, change) in changes {
        let caller = fixture.caller();
        let waiter = thread::spawn(move || (caller.wait_for_slot_event(0), Instant::now()));
        thread::sleep(Duration::from_millis(100));
        assert!(!waiter.is_finished(), "before {name}");
        let start = Instant::now();
        change();
        let (slot, woken) = waiter.join().unwrap();
        slot.unwrap();
        assert!(woken - start < Duration::from_millis(600), "{name}");
        events(&fixture);
    }
}

#[test]
fn wait_goes_on_after_failures_of_pcsc() {
    let words = || "injected".to_owned();
    let fixture = Fixture::plastic();
    for error in [
        Error::Failed(words()),
        Error::Busy,
        Error::Stuck,
        Error::NoService(words()),
    ] {
        // A question, something to wait with, a question, a wait: one of them at a time.
        for skipped in 0..4 {
            fixture.pcsc.failures(|failures| {
                failures.clear();
                failures.add(skipped, 1, Failure::of(error.clone()));
            });
            let caller = fixture.caller();
            let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
            let begun = Instant::now();
            let calls = || fixture.pcsc.failures(|failures| failures.calls().to_vec());
            let goes_on = |calls: Vec<Call>| calls.len() > skipped && calls.contains(&Call::Wait);
            while !goes_on(calls()) {
                assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", calls());
                thread::sleep(Duration::from_millis(20));
            }
            assert!(!waiter.is_finished(), "{error:?}, call {skipped}");
            fixture.take_out();
            waiter.join().unwrap().unwrap();
            fixture.put_back();
            events(&fixture);
        }
    }
}

#[test]
fn finalize_ends_every_wait() {
    let fixture = Fixture::plastic();
    for _ in 0..5 {
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let caller = fixture.caller();
                thread::spawn(move || caller.wait_for_slot_event(0))
            })
            .collect();
        thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        fixture.finalize().unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
        // NSS ends the wait of its thread like this.
        fixture.initialize(Config::default()).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
        }
        fixture.slot_list(false).unwrap();
    }
}

#[test]
fn two_waits_share_the_events() {
    let fixture = Fixture::plastic();
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let caller = fixture.caller();
            thread::spawn(move || caller.wait_for_slot_event(0))
        })
        .collect();
    thread::sleep(Duration::from_millis(50));
    fixture.take_out();
    let mut slots: Vec<_> = waiters
        .into_iter()
        .map(|it| it.join().unwrap().unwrap())
        .collect();
    slots.sort_unstable();
    assert_eq!(slots, [AUTH, SIGN]);
    assert!(events(&fixture).is_empty());
}

#[test]
fn wait_may_begin_before_the_service() {
    let pcsc = FakePcsc::default();
    pcsc.set_service(Service::Stopped);
    let fixture = Fixture::on(pcsc, |_| ());
    assert!(fixture.slot_list(false).unwrap().is_empty());
    let caller = fixture.caller();
    let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
    thread::sleep(Duration::from_millis(100));
    fixture.pcsc.set_service(Service::Running);
    fixture.pcsc.plug(READER, reader_with("plastic"));
    thread::sleep(Duration::from_millis(600));
    assert_eq!(fixture.slot_list(true).unwrap(), [AUTH, SIGN]);
    // The first list with slots shows the card; later changes are events.
    fixture.take_out();
    waiter.join().unwrap().unwrap();
    fixture.put_back();
    let session = fixture.open(AUTH);
    fixture.login(session, CKU_USER, PIN).unwrap();
}

#[test]
fn service_may_start_late_and_restart() {
    for service in [Service::Stopped, Service::Forbidden] {
        let pcsc = FakePcsc::default();
        pcsc.plug(READER, reader_with("plastic"));
        pcsc.set_service(service);
        let fixture = Fixture::on(pcsc, |_| ());
        assert_eq!(fixture.slot_list(false), Ok(vec![]));
        assert_eq!(fixture.slot_info(AUTH).unwrap_err(), CKR_SLOT_ID_INVALID);
        fixture.pcsc.set_service(Service::Running);
        assert_eq!(fixture.slot_list(true).unwrap(), [AUTH, SIGN]);
        let session = fixture.logged_in(AUTH);
        events(&fixture);

        fixture.pcsc.set_service(service);
        assert!(fixture.slot_list(true).unwrap().is_empty());
        assert_eq!(fixture.slot_list(false).unwrap(), [AUTH, SIGN]);
        assert_eq!(fixture.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
        // That nobody answers says nothing of the card: the session goes on.
        assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
        assert!(fixture.open_session(AUTH, true).is_err());
        assert!(events(&fixture).is_empty());
        fixture.pcsc.set_service(Service::Running);
        assert!(events(&fixture).is_empty());
        fixture.signature(session).unwrap();

        // A restart ends every connection, and the card may be another one.
        fixture.pcsc.restart();
        assert_eq!(events(&fixture), [AUTH, SIGN]);
        assert_eq!(fixture.slot_list(true).unwrap(), [AUTH, SIGN]);
        assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
        fixture.logged_in(AUTH);
    }
}
