//! Keys that need their PIN for each signature (PKCS#11 3.2, 4.9), under each setting. docs/login.md says which
//! programs work with which setting.

use crate::common::config::{AlwaysAuthenticate, LoginState};
use crate::common::module::pcsc::Error;
use crate::common::{AUTH, Failure, Fixture, Mechanism, PASSWORD, PIN, SIGN};
use cryptoki_sys::*;
use jpki_card_simulator::{Card, Role};

/// A way to end an operation that was logged in to without signing.
type End = (&'static str, fn(&Fixture, CK_SESSION_HANDLE));

fn usual() -> Mechanism {
    Mechanism::usual(CKM_SHA256_RSA_PKCS)
}

fn with(policy: AlwaysAuthenticate) -> Fixture {
    Fixture::configured("plastic", |config| config.always_authenticate = policy)
}

/// A session of the signature token after the signature that C_Login covers, and the key.
fn spent(fixture: &Fixture) -> (CK_SESSION_HANDLE, CK_OBJECT_HANDLE) {
    let session = fixture.logged_in(SIGN);
    let key = fixture.private_key(session);
    fixture.signature(session).unwrap();
    (session, key)
}

/// `C_SignInit` and `C_Login` for this one signature.
fn begin(fixture: &Fixture, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) {
    fixture.sign_init(session, &usual(), key).unwrap();
    assert_eq!(
        fixture.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
        Ok(())
    );
}

#[test]
fn each_setting_of_always_authenticate() {
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
        let fixture = with(policy);
        let session = fixture.logged_in(slot);
        let key = fixture.private_key(session);
        assert_eq!(
            fixture.flag(session, key, CKA_ALWAYS_AUTHENTICATE),
            Ok(always),
            "{at}"
        );
        // The login counts for the first signature: OpenSSH and Java never log in for one.
        assert!(fixture.signature(session).is_ok(), "{at}");
        let second = fixture.sign_once(session, &usual(), key, b"2");
        assert_eq!(
            second.err(),
            always.then_some(CKR_USER_NOT_LOGGED_IN),
            "{at}"
        );
        // The session's state does not change by that.
        assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
        fixture.sign_init(session, &usual(), key).unwrap();
        // A key that does not want it takes it all the same: the program cannot know.
        let again = fixture.login(session, CKU_CONTEXT_SPECIFIC, pin);
        assert_eq!(again, Ok(()), "{at}");
        assert!(fixture.sign(session, b"3").is_ok(), "{at}");
    }
}

#[test]
fn context_login_ends_with_its_operation() {
    let ends: [End; 6] = [
        ("C_SignInit(NULL)", |fixture, session| {
            fixture.sign_cancel(session).unwrap()
        }),
        ("C_SessionCancel", |fixture, session| {
            fixture.session_cancel(session, CKF_SIGN).unwrap()
        }),
        ("the signature", |fixture, session| {
            fixture.sign(session, b"data").unwrap();
        }),
        ("a signature in parts", |fixture, session| {
            fixture.sign_update(session, b"data").unwrap();
            fixture.sign_final(session).unwrap();
        }),
        ("a failure of the card", |fixture, session| {
            let broken = jpki_card_simulator::Misbehaviour::AnswerInstead(vec![0x6F, 0x00]);
            fixture.reader().misbehave(3, broken);
            fixture.sign(session, b"data").unwrap_err();
        }),
        ("C_Login of the wrong shape", |fixture, session| {
            assert_eq!(
                fixture.login(session, CKU_CONTEXT_SPECIFIC, b""),
                Err(CKR_PIN_INCORRECT)
            );
            assert_eq!(fixture.sign(session, b"data"), Err(CKR_USER_NOT_LOGGED_IN));
        }),
    ];
    for (how, end) in ends {
        let fixture = Fixture::plastic();
        let (session, key) = spent(&fixture);
        begin(&fixture, session, key);
        end(&fixture, session);
        let before = fixture.counters().sign_verifies;
        fixture.sign_init(session, &usual(), key).unwrap();
        assert_eq!(
            fixture.sign(session, b"data"),
            Err(CKR_USER_NOT_LOGGED_IN),
            "after {how}"
        );
        assert_eq!(fixture.counters().sign_verifies, before, "after {how}");
    }
}

