//! From `C_Initialize` to `C_Finalize` (PKCS#11 3.2, 5.4). What belongs here: who may call what
//! before, between and after them.

mod common;

use common::{AUTH, Desk, Mechanism, PIN, Stage, Template, proof};
use cryptoki_sys::*;
use jpki_pkcs11::config::{Config, LoginState};

#[test]
fn a_second_initialise_is_refused_and_harms_nothing() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let again = common::mount(Box::new(stage.desk.clone()), Config::default());
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

    common::mount(Box::new(stage.desk.clone()), Config::default()).unwrap();
    assert_eq!(stage.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(stage.slot_list(true).unwrap(), [0, 1]);
    let session = stage.open(AUTH);
    assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
}

#[test]
fn who_we_are() {
    let stage = Stage::plastic();
    let (info, apdus) = stage.apdus(|| stage.info().unwrap());
    let version = (info.cryptokiVersion.major, info.cryptokiVersion.minor);
    assert_eq!((version, info.flags, apdus), ((3, 2), 0, 0));
    let text = |field: &[u8]| String::from_utf8(field.to_vec()).unwrap();
    assert!(text(&info.manufacturerID).starts_with("jpki-pkcs11 "));
    assert!(text(&info.libraryDescription).contains("My Number"));
    let library = format!(
        "{}.{}",
        info.libraryVersion.major, info.libraryVersion.minor
    );
    let cargo = concat!(
        env!("CARGO_PKG_VERSION_MAJOR"),
        ".",
        env!("CARGO_PKG_VERSION_MINOR")
    );
    assert_eq!(library, cargo, "Cargo.toml has another version");
    assert_eq!((stage.list.version.major, stage.list.version.minor), (3, 2));
}

#[test]
fn a_life_without_any_reader() {
    let stage = Stage::on(Desk::default(), |_| ());
    assert_eq!(stage.slot_list(false), Ok(vec![]));
    assert_eq!(stage.open_session(0, true), Err(CKR_SLOT_ID_INVALID));
    assert_eq!(
        stage.login(1, CKU_USER, PIN),
        Err(CKR_SESSION_HANDLE_INVALID)
    );
    assert_eq!(stage.wait_for_slot_event(CKF_DONT_BLOCK), Err(CKR_NO_EVENT));
    assert_eq!(stage.finalize(), Ok(()));
}

#[test]
fn finalize_with_everything_under_way() {
    let stage = Stage::configured("plastic", |config| {
        config.login_state = LoginState::Card;
    });
    let session = stage.logged_in(AUTH);
    assert!(stage.is_open(), "as the user wanted it");
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    stage.sign_init(session, &rsa, key).unwrap();
    stage.find_init(session, &Template::new()).unwrap();
    assert_eq!(stage.finalize(), Ok(()));
    assert!(!stage.is_open(), "but not for longer than we are there");
    assert_eq!(
        stage.sign(session, b"data"),
        Err(CKR_CRYPTOKI_NOT_INITIALIZED)
    );
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
