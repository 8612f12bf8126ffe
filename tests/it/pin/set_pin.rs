//! `C_SetPIN` on both tokens (product.md, section 4). What belongs here: that the new PIN is the
//! card's, and that nothing is lost when it cannot be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod common;

use common::{AUTH, Mechanism, PASSWORD, PIN, SIGN, Stage};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;

fn verifies(stage: &Stage) -> (u64, u64) {
    let counters = stage.counters();
    (counters.auth_verifies, counters.sign_verifies)
}

#[test]
fn both_pins_can_be_changed() {
    for (slot, old, new) in [(AUTH, PIN, &b"4711"[..]), (SIGN, PASSWORD, b"newpass1")] {
        let stage = Stage::plastic();
        let session = stage.open(slot);
        stage.set_pin(session, old, new).unwrap();
        assert!(!stage.is_open());
        assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
        assert_eq!(stage.login(session, CKU_USER, old), Err(CKR_PIN_INCORRECT));
        stage.login(session, CKU_USER, new).unwrap();
        assert_eq!(stage.tries(), (3, 5));
    }
}

#[test]
fn a_login_goes_on_with_the_new_pin() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    stage.set_pin(session, PIN, b"4711").unwrap();
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    stage.sign_once(session, &rsa, key, b"data").unwrap();
    assert_eq!(stage.tries(), (3, 5));
}

#[test]
fn what_cannot_be_is_refused_before_the_card() {
    let stage = Stage::plastic();
    let (auth, sign) = (stage.open(AUTH), stage.open(SIGN));
    for (session, old, new, code) in [
        (auth, PIN, &b""[..], CKR_PIN_LEN_RANGE),
        (auth, PIN, b"123", CKR_PIN_LEN_RANGE),
        (auth, PIN, b"12345", CKR_PIN_LEN_RANGE),
        (auth, PIN, b"12a4", CKR_PIN_INVALID),
        (auth, b"ABC123", b"4711", CKR_PIN_INCORRECT),
        (auth, b"", b"4711", CKR_PIN_INCORRECT),
        (sign, PASSWORD, b"ABC12", CKR_PIN_LEN_RANGE),
        (sign, PASSWORD, &[b'A'; 17], CKR_PIN_LEN_RANGE),
        (sign, PASSWORD, b"ABC-123", CKR_PIN_INVALID),
        (sign, b"1234", b"NEWPASS1", CKR_PIN_INCORRECT),
    ] {
        assert_eq!(stage.set_pin(session, old, new), Err(code), "{new:?}");
    }
    assert_eq!(verifies(&stage), (0, 0));
    assert_eq!(stage.tries(), (3, 5));
}

#[test]
fn a_wrong_old_pin_costs_one_try_and_changes_nothing() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    for _ in 0..3 {
        let changed = stage.set_pin(session, b"0000", b"4711");
        assert_eq!(changed, Err(CKR_PIN_INCORRECT));
    }
    assert_eq!(stage.tries(), (2, 5));
    stage.login(session, CKU_USER, PIN).unwrap();
}

#[test]
fn a_read_only_session_changes_nothing() {
    let stage = Stage::plastic();
    let session = stage.open_session(AUTH, false).unwrap();
    let changed = stage.set_pin(session, PIN, b"4711");
    assert_eq!(changed, Err(CKR_SESSION_READ_ONLY));
    assert_eq!(verifies(&stage), (0, 0));
}

#[test]
fn a_torn_change_is_not_repeated() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    // SELECT, tries, VERIFY, CHANGE: the card changes, and leaves before it can say so.
    stage.reader().misbehave(4, Misbehaviour::RemovedAfter);
    let changed = stage.set_pin(session, PIN, b"4711");
    assert_eq!(changed, Err(CKR_DEVICE_REMOVED));
    stage.put_back();
    let session = stage.open(AUTH);
    stage.login(session, CKU_USER, b"4711").unwrap();
    assert_eq!(stage.tries(), (3, 5));
    assert_eq!(verifies(&stage), (2, 0));
}

#[test]
fn a_card_that_does_not_like_the_new_pin() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    let refusal = Misbehaviour::AnswerInstead(vec![0x6A, 0x80]);
    stage.reader().misbehave(4, refusal);
    let changed = stage.set_pin(session, PIN, b"4711");
    assert_eq!(changed, Err(CKR_PIN_INVALID));
    assert!(!stage.is_open());
    stage.login(session, CKU_USER, PIN).unwrap();
}
