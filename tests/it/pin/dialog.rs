//! PIN entry in a dialog (`pin_entry = "dialog"`), with a pinentry that answers by a script. `tests/pin-dialog/run` shows
//! the real ones.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::config::{Config, Consent, LoginState, PinEntry};
use crate::common::module::Language;
use crate::common::{AUTH, Fixture, Mechanism, PASSWORD, PIN, SIGN, Template};
use cryptoki_sys::*;

use super::scripted_pinentry::ScriptedPinentry;

fn with(pinentry: &ScriptedPinentry, change: impl FnOnce(&mut Config)) -> Fixture {
    configured("plastic", pinentry, change)
}

fn configured(
    profile: &str,
    pinentry: &ScriptedPinentry,
    change: impl FnOnce(&mut Config),
) -> Fixture {
    Fixture::configured(profile, |config| {
        config.pin_entry = PinEntry::Dialog;
        config.pinentry_program = Some(pinentry.program());
        config.program = "signer".to_owned();
        change(config);
    })
}

fn verifies(fixture: &Fixture) -> (u64, u64) {
    let counters = fixture.counters();
    (counters.auth_verifies, counters.sign_verifies)
}

fn login(fixture: &Fixture, slot: CK_SLOT_ID) -> (CK_SESSION_HANDLE, Result<(), CK_RV>) {
    let session = fixture.open(slot);
    (session, fixture.login_without_pin(session, CKU_USER))
}

#[test]
fn flag_says_who_asks() {
    for (entry, flagged) in [(PinEntry::Program, false), (PinEntry::Dialog, true)] {
        let fixture = Fixture::configured("plastic", |config| config.pin_entry = entry);
        for slot in [AUTH, SIGN] {
            let flags = fixture.token_info(slot).unwrap().flags;
            assert_eq!(flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0, flagged);
        }
    }
}

