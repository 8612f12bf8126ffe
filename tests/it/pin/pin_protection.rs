//! Which PINs reach the card, by the card's own counters. docs/login.md has the same as a table.

use crate::common::config::LastTry;
use crate::common::module::pcsc::Error;
use crate::common::{AUTH, Failure, Fixture, PASSWORD, PIN, SIGN, card};
use cryptoki_sys::*;

use super::{no_passwords, no_pins};

/// VERIFY with an authentication PIN.
const VERIFY: &[u8] = &[0x00, 0x20, 0x00, 0x98, 0x04];

/// VERIFYs with a PIN so far, both keys.
fn verifies(fixture: &Fixture) -> u64 {
    let counters = fixture.counters();
    counters.auth_verifies + counters.sign_verifies
}

fn flags(fixture: &Fixture, slot: CK_SLOT_ID) -> CK_FLAGS {
    let all = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
    fixture.token_info(slot).unwrap().flags & all
}

#[test]
fn malformed_pin_does_not_reach_the_card() {
    let fixture = Fixture::plastic();
    for (slot, wrong) in [(AUTH, no_pins()), (SIGN, no_passwords())] {
        let session = fixture.open(slot);
        let (_, sent) = fixture.apdus(|| {
            for pin in &wrong {
                assert_eq!(
                    fixture.login(session, CKU_USER, pin),
                    Err(CKR_PIN_INCORRECT),
                    "{pin:?}"
                );
            }
            assert_eq!(
                fixture.login_without_pin(session, CKU_USER),
                Err(CKR_ARGUMENTS_BAD)
            );
        });
        assert_eq!(sent, 0, "slot {slot}");
    }
    assert_eq!((fixture.tries(), verifies(&fixture)), ((3, 5), 0));
    // The other token's PIN, as `ssh-add -s` sends it, and then the right one.
    let session = fixture.open(SIGN);
    assert_eq!(
        fixture.login(session, CKU_USER, PIN),
        Err(CKR_PIN_INCORRECT)
    );
    assert_eq!(fixture.login(session, CKU_USER, PASSWORD), Ok(()));
    assert_eq!((fixture.tries(), verifies(&fixture)), ((3, 5), 1));
}

/// poppler's pdfsig without `-kpw` makes NSS repeat C_Login without end.
#[test]
fn endless_repetition_of_a_malformed_pin_is_stopped() {
    let fixture = Fixture::plastic();
    let session = fixture.open(SIGN);
    let (_, sent) = fixture.apdus(|| {
        let answers: Vec<_> = (0..60)
            .map(|_| fixture.login(session, CKU_USER, b""))
            .collect();
        assert_eq!(answers.get(28), Some(&Err(CKR_PIN_INCORRECT)));
        assert_eq!(answers.get(29), Some(&Err(CKR_FUNCTION_FAILED)));
        assert_eq!(answers.get(30), Some(&Err(CKR_PIN_INCORRECT)));
        assert_eq!(answers.get(59), Some(&Err(CKR_FUNCTION_FAILED)));
    });
    assert_eq!(sent, 0);
    assert_eq!(fixture.login(session, CKU_USER, PASSWORD), Ok(()));
}

#[test]
fn lower_case_password_is_accepted() {
    let fixture = Fixture::plastic();
    let session = fixture.open(SIGN);
    assert_eq!(fixture.login(session, CKU_USER, b"abC123"), Ok(()));
    assert_eq!((fixture.tries(), verifies(&fixture)), ((3, 5), 1));
}

#[test]
fn refused_pin_is_not_sent_again() {
    let fixture = Fixture::plastic();
    let (auth, sign) = (fixture.open(AUTH), fixture.open(SIGN));
    for _ in 0..10 {
        assert_eq!(
            fixture.login(auth, CKU_USER, b"9999"),
            Err(CKR_PIN_INCORRECT)
        );
        assert_eq!(
            fixture.login(sign, CKU_USER, b"WRONG1"),
            Err(CKR_PIN_INCORRECT)
        );
        assert_eq!(
            fixture.login(sign, CKU_USER, b"wrong1"),
            Err(CKR_PIN_INCORRECT)
        );
        assert_eq!(
            fixture.set_pin(sign, b"WRONG1", b"NEW1234"),
            Err(CKR_PIN_INCORRECT)
        );
    }
    assert_eq!((fixture.tries(), verifies(&fixture)), ((2, 4), 2));
    // Each refused value is remembered, not only the last one.
    for password in [b"WRONG2", b"WRONG1", b"WRONG2"] {
        assert_eq!(
            fixture.login(sign, CKU_USER, password),
            Err(CKR_PIN_INCORRECT)
        );
    }
    assert_eq!((fixture.tries(), verifies(&fixture)), ((2, 3), 3));
    // A second session, and another one after all are closed, belong to the same process.
    fixture.close_all_sessions(AUTH).unwrap();
    let auth = fixture.open(AUTH);
    assert_eq!(
        fixture.login(auth, CKU_USER, b"9999"),
        Err(CKR_PIN_INCORRECT)
    );
    assert_eq!(fixture.tries(), (2, 3));
    assert_eq!(fixture.login(sign, CKU_USER, PASSWORD), Ok(()));
    assert_eq!(fixture.tries(), (2, 5));
}

