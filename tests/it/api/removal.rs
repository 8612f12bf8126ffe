//! A removal ends sessions, logins and operations; other readers are not affected.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::common::fixture::READER;
use crate::common::{AUTH, FakePcsc, Fixture, Mechanism, PASSWORD, SIGN, reader_with};
use cryptoki_sys::*;
use jpki_card_simulator::reader::Timing;

#[test]
fn removal_ends_the_sessions_of_both_tokens() {
    let fixture = Fixture::plastic();
    let sessions = [fixture.logged_in(AUTH), fixture.logged_in(SIGN)];
    fixture.take_out();
    assert_eq!(fixture.state(sessions[0]), Err(CKR_DEVICE_REMOVED));
    for session in sessions {
        assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    }
    assert_eq!(fixture.open_session(AUTH, true), Err(CKR_TOKEN_NOT_PRESENT));
    fixture.put_back();
    for session in sessions {
        assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    }
    assert_eq!(fixture.close_all_sessions(AUTH), Ok(()));
}

#[test]
fn card_put_back_where_insertions_are_not_counted_is_logged_out() {
    let pcsc = FakePcsc::default();
    pcsc.plug(READER, reader_with("plastic"));
    pcsc.stop_counting();
    let fixture = Fixture::on(pcsc, |_| ());
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    for signs in [false, true] {
        let session = fixture.logged_in(AUTH);
        let key = fixture.private_key(session);
        fixture.sign_once(session, &rsa, key, b"data").unwrap();
        let verifies = fixture.counters().auth_verifies;
        fixture.take_out();
        fixture.put_back();
        let answer = match signs {
            true => fixture.sign_once(session, &rsa, key, b"data").err(),
            false => fixture.state(session).err(),
        };
        assert_eq!(answer, Some(CKR_DEVICE_REMOVED));
        assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
        let again = fixture.open(AUTH);
        assert_eq!(fixture.state(again), Ok(CKS_RW_PUBLIC_SESSION));
        // The PIN was not sent for the login of before.
        assert_eq!(fixture.counters().auth_verifies, verifies);
    }
}

#[test]
fn removal_ends_operations() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    fixture.sign_init(session, &rsa, key).unwrap();
    fixture.take_out();
    assert_eq!(fixture.sign(session, b"data"), Err(CKR_DEVICE_REMOVED));
    fixture.put_back();
    assert_eq!(
        fixture.sign(session, b"data"),
        Err(CKR_SESSION_HANDLE_INVALID)
    );
    assert_eq!(fixture.counters().auth_signatures, 0);
}

#[test]
fn readers_are_independent() {
    let fixture = Fixture::with_two("plastic", "juki");
    let (a, b) = (fixture.logged_in(0), fixture.logged_in(2));
    let b_sign = fixture.open(3);
    fixture.login(b_sign, CKU_USER, PASSWORD).unwrap();
    let serials = [0, 2].map(|slot| fixture.token_info(slot).unwrap().serialNumber);
    assert_ne!(serials[0], serials[1]);
    fixture.pcsc.reader("Reader A").remove();
    assert_eq!(fixture.state(a), Err(CKR_DEVICE_REMOVED));
    assert_eq!(fixture.state(b), Ok(CKS_RW_USER_FUNCTIONS));
    fixture.signature(b).unwrap();
    fixture.logout(b).unwrap();
    assert_eq!(fixture.state(b_sign), Ok(CKS_RW_USER_FUNCTIONS));
    assert_eq!(fixture.slot_list(true).unwrap(), [2, 3]);
}

#[test]
fn slow_card_does_not_block_other_readers() {
    let fixture = Fixture::with_two("plastic", "juki");
    let (a, b) = (fixture.logged_in(0), fixture.logged_in(2));
    let (key_a, key_b) = (fixture.private_key(a), fixture.private_key(b));
    fixture.pcsc.reader("Reader A").set_timing(Timing {
        signature: Duration::from_secs(5),
        ..Timing::default()
    });
    let caller = fixture.caller();
    let (done, wait) = mpsc::channel();
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    let slow = thread::spawn(move || {
        let signed = caller.sign_once(a, &Mechanism::plain(CKM_RSA_PKCS), key_a, b"data");
        done.send(()).unwrap();
        signed
    });
    thread::sleep(Duration::from_millis(100));
    fixture.sign_once(b, &rsa, key_b, b"data").unwrap();
    // What needs no card is answered meanwhile, also of the reader that is busy.
    assert_eq!(fixture.state(a), Ok(CKS_RW_USER_FUNCTIONS));
    fixture.token_info(0).unwrap();
    fixture.slot_info(0).unwrap();
    assert_eq!(fixture.slot_list(true).unwrap(), [0, 1, 2, 3]);
    assert!(wait.try_recv().is_err(), "A is still at it");
    fixture.pcsc.reader("Reader A").remove();
    assert!(slow.join().unwrap().is_err());
}

#[test]
fn transaction_of_another_client_is_waited_for() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let mut client = fixture.other_client();
    let held = client.hold();
    let caller = fixture.caller();
    let signing = thread::spawn(move || {
        caller.sign_once(session, &Mechanism::plain(CKM_RSA_PKCS), key, b"data")
    });
    thread::sleep(Duration::from_millis(100));
    assert!(!signing.is_finished());
    assert_eq!(fixture.counters().auth_signatures, 0);
    held.leave();
    signing.join().unwrap().unwrap();
}
