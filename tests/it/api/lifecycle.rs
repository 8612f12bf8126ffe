//! `C_Initialize`, `C_Finalize` and `C_GetInfo` (PKCS#11 3.2, 5.4).

use crate::common::config::{Config, LoginState};
use crate::common::{AUTH, FakePcsc, Fixture, Mechanism, PIN, Template};
use cryptoki_sys::*;

#[test]
fn second_initialize_is_refused() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let again = fixture.initialize(Config::default());
    assert_eq!(again, Err(CKR_CRYPTOKI_ALREADY_INITIALIZED));
    assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
}

#[test]
fn nothing_survives_finalize() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    assert_eq!(fixture.finalize(), Ok(()));
    assert_eq!(fixture.finalize(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert_eq!(fixture.slot_list(true), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert_eq!(fixture.state(session), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert_eq!(
        fixture.login(session, CKU_USER, PIN),
        Err(CKR_CRYPTOKI_NOT_INITIALIZED)
    );
    assert!(!fixture.is_open());

    fixture.initialize(Config::default()).unwrap();
    assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(fixture.slot_list(true).unwrap(), [0, 1]);
    let session = fixture.open(AUTH);
    assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
}

#[test]
fn library_information() {
    let fixture = Fixture::plastic();
    let (info, apdus) = fixture.apdus(|| fixture.info().unwrap());
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
    assert_eq!(
        (fixture.list.version.major, fixture.list.version.minor),
        (3, 2)
    );
}

#[test]
fn module_works_without_readers() {
    let fixture = Fixture::on(FakePcsc::default(), |_| ());
    assert_eq!(fixture.slot_list(false), Ok(vec![]));
    assert_eq!(fixture.open_session(0, true), Err(CKR_SLOT_ID_INVALID));
    assert_eq!(
        fixture.login(1, CKU_USER, PIN),
        Err(CKR_SESSION_HANDLE_INVALID)
    );
    assert_eq!(
        fixture.wait_for_slot_event(CKF_DONT_BLOCK),
        Err(CKR_NO_EVENT)
    );
    assert_eq!(fixture.finalize(), Ok(()));
}

#[test]
fn finalize_sends_nothing_to_a_card_that_is_closed() {
    // One is closed by leaving the application, the other by taking its power.
    for profile in ["plastic", "plastic,no-security-domain"] {
        let fixture = Fixture::with(profile);
        fixture.signature(fixture.logged_in(AUTH)).unwrap();
        assert_eq!(
            fixture.apdus(|| fixture.finalize()),
            (Ok(()), 0),
            "{profile}"
        );
    }
}

#[test]
fn finalize_ends_active_operations_and_closes_the_card() {
    let fixture = Fixture::configured("plastic", |config| {
        config.login_state = LoginState::Card;
    });
    let session = fixture.logged_in(AUTH);
    assert!(fixture.is_open(), "by the setting");
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    fixture.sign_init(session, &rsa, key).unwrap();
    fixture.find_init(session, &Template::new()).unwrap();
    assert_eq!(fixture.finalize(), Ok(()));
    assert!(!fixture.is_open(), "C_Finalize closes it");
    assert_eq!(
        fixture.sign(session, b"data"),
        Err(CKR_CRYPTOKI_NOT_INITIALIZED)
    );
}