#[test]
fn refused_pins_are_forgotten_after_success_and_removal() {
    let fixture = Fixture::plastic();
    let auth = fixture.open(AUTH);
    let wrong = |session| {
        assert_eq!(
            fixture.login(session, CKU_USER, b"9999"),
            Err(CKR_PIN_INCORRECT)
        )
    };
    wrong(auth);
    assert_eq!(fixture.login(auth, CKU_USER, PIN), Ok(()));
    fixture.logout(auth).unwrap();
    wrong(auth);
    assert_eq!((fixture.tries(), verifies(&fixture)), ((2, 5), 3));

    fixture.take_out();
    fixture.put_back();
    let auth = fixture.open(AUTH);
    assert_eq!(fixture.login(auth, CKU_USER, PIN), Ok(()));
    fixture.logout(auth).unwrap();
    wrong(auth);
    fixture.take_out();
    fixture.put_back();
    let auth = fixture.open(AUTH);
    // It is sent again because the card may be another one; the last try is kept.
    wrong(auth);
    assert_eq!((fixture.tries(), verifies(&fixture)), ((1, 5), 6));
    assert_eq!(fixture.login(auth, CKU_USER, PIN), Err(CKR_PIN_LOCKED));
    assert_eq!((fixture.tries(), verifies(&fixture)), ((1, 5), 6));
}

#[test]
fn last_try_is_kept() {
    let fixture = Fixture::with("plastic,auth-tries=1,sign-tries=1");
    assert_eq!(
        flags(&fixture, AUTH),
        CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY
    );
    for (slot, right, wrong) in [(AUTH, PIN, &b"9999"[..]), (SIGN, PASSWORD, b"WRONG1")] {
        let session = fixture.open(slot);
        for pin in [wrong, right, wrong] {
            assert_eq!(fixture.login(session, CKU_USER, pin), Err(CKR_PIN_LOCKED));
            assert_eq!(fixture.set_pin(session, pin, right), Err(CKR_PIN_LOCKED));
        }
    }
    assert_eq!((fixture.tries(), verifies(&fixture)), ((1, 1), 0));
}

#[test]
fn last_try_is_used_when_the_configuration_allows_it() {
    let allow = |profile| Fixture::configured(profile, |config| config.last_try = LastTry::Allow);
    let fixture = allow("plastic,auth-tries=1,sign-tries=1");
    let (auth, sign) = (fixture.open(AUTH), fixture.open(SIGN));
    assert_eq!(fixture.login(auth, CKU_USER, PIN), Ok(()));
    assert_eq!(
        fixture.login(sign, CKU_USER, b"WRONG1"),
        Err(CKR_PIN_LOCKED)
    );
    assert_eq!((fixture.tries(), verifies(&fixture)), ((3, 0), 2));
    // Nothing is sent to a locked PIN.
    assert_eq!(fixture.login(sign, CKU_USER, PASSWORD), Err(CKR_PIN_LOCKED));
    assert_eq!(verifies(&fixture), 2);
    assert_eq!(
        (flags(&fixture, AUTH), flags(&fixture, SIGN)),
        (0, CKF_USER_PIN_LOCKED)
    );
}

#[test]
fn pin_flags_are_current_and_send_no_apdu() {
    let fixture = Fixture::configured("plastic", |config| config.last_try = LastTry::Allow);
    let auth = fixture.open(AUTH);
    assert_eq!((flags(&fixture, AUTH), flags(&fixture, SIGN)), (0, 0));
    let truth = [
        (&b"9999"[..], CKR_PIN_INCORRECT, CKF_USER_PIN_COUNT_LOW),
        (
            b"8888",
            CKR_PIN_INCORRECT,
            CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
        ),
        (PIN, CKR_OK, 0),
        (b"9999", CKR_PIN_INCORRECT, CKF_USER_PIN_COUNT_LOW),
        (
            b"8888",
            CKR_PIN_INCORRECT,
            CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
        ),
        (b"7777", CKR_PIN_LOCKED, CKF_USER_PIN_LOCKED),
        (PIN, CKR_PIN_LOCKED, CKF_USER_PIN_LOCKED),
    ];
    for (pin, code, expected) in truth {
        assert_eq!(
            fixture.login(auth, CKU_USER, pin).err().unwrap_or(CKR_OK),
            code
        );
        let (seen, sent) = fixture.apdus(|| flags(&fixture, AUTH));
        assert_eq!((seen, sent), (expected, 0), "after {pin:?}");
        assert_eq!(flags(&fixture, SIGN), 0, "after {pin:?}");
        let _ = fixture.logout(auth);
    }
}

