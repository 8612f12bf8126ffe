//! Many threads, two readers, removals and `C_Finalize` at the same time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "helpers of tests fail like tests, and print figures"
)]

#[path = "../it/common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::config::Config;
use common::reader_with;
use common::{Caller, FakePcsc, Fixture, Mechanism, PASSWORD, PIN, Template, proof};
use cryptoki_sys::*;

const READERS: [&str; 2] = ["Reader 00", "Reader 01"];

/// Codes that a call may return when a card is removed or another thread logs in or out.
const ALLOWED: &[CK_RV] = &[
    CKR_DEVICE_REMOVED,
    CKR_TOKEN_NOT_PRESENT,
    CKR_SESSION_HANDLE_INVALID,
    CKR_USER_NOT_LOGGED_IN,
    CKR_USER_ALREADY_LOGGED_IN,
    CKR_OBJECT_HANDLE_INVALID,
    CKR_KEY_HANDLE_INVALID,
    CKR_OPERATION_NOT_INITIALIZED,
    CKR_OPERATION_ACTIVE,
    CKR_NO_EVENT,
    // A card was inserted between the two calls.
    CKR_BUFFER_TOO_SMALL,
];

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn two_readers() -> Fixture {
    let pcsc = FakePcsc::default();
    for name in READERS {
        pcsc.plug(name, reader_with("plastic"));
    }
    Fixture::on(pcsc, |_| ())
}

/// A random call, with a session of any state or none.
fn something(
    caller: &Caller,
    dice: &mut Dice,
    sessions: &mut Vec<CK_SESSION_HANDLE>,
) -> Result<(), CK_RV> {
    let slot = dice.throw(4);
    let session = match sessions.len() as u64 {
        0 => 0,
        length => sessions[dice.throw(length) as usize],
    };
    match dice.throw(16) {
        0 => caller.slot_list(true).map(|_| ()),
        1 => caller.slot_info(slot).map(|_| ()),
        2 => caller.token_info(slot).map(|_| ()),
        3 => caller.mechanisms(slot).map(|_| ()),
        4 | 5 => caller.open_session(slot, true).map(|it| sessions.push(it)),
        6 if sessions.len() > 4 => caller.close_session(sessions.remove(0)),
        7 => caller.state(session).map(|_| ()),
        8 | 9 => {
            let slot = caller.session_info(session)?.slotID;
            let pin = if slot.is_multiple_of(2) {
                PIN
            } else {
                PASSWORD
            };
            caller.login(session, CKU_USER, pin)
        }
        10 if dice.throw(8) == 0 => caller.logout(session),
        11 => caller.find(session, &Template::new()).map(|_| ()),
        12 => caller.random(session, 16).map(|_| ()),
        13 => caller.wait_for_slot_event(CKF_DONT_BLOCK).map(|_| ()),
        14 if dice.throw(64) == 0 => caller.close_all_sessions(slot),
        _ => sign(caller, session),
    }
}

/// A signature that is returned is valid, whatever other threads do.
fn sign(caller: &Caller, session: CK_SESSION_HANDLE) -> Result<(), CK_RV> {
    let found = caller.find(session, &Template::class(CKO_PRIVATE_KEY))?;
    let &[key] = &found[..] else {
        return Err(CKR_USER_NOT_LOGGED_IN);
    };
    let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    let signature = caller.sign_once(session, &mechanism, key, b"data")?;
    let id = caller.attribute(session, key, CKA_ID)?;
    let certificate = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &id);
    let &[certificate] = &caller.find(session, &certificate)?[..] else {
        return Err(CKR_USER_NOT_LOGGED_IN);
    };
    let public = proof::key_of(&caller.attribute(session, certificate, CKA_VALUE)?);
    assert!(proof::is_signature(
        mechanism.kind,
        &public,
        b"data",
        &signature
    ));
    SIGNATURES.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

static SIGNATURES: AtomicU64 = AtomicU64::new(0);

