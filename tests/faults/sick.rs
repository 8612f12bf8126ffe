//! Cards that fail again and again: they must not freeze who polls, and are found again when well.

use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;
use jpki_card_simulator::reader::Timing;

use super::common::{AUTH, Stage};

/// Polls each 50 ms for so long, as a browser does each second; gives the APDUs that it cost.
fn poll(stage: &Stage, duration: Duration) -> u64 {
    let start = Instant::now();
    let ((), apdus) = stage.apdus(|| {
        while start.elapsed() < duration {
            assert!(stage.slot_info(AUTH).is_ok());
            let _ = stage.token_info(AUTH);
            thread::sleep(Duration::from_millis(50));
        }
    });
    apdus
}

#[test]
fn a_card_that_cannot_be_opened_is_left_alone_for_longer_and_longer() {
    let stage = Stage::plastic();
    // It selects, and then tells nothing.
    stage.reader().misbehave(2, Misbehaviour::Endless61);
    for _ in 0..3 {
        assert_eq!(stage.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
    }
    // A second of rest.
    assert_eq!(poll(&stage, Duration::from_millis(800)), 0);
    assert_eq!(stage.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
    // One attempt more, then two seconds.
    thread::sleep(Duration::from_millis(300));
    let apdus = poll(&stage, Duration::from_millis(1500));
    assert!((1..20).contains(&apdus), "{apdus} APDUs");
    // It is found when it is well, and a card that is put in anew is looked at anew.
    stage.reader().behave();
    assert_eq!(stage.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
    stage.take_out();
    stage.put_back();
    assert!(stage.token_info(AUTH).is_ok());
}

#[test]
fn a_card_that_is_well_again_is_found_without_being_put_in_anew() {
    let stage = Stage::plastic();
    stage.reader().misbehave(2, Misbehaviour::Endless6C);
    for _ in 0..3 {
        assert_eq!(stage.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
    }
    stage.reader().behave();
    thread::sleep(Duration::from_millis(1100));
    assert!(stage.token_info(AUTH).is_ok());
}

#[test]
fn a_slow_and_sick_card_takes_a_fifth_of_the_time_at_most() {
    let stage = Stage::plastic();
    stage.reader().set_timing(Timing {
        apdu: Duration::from_millis(120),
        ..Timing::default()
    });
    stage.reader().misbehave(1, Misbehaviour::Endless61);
    let (start, mut asking) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_secs(6) {
        let question = Instant::now();
        assert_eq!(stage.token_info(AUTH).unwrap_err(), CKR_DEVICE_ERROR);
        asking += question.elapsed();
        thread::sleep(Duration::from_millis(10));
    }
    // Three attempts at once, about 0.6 s each, then one in a while.
    assert!(asking < Duration::from_millis(3500), "{asking:?}");
}

#[test]
fn a_card_that_does_not_tell_its_tries_is_not_asked_at_each_look() {
    let stage = Stage::plastic();
    // SELECT, six READs, EF 0006: then both questions go wrong.
    let (answer, length) = stage.apdus(|| stage.token_info(AUTH));
    answer.unwrap();
    stage.take_out();
    stage.put_back();
    for position in [length - 1, length] {
        let nothing = Misbehaviour::AnswerInstead(vec![0x6F, 0x00]);
        stage.reader().misbehave(position, nothing);
    }
    for later in 1..200 {
        stage
            .reader()
            .misbehave(length + later, Misbehaviour::OneByte);
    }
    assert!(stage.token_info(AUTH).is_ok());
    let apdus = poll(&stage, Duration::from_millis(900));
    assert!(apdus < 12, "{apdus} APDUs");
    stage.reader().behave();
    thread::sleep(Duration::from_millis(1100));
    let info = stage.token_info(AUTH).unwrap();
    assert_eq!(info.flags & CKF_USER_PIN_COUNT_LOW, 0);
}
