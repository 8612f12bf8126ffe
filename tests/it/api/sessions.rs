//! Sessions (PKCS#11 3.2, 5.6). What belongs here: opening, closing, states, what a session may
//! carry from one call to the next.

mod common;

use common::{AUTH, Mechanism, PIN, SIGN, Stage, Template};
use cryptoki_sys::*;

#[test]
fn flags_of_open_session() {
    let stage = Stage::plastic();
    let open = |flags| stage.open_session_with(AUTH, flags).map(|_| ());
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
    let nowhere = stage.open_session(9, true);
    assert_eq!(nowhere, Err(CKR_SLOT_ID_INVALID));
}

#[test]
fn states_follow_the_login_of_the_token() {
    let stage = Stage::plastic();
    let read_only = stage.open_session(AUTH, false).unwrap();
    let read_write = stage.open(AUTH);
    let other_token = stage.open(SIGN);
    let states = || [read_only, read_write, other_token].map(|it| stage.state(it).unwrap());
    let public = [
        CKS_RO_PUBLIC_SESSION,
        CKS_RW_PUBLIC_SESSION,
        CKS_RW_PUBLIC_SESSION,
    ];
    assert_eq!(states(), public);
    stage.login(read_only, CKU_USER, PIN).unwrap();
    assert_eq!(
        states(),
        [
            CKS_RO_USER_FUNCTIONS,
            CKS_RW_USER_FUNCTIONS,
            CKS_RW_PUBLIC_SESSION
        ]
    );
    let late = stage.open(AUTH);
    assert_eq!(stage.state(late), Ok(CKS_RW_USER_FUNCTIONS));
    stage.logout(read_write).unwrap();
    assert_eq!(states(), public);
    let info = stage.session_info(read_only).unwrap();
    assert_eq!((info.slotID, info.flags), (AUTH, CKF_SERIAL_SESSION));
    let info = stage.session_info(other_token).unwrap();
    let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    assert_eq!((info.slotID, info.flags), (SIGN, flags));
}

#[test]
fn sessions_are_counted_for_each_token() {
    let stage = Stage::plastic();
    let counts = |slot| {
        let info = stage.token_info(slot).unwrap();
        (info.ulSessionCount, info.ulRwSessionCount)
    };
    let first = stage.open(AUTH);
    stage.open_session(AUTH, false).unwrap();
    stage.open(SIGN);
    assert_eq!([counts(AUTH), counts(SIGN)], [(2, 1), (1, 1)]);
    stage.close_session(first).unwrap();
    assert_eq!([counts(AUTH), counts(SIGN)], [(1, 0), (1, 1)]);
    stage.close_all_sessions(AUTH).unwrap();
    assert_eq!([counts(AUTH), counts(SIGN)], [(0, 0), (1, 1)]);
    assert_eq!(stage.close_all_sessions(9), Err(CKR_SLOT_ID_INVALID));
}

#[test]
fn a_closed_handle_stays_dead() {
    let stage = Stage::plastic();
    let old = stage.open(AUTH);
    stage.close_session(old).unwrap();
    assert_eq!(stage.close_session(old), Err(CKR_SESSION_HANDLE_INVALID));
    let new = stage.open(AUTH);
    assert_ne!(old, new);
    assert_eq!(stage.state(old), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(stage.state(0), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(
        stage.login(old, CKU_USER, PIN),
        Err(CKR_SESSION_HANDLE_INVALID)
    );
}

#[test]
fn the_last_session_takes_the_login_along() {
    let stage = Stage::plastic();
    let first = stage.logged_in(AUTH);
    let second = stage.open(AUTH);
    stage.logged_in(SIGN);
    stage.close_session(first).unwrap();
    assert_eq!(stage.state(second), Ok(CKS_RW_USER_FUNCTIONS));
    stage.close_session(second).unwrap();
    let again = stage.open(AUTH);
    assert_eq!(stage.state(again), Ok(CKS_RW_PUBLIC_SESSION));

    stage.login(again, CKU_USER, PIN).unwrap();
    stage.close_all_sessions(AUTH).unwrap();
    let again = stage.open(AUTH);
    assert_eq!(stage.state(again), Ok(CKS_RW_PUBLIC_SESSION));
    let other = stage.open(SIGN);
    assert_eq!(stage.state(other), Ok(CKS_RW_USER_FUNCTIONS));
}

#[test]
fn session_cancel_ends_what_it_names() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    stage.sign_init(session, &rsa, key).unwrap();
    stage
        .digest_init(session, &Mechanism::plain(CKM_SHA256))
        .unwrap();
    stage.find_init(session, &Template::new()).unwrap();
    stage.session_cancel(session, CKF_VERIFY).unwrap();
    assert_eq!(
        stage.sign_init(session, &rsa, key),
        Err(CKR_OPERATION_ACTIVE)
    );
    stage
        .session_cancel(session, CKF_SIGN | CKF_FIND_OBJECTS)
        .unwrap();
    assert_eq!(
        stage.sign(session, b"x"),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(
        stage.find_next(session, 1),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(stage.digest(session, b"").unwrap().len(), 32);
}

#[test]
fn one_operation_of_each_kind_in_each_session() {
    let stage = Stage::plastic();
    let (one, two) = (stage.open(AUTH), stage.open(AUTH));
    let sha = Mechanism::plain(CKM_SHA256);
    for session in [one, two] {
        stage.digest_init(session, &sha).unwrap();
        assert_eq!(stage.digest_init(session, &sha), Err(CKR_OPERATION_ACTIVE));
        stage.find_init(session, &Template::new()).unwrap();
        assert_eq!(
            stage.find_init(session, &Template::new()),
            Err(CKR_OPERATION_ACTIVE)
        );
    }
    stage.digest_update(one, b"one").unwrap();
    stage.digest_update(two, b"two").unwrap();
    assert_ne!(stage.digest_final(one), stage.digest_final(two));
}

#[test]
fn states_cannot_be_saved() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    assert_eq!(
        stage.operation_state(session),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    stage
        .digest_init(session, &Mechanism::plain(CKM_SHA256))
        .unwrap();
    assert_eq!(stage.operation_state(session), Err(CKR_STATE_UNSAVEABLE));
    assert_eq!(
        stage.set_operation_state(session, b"x"),
        Err(CKR_SAVED_STATE_INVALID)
    );
    assert_eq!(stage.digest(session, b"").unwrap().len(), 32);
}

#[test]
fn nobody_has_validated_the_token() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    let asked = stage.validation_flags(session, CKS_LAST_VALIDATION_OK);
    assert_eq!(asked, Ok(0));
    let unknown = stage.validation_flags(session, 0x7777);
    assert_eq!(unknown, Err(CKR_ARGUMENTS_BAD));
}
