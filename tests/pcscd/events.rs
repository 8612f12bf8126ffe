//! Cards that come and go under a real pcscd.

use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::*;

use super::common::{AUTH, SIGN};
use super::rig::{Rig, SEEN, control, control_second};

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
#[ignore = "needs tests/pcscd/run"]
fn a_wait_wakes_for_a_removal_and_for_an_insertion() {
    let rig = Rig::new();
    while rig.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
    for line in ["remove", "insert me"] {
        let caller = *rig;
        let waiter = thread::spawn(move || (caller.wait_for_slot_event(0), Instant::now()));
        thread::sleep(Duration::from_millis(300));
        let told = Instant::now();
        control(line);
        let (slot, woken) = waiter.join().unwrap();
        assert!(matches!(slot, Ok(AUTH | SIGN)), "{slot:?}");
        assert!(
            woken - told < Duration::from_secs(2),
            "{line}: {:?}",
            woken - told
        );
        // The other slot of the same reader is told of too.
        let other = rig.wait_for_slot_event(CKF_DONT_BLOCK);
        assert!(
            matches!(other, Ok(AUTH | SIGN)) && other != slot,
            "{other:?}"
        );
        thread::sleep(SEEN);
        while rig.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
    }
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn finalize_ends_a_wait() {
    let rig = Rig::new();
    while rig.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
    for _ in 0..3 {
        let caller = *rig;
        let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
        thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        rig.finalize().unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        // NSS: to end its wait it finalizes, and initialises again at once.
        rig.start();
        assert_eq!(waiter.join().unwrap(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    }
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn sessions_die_with_the_card_and_only_with_their_own() {
    let rig = Rig::new();
    let slots = rig.slot_list(false).unwrap();
    let [.., second, _] = slots[..] else {
        panic!("{slots:?}")
    };
    let mine = rig.logged_in(AUTH);
    let other = rig.logged_in(second);
    control("remove");
    rig.until(PATIENCE, "the removal", |it| it.state(mine).is_err());
    assert_eq!(rig.state(mine), Err(CKR_SESSION_HANDLE_INVALID));
    assert_eq!(rig.sign_well(other, second), Ok(()));
    for card in ["me", "phone", "bank", "me"] {
        control(&format!("insert {card}"));
        // Another kind of card is no token.
        rig.until(PATIENCE, "the insertion", |it| match card {
            "bank" => it.open_session(AUTH, true) == Err(CKR_TOKEN_NOT_RECOGNIZED),
            _ => it.slot_info(AUTH).unwrap().flags & CKF_TOKEN_PRESENT != 0,
        });
        assert_eq!(rig.state(mine), Err(CKR_SESSION_HANDLE_INVALID));
        match card {
            "bank" => assert_eq!(rig.open_session(AUTH, true), Err(CKR_TOKEN_NOT_RECOGNIZED)),
            _ => {
                let session = rig.open_session(AUTH, true).unwrap();
                assert_eq!(rig.state(session), Ok(CKS_RW_PUBLIC_SESSION));
            }
        }
        if card != "me" {
            control("remove");
            rig.until(PATIENCE, "the removal", |it| {
                it.open_session(AUTH, true) == Err(CKR_TOKEN_NOT_PRESENT)
            });
        }
    }
    assert_eq!(rig.sign_well(other, second), Ok(()));
    assert_eq!(rig.slot_list(false).unwrap(), slots);
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn a_card_in_the_second_reader_changes_nothing_in_the_first() {
    let rig = Rig::new();
    let slots = rig.slot_list(false).unwrap();
    let session = rig.logged_in(AUTH);
    for line in ["remove", "insert second"] {
        control_second(line);
        thread::sleep(SEEN);
        assert_eq!(rig.slot_list(false).unwrap(), slots);
        assert_eq!(rig.sign_well(session, AUTH), Ok(()));
    }
}
