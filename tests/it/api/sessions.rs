//! Sessions and their states (PKCS#11 3.2, 5.6).

use crate::common::{AUTH, Fixture, Mechanism, PIN, SIGN, Template};
use cryptoki_sys::*;

#[test]
fn open_session_checks_its_flags() {
    let fixture = Fixture::plastic();
    let open = |flags| fixture.open_session_with(AUTH, flags).map(|_| ());
    assert_eq!(open(CKF_SERIAL_SESSION), Ok(()));
    assert_eq!(open(CKF_SERIAL_SESSION | CKF_RW_SESSION), Ok(()));
    assert_eq!(open(0), Err(CKR_SESSION_PARALLEL_NOT_SUPPORTED));
    assert_eq!(
        open(CKF_RW_SESSION),
        Err(CKR_SESSION_PARALLEL_NOT_SUPPORTED)
    );
    assert_eq!(
        open(CKF_SERIAL_SESSION | CKF_ASYNC_SESSION),
        Err(CKR_SESSION_ASYNC_NOT_SUPPORTED)
    );
    assert_eq!(open(CKF_SERIAL_SESSION | 1 << 20), Err(CKR_ARGUMENTS_BAD));
    let nowhere = fixture.open_session(9, true);
    assert_eq!(nowhere, Err(CKR_SLOT_ID_INVALID));
}

#[test]
fn states_follow_the_login_of_the_token() {
    let fixture = Fixture::plastic();
    let read_only = fixture.open_session(AUTH, false).unwrap();
    let read_write = fixture.open(AUTH);
    let other_token = fixture.open(SIGN);
    let states = || [read_only, read_write, other_token].map(|it| fixture.state(it).unwrap());
    let public = [
        CKS_RO_PUBLIC_SESSION,
        CKS_RW_PUBLIC_SESSION,
        CKS_RW_PUBLIC_SESSION,
    ];
    assert_eq!(states(), public);
    fixture.login(read_only, CKU_USER, PIN).unwrap();
    assert_eq!(
        states(),
        [
            CKS_RO_USER_FUNCTIONS,
            CKS_RW_USER_FUNCTIONS,
            CKS_RW_PUBLIC_SESSION
        ]
    );
    let late = fixture.open(AUTH);
    assert_eq!(fixture.state(late), Ok(CKS_RW_USER_FUNCTIONS));
    fixture.logout(read_write).unwrap();
    assert_eq!(states(), public);
    let info = fixture.session_info(read_only).unwrap();
    assert_eq!((info.slotID, info.flags), (AUTH, CKF_SERIAL_SESSION));
    let info = fixture.session_info(other_token).unwrap();
    let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    assert_eq!((info.slotID, info.flags), (SIGN, flags));
}

#[test]
fn sessions_are_counted_for_each_token() {
    let fixture = Fixture::plastic();
    let counts = |slot| {
        let info = fixture.token_info(slot).unwrap();
        (info.ulSessionCount, info.ulRwSessionCount)
    };
    let first = fixture.open(AUTH);
    fixture.open_session(AUTH, false).unwrap();
    fixture.open(SIGN);
    assert_eq!([counts(AUTH), counts(SIGN)], [(2, 1), (1, 1)]);
    fixture.close_session(first).unwrap();
    assert_eq!([counts(AUTH), counts(SIGN)], [(1, 0), (1, 1)]);
    fixture.close_all_sessions(AUTH).unwrap();
    assert_eq!([counts(AUTH), counts(SIGN)], [(0, 0), (1, 1)]);
    assert_eq!(fixture.close_all_sessions(9), Err(CKR_SLOT_ID_INVALID));
}