#[test]
fn context_login_is_for_one_session() {
    let fixture = Fixture::plastic();
    let (first, key) = spent(&fixture);
    let second = fixture.open(SIGN);
    begin(&fixture, first, key);
    fixture.sign_init(second, &usual(), key).unwrap();
    assert_eq!(fixture.sign(second, b"data"), Err(CKR_USER_NOT_LOGGED_IN));
    // Two sessions side by side, each with its own.
    begin(&fixture, second, key);
    assert!(fixture.sign(first, b"data").is_ok());
    fixture.close_session(second).unwrap();
    let third = fixture.open(SIGN);
    assert_eq!(
        fixture.sign_once(third, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
}

#[test]
fn failed_signature_uses_up_the_free_one() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(SIGN);
    let key = fixture.private_key(session);
    let failure = Failure::of(Error::Failed("injected".to_owned()));
    fixture
        .pcsc
        .failures(|failures| failures.add_command(&[0x80, 0x2A], failure));
    assert_eq!(fixture.signature(session), Err(CKR_DEVICE_ERROR));
    let before = fixture.counters();
    assert_eq!(fixture.signature(session), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(fixture.counters(), before);
    begin(&fixture, session, key);
    assert!(fixture.sign(session, b"data").is_ok());
}

#[test]
fn failed_context_login_ends_the_first_free_signature() {
    for wrong in [&b"WRONG1"[..], b"1234", b""] {
        let fixture = Fixture::plastic();
        let session = fixture.logged_in(SIGN);
        let key = fixture.private_key(session);
        fixture.sign_init(session, &usual(), key).unwrap();
        assert_eq!(
            fixture.login(session, CKU_CONTEXT_SPECIFIC, wrong),
            Err(CKR_PIN_INCORRECT)
        );
        assert_eq!(fixture.sign(session, b"data"), Err(CKR_USER_NOT_LOGGED_IN));
        // The user is still logged in, and may try again.
        assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
        begin(&fixture, session, key);
        assert!(fixture.sign(session, b"data").is_ok());
    }
}

#[test]
fn context_login_leaves_a_card_open_only_for_a_key_that_may_be_used_again() {
    for (slot, pin, stays) in [(AUTH, PIN, true), (SIGN, PASSWORD, false)] {
        let fixture = Fixture::configured("plastic", |config| {
            config.login_state = LoginState::Card;
        });
        let session = fixture.logged_in(slot);
        let key = fixture.private_key(session);
        fixture.sign_init(session, &usual(), key).unwrap();
        fixture.login(session, CKU_CONTEXT_SPECIFIC, pin).unwrap();
        assert_eq!(fixture.is_open(), stays, "{slot}");
        fixture.sign(session, b"data").unwrap();
        assert_eq!(fixture.is_open(), stays, "{slot}");
        fixture.logout(session).unwrap();
        assert!(!fixture.is_open(), "{slot}");

        // A refused one closes what the login left open.
        fixture.login(session, CKU_USER, pin).unwrap();
        let key = fixture.private_key(session);
        fixture.sign_init(session, &usual(), key).unwrap();
        let wrong = fixture.login(session, CKU_CONTEXT_SPECIFIC, b"WRONG1");
        assert_eq!(wrong, Err(CKR_PIN_INCORRECT), "{slot}");
        assert_eq!(fixture.is_open(), stays, "{slot}: nothing was sent");
    }
}

#[test]
fn pin_for_one_use_is_not_left_open_beside_a_login_on_the_card() {
    let uses: [fn(&Fixture, CK_SESSION_HANDLE); 2] = [
        |fixture, session| fixture.set_pin(session, PASSWORD, b"NEWPASS1").unwrap(),
        |fixture, session| {
            fixture.login(session, CKU_USER, PASSWORD).unwrap();
            let key = fixture.private_key(session);
            fixture.signature(session).unwrap();
            begin(fixture, session, key);
            // Another login on the card, between the PIN and its use.
            fixture.close_all_sessions(AUTH).unwrap();
            fixture.logged_in(AUTH);
            fixture.sign(session, b"data").unwrap();
        },
    ];
    for use_it in uses {
        let fixture = Fixture::configured("plastic", |config| {
            config.login_state = LoginState::Card;
        });
        fixture.logged_in(AUTH);
        let session = fixture.open(SIGN);
        use_it(&fixture, session);
        let is_verified = |card: &mut Card| card.is_verified(Role::Sign);
        assert!(!fixture.reader().inserted_card(is_verified).unwrap());
    }
}

#[test]
fn context_login_needs_a_signature_operation() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(SIGN);
    let refused = Err(CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(
        fixture.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
        refused
    );
    let public = fixture.public_key(session);
    fixture.verify_init(session, &usual(), public).unwrap();
    assert_eq!(
        fixture.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
        refused
    );
    assert_eq!(fixture.counters().sign_verifies, 1);
}

#[test]
fn locked_pin_logs_out() {
    let fixture = Fixture::plastic();
    let (session, key) = spent(&fixture);
    let mut client = fixture.other_client();
    client.select_jpki();
    for _ in 0..5 {
        client.status(b"\x00\x20\x00\x9B\x06WRONG9");
    }
    fixture.sign_init(session, &usual(), key).unwrap();
    assert_eq!(
        fixture.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
        Err(CKR_PIN_LOCKED)
    );
    assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
}

#[test]
fn pin_change_ends_a_context_login() {
    let fixture = Fixture::plastic();
    let (session, key) = spent(&fixture);
    let other = fixture.open(SIGN);
    begin(&fixture, session, key);
    fixture.set_pin(other, PASSWORD, b"NEW1234").unwrap();
    assert_eq!(fixture.sign(session, b"data"), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn each_message_needs_a_context_login() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(SIGN);
    let key = fixture.private_key(session);
    fixture.message_sign_init(session, &usual(), key).unwrap();
    // The first one is covered by the login.
    fixture.sign_message(session, b"data").unwrap();
    for _ in 0..2 {
        assert_eq!(
            fixture.sign_message(session, b"data"),
            Err(CKR_USER_NOT_LOGGED_IN)
        );
        assert_eq!(
            fixture.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
            Ok(())
        );
        assert!(fixture.sign_message(session, b"data").is_ok());
    }
}

#[test]
fn login_state_card_with_always_authenticate() {
    let fixture = Fixture::configured("plastic", |config| config.login_state = LoginState::Card);
    let (session, key) = spent(&fixture);
    assert!(!fixture.is_open());
    begin(&fixture, session, key);
    assert!(!fixture.is_open());
    fixture.sign_cancel(session).unwrap();
    assert_eq!(
        fixture.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    begin(&fixture, session, key);
    assert!(fixture.sign(session, b"data").is_ok());
    assert!(!fixture.is_open());
}

#[test]
fn login_state_card_signs_in_two_apdus_and_keeps_no_pin() {
    let fixture = Fixture::configured("plastic", |config| config.login_state = LoginState::Card);
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    for _ in 0..3 {
        fixture.sign_init(session, &usual(), key).unwrap();
        let (signature, sent) = fixture.apdus(|| fixture.sign(session, b"data"));
        assert!(signature.is_ok());
        assert_eq!(sent, 2);
    }
    assert_eq!(fixture.counters().auth_verifies, 1);
    // Another program's SELECT ends it: no PIN is kept to log in again.
    fixture.other_client().select_other();
    assert_eq!(
        fixture.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    // A change of the PIN keeps it.
    fixture.login(session, CKU_USER, PIN).unwrap();
    fixture.set_pin(session, PIN, b"5678").unwrap();
    let key = fixture.private_key(session);
    assert!(fixture.signature(session).is_ok());
    assert_eq!(
        fixture.set_pin(session, PIN, b"1111"),
        Err(CKR_PIN_INCORRECT)
    );
    assert_eq!(
        fixture.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert!(!fixture.is_open());
}

#[test]
fn context_login_for_a_key_that_does_not_want_it_changes_no_login() {
    for login_state in [LoginState::Module, LoginState::Card] {
        let fixture = Fixture::configured("plastic", |config| config.login_state = login_state);
        let session = fixture.logged_in(AUTH);
        let key = fixture.private_key(session);
        assert_eq!(
            fixture.login(session, CKU_CONTEXT_SPECIFIC, PIN),
            Err(CKR_OPERATION_NOT_INITIALIZED)
        );
        fixture.sign_init(session, &usual(), key).unwrap();
        assert_eq!(
            fixture.login(session, CKU_CONTEXT_SPECIFIC, b"abcd"),
            Err(CKR_PIN_INCORRECT)
        );
        fixture.login(session, CKU_CONTEXT_SPECIFIC, PIN).unwrap();
        assert!(fixture.sign(session, b"data").is_ok());
        for _ in 0..2 {
            assert!(fixture.signature(session).is_ok(), "{login_state:?}");
        }
        assert_eq!(fixture.tries(), (3, 5));
        fixture.finalize().unwrap();
        assert!(!fixture.is_open());
    }
}

#[test]
fn context_login_refused_at_the_kept_last_try_logs_out() {
    let fixture = Fixture::with("plastic");
    let (session, key) = spent(&fixture);
    // The right password has restored the tries: other clients spend them.
    let mut client = fixture.other_client();
    client.select_jpki();
    for _ in 0..4 {
        client.status(b"\x00\x20\x00\x9B\x06WRONG1");
    }
    drop(client);
    std::thread::sleep(std::time::Duration::from_millis(80));
    fixture.sign_init(session, &usual(), key).unwrap();
    assert_eq!(
        fixture.login(session, CKU_CONTEXT_SPECIFIC, PASSWORD),
        Err(CKR_PIN_LOCKED)
    );
    assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    assert_eq!(fixture.tries(), (3, 1));
}

#[test]
fn context_login_before_the_first_signature_is_accepted() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(SIGN);
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    for _ in 0..2 {
        fixture.sign_init(session, &rsa, key).unwrap();
        fixture.sign_update(session, b"da").unwrap();
        fixture
            .login(session, CKU_CONTEXT_SPECIFIC, PASSWORD)
            .unwrap();
        fixture.sign_update(session, b"ta").unwrap();
        fixture.sign_final(session).unwrap();
    }
}

#[test]
fn wrong_context_pin_can_be_corrected_in_the_same_operation() {
    let fixture = Fixture::plastic();
    let (session, key) = spent(&fixture);
    assert_eq!(
        fixture.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(fixture.counters().sign_signatures, 1);
    fixture.sign_init(session, &usual(), key).unwrap();
    let context = |pin: &[u8]| fixture.login(session, CKU_CONTEXT_SPECIFIC, pin);
    assert_eq!(context(b"WRONG1"), Err(CKR_PIN_INCORRECT));
    assert_eq!(context(PASSWORD), Ok(()));
    fixture.sign(session, b"data").unwrap();
    assert_eq!(fixture.counters().sign_signatures, 2);
}
