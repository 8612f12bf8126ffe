//! Logging in (product.md, section 4). What belongs here: the promise that no try is wasted, with
//! the card's counters before and after, and that the card is never left open.

use crate::common::card;
use crate::common::config::LastTry;
use crate::common::{AUTH, Fixture, Mechanism, PASSWORD, PIN, SIGN};
use cryptoki_sys::*;

/// How often a PIN was sent to the card.
fn verifies(fixture: &Fixture) -> (u64, u64) {
    let counters = fixture.counters();
    (counters.auth_verifies, counters.sign_verifies)
}

fn sign(fixture: &Fixture, session: CK_SESSION_HANDLE) -> Result<Vec<u8>, CK_RV> {
    let key = fixture.private_key(session);
    fixture.sign_once(session, &Mechanism::plain(CKM_RSA_PKCS), key, b"data")
}

#[test]
fn a_pin_of_the_wrong_shape_never_reaches_the_card() {
    let fixture = Fixture::plastic();
    let (auth, sign) = (fixture.open(AUTH), fixture.open(SIGN));
    let long = [b'1'; 300];
    for pin in [
        &b""[..],
        b"123",
        b"12345",
        b"ABC123",
        b"12a4",
        b"12 4",
        "１２３４".as_bytes(),
        b"\0\0\0\0",
        &long,
    ] {
        assert_eq!(fixture.login(auth, CKU_USER, pin), Err(CKR_PIN_INCORRECT));
    }
    for password in [
        &b""[..],
        b"1234",
        b"ABC12",
        b"ABC-123",
        "ＡＢＣ１２３".as_bytes(),
        b"ABC123\0",
        &long,
    ] {
        assert_eq!(
            fixture.login(sign, CKU_USER, password),
            Err(CKR_PIN_INCORRECT)
        );
    }
    assert_eq!(verifies(&fixture), (0, 0));
    assert_eq!(fixture.tries(), (3, 5));
    // And none of it stands in the way of the right one.
    fixture.login(auth, CKU_USER, PIN).unwrap();
    fixture.login(sign, CKU_USER, PASSWORD).unwrap();
}

#[test]
fn no_pin_asks_for_a_keypad_that_there_is_none_of() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    assert_eq!(
        fixture.login_without_pin(session, CKU_USER),
        Err(CKR_ARGUMENTS_BAD)
    );
    assert_eq!(verifies(&fixture), (0, 0));
}