#[test]
fn random_calls_of_sixteen_threads_with_removals() {
    let fixture = two_readers();
    let (stop, calls, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    let mut pulled = 0;
    thread::scope(|scope| {
        for number in 0..16 {
            let caller = fixture.caller();
            let (stop, calls, refused) = (&stop, &calls, &refused);
            scope.spawn(move || {
                let mut dice = Dice(0x9E37_79B9 + number);
                let mut sessions = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    calls.fetch_add(1, Ordering::Relaxed);
                    if let Err(code) = something(&caller, &mut dice, &mut sessions) {
                        refused.fetch_add(1, Ordering::Relaxed);
                        assert!(ALLOWED.contains(&code), "{code:#x}");
                        if code == CKR_SESSION_HANDLE_INVALID {
                            sessions.clear();
                        }
                    }
                }
            });
        }
        // Removes and inserts cards.
        let mut dice = Dice(42);
        while start.elapsed() < Duration::from_secs(12) {
            let reader = fixture.pcsc.reader(READERS[dice.throw(2) as usize]);
            thread::sleep(Duration::from_millis(100 + dice.throw(400)));
            reader.remove();
            thread::sleep(Duration::from_millis(dice.throw(60)));
            reader.insert_again().unwrap();
            pulled += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    let signatures = SIGNATURES.load(Ordering::Relaxed);
    println!(
        "{calls:?} calls, {refused:?} refused, {signatures} signatures, {pulled} cards pulled"
    );
    assert!(signatures > 50 && calls.into_inner() > 1000);
    for name in READERS {
        let counters = fixture.pcsc.reader(name).counters().unwrap();
        assert_eq!((counters.auth_tries, counters.sign_tries), (3, 5));
    }
    let session = fixture.open(0);
    let _ = fixture.login(session, CKU_USER, PIN);
    let certificate = fixture.find_one(
        session,
        &Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]),
    );
    let certificate = fixture.attribute(session, certificate, CKA_VALUE).unwrap();
    let signature = fixture.signature(session).unwrap();
    let key = proof::key_of(&certificate);
    assert!(proof::is_signature(
        CKM_SHA256_RSA_PKCS,
        &key,
        b"data",
        &signature
    ));
}

#[test]
fn finalize_during_calls_of_other_threads() {
    let fixture = two_readers();
    let stop = AtomicBool::new(false);
    let mut longest = Duration::ZERO;
    thread::scope(|scope| {
        for number in 0..12 {
            let caller = fixture.caller();
            let stop = &stop;
            scope.spawn(move || {
                let mut dice = Dice(7 + number);
                let mut sessions = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    if let Err(code) = something(&caller, &mut dice, &mut sessions) {
                        let allowed = ALLOWED.contains(&code)
                            || code == CKR_CRYPTOKI_NOT_INITIALIZED
                            || code == CKR_SLOT_ID_INVALID;
                        assert!(allowed, "{code:#x}");
                        sessions.clear();
                    }
                }
            });
        }
        for _ in 0..30 {
            thread::sleep(Duration::from_millis(60));
            let start = Instant::now();
            fixture.finalize().unwrap();
            longest = longest.max(start.elapsed());
            fixture.initialize(Config::default()).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("the longest C_Finalize took {longest:?}");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    for name in READERS {
        let reader = fixture.pcsc.reader(name);
        let counters = reader.counters().unwrap();
        assert_eq!((counters.auth_tries, counters.sign_tries), (3, 5));
        let open = reader.inserted_card(|card| {
            use jpki_card_simulator::Role;
            card.is_verified(Role::Auth) || card.is_verified(Role::Sign)
        });
        assert_eq!(open, Ok(false));
    }
}

#[test]
fn two_readers_sign_in_parallel() {
    let fixture = two_readers();
    let slow = jpki_card_simulator::reader::Timing {
        signature: Duration::from_secs(2),
        ..Default::default()
    };
    let sessions = [0, 2].map(|slot| fixture.logged_in(slot));
    for name in READERS {
        fixture.pcsc.reader(name).set_timing(slow);
    }
    let start = Instant::now();
    thread::scope(|scope| {
        for session in sessions {
            let caller = fixture.caller();
            scope.spawn(move || sign(&caller, session).unwrap());
        }
        // Polling does not wait for a signature.
        for _ in 0..20 {
            let poll = Instant::now();
            fixture.slot_list(true).unwrap();
            fixture.token_info(0).unwrap();
            fixture.state(sessions[1]).unwrap();
            assert!(
                poll.elapsed() < Duration::from_secs(1),
                "{:?}",
                poll.elapsed()
            );
            thread::sleep(Duration::from_millis(20));
        }
    });
    let took = start.elapsed();
    assert!(
        took < Duration::from_millis(3800),
        "one after the other: {took:?}"
    );
}
