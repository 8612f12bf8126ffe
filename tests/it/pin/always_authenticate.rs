//! Keys that want their PIN for each signature (product.md, section 4; PKCS#11 3.2, 4.9). What
//! belongs here: what a plain login is worth, and what `C_Login(CKU_CONTEXT_SPECIFIC)` is.

use crate::common::config::AlwaysAuthenticate;
use crate::common::{AUTH, Fixture, Mechanism, PASSWORD, PIN, SIGN};
use cryptoki_sys::*;

fn sign(fixture: &Fixture, session: CK_SESSION_HANDLE) -> Result<Vec<u8>, CK_RV> {
    let key = fixture.private_key(session);
    fixture.sign_once(session, &Mechanism::plain(CKM_RSA_PKCS), key, b"data")
}

#[test]
fn the_signature_key_wants_its_password_each_time() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(SIGN);
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    assert_eq!(
        fixture.flag(session, key, CKA_ALWAYS_AUTHENTICATE),
        Ok(true)
    );
    let context = |password: &[u8]| fixture.login(session, CKU_CONTEXT_SPECIFIC, password);

    // The plain login counts for the first one.
    assert_eq!(context(PASSWORD), Err(CKR_OPERATION_NOT_INITIALIZED));
    fixture.sign_once(session, &rsa, key, b"one").unwrap();
    fixture.sign_init(session, &rsa, key).unwrap();
    assert_eq!(fixture.sign(session, b"two"), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(fixture.counters().sign_signatures, 1);
    assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));

    fixture.sign_init(session, &rsa, key).unwrap();
    assert_eq!(context(b"WRONG1"), Err(CKR_PIN_INCORRECT));
    context(PASSWORD).unwrap();
    fixture.sign(session, b"two").unwrap();
    fixture.sign_init(session, &rsa, key).unwrap();
    assert_eq!(fixture.sign(session, b"three"), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(fixture.counters().sign_signatures, 2);
}

#[test]
fn a_context_login_before_the_first_signature_is_good_too() {
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
fn who_asks_each_time_is_a_setting() {
    let fixture = Fixture::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::No;
    });
    let session = fixture.logged_in(SIGN);
    let key = fixture.private_key(session);
    assert_eq!(
        fixture.flag(session, key, CKA_ALWAYS_AUTHENTICATE),
        Ok(false)
    );
    for _ in 0..3 {
        sign(&fixture, session).unwrap();
    }
    drop(fixture);

    let fixture = Fixture::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::Yes;
    });
    let session = fixture.logged_in(AUTH);
    sign(&fixture, session).unwrap();
    assert_eq!(sign(&fixture, session), Err(CKR_USER_NOT_LOGGED_IN));
    drop(fixture);

    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    assert_eq!(
        fixture.flag(session, key, CKA_ALWAYS_AUTHENTICATE),
        Ok(false)
    );
    for _ in 0..3 {
        sign(&fixture, session).unwrap();
    }
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    fixture.sign_init(session, &rsa, key).unwrap();
    let context = fixture.login(session, CKU_CONTEXT_SPECIFIC, PIN);
    assert_eq!(context, Err(CKR_OPERATION_NOT_INITIALIZED));
}
