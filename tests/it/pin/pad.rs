//! PIN entry on a reader with keys (`pin_entry = "pinpad"`). `tests/reader-driver/run` shows it behind a real pcscd.

use crate::common::config::{Config, LastTry, LoginState, PinEntry};
use crate::common::{AUTH, FakePcsc, Fixture, Mechanism, PASSWORD, READER, SIGN, reader_with};
use cryptoki_sys::*;

fn configured(profile: &str, typed: &[&'static str], change: impl FnOnce(&mut Config)) -> Fixture {
    let pcsc = FakePcsc::default();
    pcsc.plug(READER, reader_with(profile));
    pcsc.give_pad(READER, typed);
    Fixture::on(pcsc, |config| {
        config.pin_entry = PinEntry::Pinpad;
        change(config);
    })
}

fn with(typed: &[&'static str]) -> Fixture {
    configured("plastic", typed, |_| ())
}

fn login(fixture: &Fixture) -> Result<CK_SESSION_HANDLE, CK_RV> {
    let session = fixture.open(AUTH);
    fixture
        .login_without_pin(session, CKU_USER)
        .map(|()| session)
}

/// Tries left, VERIFYs and signatures with the authentication key.
fn counted(fixture: &Fixture) -> (u8, u64, u64) {
    let counters = fixture.counters();
    (
        counters.auth_tries,
        counters.auth_verifies,
        counters.auth_signatures,
    )
}

#[test]
fn flag_is_for_the_pin_of_digits_alone() {
    let fixture = with(&[]);
    let flagged = [AUTH, SIGN].map(|slot| {
        fixture.token_info(slot).unwrap().flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0
    });
    assert_eq!(flagged, [true, false], "a pad has no letters");
    let session = fixture.open(SIGN);
    let refused = fixture.login_without_pin(session, CKU_USER);
    assert_eq!(refused, Err(CKR_ARGUMENTS_BAD));
    fixture.login(session, CKU_USER, PASSWORD).unwrap();
}

#[test]
fn reader_without_keys_changes_nothing() {
    let fixture = Fixture::configured("plastic", |config| config.pin_entry = PinEntry::Pinpad);
    let flags = fixture.token_info(AUTH).unwrap().flags;
    assert_eq!(flags & CKF_PROTECTED_AUTHENTICATION_PATH, 0);
    assert_eq!(login(&fixture), Err(CKR_ARGUMENTS_BAD));
    fixture.signature(fixture.logged_in(AUTH)).unwrap();
}

#[test]
fn pin_is_typed_for_the_login_and_for_each_signature() {
    let fixture = with(&["1234", "1234", "1234"]);
    let session = login(&fixture).unwrap();
    assert_eq!(counted(&fixture), (3, 1, 0));
    fixture.signature(session).unwrap();
    fixture.signature(session).unwrap();
    assert_eq!((counted(&fixture), fixture.is_open()), ((3, 3, 2), false));
    assert_eq!(fixture.pcsc.untyped(READER), 0);
}

#[test]
fn program_that_has_a_pin_needs_no_keys() {
    let fixture = with(&[]);
    fixture.signature(fixture.logged_in(AUTH)).unwrap();
}

#[test]
fn pin_is_typed_once_where_the_card_stays_open() {
    let fixture = configured("plastic", &["1234"], |config| {
        config.login_state = LoginState::Card;
    });
    let session = login(&fixture).unwrap();
    fixture.signature(session).unwrap();
    fixture.signature(session).unwrap();
    assert_eq!((counted(&fixture), fixture.is_open()), ((3, 1, 2), true));
    fixture.logout(session).unwrap();
    assert!(!fixture.is_open());
}

#[test]
fn mistyped_pin_costs_one_try_and_a_cancelled_one_none() {
    const CANCELLED: [CK_RV; 2] = [CKR_FUNCTION_CANCELED; 2];
    for (typed, [at_login, at_signature], tries, verifies) in [
        ("0000", [CKR_PIN_INCORRECT, CKR_FUNCTION_FAILED], 2, 1),
        ("cancel", CANCELLED, 3, 0),
        ("12345", CANCELLED, 3, 0),
        ("123", CANCELLED, 3, 0),
    ] {
        let fixture = with(&[typed]);
        assert_eq!(login(&fixture), Err(at_login), "{typed}");
        assert_eq!(counted(&fixture), (tries, verifies, 0), "{typed}");
        drop(fixture);

        // At the signature: the login stands, and its next signature is asked for again.
        let fixture = with(&["1234", typed, "1234"]);
        let session = login(&fixture).unwrap();
        assert_eq!(fixture.signature(session), Err(at_signature), "{typed}");
        assert_eq!(counted(&fixture), (tries, verifies + 1, 0), "{typed}");
        assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
        fixture.signature(session).unwrap();
        assert_eq!(counted(&fixture), (3, verifies + 2, 1), "{typed}");
    }
    assert_eq!(login(&with(&[])), Err(CKR_FUNCTION_CANCELED));
}

#[test]
fn last_try_is_kept_and_a_locked_pin_is_not_asked_for() {
    let last = "plastic,auth-tries=1";
    let fixture = configured(last, &["1234"], |_| ());
    assert_eq!(login(&fixture), Err(CKR_PIN_LOCKED));
    assert_eq!(
        (fixture.pcsc.untyped(READER), counted(&fixture)),
        (1, (1, 0, 0))
    );
    drop(fixture);

    let fixture = configured(last, &["1234"], |config| config.last_try = LastTry::Allow);
    login(&fixture).unwrap();
    assert_eq!(counted(&fixture), (3, 1, 0));
    drop(fixture);

    let fixture = configured("plastic,auth-tries=0", &["1234"], |_| ());
    assert_eq!(login(&fixture), Err(CKR_PIN_LOCKED));
    assert_eq!(fixture.pcsc.untyped(READER), 1);
}

#[test]
fn second_login_and_one_after_logout() {
    let fixture = with(&["1234", "1234"]);
    let session = login(&fixture).unwrap();
    let again = fixture.login_without_pin(session, CKU_USER);
    assert_eq!(again, Err(CKR_USER_ALREADY_LOGGED_IN));
    fixture.logout(session).unwrap();
    assert_eq!(fixture.pcsc.untyped(READER), 1);
    fixture.login_without_pin(session, CKU_USER).unwrap();
}

#[test]
fn context_login_without_a_pin_leaves_the_question_to_the_signature() {
    let fixture = with(&["1234", "1234"]);
    let session = fixture.open(AUTH);
    let context = |fixture: &Fixture| {
        let key = fixture.private_key(session);
        fixture.sign_init(session, &Mechanism::plain(CKM_SHA256_RSA_PKCS), key)?;
        fixture.login_without_pin(session, CKU_CONTEXT_SPECIFIC)
    };
    fixture.login_without_pin(session, CKU_USER).unwrap();
    context(&fixture).unwrap();
    assert_eq!(fixture.pcsc.untyped(READER), 1);
    assert_eq!(fixture.sign(session, b"data").unwrap().len(), 256);
    assert_eq!(counted(&fixture), (3, 2, 1));
}

#[test]
fn new_pin_is_typed_twice() {
    let change = |typed: &[&'static str]| {
        let fixture = with(typed);
        let session = fixture.open(AUTH);
        let answer = fixture.set_pin_without_pins(session);
        let new = fixture.login(session, CKU_USER, b"4711").is_ok();
        (answer, new, fixture.pcsc.untyped(READER))
    };
    assert_eq!(change(&["1234", "4711", "4711"]), (Ok(()), true, 0));
    for (typed, code) in [
        (&["0000", "4711", "4711"], CKR_PIN_INCORRECT),
        (&["1234", "4711", "4712"], CKR_FUNCTION_CANCELED),
        (&["1234", "cancel", "4711"], CKR_FUNCTION_CANCELED),
        (&["cancel", "4711", "4711"], CKR_FUNCTION_CANCELED),
    ] {
        let (answer, new, _) = change(typed);
        assert_eq!((answer, new), (Err(code), false), "{typed:?}");
    }
}
