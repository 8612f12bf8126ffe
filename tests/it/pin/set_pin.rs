//! `C_SetPIN` on both tokens.

use crate::common::{AUTH, Fixture, Mechanism, PASSWORD, PIN, SIGN};
use cryptoki_sys::*;

use super::{no_passwords, no_pins};
use jpki_card_simulator::Misbehaviour;

fn verifies(fixture: &Fixture) -> (u64, u64) {
    let counters = fixture.counters();
    (counters.auth_verifies, counters.sign_verifies)
}

#[test]
fn both_pins_can_be_changed() {
    for (slot, old, new) in [(AUTH, PIN, &b"4711"[..]), (SIGN, PASSWORD, b"newpass1")] {
        let fixture = Fixture::plastic();
        let session = fixture.open(slot);
        fixture.set_pin(session, old, new).unwrap();
        assert!(!fixture.is_open());
        assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
        assert_eq!(
            fixture.login(session, CKU_USER, old),
            Err(CKR_PIN_INCORRECT)
        );
        fixture.login(session, CKU_USER, new).unwrap();
        assert_eq!(fixture.tries(), (3, 5));
    }
}

#[test]
fn login_continues_with_the_new_pin() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    fixture.set_pin(session, PIN, b"4711").unwrap();
    fixture.signature(session).unwrap();
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn malformed_new_pin_has_its_own_code() {
    let fixture = Fixture::plastic();
    let (auth, sign) = (fixture.open(AUTH), fixture.open(SIGN));
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
        assert_eq!(fixture.set_pin(session, old, new), Err(code), "{new:?}");
    }
    assert_eq!(verifies(&fixture), (0, 0));
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn wrong_old_pin_costs_one_try() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    for _ in 0..3 {
        let changed = fixture.set_pin(session, b"0000", b"4711");
        assert_eq!(changed, Err(CKR_PIN_INCORRECT));
    }
    assert_eq!(fixture.tries(), (2, 5));
    fixture.login(session, CKU_USER, PIN).unwrap();
}

#[test]
fn read_only_session_cannot_set_the_pin() {
    let fixture = Fixture::plastic();
    let session = fixture.open_session(AUTH, false).unwrap();
    let changed = fixture.set_pin(session, PIN, b"4711");
    assert_eq!(changed, Err(CKR_SESSION_READ_ONLY));
    assert_eq!(verifies(&fixture), (0, 0));
}

#[test]
fn interrupted_change_is_not_repeated() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    // READ, tries, SELECT EF, VERIFY, CHANGE: the card is removed after the change, before its answer.
    fixture.reader().misbehave(5, Misbehaviour::RemovedAfter);
    let changed = fixture.set_pin(session, PIN, b"4711");
    assert_eq!(changed, Err(CKR_DEVICE_REMOVED));
    fixture.put_back();
    let session = fixture.open(AUTH);
    fixture.login(session, CKU_USER, b"4711").unwrap();
    assert_eq!(fixture.tries(), (3, 5));
    assert_eq!(verifies(&fixture), (2, 0));
}

#[test]
fn new_pin_refused_by_the_card_is_invalid() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let refusal = Misbehaviour::AnswerInstead(vec![0x6A, 0x80]);
    fixture.reader().misbehave(5, refusal);
    let changed = fixture.set_pin(session, PIN, b"4711");
    assert_eq!(changed, Err(CKR_PIN_INVALID));
    assert!(!fixture.is_open());
    fixture.login(session, CKU_USER, PIN).unwrap();
}

#[test]
fn malformed_pins_of_set_pin_do_not_reach_the_card() {
    let fixture = Fixture::plastic();
    let (auth, sign) = (fixture.open(AUTH), fixture.open(SIGN));
    for (session, old, wrong_new) in [(auth, PIN, no_pins()), (sign, PASSWORD, no_passwords())] {
        for new in &wrong_new {
            let code = fixture.set_pin(session, old, new).unwrap_err();
            assert!(
                [CKR_PIN_LEN_RANGE, CKR_PIN_INVALID].contains(&code),
                "{new:?}: {code:#x}"
            );
        }
    }
    for old in no_pins() {
        assert_eq!(
            fixture.set_pin(auth, &old, b"5678"),
            Err(CKR_PIN_INCORRECT),
            "{old:?}"
        );
    }
    assert_eq!((fixture.tries(), verifies(&fixture)), ((3, 5), (0, 0)));
    assert_eq!(fixture.set_pin(sign, b"abc123", b"new1234"), Ok(()));
    assert_eq!(fixture.login(sign, CKU_USER, b"NEW1234"), Ok(()));
}

#[test]
fn kept_pin_is_not_sent_after_an_interrupted_change() {
    let fixture = Fixture::plastic();
    let auth = fixture.logged_in(AUTH);
    let key = fixture.private_key(auth);
    // READ, query, VERIFY, CHANGE: CHANGE is executed and its answer is lost.
    fixture
        .reader()
        .misbehave(4, Misbehaviour::AnswerAfter(vec![0x6F, 0x00]));
    assert_eq!(fixture.set_pin(auth, PIN, b"5678"), Err(CKR_DEVICE_ERROR));
    let usual = Mechanism::usual(CKM_SHA256_RSA_PKCS);
    assert_eq!(
        fixture.sign_once(auth, &usual, key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(fixture.tries(), (3, 5));
}