#[test]
fn closed_session_handle_stays_invalid() {
    let fixture = Fixture::plastic();
    let old = fixture.open(AUTH);
    fixture.close_session(old).unwrap();
    assert_eq!(fixture.close_session(old), Err(CKR_SESSION_HANDLE_INVALID));
    let new = fixture.open(AUTH);
    assert_ne!(old, new);
    assert_eq!(fixture.state(old), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(fixture.state(0), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(
        fixture.login(old, CKU_USER, PIN),
        Err(CKR_SESSION_HANDLE_INVALID)
    );
}

#[test]
fn closing_the_last_session_logs_out() {
    let fixture = Fixture::plastic();
    let first = fixture.logged_in(AUTH);
    let second = fixture.open(AUTH);
    fixture.logged_in(SIGN);
    fixture.close_session(first).unwrap();
    assert_eq!(fixture.state(second), Ok(CKS_RW_USER_FUNCTIONS));
    fixture.close_session(second).unwrap();
    let again = fixture.open(AUTH);
    assert_eq!(fixture.state(again), Ok(CKS_RW_PUBLIC_SESSION));

    fixture.login(again, CKU_USER, PIN).unwrap();
    fixture.close_all_sessions(AUTH).unwrap();
    let again = fixture.open(AUTH);
    assert_eq!(fixture.state(again), Ok(CKS_RW_PUBLIC_SESSION));
    let other = fixture.open(SIGN);
    assert_eq!(fixture.state(other), Ok(CKS_RW_USER_FUNCTIONS));
}

#[test]
fn session_cancel_ends_the_named_operations() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    fixture.sign_init(session, &rsa, key).unwrap();
    fixture
        .digest_init(session, &Mechanism::plain(CKM_SHA256))
        .unwrap();
    fixture.find_init(session, &Template::new()).unwrap();
    fixture.session_cancel(session, CKF_VERIFY).unwrap();
    assert_eq!(
        fixture.sign_init(session, &rsa, key),
        Err(CKR_OPERATION_ACTIVE)
    );
    fixture
        .session_cancel(session, CKF_SIGN | CKF_FIND_OBJECTS)
        .unwrap();
    assert_eq!(
        fixture.sign(session, b"x"),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(
        fixture.find_next(session, 1),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(fixture.digest(session, b"").unwrap().len(), 32);
}

#[test]
fn one_operation_of_each_kind_per_session() {
    let fixture = Fixture::plastic();
    let (one, two) = (fixture.open(AUTH), fixture.open(AUTH));
    let sha = Mechanism::plain(CKM_SHA256);
    for session in [one, two] {
        fixture.digest_init(session, &sha).unwrap();
        assert_eq!(
            fixture.digest_init(session, &sha),
            Err(CKR_OPERATION_ACTIVE)
        );
        fixture.find_init(session, &Template::new()).unwrap();
        assert_eq!(
            fixture.find_init(session, &Template::new()),
            Err(CKR_OPERATION_ACTIVE)
        );
    }
    fixture.digest_update(one, b"one").unwrap();
    fixture.digest_update(two, b"two").unwrap();
    assert_ne!(fixture.digest_final(one), fixture.digest_final(two));
}

#[test]
fn operation_state_cannot_be_saved() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    assert_eq!(
        fixture.operation_state(session),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    let key = fixture.public_key(session);
    fixture.verify_init(session, &rsa, key).unwrap();
    assert_eq!(fixture.operation_state(session), Err(CKR_STATE_UNSAVEABLE));
    fixture.session_cancel(session, CKF_VERIFY).unwrap();
    fixture
        .digest_init(session, &Mechanism::plain(CKM_SHA256))
        .unwrap();
    assert_eq!(fixture.operation_state(session), Err(CKR_STATE_UNSAVEABLE));
    assert_eq!(
        fixture.set_operation_state(session, b"x"),
        Err(CKR_SAVED_STATE_INVALID)
    );
    assert_eq!(fixture.digest(session, b"").unwrap().len(), 32);
}

#[test]
fn token_has_no_validation_flags() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let asked = fixture.validation_flags(session, CKS_LAST_VALIDATION_OK);
    assert_eq!(asked, Ok(0));
    let unknown = fixture.validation_flags(session, 0x7777);
    // The standard lists no CKR_ARGUMENTS_BAD for it.
    assert_eq!(unknown, Err(CKR_FUNCTION_FAILED));
}
