//! The fault sweep, sampled: what pcscd and a driver make of each fault.

use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::*;

use super::common::{AUTH, SIGN};
use super::rig::{Rig, SEEN, control, number, pin_of, tries};

/// As the simulator's control socket names them. Not "empty": the virtual reader's driver waits for
/// ever after an answer of no bytes, and pcscd and every program with it (docs/robustness.md).
const KINDS: &[&str] = &[
    "removed-before",
    "removed-after",
    "reset-before",
    "power-cycled-after",
    "other-application-before",
    "6f00",
    "6e00",
    "one-byte",
    "last-byte-wrong",
    "truncated",
    "random",
    "oversized",
    "endless-61",
    "endless-6c",
    "delay 300",
];

#[test]
#[ignore = "needs tests/pcscd/run"]
fn a_sample_of_the_sweep() {
    let rig = Rig::new();
    let (mut faults, mut failed, mut slowest) = (0, 0, Duration::ZERO);
    for (turn, kind) in KINDS.iter().enumerate() {
        for slot in [AUTH, SIGN] {
            for verb in ["login", "sign"] {
                let position = 1 + (turn + faults) % 6;
                let session = match verb {
                    "login" => rig.open_session(slot, true).unwrap(),
                    _ => rig.logged_in(slot),
                };
                control(&format!("misbehave {position} {kind}"));
                let start = Instant::now();
                let answer = match verb {
                    "login" => rig.login(session, CKU_USER, pin_of(slot)),
                    _ => rig.sign_well(session, slot),
                };
                slowest = slowest.max(start.elapsed());
                control("clear");
                let name = format!("{kind} at APDU {position} of {verb} in slot {slot}");
                assert!(
                    matches!(
                        answer,
                        Ok(())
                            | Err(CKR_DEVICE_ERROR | CKR_DEVICE_REMOVED | CKR_USER_NOT_LOGGED_IN)
                    ) || *kind == "random",
                    "{name}: {answer:?}"
                );
                faults += 1;
                failed += usize::from(answer.is_err());
                recover(&rig, slot, &name);
                assert_eq!(tries(), (3, 5), "{name}");
                assert!(control("verified").contains("auth=no sign=no"), "{name}");
            }
        }
    }
    println!("{faults} faults over pcscd, {failed} calls failed, slowest call {slowest:?}");
    assert!(slowest < Duration::from_secs(5));
}

/// The next work is good, the card put back if the fault took it away.
fn recover(rig: &Rig, slot: CK_SLOT_ID, name: &str) {
    if control("status").contains("inserted=-") || !control("status").contains("inserted=me ") {
        thread::sleep(SEEN);
        control("insert me");
    }
    let start = Instant::now();
    loop {
        let _ = rig.close_all_sessions(slot);
        let again = rig.open_session(slot, true).and_then(|session| {
            rig.login(session, CKU_USER, pin_of(slot))?;
            rig.sign_well(session, slot)
        });
        match again {
            Ok(()) => break,
            // pcscd needs its time to see a card again.
            Err(_) if start.elapsed() < Duration::from_secs(5) => thread::sleep(SEEN / 10),
            Err(code) => panic!("{name}: {code:#x} after {:?}", start.elapsed()),
        }
    }
    rig.close_all_sessions(slot).unwrap();
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn a_wrong_pin_whose_answer_is_lost_costs_one_try() {
    let rig = Rig::new();
    let session = rig.open_session(AUTH, true).unwrap();
    let before = number(&control("counters me"), "auth_verifies");
    // READ or SELECT, the question for the tries, VERIFY.
    control("misbehave 3 one-byte");
    let answer = rig.login(session, CKU_USER, b"0000");
    control("clear");
    assert_eq!(answer, Err(CKR_DEVICE_ERROR));
    assert_eq!(number(&control("counters me"), "auth_verifies"), before + 1);
    assert_eq!(tries(), (2, 5));
    rig.login(session, CKU_USER, pin_of(AUTH)).unwrap();
    assert_eq!(tries(), (3, 5));
}
