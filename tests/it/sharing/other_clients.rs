//! Another program uses the card between any two calls. The same card signs and no try is spent; another card gets no PIN.

use crate::common::config::AlwaysAuthenticate;
use crate::common::{AUTH, Fixture, Mechanism, PASSWORD, PIN, READER, SIGN, Template, card};
use cryptoki_sys::*;

/// What another program does to a card that stays the same.
type Deed = (&'static str, fn(&Fixture));

const DEEDS: &[Deed] = &[
    ("nothing", |_| ()),
    ("selects another application", |fixture| {
        fixture.other_client().select_other();
    }),
    ("selects JPKI", |fixture| {
        fixture.other_client().select_jpki();
    }),
    ("selects a file of JPKI", |fixture| {
        let mut client = fixture.other_client();
        client.select_jpki();
        client.status(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, 0x1B]);
    }),
    ("verifies wrongly", |fixture| {
        verify(fixture, 0x18, b"9999");
        verify(fixture, 0x1B, b"WRONG9");
    }),
    ("verifies rightly", |fixture| {
        verify(fixture, 0x18, PIN);
    }),
    ("resets", |fixture| {
        fixture.reader().warm_reset().unwrap();
    }),
    ("takes the power", |fixture| fixture.other_client().reset()),
    ("takes the power and gives it back", |fixture| {
        fixture.reader().power_off();
        fixture.reader().power_on().unwrap();
    }),
];

/// As OpenSC does it: by SELECT EF, which every card knows.
fn verify(fixture: &Fixture, file: u8, pin: &[u8]) {
    let mut client = fixture.other_client();
    client.select_jpki();
    client.status(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, file]);
    client.status(&[&[0x00, 0x20, 0x00, 0x80, pin.len() as u8], pin].concat());
}

fn usual() -> Mechanism {
    Mechanism::usual(CKM_SHA256_RSA_PKCS)
}

/// One login and one signature; `deed` is done between the `moment`-th call and the next.
fn sign_with(
    fixture: &Fixture,
    slot: CK_SLOT_ID,
    pin: &[u8],
    moment: usize,
    deed: fn(&Fixture),
) -> Result<Vec<u8>, CK_RV> {
    let mut calls = 0;
    let mut next = || {
        if calls == moment {
            deed(fixture);
        }
        calls += 1;
    };
    let session = fixture.open(slot);
    next();
    fixture.login(session, CKU_USER, pin)?;
    next();
    let keys = fixture.find(session, &Template::class(CKO_PRIVATE_KEY))?;
    let key = *keys.first().ok_or(CKR_KEY_HANDLE_INVALID)?;
    next();
    fixture.sign_init(session, &usual(), key)?;
    next();
    fixture.sign_update(session, b"part")?;
    next();
    fixture.sign_update(session, b"part")?;
    next();
    let signature = fixture.sign_final(session)?;
    next();
    fixture.logout(session)?;
    Ok(signature)
}

#[test]
fn login_survives_what_other_clients_do() {
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
                    let fixture = Fixture::with(profile);
                    let signature = sign_with(&fixture, slot, pin, moment, *deed);
                    if *what == "verifies wrongly" && signature == Err(CKR_USER_NOT_LOGGED_IN) {
                        assert_login_ended_without_a_try(&fixture, slot);
                        continue;
                    }
                    assert!(
                        signature.is_ok(),
                        "{profile}: {what} at {moment}, slot {slot}: {signature:?}"
                    );
                    let counters = fixture.counters();
                    let (tries, verifies, full) = match slot {
                        AUTH => (counters.auth_tries, counters.auth_verifies, 3),
                        _ => (counters.sign_tries, counters.sign_verifies, 5),
                    };
                    let others = u64::from(what.starts_with("verifies wrongly"))
                        + u64::from(*what == "verifies rightly" && slot == AUTH);
                    assert_eq!(verifies, 2 + others, "{profile}: {what} at {moment}");
                    // The module's right PIN restores what the other program spent before.
                    let spent = u8::from(what.starts_with("verifies wrongly") && moment == 6);
                    assert_eq!(tries, full - spent, "{profile}: {what} at {moment}");
                    assert!(!fixture.is_open() || *what == "verifies rightly");
                }
            }
        }
    }
}

/// The PIN may have been changed by the other client, so the kept one is not sent.
fn assert_login_ended_without_a_try(fixture: &Fixture, slot: CK_SLOT_ID) {
    let counters = fixture.counters();
    let (tries, verifies) = match slot {
        AUTH => (counters.auth_tries + 2, counters.auth_verifies),
        _ => (counters.sign_tries, counters.sign_verifies),
    };
    assert_eq!((tries, verifies), (4, 2));
    assert!(!fixture.is_open());
}

