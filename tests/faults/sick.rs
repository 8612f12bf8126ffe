//! Cards that fail again and again: they must not freeze who polls, and are found again when well.

use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;
use jpki_card_simulator::reader::Timing;

use super::common::{AUTH, Fixture};

/// Polls each 50 ms for so long, as a browser does each second; gives the APDUs that it cost.
fn poll(fixture: &Fixture, duration: Duration) -> u64 {
    let start = Instant::now();
    let ((), apdus) = fixture.apdus(|| {
        while start.elapsed() < duration {
            assert!(fixture.slot_info(AUTH).is_ok());
            let _ = fixture.token_info(AUTH);
            thread::sleep(Duration::from_millis(50));
        }
    });
    apdus
}

#[test]
fn a_card_that_cannot_be_opened_is_left_alone_for_longer_and_longer() {
    let fixture = Fixture::plastic();
    // It selects, and then tells nothing.
    fixture.reader().misbehave(2, Misbehaviour::Endless61);
    for _ in 0..3 {
        assert_eq!(fixture.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
    }
    // A second of rest.
    assert_eq!(poll(&fixture, Duration::from_millis(800)), 0);
    assert_eq!(fixture.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
    // One attempt more, then two seconds.
    thread::sleep(Duration::from_millis(300));
    let apdus = poll(&fixture, Duration::from_millis(1500));
    assert!((1..20).contains(&apdus), "{apdus} APDUs");
    // It is found when it is well, and a card that is put in anew is looked at anew.
    fixture.reader().behave();
    assert_eq!(fixture.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
    fixture.take_out();
    fixture.put_back();
    assert!(fixture.token_info(AUTH).is_ok());
}

#[test]
fn a_card_that_is_well_again_is_found_without_being_put_in_anew() {
    let fixture = Fixture::plastic();
    fixture.reader().misbehave(2, Misbehaviour::Endless6C);
    for _ in 0..3 {
        assert_eq!(fixture.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
    }
    fixture.reader().behave();
    thread::sleep(Duration::from_millis(1100));
    assert!(fixture.token_info(AUTH).is_ok());
}

#[test]
fn a_slow_and_sick_card_takes_a_fifth_of_the_time_at_most() {
    let fixture = Fixture::plastic();
    fixture.reader().set_timing(Timing {
        apdu: Duration::from_millis(120),
        ..Timing::default()
    });
    fixture.reader().misbehave(1, Misbehaviour::Endless61);
    let (start, mut asking) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_secs(6) {
        let question = Instant::now();
        assert_eq!(fixture.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
        asking += question.elapsed();
        thread::sleep(Duration::from_millis(10));
    }
    // Three attempts at once, about 0.6 s each, then one in a while.
    assert!(asking < Duration::from_millis(3500), "{asking:?}");
}

#[test]
fn a_card_that_does_not_tell_its_tries_is_not_asked_at_each_look() {
    let fixture = Fixture::plastic();
    // SELECT, six READs, EF 0006: then both questions go wrong.
    let (answer, length) = fixture.apdus(|| fixture.token_info(AUTH));
    answer.unwrap();
    fixture.take_out();
    fixture.put_back();
    for position in [length - 1, length] {
        let nothing = Misbehaviour::AnswerInstead(vec![0x6F, 0x00]);
        fixture.reader().misbehave(position, nothing);
    }
    for later in 1..200 {
        fixture
            .reader()
            .misbehave(length + later, Misbehaviour::OneByte);
    }
    assert!(fixture.token_info(AUTH).is_ok());
    let apdus = poll(&fixture, Duration::from_millis(900));
    assert!(apdus < 12, "{apdus} APDUs");
    fixture.reader().behave();
    thread::sleep(Duration::from_millis(1100));
    let info = fixture.token_info(AUTH).unwrap();
    assert_eq!(info.flags & CKF_USER_PIN_COUNT_LOW, 0);
}
