//! Keys that want their PIN for each signature (product.md, section 4; PKCS#11 3.2, 4.9). What
//! belongs here: what a plain login is worth, and what `C_Login(CKU_CONTEXT_SPECIFIC)` is.

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
use jpki_pkcs11::config::AlwaysAuthenticate;

fn sign(stage: &Stage, session: CK_SESSION_HANDLE) -> Result<Vec<u8>, CK_RV> {
    let key = stage.private_key(session);
    stage.sign_once(session, &Mechanism::plain(CKM_RSA_PKCS), key, b"data")
}

#[test]
fn the_signature_key_wants_its_password_each_time() {
    let stage = Stage::plastic();
    let session = stage.logged_in(SIGN);
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    assert_eq!(stage.flag(session, key, CKA_ALWAYS_AUTHENTICATE), Ok(true));
    let context = |password: &[u8]| stage.login(session, CKU_CONTEXT_SPECIFIC, password);

    // The plain login counts for the first one.
    assert_eq!(context(PASSWORD), Err(CKR_OPERATION_NOT_INITIALIZED));
    stage.sign_once(session, &rsa, key, b"one").unwrap();
    stage.sign_init(session, &rsa, key).unwrap();
    assert_eq!(stage.sign(session, b"two"), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(stage.counters().sign_signatures, 1);
    assert_eq!(stage.state(session), Ok(CKS_RW_USER_FUNCTIONS));

    stage.sign_init(session, &rsa, key).unwrap();
    assert_eq!(context(b"WRONG1"), Err(CKR_PIN_INCORRECT));
    context(PASSWORD).unwrap();
    stage.sign(session, b"two").unwrap();
    stage.sign_init(session, &rsa, key).unwrap();
    assert_eq!(stage.sign(session, b"three"), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(stage.counters().sign_signatures, 2);
}

#[test]
fn a_context_login_before_the_first_signature_is_good_too() {
    let stage = Stage::plastic();
    let session = stage.logged_in(SIGN);
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    for _ in 0..2 {
        stage.sign_init(session, &rsa, key).unwrap();
        stage.sign_update(session, b"da").unwrap();
        stage
            .login(session, CKU_CONTEXT_SPECIFIC, PASSWORD)
            .unwrap();
        stage.sign_update(session, b"ta").unwrap();
        stage.sign_final(session).unwrap();
    }
}

#[test]
fn who_asks_each_time_is_a_setting() {
    let stage = Stage::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::No;
    });
    let session = stage.logged_in(SIGN);
    let key = stage.private_key(session);
    assert_eq!(stage.flag(session, key, CKA_ALWAYS_AUTHENTICATE), Ok(false));
    for _ in 0..3 {
        sign(&stage, session).unwrap();
    }
    drop(stage);

    let stage = Stage::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::Yes;
    });
    let session = stage.logged_in(AUTH);
    sign(&stage, session).unwrap();
    assert_eq!(sign(&stage, session), Err(CKR_USER_NOT_LOGGED_IN));
    drop(stage);

    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    assert_eq!(stage.flag(session, key, CKA_ALWAYS_AUTHENTICATE), Ok(false));
    for _ in 0..3 {
        sign(&stage, session).unwrap();
    }
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    stage.sign_init(session, &rsa, key).unwrap();
    let context = stage.login(session, CKU_CONTEXT_SPECIFIC, PIN);
    assert_eq!(context, Err(CKR_OPERATION_NOT_INITIALIZED));
}
