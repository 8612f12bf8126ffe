//! Keys that want their PIN for each signature (PKCS#11 3.2, 4.9). What belongs here: how long a login for one
//! signature lasts, under each setting. docs/login.md says which programs can live with which.

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
use jpki_pkcs11::config::{AlwaysAuthenticate, LoginState};

/// A way to end an operation that was logged in to without signing.
type End = (&'static str, fn(&Stage, CK_SESSION_HANDLE));

fn usual() -> Mechanism {
    Mechanism::usual(CKM_SHA256_RSA_PKCS)
}

fn with(policy: AlwaysAuthenticate) -> Stage {
    Stage::configured("plastic", |config| config.always_authenticate = policy)
}

/// A session of the signature token whose one free use is spent, and the key.
fn spent(stage: &Stage) -> (CK_SESSION_HANDLE, CK_OBJECT_HANDLE) {
    let session = stage.logged_in(SIGN);
    let key = stage.private_key(session);
    stage.sign_once(session, &usual(), key, b"data").unwrap();
    (session, key)
}

/// `C_SignInit` and `C_Login` for this one signature.
fn begin(stage: &Stage, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) {
    stage.sign_init(session, &usual(), key).unwrap();
    assert_eq!(stage.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD), Ok(()));
}

#[test]
fn what_each_setting_means() {
    use AlwaysAuthenticate::{Auto, No, Yes};
    for (policy, slot, pin, always) in [
        (Auto, AUTH, PIN, false),
        (Auto, SIGN, PASSWORD, true),
        (Yes, AUTH, PIN, true),
        (Yes, SIGN, PASSWORD, true),
        (No, AUTH, PIN, false),
        (No, SIGN, PASSWORD, false),
    ] {
        let at = format!("{policy:?}, slot {slot}");
        let stage = with(policy);
        let session = stage.logged_in(slot);
        let key = stage.private_key(session);
        assert_eq!(
            stage.flag(session, key, CKA_ALWAYS_AUTHENTICATE),
            Ok(always),
            "{at}"
        );
        // The login counts for the first signature: OpenSSH and Java never log in for one.
        assert!(
            stage.sign_once(session, &usual(), key, b"1").is_ok(),
            "{at}"
        );
        let second = stage.sign_once(session, &usual(), key, b"2");
        assert_eq!(
            second.err(),
            always.then_some(CKR_USER_NOT_LOGGED_IN),
            "{at}"
        );
        // The session's state does not change by that.
        assert_eq!(stage.state(session), Ok(CKS_RW_USER_FUNCTIONS));
        stage.sign_init(session, &usual(), key).unwrap();
        let again = stage.login(session, CKU_CONTEXT_SPECIFIC, pin);
        assert_eq!(again.is_ok(), always, "{at}");
        assert_eq!(
            again.err(),
            (!always).then_some(CKR_OPERATION_NOT_INITIALIZED),
            "{at}"
        );
        assert!(stage.sign(session, b"3").is_ok(), "{at}");
    }
}

#[test]
fn a_login_for_one_signature_ends_with_its_operation() {
    let ends: [End; 6] = [
        ("C_SignInit(NULL)", |stage, session| {
            stage.sign_cancel(session).unwrap()
        }),
        ("C_SessionCancel", |stage, session| {
            stage.session_cancel(session, CKF_SIGN).unwrap()
        }),
        ("the signature", |stage, session| {
            stage.sign(session, b"data").unwrap();
        }),
        ("a signature in parts", |stage, session| {
            stage.sign_update(session, b"data").unwrap();
            stage.sign_final(session).unwrap();
        }),
        ("a failure of the card", |stage, session| {
            let broken = jpki_card_simulator::Misbehaviour::AnswerInstead(vec![0x6F, 0x00]);
            stage.reader().misbehave(3, broken);
            stage.sign(session, b"data").unwrap_err();
        }),
        ("C_Login of the wrong shape", |stage, session| {
            assert_eq!(
                stage.login(session, CKU_CONTEXT_SPECIFIC, b""),
                Err(CKR_PIN_INCORRECT)
            );
            assert_eq!(stage.sign(session, b"data"), Err(CKR_USER_NOT_LOGGED_IN));
        }),
    ];
    for (how, end) in ends {
        let stage = Stage::plastic();
        let (session, key) = spent(&stage);
        begin(&stage, session, key);
        end(&stage, session);
        let before = stage.counters().sign_verifies;
        stage.sign_init(session, &usual(), key).unwrap();
        assert_eq!(
            stage.sign(session, b"data"),
            Err(CKR_USER_NOT_LOGGED_IN),
            "after {how}"
        );
        assert_eq!(stage.counters().sign_verifies, before, "after {how}");
    }
}

