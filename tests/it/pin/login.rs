//! `C_Login` and `C_Logout` (PKCS#11 3.2, 5.6). What a login may cost is in `pin_protection.rs`.

use crate::common::{AUTH, Fixture, Mechanism, PIN};
use cryptoki_sys::*;

/// How often a PIN was sent to the card.
fn verifies(fixture: &Fixture) -> (u64, u64) {
    let counters = fixture.counters();
    (counters.auth_verifies, counters.sign_verifies)
}

#[test]
fn only_the_user_can_log_in() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let login = |user| fixture.login(session, user, PIN);
    assert_eq!(login(CKU_SO), Err(CKR_USER_TYPE_INVALID));
    assert_eq!(login(7), Err(CKR_USER_TYPE_INVALID));
    let read_only = fixture.open_session(AUTH, false).unwrap();
    assert_eq!(login(CKU_SO), Err(CKR_SESSION_READ_ONLY_EXISTS));
    fixture.close_session(read_only).unwrap();
    assert_eq!(
        login(CKU_CONTEXT_SPECIFIC),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    let named = fixture.login_user(session, CKU_USER, PIN, b"taro");
    assert_eq!(named, Err(CKR_ARGUMENTS_BAD));
    assert_eq!(verifies(&fixture), (0, 0));
    fixture.login_user(session, CKU_USER, PIN, b"").unwrap();
    assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
    assert_eq!(login(CKU_SO), Err(CKR_USER_ANOTHER_ALREADY_LOGGED_IN));
}

#[test]
fn second_login_is_refused_and_sends_no_pin() {
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
fn logout_ends_operations_and_the_use_of_keys() {
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
    fixture.signature(session).unwrap();
}