#[test]
fn flags_are_asked_for_after_a_login_without_an_answer() {
    let error = Error::Failed("injected".to_owned());
    for (failure, tries, shown) in [
        (Failure::of(error.clone()), 3, 0),
        (Failure::lost(error), 2, CKF_USER_PIN_COUNT_LOW),
    ] {
        let fixture = Fixture::plastic();
        let session = fixture.open(AUTH);
        fixture
            .pcsc
            .failures(|failures| failures.add_command(VERIFY, failure));
        assert_eq!(
            fixture.login(session, CKU_USER, b"9999"),
            Err(CKR_DEVICE_ERROR)
        );
        assert_eq!(fixture.tries().0, tries);
        assert_eq!(flags(&fixture, AUTH), shown);
    }
}

#[test]
fn locked_pin_does_not_affect_the_other_token() {
    for profile in [
        "plastic,auth-tries=0",
        "plastic,auth-tries=0,locked-query=6984",
        "plastic,auth-tries=0,locked-query=6983,locked=6983",
    ] {
        let fixture = Fixture::with(profile);
        assert_eq!(fixture.slot_list(true).unwrap(), [AUTH, SIGN], "{profile}");
        assert_eq!(flags(&fixture, AUTH), CKF_USER_PIN_LOCKED);
        let auth = fixture.open(AUTH);
        assert_eq!(fixture.login(auth, CKU_USER, PIN), Err(CKR_PIN_LOCKED));
        let sign = fixture.logged_in(SIGN);
        assert!(fixture.signature(sign).is_ok());
        assert_eq!(
            (fixture.tries(), verifies(&fixture)),
            ((0, 5), 2),
            "{profile}"
        );
    }
}

#[test]
fn tries_hidden_by_a_verified_pin_are_queried_again() {
    // After a VERIFY by another program the query answers 9000, which hides the tries spent since.
    let fixture = Fixture::with("plastic,query-tells-verified");
    let auth = fixture.open(AUTH);
    let mut client = fixture.other_client();
    client.select_jpki();
    client.verify_auth(b"1234");
    client.verify_auth(b"9999");
    client.verify_auth(b"9999");
    assert_eq!(fixture.tries().0, 1);
    assert_eq!(fixture.login(auth, CKU_USER, b"8888"), Err(CKR_PIN_LOCKED));
    assert_eq!(fixture.tries().0, 1);
    assert!(!fixture.is_open());
}

#[test]
fn pin_changed_by_another_client_costs_one_try_and_logs_out() {
    let fixture = Fixture::plastic();
    let auth = fixture.logged_in(AUTH);
    let key = fixture.private_key(auth);
    let mut client = fixture.other_client();
    client.select_jpki();
    client.verify_auth(b"1234");
    assert_eq!(client.status(b"\x00\x24\x01\x98\x045678"), 0x9000);
    let usual = crate::common::Mechanism::usual(CKM_SHA256_RSA_PKCS);
    for _ in 0..3 {
        assert_eq!(
            fixture.sign_once(auth, &usual, key, b"data"),
            Err(CKR_USER_NOT_LOGGED_IN)
        );
        assert_eq!(
            fixture.login(auth, CKU_USER, PIN),
            Err(CKR_PIN_INCORRECT),
            "refused before"
        );
    }
    assert_eq!(fixture.tries(), (2, 5));
    assert_eq!(fixture.login(auth, CKU_USER, b"5678"), Ok(()));
}

#[test]
fn refused_pin_may_be_right_for_another_card() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let wrong = fixture.login(session, CKU_USER, b"9999");
    assert_eq!(wrong, Err(CKR_PIN_INCORRECT));
    fixture.reader().add("other", card("child,auth-pin=9999"));
    fixture.reader().insert("other").unwrap();
    let session = fixture.open(AUTH);
    fixture.login(session, CKU_USER, b"9999").unwrap();
}

#[test]
fn different_wrong_pins_stop_before_the_last_try() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    for (pin, code) in [
        (b"0000", CKR_PIN_INCORRECT),
        (b"0001", CKR_PIN_INCORRECT),
        (b"0002", CKR_PIN_LOCKED),
        (b"0003", CKR_PIN_LOCKED),
    ] {
        assert_eq!(fixture.login(session, CKU_USER, pin), Err(code));
    }
    assert_eq!(fixture.tries(), (1, 5));
}

#[test]
fn no_pin_is_sent_to_a_locked_card() {
    for profile in [
        "pinless",
        "pinless,locked-query=6984",
        "pinless,locked=6983",
    ] {
        let fixture = Fixture::configured(profile, |config| config.last_try = LastTry::Allow);
        for (slot, pin) in [(AUTH, PIN), (SIGN, PASSWORD)] {
            let session = fixture.open(slot);
            assert_eq!(fixture.login(session, CKU_USER, pin), Err(CKR_PIN_LOCKED));
        }
        assert_eq!(verifies(&fixture), 0, "{profile}");
    }
}