#[test]
fn it_ends_with_its_session_and_serves_no_other() {
    let stage = Stage::plastic();
    let (first, key) = spent(&stage);
    let second = stage.open(SIGN);
    begin(&stage, first, key);
    stage.sign_init(second, &usual(), key).unwrap();
    assert_eq!(stage.sign(second, b"data"), Err(CKR_USER_NOT_LOGGED_IN));
    // Two sessions side by side, each with its own.
    begin(&stage, second, key);
    assert!(stage.sign(first, b"data").is_ok());
    stage.close_session(second).unwrap();
    let third = stage.open(SIGN);
    assert_eq!(
        stage.sign_once(third, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
}

#[test]
fn a_failed_login_for_a_signature_spends_the_one_that_came_with_the_login() {
    for wrong in [&b"WRONG1"[..], b"1234", b""] {
        let stage = Stage::plastic();
        let session = stage.logged_in(SIGN);
        let key = stage.private_key(session);
        stage.sign_init(session, &usual(), key).unwrap();
        assert_eq!(
            stage.login(session, CKU_CONTEXT_SPECIFIC, wrong),
            Err(CKR_PIN_INCORRECT)
        );
        assert_eq!(stage.sign(session, b"data"), Err(CKR_USER_NOT_LOGGED_IN));
        // The user is still logged in, and may try again.
        assert_eq!(stage.state(session), Ok(CKS_RW_USER_FUNCTIONS));
        begin(&stage, session, key);
        assert!(stage.sign(session, b"data").is_ok());
    }
}

#[test]
fn a_login_for_one_signature_needs_one() {
    let stage = Stage::plastic();
    let session = stage.logged_in(SIGN);
    let refused = Err(CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(
        stage.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
        refused
    );
    let public = stage.public_key(session);
    stage.verify_init(session, &usual(), public).unwrap();
    assert_eq!(
        stage.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
        refused
    );
    assert_eq!(stage.counters().sign_verifies, 1);
}

#[test]
fn a_locked_pin_logs_out() {
    let stage = Stage::plastic();
    let (session, key) = spent(&stage);
    let mut neighbour = stage.neighbour();
    neighbour.select_jpki();
    for _ in 0..5 {
        neighbour.status(b"\x00\x20\x00\x9B\x06WRONG9");
    }
    stage.sign_init(session, &usual(), key).unwrap();
    assert_eq!(
        stage.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
        Err(CKR_PIN_LOCKED)
    );
    assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
}

#[test]
fn a_changed_pin_ends_what_was_given_before_and_costs_no_try() {
    let stage = Stage::plastic();
    let (session, key) = spent(&stage);
    let other = stage.open(SIGN);
    begin(&stage, session, key);
    stage.set_pin(other, PASSWORD, b"NEW1234").unwrap();
    assert_eq!(stage.sign(session, b"data"), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(stage.tries(), (3, 5));
}

#[test]
fn message_signatures_want_it_for_each_message() {
    let stage = Stage::plastic();
    let (session, key) = spent(&stage);
    stage.message_sign_init(session, &usual(), key).unwrap();
    for _ in 0..2 {
        assert_eq!(
            stage.sign_message(session, b"data"),
            Err(CKR_USER_NOT_LOGGED_IN)
        );
        assert_eq!(stage.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD), Ok(()));
        assert!(stage.sign_message(session, b"data").is_ok());
    }
}

#[test]
fn the_state_on_the_card_and_a_key_that_always_asks() {
    let stage = Stage::configured("plastic", |config| config.login_state = LoginState::Card);
    let (session, key) = spent(&stage);
    assert!(!stage.is_open());
    begin(&stage, session, key);
    assert!(!stage.is_open());
    stage.sign_cancel(session).unwrap();
    assert_eq!(
        stage.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    begin(&stage, session, key);
    assert!(stage.sign(session, b"data").is_ok());
    assert!(!stage.is_open());
}

#[test]
fn the_state_on_the_card_costs_two_apdus_and_keeps_no_pin() {
    let stage = Stage::configured("plastic", |config| config.login_state = LoginState::Card);
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    for _ in 0..3 {
        stage.sign_init(session, &usual(), key).unwrap();
        let (signature, sent) = stage.apdus(|| stage.sign(session, b"data"));
        assert!(signature.is_ok());
        assert_eq!(sent, 2);
    }
    assert_eq!(stage.counters().auth_verifies, 1);
    // A neighbour's SELECT ends it: nothing is there to log in again with.
    stage.neighbour().select_other();
    assert_eq!(
        stage.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    // A change of the PIN keeps it.
    stage.login(session, CKU_USER, PIN).unwrap();
    stage.set_pin(session, PIN, b"5678").unwrap();
    assert!(stage.sign_once(session, &usual(), key, b"data").is_ok());
    assert_eq!(stage.set_pin(session, PIN, b"1111"), Err(CKR_PIN_INCORRECT));
    assert_eq!(
        stage.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert!(!stage.is_open());
}