#[test]
fn removed_card_is_logged_out() {
    for (slot, pin) in [(AUTH, PIN), (SIGN, PASSWORD)] {
        for moment in 0..=5 {
            let fixture = Fixture::plastic();
            let signature = sign_with(&fixture, slot, pin, moment, |fixture| {
                fixture.take_out();
                fixture.put_back();
            });
            let code = signature.unwrap_err();
            assert!(
                [CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID].contains(&code),
                "{code:#x}"
            );
            assert_eq!(fixture.tries(), (3, 5));
            let counters = fixture.counters();
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
fn no_pin_is_sent_to_another_card() {
    type Swap = (&'static str, fn(&Fixture));
    let swaps: [Swap; 3] = [
        ("in sight of PC/SC", |fixture| {
            fixture.take_out();
            fixture.reader().insert("other").unwrap();
        }),
        ("between two looks of pcscd", |fixture| {
            fixture.reader().swap_silently("other").unwrap();
            // Too short to swap a card by hand: for this time the module trusts that it is the same card.
            std::thread::sleep(std::time::Duration::from_millis(250));
        }),
        ("and reset", |fixture| {
            fixture.reader().swap_silently("other").unwrap();
            fixture.reader().power_on().unwrap();
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
                    let fixture = Fixture::plastic();
                    fixture.pcsc.reader(READER).add("other", card(other));
                    let signature = sign_with(&fixture, slot, pin, moment, swap);
                    let at = format!("{other}, swapped {how} at {moment}, slot {slot}");
                    assert!(signature.is_err(), "{at}");
                    let counters = fixture
                        .reader()
                        .card("other", |card| card.counters())
                        .unwrap();
                    assert_eq!(counters.auth_verifies + counters.sign_verifies, 0, "{at}");
                    let commands = fixture.reader().exchanges();
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
fn reset_logs_out_an_android_phone() {
    let fixture = Fixture::with("android");
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    fixture.signature(session).unwrap();
    fixture.other_client().select_other();
    fixture.signature(session).unwrap();
    let before = fixture.counters().auth_verifies;
    fixture.reader().power_off();
    fixture.reader().power_on().unwrap();
    assert_eq!(
        fixture.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(fixture.counters().auth_verifies, before);
    assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
    fixture.login(session, CKU_USER, PIN).unwrap();
    fixture.signature(session).unwrap();
}

#[test]
fn pin_locked_by_another_client_logs_out() {
    let fixture = Fixture::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::No
    });
    let session = fixture.logged_in(SIGN);
    let key = fixture.private_key(session);
    let mut client = fixture.other_client();
    client.select_jpki();
    for _ in 0..5 {
        client.status(b"\x00\x20\x00\x9B\x06WRONG9");
    }
    assert_eq!(
        fixture.sign_once(session, &usual(), key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(
        fixture.login(session, CKU_USER, PASSWORD),
        Err(CKR_PIN_LOCKED)
    );
    assert_ne!(
        fixture.token_info(SIGN).unwrap().flags & CKF_USER_PIN_LOCKED,
        0
    );
}

#[test]
fn jpki_stays_selected_and_no_pin_verified() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    // OpenSC selects the application once, then only files in it.
    let mut opensc = fixture.other_client();
    opensc.select_jpki();
    fixture.signature(session).unwrap();
    assert_eq!(
        opensc.status(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, 0x18]),
        0x9000
    );
    assert_eq!(opensc.sign_auth(), 0x6982);
}

#[test]
fn both_logins_survive_what_other_clients_do() {
    let fixture = Fixture::plastic();
    let (auth, signature) = (fixture.logged_in(AUTH), fixture.logged_in(SIGN));
    let mut client = fixture.other_client();
    client.select_other();
    fixture.signature(auth).unwrap();
    client.reset();
    fixture.signature(auth).unwrap();
    client.reset();
    client.select_other();
    fixture.signature(signature).unwrap();
    client.select_jpki();
    client.verify_auth(b"1234");
    fixture.signature(auth).unwrap();
    assert_eq!(fixture.tries(), (3, 5));
    assert!(!fixture.is_open());
}

#[test]
fn swapped_card_ends_the_session_after_a_reset() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let other = "juki,auth-pin=9999";
    fixture.reader().add("other", card(other));
    let mut client = fixture.other_client();
    fixture.reader().swap_silently("other").unwrap();
    client.reset();
    assert_eq!(fixture.signature(session), Err(CKR_DEVICE_REMOVED));
    assert_eq!(fixture.counters().auth_verifies, 0);
    assert_eq!(fixture.tries(), (3, 5));
    // CKR_DEVICE_REMOVED is returned once.
    assert_eq!(fixture.state(session), Err(CKR_SESSION_HANDLE_INVALID));
}
