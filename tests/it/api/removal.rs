//! Cards and readers that come and go (product.md, section 5). What belongs here: that a removal
//! ends sessions and logins for good, and that one reader is nothing to the other.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::stage::{READER, card, reader_with};
use common::{AUTH, Desk, Mechanism, PASSWORD, PIN, SIGN, Stage};
use cryptoki_sys::*;
use jpki_card_simulator::reader::Timing;

#[test]
fn the_sessions_of_both_tokens_die_and_stay_dead() {
    let stage = Stage::plastic();
    let sessions = [stage.logged_in(AUTH), stage.logged_in(SIGN)];
    stage.take_out();
    assert_eq!(stage.state(sessions[0]), Err(CKR_DEVICE_REMOVED));
    for session in sessions {
        assert_eq!(stage.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    }
    assert_eq!(stage.open_session(AUTH, true), Err(CKR_TOKEN_NOT_PRESENT));
    stage.put_back();
    for session in sessions {
        assert_eq!(stage.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    }
    assert_eq!(stage.close_all_sessions(AUTH), Ok(()));
}

#[test]
fn the_same_card_back_is_logged_out() {
    let stage = Stage::plastic();
    let old = stage.logged_in(AUTH);
    stage.take_out();
    stage.put_back();
    // Nobody looked meanwhile: PC/SC counted.
    assert_eq!(stage.state(old), Err(CKR_DEVICE_REMOVED));
    let session = stage.open(AUTH);
    assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    stage.login(session, CKU_USER, PIN).unwrap();
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    stage.sign_once(session, &rsa, key, b"data").unwrap();
    assert_eq!(stage.tries(), (3, 5));
}

#[test]
fn a_reader_that_is_pulled_out_and_plugged_in_again() {
    let stage = Stage::plastic();
    let old = stage.logged_in(AUTH);
    let reader = stage.reader();
    stage.desk.unplug(READER);
    assert_eq!(stage.state(old), Err(CKR_DEVICE_REMOVED));
    assert_eq!(stage.token_info(AUTH).unwrap_err(), CKR_TOKEN_NOT_PRESENT);
    stage.desk.plug(READER, reader);
    let session = stage.open(AUTH);
    assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    assert_eq!(stage.slot_list(true).unwrap(), [0, 1]);
}

#[test]
fn another_card_is_another_token() {
    let stage = Stage::plastic();
    let old = stage.logged_in(AUTH);
    let serial = stage.token_info(AUTH).unwrap().serialNumber;
    stage.reader().add("other", card("juki"));
    stage.reader().insert("other").unwrap();
    assert_ne!(stage.token_info(AUTH).unwrap().serialNumber, serial);
    assert_eq!(stage.state(old), Err(CKR_SESSION_HANDLE_INVALID));
    let session = stage.open(AUTH);
    assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    assert_eq!(stage.counters().auth_verifies, 0);
}

#[test]
fn operations_die_too() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    stage.sign_init(session, &rsa, key).unwrap();
    stage.take_out();
    assert_eq!(stage.sign(session, b"data"), Err(CKR_DEVICE_REMOVED));
    stage.put_back();
    assert_eq!(
        stage.sign(session, b"data"),
        Err(CKR_SESSION_HANDLE_INVALID)
    );
    assert_eq!(stage.counters().auth_signatures, 0);
}

#[test]
fn two_readers_are_nothing_to_each_other() {
    let desk = Desk::default();
    desk.plug("Reader A", reader_with("plastic"));
    desk.plug("Reader B", reader_with("juki"));
    let stage = Stage::on(desk, |_| ());
    let (a, b) = (stage.logged_in(0), stage.logged_in(2));
    let b_sign = stage.open(3);
    stage.login(b_sign, CKU_USER, PASSWORD).unwrap();
    let serials = [0, 2].map(|slot| stage.token_info(slot).unwrap().serialNumber);
    assert_ne!(serials[0], serials[1]);
    stage.desk.reader("Reader A").remove();
    assert_eq!(stage.state(a), Err(CKR_DEVICE_REMOVED));
    assert_eq!(stage.state(b), Ok(CKS_RW_USER_FUNCTIONS));
    let key = stage.private_key(b);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    stage.sign_once(b, &rsa, key, b"data").unwrap();
    stage.logout(b).unwrap();
    assert_eq!(stage.state(b_sign), Ok(CKS_RW_USER_FUNCTIONS));
    assert_eq!(stage.slot_list(true).unwrap(), [2, 3]);
}

#[test]
fn a_slow_card_holds_up_nobody_else() {
    let desk = Desk::default();
    desk.plug("Reader A", reader_with("plastic"));
    desk.plug("Reader B", reader_with("juki"));
    let stage = Stage::on(desk, |_| ());
    let (a, b) = (stage.logged_in(0), stage.logged_in(2));
    let (key_a, key_b) = (stage.private_key(a), stage.private_key(b));
    stage.desk.reader("Reader A").set_timing(Timing {
        signature: Duration::from_secs(5),
        ..Timing::default()
    });
    let caller = stage.caller();
    let (done, wait) = mpsc::channel();
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    let slow = thread::spawn(move || {
        let signed = caller.sign_once(a, &Mechanism::plain(CKM_RSA_PKCS), key_a, b"data");
        done.send(()).unwrap();
        signed
    });
    thread::sleep(Duration::from_millis(100));
    stage.sign_once(b, &rsa, key_b, b"data").unwrap();
    // What needs no card is answered meanwhile, also of the reader that is busy.
    assert_eq!(stage.state(a), Ok(CKS_RW_USER_FUNCTIONS));
    stage.token_info(0).unwrap();
    stage.slot_info(0).unwrap();
    assert_eq!(stage.slot_list(true).unwrap(), [0, 1, 2, 3]);
    assert!(wait.try_recv().is_err(), "A is still at it");
    stage.desk.reader("Reader A").remove();
    assert!(slow.join().unwrap().is_err());
}

#[test]
fn a_neighbour_that_holds_the_card_is_waited_for() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    let mut neighbour = stage.neighbour();
    let held = neighbour.hold();
    let caller = stage.caller();
    let signing = thread::spawn(move || {
        caller.sign_once(session, &Mechanism::plain(CKM_RSA_PKCS), key, b"data")
    });
    thread::sleep(Duration::from_millis(100));
    assert!(!signing.is_finished());
    assert_eq!(stage.counters().auth_signatures, 0);
    held.leave();
    signing.join().unwrap().unwrap();
}
