//! From `C_Initialize` to `C_Finalize` (PKCS#11 3.2, 5.4). What belongs here: who may call what
//! before, between and after them.

mod common;

use common::{AUTH, Mechanism, PIN, Stage, Template, proof};
use cryptoki_sys::*;
use jpki_pkcs11::config::Config;

#[test]
fn a_second_initialise_is_refused_and_harms_nothing() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let again = jpki_pkcs11::ffi::initialize_with(Box::new(stage.desk.clone()), Config::default());
    assert_eq!(
        again.unwrap_err().rv().code(),
        CKR_CRYPTOKI_ALREADY_INITIALIZED
    );
    assert_eq!(stage.state(session), Ok(CKS_RW_USER_FUNCTIONS));
}

#[test]
fn nothing_survives_finalize() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    assert_eq!(stage.finalize(), Ok(()));
    assert_eq!(stage.finalize(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert_eq!(stage.slot_list(true), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert_eq!(stage.state(session), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert_eq!(
        stage.login(session, CKU_USER, PIN),
        Err(CKR_CRYPTOKI_NOT_INITIALIZED)
    );
    assert!(!stage.is_open());

    jpki_pkcs11::ffi::initialize_with(Box::new(stage.desk.clone()), Config::default()).unwrap();
    assert_eq!(stage.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(stage.slot_list(true).unwrap(), [0, 1]);
    let session = stage.open(AUTH);
    assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
}

#[test]
fn the_main_job() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let certificate = stage.find_one(
        session,
        &Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]),
    );
    let certificate = stage.attribute(session, certificate, CKA_VALUE).unwrap();
    let key = stage.private_key(session);
    let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    let signature = stage.sign_once(session, &mechanism, key, b"data").unwrap();
    let public = proof::key_of(&certificate);
    assert!(proof::is_signature(
        CKM_SHA256_RSA_PKCS,
        &public,
        b"data",
        &signature
    ));
    assert!(!stage.is_open());
    assert_eq!(stage.tries(), (3, 5));
}
