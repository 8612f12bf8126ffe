//! The login survives other programs. What belongs here: another program does something to the card between any
//! two of our calls. With the same card the signature succeeds and no try is spent; another card gets no PIN.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail like tests"
)]

mod common;

use common::stage::READER;
use common::{AUTH, Mechanism, PASSWORD, PIN, SIGN, Stage, Template};
use cryptoki_sys::*;
use jpki_pkcs11::config::AlwaysAuthenticate;

/// What a neighbour does to a card that stays the same.
type Deed = (&'static str, fn(&Stage));

const DEEDS: &[Deed] = &[
    ("nothing", |_| ()),
    ("selects another application", |stage| {
        stage.neighbour().select_other();
    }),
    ("selects JPKI", |stage| {
        stage.neighbour().select_jpki();
    }),
    ("selects a file of JPKI", |stage| {
        let mut neighbour = stage.neighbour();
        neighbour.select_jpki();
        neighbour.status(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, 0x1B]);
    }),
    ("verifies wrongly", |stage| {
        verify(stage, 0x18, b"9999");
        verify(stage, 0x1B, b"WRONG9");
    }),
    ("verifies rightly", |stage| {
        verify(stage, 0x18, PIN);
    }),
    ("resets", |stage| {
        stage.reader().warm_reset().unwrap();
    }),
    ("takes the power", |stage| stage.neighbour().reset()),
    ("takes the power and gives it back", |stage| {
        stage.reader().power_off();
        stage.reader().power_on().unwrap();
    }),
];

/// As OpenSC does it: by SELECT EF, which every card knows.
fn verify(stage: &Stage, file: u8, pin: &[u8]) {
    let mut neighbour = stage.neighbour();
    neighbour.select_jpki();
    neighbour.status(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, file]);
    neighbour.status(&[&[0x00, 0x20, 0x00, 0x80, pin.len() as u8], pin].concat());
}

fn usual() -> Mechanism {
    Mechanism::usual(CKM_SHA256_RSA_PKCS)
}

/// One login and one signature; `deed` is done between the `moment`-th call and the next.
fn sign_with(
    stage: &Stage,
    slot: CK_SLOT_ID,
    pin: &[u8],
    moment: usize,
    deed: fn(&Stage),
) -> Result<Vec<u8>, CK_RV> {
    let mut calls = 0;
    let mut next = || {
        if calls == moment {
            deed(stage);
        }
        calls += 1;
    };
    let session = stage.open(slot);
    next();
    stage.login(session, CKU_USER, pin)?;
    next();
    let keys = stage.find(session, &Template::class(CKO_PRIVATE_KEY))?;
    let key = *keys.first().ok_or(CKR_KEY_HANDLE_INVALID)?;
    next();
    stage.sign_init(session, &usual(), key)?;
    next();
    stage.sign_update(session, b"part")?;
    next();
    stage.sign_update(session, b"part")?;
    next();
    let signature = stage.sign_final(session)?;
    next();
    stage.logout(session)?;
    Ok(signature)
}

#[test]
fn the_same_card_signs_whatever_a_neighbour_did() {
    for profile in [
        "plastic",
        "plastic,failed-verify-clears,warm-reset-clears",
        "plastic,no-short-identifiers,no-security-domain",
        "plastic,read-cap=32",
        "iphone",
    ] {
        for (what, deed) in DEEDS {
            for moment in 0..=6 {
                for (slot, pin) in [(AUTH, PIN), (SIGN, PASSWORD)] {
                    let stage = Stage::with(profile);
                    let signature = sign_with(&stage, slot, pin, moment, *deed);
                    assert!(
                        signature.is_ok(),
                        "{profile}: {what} at {moment}, slot {slot}: {signature:?}"
                    );
                    let counters = stage.counters();
                    let (tries, verifies, full) = match slot {
                        AUTH => (counters.auth_tries, counters.auth_verifies, 3),
                        _ => (counters.sign_tries, counters.sign_verifies, 5),
                    };
                    let neighbours = u64::from(what.starts_with("verifies wrongly"))
                        + u64::from(*what == "verifies rightly" && slot == AUTH);
                    assert_eq!(verifies, 2 + neighbours, "{profile}: {what} at {moment}");
                    // Our own right PIN restores what a neighbour spent before.
                    let spent = u8::from(what.starts_with("verifies wrongly") && moment == 6);
                    assert_eq!(tries, full - spent, "{profile}: {what} at {moment}");
                    assert!(!stage.is_open() || *what == "verifies rightly");
                }
            }
        }
    }
}