#[test]
fn lower_case_letters_are_raised() {
    let fixture = Fixture::plastic();
    let session = fixture.open(SIGN);
    fixture.login(session, CKU_USER, b"abc123").unwrap();
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn a_refused_value_is_not_sent_twice() {
    let fixture = Fixture::plastic();
    let session = fixture.open(SIGN);
    let login = |password: &[u8]| fixture.login(session, CKU_USER, password);
    assert_eq!(login(b"WRONG1"), Err(CKR_PIN_INCORRECT));
    for _ in 0..5 {
        assert_eq!(login(b"WRONG1"), Err(CKR_PIN_INCORRECT));
        assert_eq!(login(b"wrong1"), Err(CKR_PIN_INCORRECT));
    }
    assert_eq!(fixture.tries(), (3, 4));
    assert_eq!(login(b"WRONG2"), Err(CKR_PIN_INCORRECT));
    assert_eq!(login(b"WRONG1"), Err(CKR_PIN_INCORRECT));
    assert_eq!(fixture.tries(), (3, 3));
    assert_eq!(verifies(&fixture), (0, 2));
    // Not through C_SetPIN either.
    let changed = fixture.set_pin(session, b"WRONG2", b"NEWPASS1");
    assert_eq!(changed, Err(CKR_PIN_INCORRECT));
    assert_eq!(fixture.tries(), (3, 3));
    login(PASSWORD).unwrap();
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn another_card_is_another_matter() {
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
fn the_last_try_is_kept() {
    for (profile, slot, pin) in [
        ("plastic,auth-tries=1", AUTH, PIN),
        ("plastic,sign-tries=1", SIGN, PASSWORD),
    ] {
        let fixture = Fixture::with(profile);
        let session = fixture.open(slot);
        let before = fixture.tries();
        for given in [pin, pin] {
            // Not even the right one: nobody can know.
            assert_eq!(fixture.login(session, CKU_USER, given), Err(CKR_PIN_LOCKED));
        }
        let new = if slot == AUTH {
            &b"4711"[..]
        } else {
            b"NEWPASS1"
        };
        assert_eq!(fixture.set_pin(session, pin, new), Err(CKR_PIN_LOCKED));
        assert_eq!(fixture.tries(), before);
        assert_eq!(verifies(&fixture), (0, 0));
        assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    }
}

#[test]
fn wrong_pins_stop_before_the_last_try() {
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
fn the_last_try_is_spent_when_somebody_says_so() {
    let allow =
        |profile: &str| Fixture::configured(profile, |config| config.last_try = LastTry::Allow);
    let fixture = allow("plastic,auth-tries=1");
    fixture.logged_in(AUTH);
    assert_eq!(fixture.tries(), (3, 5));
    drop(fixture);

    let fixture = allow("plastic,auth-tries=1");
    let session = fixture.open(AUTH);
    let wrong = fixture.login(session, CKU_USER, b"0000");
    assert_eq!(wrong, Err(CKR_PIN_LOCKED));
    assert_eq!(fixture.tries(), (0, 5));
    // A locked PIN is not sent to.
    let locked = fixture.login(session, CKU_USER, PIN);
    assert_eq!(locked, Err(CKR_PIN_LOCKED));
    assert_eq!(verifies(&fixture), (1, 0));
}

#[test]
fn a_locked_pin_is_said_to_be_locked() {
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
        assert_eq!(verifies(&fixture), (0, 0), "{profile}");
    }
}

#[test]
fn users_that_there_are_not() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let login = |user| fixture.login(session, user, PIN);
    assert_eq!(login(CKU_SO), Err(CKR_USER_TYPE_INVALID));
    assert_eq!(login(7), Err(CKR_USER_TYPE_INVALID));
    assert_eq!(
        login(CKU_CONTEXT_SPECIFIC),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    let named = fixture.login_user(session, CKU_USER, PIN, b"taro");
    assert_eq!(named, Err(CKR_ARGUMENTS_BAD));
    assert_eq!(verifies(&fixture), (0, 0));
    fixture.login_user(session, CKU_USER, PIN, b"").unwrap();
    assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
}

#[test]
fn logged_in_once_is_enough() {
    let fixture = Fixture::plastic();
    let first = fixture.logged_in(AUTH);
    let second = fixture.open(AUTH);
    for session in [first, second] {
        for pin in [PIN, b"0000"] {
            let again = fixture.login(session, CKU_USER, pin);
            assert_eq!(again, Err(CKR_USER_ALREADY_LOGGED_IN));
        }
    }
    assert_eq!(verifies(&fixture), (1, 0));
}

#[test]
fn the_card_is_never_left_open() {
    for profile in ["plastic", "android", "iphone", "plastic,no-security-domain"] {
        let fixture = Fixture::with(profile);
        for slot in [AUTH, SIGN] {
            let session = fixture.logged_in(slot);
            assert!(!fixture.is_open(), "{profile}: after the login");
            sign(&fixture, session).unwrap();
            assert!(!fixture.is_open(), "{profile}: after a signature");
            let mut client = fixture.other_client();
            assert_eq!(client.select_jpki(), 0x9000);
            assert_eq!(client.sign_auth(), 0x6982);
            assert_eq!(client.sign_sign(), 0x6982);
            fixture.logout(session).unwrap();
        }
    }
}

#[test]
fn a_wrong_pin_leaves_nothing_open_either() {
    let fixture = Fixture::plastic();
    let mut client = fixture.other_client();
    client.select_jpki();
    // Somebody else left the card open. It closes with our next login, right or wrong.
    assert_eq!(client.verify_auth(b"1234"), 0x9000);
    let session = fixture.open(AUTH);
    let wrong = fixture.login(session, CKU_USER, b"0000");
    assert_eq!(wrong, Err(CKR_PIN_INCORRECT));
    assert!(!fixture.is_open());
}

#[test]
fn logout() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    fixture.sign_init(session, &rsa, key).unwrap();
    fixture.logout(session).unwrap();
    assert_eq!(fixture.logout(session), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(
        fixture.sign(session, b"data"),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(
        fixture.sign_init(session, &rsa, key),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(fixture.counters().auth_signatures, 0);
    fixture.login(session, CKU_USER, PIN).unwrap();
    sign(&fixture, session).unwrap();
}

#[test]
fn the_login_survives_what_other_programs_do() {
    let fixture = Fixture::plastic();
    let (auth, signature) = (fixture.logged_in(AUTH), fixture.logged_in(SIGN));
    let mut client = fixture.other_client();
    client.select_other();
    sign(&fixture, auth).unwrap();
    client.reset();
    sign(&fixture, auth).unwrap();
    client.reset();
    client.select_other();
    sign(&fixture, signature).unwrap();
    client.select_jpki();
    client.verify_auth(b"1234");
    sign(&fixture, auth).unwrap();
    assert_eq!(fixture.tries(), (3, 5));
    assert!(!fixture.is_open());
}

#[test]
fn after_a_reset_the_pin_is_not_sent_to_another_card() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    // The same PIN would be wrong there; and even were it right, it is not that card's business.
    let other = "juki,auth-pin=9999";
    fixture.reader().add("other", card(other));
    let mut client = fixture.other_client();
    fixture.reader().swap_silently("other").unwrap();
    client.reset();
    let key = fixture.private_key(session);
    let signed = fixture.sign_once(session, &Mechanism::plain(CKM_RSA_PKCS), key, b"data");
    assert_eq!(signed, Err(CKR_DEVICE_REMOVED));
    assert_eq!(verifies(&fixture), (0, 0));
    assert_eq!(fixture.tries(), (3, 5));
    // It was said once; from now on there is no such session.
    assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
}

#[test]
fn a_phone_that_was_reset_by_somebody_else_wants_a_new_login() {
    let fixture = Fixture::with("android");
    let session = fixture.logged_in(AUTH);
    sign(&fixture, session).unwrap();
    sign(&fixture, session).unwrap();
    fixture.other_client().reset();
    let before = verifies(&fixture);
    assert_eq!(sign(&fixture, session), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(verifies(&fixture), before, "it cannot be proved the same");
    assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    fixture.login(session, CKU_USER, PIN).unwrap();
    sign(&fixture, session).unwrap();
}

#[test]
fn a_pin_that_was_changed_elsewhere_ends_the_login_after_one_try() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let mut client = fixture.other_client();
    client.select_jpki();
    client.verify_auth(b"1234");
    let change = [0x00, 0x24, 0x01, 0x98, 0x04, b'4', b'7', b'1', b'1'];
    assert_eq!(client.status(&change), 0x9000);
    client.select_other();
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    let signed = fixture.sign_once(session, &rsa, key, b"data");
    assert_eq!(signed, Err(CKR_USER_NOT_LOGGED_IN));
    let again = fixture.sign_once(session, &rsa, key, b"data");
    assert_eq!(again, Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(fixture.tries(), (2, 5));
}