#[test]
fn dialog_logs_in_and_says_what_for() {
    let pinentry = ScriptedPinentry::new(&["pin 1234"]);
    let fixture = with(&pinentry, |config| {
        config.language = Some(Language::Japanese);
    });
    let (session, answer) = login(&fixture, AUTH);
    assert_eq!(answer, Ok(()));
    for _ in 0..3 {
        fixture.signature(session).unwrap();
    }
    assert_eq!(pinentry.dialogs(), 1);
    let [text] = &pinentry.texts("SETDESC")[..] else {
        panic!("{}", pinentry.asked())
    };
    for expected in [
        "利用者証明用電子証明書の暗証番号",
        "数字4桁",
        "signer",
        "3回",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(fixture.tries(), (3, 5));
    assert!(!fixture.is_open());
}

#[test]
fn wrong_shape_is_asked_again_and_not_sent() {
    let pinentry =
        ScriptedPinentry::new(&["pin 12", "empty", "pin ABC123", "pin 12345", "pin 1234"]);
    let fixture = with(&pinentry, |_| ());
    assert_eq!(login(&fixture, AUTH).1, Ok(()));
    assert_eq!(verifies(&fixture), (1, 0));
    assert_eq!(pinentry.dialogs(), 5);
    assert_eq!(pinentry.texts("SETERROR").len(), 4);
}

#[test]
fn wrong_pin_is_asked_again_with_the_tries_left() {
    let pinentry = ScriptedPinentry::new(&["pin 0000", "pin 1234"]);
    let fixture = with(&pinentry, |_| ());
    assert_eq!(login(&fixture, AUTH).1, Ok(()));
    assert_eq!(fixture.tries(), (3, 5));
    let texts = pinentry.texts("SETDESC");
    assert!(texts[0].contains("3 tries") && texts[1].contains("2 tries"));
    assert_eq!(pinentry.texts("SETERROR").len(), 1);
}

#[test]
fn refused_value_is_not_sent_again() {
    let pinentry = ScriptedPinentry::new(&["pin 0000", "pin 0000", "pin 0000", "pin 1234"]);
    let fixture = with(&pinentry, |_| ());
    assert_eq!(login(&fixture, AUTH).1, Ok(()));
    assert_eq!(verifies(&fixture), (2, 0));
    assert_eq!(pinentry.dialogs(), 4);
}

#[test]
fn last_try_needs_an_explicit_yes() {
    for (answers, result, tries) in [
        (&["no"][..], Err(CKR_FUNCTION_CANCELED), 1),
        (&["timeout"], Err(CKR_FUNCTION_CANCELED), 1),
        (&["yes", "cancel"], Err(CKR_FUNCTION_CANCELED), 1),
        (&["yes", "pin 1234"], Ok(()), 3),
        (&["yes", "pin 0000"], Err(CKR_PIN_LOCKED), 0),
        (&["yes", "pin 12", "pin 1234"], Ok(()), 3),
    ] {
        let pinentry = ScriptedPinentry::new(answers);
        let fixture = configured("plastic,auth-tries=1", &pinentry, |_| ());
        assert_eq!(login(&fixture, AUTH).1, result, "{answers:?}");
        assert_eq!(fixture.tries().0, tries, "{answers:?}");
    }
}

#[test]
fn two_wrong_pins_lead_to_the_question() {
    let pinentry = ScriptedPinentry::new(&["pin 0000", "pin 0001", "no"]);
    let fixture = with(&pinentry, |_| ());
    assert_eq!(login(&fixture, AUTH).1, Err(CKR_FUNCTION_CANCELED));
    assert_eq!(fixture.tries(), (1, 5));
    let asked = pinentry.asked();
    let dialogs: Vec<&str> = asked
        .lines()
        .filter(|line| ["GETPIN", "CONFIRM"].contains(line))
        .collect();
    assert_eq!(dialogs, ["GETPIN", "GETPIN", "CONFIRM"]);
}

#[test]
fn locked_pin_is_not_asked_for() {
    let pinentry = ScriptedPinentry::new(&[]);
    let fixture = configured("plastic,auth-tries=0", &pinentry, |_| ());
    assert_eq!(login(&fixture, AUTH).1, Err(CKR_PIN_LOCKED));
    assert_eq!(pinentry.dialogs(), 0);
}

#[test]
fn dialog_that_ends_without_an_answer_has_a_code() {
    for (answer, code) in [
        ("cancel", CKR_FUNCTION_CANCELED),
        ("timeout", CKR_FUNCTION_CANCELED),
        ("die", CKR_FUNCTION_FAILED),
        ("noise", CKR_FUNCTION_FAILED),
    ] {
        let pinentry = ScriptedPinentry::new(&[answer]);
        let fixture = with(&pinentry, |_| ());
        let (session, result) = login(&fixture, AUTH);
        assert_eq!(result, Err(code), "{answer}");
        assert_eq!(verifies(&fixture), (0, 0));
        assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    }
    let fixture = Fixture::configured("plastic", |config| {
        config.pin_entry = PinEntry::Dialog;
        config.pinentry_program = Some(PathBuf::from("/nonexistent/pinentry"));
    });
    assert_eq!(login(&fixture, AUTH).1, Err(CKR_FUNCTION_FAILED));
}

#[test]
fn pinentry_that_answers_nonsense_for_ever_is_given_up() {
    let pinentry = ScriptedPinentry::new(&["pin 1"; 100]);
    let fixture = with(&pinentry, |_| ());
    assert_eq!(login(&fixture, AUTH).1, Err(CKR_FUNCTION_FAILED));
    assert!(pinentry.dialogs() <= 30);
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn each_signature_is_consented_to() {
    let answers = ["pin ABC123", "pin abc123", "pin ABC123", "pin ABC123"];
    let pinentry = ScriptedPinentry::new(&answers);
    let fixture = with(&pinentry, |_| ());
    let (session, answer) = login(&fixture, SIGN);
    assert_eq!(answer, Ok(()));
    let key = fixture.private_key(session);
    let always = fixture.flag(session, key, CKA_ALWAYS_AUTHENTICATE);
    assert_eq!(always, Ok(false));
    for _ in 0..3 {
        fixture.signature(session).unwrap();
    }
    let texts = pinentry.texts("SETDESC");
    assert_eq!(texts.len(), 4);
    // sha256sum of "data".
    let hash = "3a6e b079 0f39 ac87 c94f 3856 b2dd 2c5d\n110e 6811 6022 61a9 a923 d3bb 23ad c8b7";
    for (number, text) in texts.iter().skip(1).enumerate() {
        let count = format!("number {}", number + 1);
        for expected in [hash, "SHA-256", "RSASSA-PKCS1-v1_5", "signer", &count] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
    assert_eq!(fixture.counters().sign_signatures, 3);
    assert_eq!(fixture.tries(), (3, 5));
    assert!(!fixture.is_open());
}

#[test]
fn wrong_password_at_a_signature_is_asked_again() {
    let pinentry = ScriptedPinentry::new(&["pin ABC123", "pin WRONG1", "pin 1234", "pin ABC123"]);
    let fixture = with(&pinentry, |_| ());
    let (session, _) = login(&fixture, SIGN);
    fixture.signature(session).unwrap();
    assert_eq!(pinentry.dialogs(), 4);
    assert_eq!(verifies(&fixture), (0, 3));
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn rejected_signature_is_not_made() {
    for answer in ["cancel", "timeout"] {
        let pinentry = ScriptedPinentry::new(&["pin ABC123", answer, "pin ABC123"]);
        let fixture = with(&pinentry, |_| ());
        let (session, _) = login(&fixture, SIGN);
        assert_eq!(fixture.signature(session), Err(CKR_FUNCTION_REJECTED));
        assert_eq!(
            fixture.sign(session, b"data"),
            Err(CKR_OPERATION_NOT_INITIALIZED)
        );
        assert_eq!(fixture.counters().sign_signatures, 0);
        // The login is still there.
        fixture.signature(session).unwrap();
    }
}

#[test]
fn length_query_opens_no_dialog() {
    let pinentry = ScriptedPinentry::new(&["pin ABC123"]);
    let fixture = with(&pinentry, |_| ());
    let (session, _) = login(&fixture, SIGN);
    let key = fixture.private_key(session);
    let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    fixture.sign_init(session, &mechanism, key).unwrap();
    let (answer, length) = fixture.sign_length(session, b"data", None);
    assert_eq!((answer, length), (Ok(()), 256));
    assert_eq!(pinentry.dialogs(), 1);
}

#[test]
fn consent_can_be_given_for_a_session() {
    let pinentry = ScriptedPinentry::new(&["pin ABC123"]);
    let fixture = with(&pinentry, |config| config.consent = Consent::Session);
    let (session, _) = login(&fixture, SIGN);
    for _ in 0..3 {
        fixture.signature(session).unwrap();
    }
    assert_eq!(pinentry.dialogs(), 1);
    assert!(!fixture.is_open());
}

#[test]
fn no_program_setting_weakens_the_consent() {
    let answers = ["pin ABC123", "pin ABC123"];
    for login_state in [LoginState::Module, LoginState::Card] {
        let pinentry = ScriptedPinentry::new(&answers);
        let fixture = with(&pinentry, |config| {
            config.program = "java".to_owned();
            config.login_state = login_state;
        });
        let (session, answer) = login(&fixture, SIGN);
        assert_eq!(answer, Ok(()));
        assert!(!fixture.is_open(), "{login_state:?}");
        fixture.signature(session).unwrap();
        assert_eq!(pinentry.dialogs(), 2, "{login_state:?}");
    }
}

#[test]
fn context_login_without_a_pin_leaves_the_question_to_the_signature() {
    let pinentry = ScriptedPinentry::new(&["pin ABC123", "pin ABC123"]);
    let fixture = with(&pinentry, |_| ());
    let (session, _) = login(&fixture, SIGN);
    let key = fixture.private_key(session);
    let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    fixture.sign_init(session, &mechanism, key).unwrap();
    let context = fixture.login_without_pin(session, CKU_CONTEXT_SPECIFIC);
    assert_eq!(context, Ok(()));
    assert_eq!(pinentry.dialogs(), 1);
    fixture.sign(session, b"data").unwrap();
    assert_eq!(pinentry.dialogs(), 2);
}

#[test]
fn context_login_without_a_pin_is_asked_for_where_no_signature_asks() {
    let pinentry = ScriptedPinentry::new(&["pin 1234", "pin 1234"]);
    let fixture = with(&pinentry, |_| ());
    let (session, _) = login(&fixture, AUTH);
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    fixture.sign_init(session, &rsa, key).unwrap();
    let answer = fixture.login_without_pin(session, CKU_CONTEXT_SPECIFIC);
    assert_eq!((answer, pinentry.dialogs()), (Ok(()), 2));
    fixture.sign(session, b"data").unwrap();
    assert_eq!(pinentry.dialogs(), 2);
}

#[test]
fn program_that_passes_a_pin_is_served() {
    let pinentry = ScriptedPinentry::new(&[]);
    let fixture = with(&pinentry, |_| ());
    let session = fixture.logged_in(AUTH);
    fixture.signature(session).unwrap();
    let other = fixture.open(SIGN);
    let wrong = fixture.login(other, CKU_USER, PIN);
    assert_eq!(wrong, Err(CKR_PIN_INCORRECT));
    fixture.login(other, CKU_USER, PASSWORD).unwrap();
    assert_eq!(pinentry.dialogs(), 0);
    assert_eq!(verifies(&fixture).1, 1);
}

#[test]
fn empty_pin_is_a_request_for_the_dialog() {
    let pinentry = ScriptedPinentry::new(&["pin 1234"]);
    let fixture = with(&pinentry, |_| ());
    let session = fixture.open(AUTH);
    fixture.login(session, CKU_USER, b"").unwrap();
    assert_eq!(pinentry.dialogs(), 1);
}

#[test]
fn both_pins_are_changed_by_dialogs() {
    let answers = [
        "pin 0000", "pin 12", "pin 4711", "pin 4712", "pin 4711", "pin 4711", "pin 1234",
    ];
    let pinentry = ScriptedPinentry::new(&answers);
    let fixture = with(&pinentry, |_| ());
    let session = fixture.logged_in(AUTH);
    fixture.set_pin_without_pins(session).unwrap();
    assert_eq!(pinentry.dialogs(), 7);
    // The login goes on with the new one.
    fixture.signature(session).unwrap();
    fixture.logout(session).unwrap();
    fixture.login(session, CKU_USER, b"4711").unwrap();
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn cancelled_change_changes_nothing() {
    for answers in [
        &["cancel"][..],
        &["pin 1234", "cancel"],
        &["pin 1234", "pin 4711", "cancel"],
    ] {
        let pinentry = ScriptedPinentry::new(answers);
        let fixture = with(&pinentry, |_| ());
        let session = fixture.open(AUTH);
        let changed = fixture.set_pin_without_pins(session);
        assert_eq!(changed, Err(CKR_FUNCTION_CANCELED), "{answers:?}");
        fixture.login(session, CKU_USER, PIN).unwrap();
        assert_eq!(fixture.tries(), (3, 5));
    }
}

/// Opens a dialog that nobody answers, does something meanwhile, and returns the result of the login.
fn while_it_waits(
    work: impl FnOnce(&Fixture, CK_SESSION_HANDLE),
) -> (Result<(), CK_RV>, Duration, bool) {
    let pinentry = ScriptedPinentry::new(&["wait"]);
    let fixture = with(&pinentry, |_| ());
    let session = fixture.open(AUTH);
    let caller = fixture.caller();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || caller.login_without_pin(session, CKU_USER));
        pinentry.until_it_waits();
        let began = Instant::now();
        work(&fixture, session);
        let result = waiting.join().unwrap();
        (result, began.elapsed(), pinentry.is_closed())
    })
}

const SOON: Duration = Duration::from_secs(3);

#[test]
fn removal_closes_the_dialog() {
    let (result, took, closed) = while_it_waits(|fixture, _| fixture.take_out());
    assert_eq!(result, Err(CKR_DEVICE_REMOVED));
    assert!(took < SOON && closed, "{took:?}");
}

#[test]
fn finalize_closes_the_dialog() {
    let (result, took, closed) = while_it_waits(|fixture, _| fixture.caller().finalize().unwrap());
    assert!(result.is_err());
    assert!(took < SOON && closed, "{took:?}");
}

#[test]
fn everything_else_goes_on_while_a_dialog_is_open() {
    let (result, took, closed) = while_it_waits(|fixture, session| {
        let began = Instant::now();
        for _ in 0..100 {
            fixture.token_info(AUTH).unwrap();
            fixture.slot_info(SIGN).unwrap();
            fixture.slot_list(true).unwrap();
            fixture.state(session).unwrap();
            fixture.find(session, &Template::new()).unwrap();
        }
        let other = fixture.logged_in(SIGN);
        fixture.private_key(other);
        fixture.random(other, 16).unwrap();
        let took = began.elapsed();
        assert!(took < SOON, "{took:?}");
        // A login that the program makes itself ends the wait of nobody; the logout does.
        let second = fixture.open(AUTH);
        fixture.login(second, CKU_USER, PIN).unwrap();
        fixture.logout(second).unwrap();
    });
    assert_eq!(result, Err(CKR_FUNCTION_CANCELED));
    assert!(took < 2 * SOON && closed, "{took:?}");
}

#[test]
fn one_dialog_at_a_time_for_a_reader() {
    let pinentry = ScriptedPinentry::new(&["wait", "pin ABC123"]);
    let fixture = with(&pinentry, |_| ());
    let (auth, sign) = (fixture.open(AUTH), fixture.open(SIGN));
    let caller = fixture.caller();
    thread::scope(|scope| {
        let first = scope.spawn(move || caller.login_without_pin(auth, CKU_USER));
        pinentry.until_it_waits();
        let second = scope.spawn(move || caller.login_without_pin(sign, CKU_USER));
        thread::sleep(Duration::from_millis(500));
        assert_eq!(pinentry.dialogs(), 1);
        fixture.take_out();
        assert_eq!(first.join().unwrap(), Err(CKR_DEVICE_REMOVED));
        assert_eq!(second.join().unwrap(), Err(CKR_DEVICE_REMOVED));
    });
    assert_eq!(pinentry.dialogs(), 1);
}

#[test]
fn second_thread_is_not_asked_for_a_login_that_is_there() {
    let pinentry = ScriptedPinentry::new(&["slow 1234", "pin 1234"]);
    let fixture = with(&pinentry, |_| ());
    let session = fixture.open(AUTH);
    let caller = fixture.caller();
    let answers = thread::scope(|scope| {
        let login = || scope.spawn(move || caller.login_without_pin(session, CKU_USER));
        [login(), login()].map(|thread| thread.join().unwrap())
    });
    assert!(answers.contains(&Ok(())));
    assert!(answers.contains(&Err(CKR_USER_ALREADY_LOGGED_IN)));
    assert_eq!(pinentry.dialogs(), 1);
}

#[test]
fn dialog_has_a_time_limit_of_its_own() {
    let pinentry = ScriptedPinentry::new(&["pin 1234"]);
    let fixture = with(&pinentry, |config| {
        config.pin_entry_timeout = Duration::from_secs(77);
    });
    assert_eq!(login(&fixture, AUTH).1, Ok(()));
    assert_eq!(pinentry.texts("SETTIMEOUT"), ["77"]);
}