#[test]
fn a_card_that_was_taken_out_is_logged_out() {
    for (slot, pin) in [(AUTH, PIN), (SIGN, PASSWORD)] {
        for moment in 0..=5 {
            let stage = Stage::plastic();
            let signature = sign_with(&stage, slot, pin, moment, |stage| {
                stage.take_out();
                stage.put_back();
            });
            let code = signature.unwrap_err();
            assert!(
                [CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID].contains(&code),
                "{code:#x}"
            );
            assert_eq!(stage.tries(), (3, 5));
            let counters = stage.counters();
            let before = u64::from(moment >= 1);
            assert_eq!(
                counters.auth_verifies + counters.sign_verifies,
                before,
                "moment {moment}"
            );
        }
    }
}

#[test]
fn another_card_gets_no_pin() {
    type Swap = (&'static str, fn(&Stage));
    let swaps: [Swap; 3] = [
        ("in sight of PC/SC", |stage| {
            stage.take_out();
            stage.reader().insert("other").unwrap();
        }),
        ("between two looks of pcscd", |stage| {
            stage.reader().swap_silently("other").unwrap();
            // No hand is faster, and within this time the module takes the card for the same.
            std::thread::sleep(std::time::Duration::from_millis(250));
        }),
        ("and reset", |stage| {
            stage.reader().swap_silently("other").unwrap();
            stage.reader().power_on().unwrap();
        }),
    ];
    for other in [
        "plastic,generation=1",
        "plastic,generation=1,no-short-identifiers",
        "foreign",
        "fido",
    ] {
        for (how, swap) in swaps {
            for (slot, pin) in [(AUTH, PIN), (SIGN, PASSWORD)] {
                for moment in 1..=5 {
                    let stage = Stage::plastic();
                    stage
                        .desk
                        .reader(READER)
                        .add("other", common::stage::card(other));
                    let signature = sign_with(&stage, slot, pin, moment, swap);
                    let at = format!("{other}, swapped {how} at {moment}, slot {slot}");
                    assert!(signature.is_err(), "{at}");
                    let counters = stage
                        .reader()
                        .card("other", |card| card.counters())
                        .unwrap();
                    assert_eq!(counters.auth_verifies + counters.sign_verifies, 0, "{at}");
                    let commands = stage.reader().exchanges();
                    let verifies = commands
                        .iter()
                        .filter(|(command, _)| command.get(1) == Some(&0x20) && command.len() > 4);
                    assert_eq!(verifies.count(), 1, "{at}: only the first card's login");
                }
            }
        }
    }
}

#[test]
fn a_phone_that_cannot_prove_itself_is_logged_out_by_a_reset() {
    let stage = Stage::with("android");
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    stage.sign_once(session, &usual(), key, b"data").unwrap();
    stage.neighbour().select_other();
    stage.sign_once(session, &usual(), key, b"data").unwrap();
    let before = stage.counters().auth_verifies;
    stage.reader().power_off();
    stage.reader().power_on().unwrap();
    assert_eq!(
        stage.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(stage.counters().auth_verifies, before);
    assert_eq!(stage.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    stage.login(session, CKU_USER, PIN).unwrap();
    stage.sign_once(session, &usual(), key, b"data").unwrap();
}

#[test]
fn a_pin_that_a_neighbour_locked_ends_the_login() {
    let stage = Stage::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::No
    });
    let session = stage.logged_in(SIGN);
    let key = stage.private_key(session);
    let mut neighbour = stage.neighbour();
    neighbour.select_jpki();
    for _ in 0..5 {
        neighbour.status(b"\x00\x20\x00\x9B\x06WRONG9");
    }
    assert_eq!(
        stage.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(
        stage.login(session, CKU_USER, PASSWORD),
        Err(CKR_PIN_LOCKED)
    );
    assert_ne!(
        stage.token_info(SIGN).unwrap().flags & CKF_USER_PIN_LOCKED,
        0
    );
}

#[test]
fn opensc_finds_jpki_selected_and_the_pin_not_verified() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    // OpenSC selects the application once, and after that files in it.
    let mut opensc = stage.neighbour();
    opensc.select_jpki();
    stage.sign_once(session, &usual(), key, b"data").unwrap();
    assert_eq!(
        opensc.status(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, 0x18]),
        0x9000
    );
    assert_eq!(opensc.sign_auth(), 0x6982);
}
