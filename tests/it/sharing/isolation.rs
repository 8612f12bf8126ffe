//! The card is never left open. What belongs here: a second program with a connection of its own, so that the
//! card keeps its power, that tries to use both keys after every call of ours, whatever comes of the call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail like tests"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::{AUTH, Desk, Mechanism, SIGN, Stage, Template};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;
use jpki_pkcs11::config::{AlwaysAuthenticate, Config, LoginState};
use jpki_pkcs11::pcsc::{
    Channel, Disposition, Error, Exchange, InsertionId, ReaderState, Transport, Watch,
};

/// Kinds of cards: each leaves the application in its own way, or keeps what others lose.
const CARDS: &[&str] = &[
    "plastic",
    "plastic,no-security-domain",
    "plastic,no-short-identifiers",
    "plastic,query-tells-verified",
    "plastic,warm-reset-clears",
    "juki",
    "iphone",
    "android",
    "android,no-security-domain",
];

/// What another program can do with the card as it lies there. Selecting JPKI again keeps what is verified.
fn loot(stage: &Stage) -> Vec<&'static str> {
    let mut attacker = stage.neighbour();
    let mut loot = Vec::new();
    if attacker.select_jpki() != 0x9000 {
        return loot;
    }
    if attacker.sign_auth() == 0x9000 {
        loot.push("authentication key");
    }
    if attacker.sign_sign() == 0x9000 {
        loot.push("signature key");
    }
    if attacker.status(&[0x00, 0xB0, 0x81, 0x00, 0x00]) == 0x9000 {
        loot.push("signature certificate");
    }
    loot
}

fn safe(stage: &Stage, when: &str) {
    assert_eq!(loot(stage), Vec::<&str>::new(), "{when}");
}

fn usual() -> Mechanism {
    Mechanism::usual(CKM_SHA256_RSA_PKCS)
}

#[test]
fn the_attack_works_on_a_card_that_is_left_open() {
    let stage = Stage::plastic();
    let mut somebody = stage.neighbour();
    somebody.select_jpki();
    somebody.verify_auth(b"1234");
    assert_eq!(loot(&stage), ["authentication key"]);
    somebody.status(b"\x00\x20\x00\x9B\x06ABC123");
    assert_eq!(loot(&stage).len(), 3);
}

#[test]
fn nobody_else_can_use_the_keys_between_our_calls() {
    for profile in CARDS {
        let stage = Stage::configured(profile, |config| {
            config.always_authenticate = AlwaysAuthenticate::No;
        });
        let _watching = stage.neighbour();
        for slot in [AUTH, SIGN] {
            let at = |call: &str| format!("{profile}, slot {slot}: after {call}");
            let first = stage.open(slot);
            let session = stage.logged_in(slot);
            safe(&stage, &at("C_Login"));
            let key = stage.private_key(session);
            safe(&stage, &at("C_FindObjects"));
            for certificate in stage
                .find(session, &Template::class(CKO_CERTIFICATE))
                .unwrap()
            {
                stage.attribute(session, certificate, CKA_VALUE).unwrap();
                safe(&stage, &at("C_GetAttributeValue"));
            }
            stage.sign_init(session, &usual(), key).unwrap();
            safe(&stage, &at("C_SignInit"));
            for part in [&b"part"[..], &[0; 70_000]] {
                stage.sign_update(session, part).unwrap();
                safe(&stage, &at("C_SignUpdate"));
            }
            stage.sign_final(session).unwrap();
            safe(&stage, &at("C_SignFinal"));
            stage.sign_init(session, &usual(), key).unwrap();
            stage.sign_length(session, b"data", None).0.unwrap();
            safe(&stage, &at("C_Sign with NULL"));
            stage.sign(session, b"data").unwrap();
            safe(&stage, &at("C_Sign"));
            stage.random(session, 32).unwrap();
            safe(&stage, &at("C_GenerateRandom"));
            let (pin, new) = match slot {
                AUTH => (common::PIN, &b"5678"[..]),
                _ => (common::PASSWORD, &b"NEW1234"[..]),
            };
            stage.set_pin(session, pin, new).unwrap();
            safe(&stage, &at("C_SetPIN"));
            stage.set_pin(session, new, pin).unwrap();
            assert!(stage.set_pin(session, b"9999", new).is_err());
            safe(&stage, &at("C_SetPIN refused"));
            stage.logout(session).unwrap();
            safe(&stage, &at("C_Logout"));
            let wrong = [&b"9999"[..], b"WRONG1"][slot as usize];
            assert_eq!(
                stage.login(session, CKU_USER, wrong),
                Err(CKR_PIN_INCORRECT)
            );
            safe(&stage, &at("C_Login refused"));
            stage.login(session, CKU_USER, pin).unwrap();
            stage.close_session(session).unwrap();
            safe(&stage, &at("C_CloseSession"));
            stage.close_session(first).unwrap();
            safe(&stage, &at("the last C_CloseSession"));
            stage.logged_in(slot);
            stage.close_all_sessions(slot).unwrap();
            safe(&stage, &at("C_CloseAllSessions"));
            stage.logged_in(slot);
        }
        stage.finalize().unwrap();
        safe(&stage, &format!("{profile}: after C_Finalize"));
    }
}

#[test]
fn nor_after_whatever_goes_wrong_at_any_apdu() {
    let faults = [
        Misbehaviour::AnswerInstead(vec![0x6F, 0x00]),
        Misbehaviour::AnswerAfter(vec![0x6F, 0x00]),
        Misbehaviour::AnswerAfter(vec![0x69, 0x82]),
        Misbehaviour::OneByte,
        Misbehaviour::Empty,
        Misbehaviour::Truncated,
        Misbehaviour::Random,
        Misbehaviour::OtherApplicationBefore,
        Misbehaviour::ResetBefore,
        Misbehaviour::ResetAfter,
        Misbehaviour::PowerCycledBefore,
        Misbehaviour::PowerCycledAfter,
        Misbehaviour::Endless61,
        Misbehaviour::Endless6C,
    ];
    for fault in &faults {
        for at in 1..=7 {
            let stage = Stage::plastic();
            let _watching = stage.neighbour();
            let session = stage.logged_in(SIGN);
            let key = stage.private_key(session);
            stage.sign_init(session, &usual(), key).unwrap();
            stage.reader().misbehave(at, fault.clone());
            let _ = stage.sign(session, b"data");
            stage.reader().behave();
            safe(&stage, &format!("{fault:?} at APDU {at} of C_Sign"));

            let auth = stage.open(AUTH);
            stage.reader().misbehave(at, fault.clone());
            let _ = stage.login(auth, CKU_USER, common::PIN);
            stage.reader().behave();
            safe(&stage, &format!("{fault:?} at APDU {at} of C_Login"));
            assert!(
                stage.tries().0 >= 2 && stage.tries().1 >= 4,
                "{fault:?} at {at}"
            );
        }
    }
}

/// A PC/SC service that panics at one of the next APDUs: the worst that can happen in the middle of a call.
#[derive(Clone)]
struct Panicking {
    desk: Desk,
    countdown: Arc<AtomicI64>,
}

struct PanickingChannel(Box<dyn Channel>, Arc<AtomicI64>);

struct PanickingExchange<'a>(Box<dyn Exchange + 'a>, Arc<AtomicI64>);

impl Transport for Panicking {
    fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        self.desk.survey()
    }

    fn insertion(&self, reader: &str) -> Result<Option<InsertionId>, Error> {
        self.desk.insertion(reader)
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, Error> {
        let channel = self.desk.connect(reader)?;
        Ok(Box::new(PanickingChannel(
            channel,
            Arc::clone(&self.countdown),
        )))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        self.desk.watch()
    }
}

impl Channel for PanickingChannel {
    fn begin(&mut self) -> Result<Box<dyn Exchange + '_>, Error> {
        Ok(Box::new(PanickingExchange(
            self.0.begin()?,
            Arc::clone(&self.1),
        )))
    }
}

impl Exchange for PanickingExchange<'_> {
    fn has_neighbours(&self) -> bool {
        self.0.has_neighbours()
    }

    fn was_reset(&self) -> bool {
        self.0.was_reset()
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        assert_ne!(self.1.fetch_sub(1, Ordering::Relaxed), 1, "as planned");
        self.0.transmit(command)
    }

    fn end(self: Box<Self>, disposition: Disposition) -> Result<(), Error> {
        self.0.end(disposition)
    }
}

#[test]
fn nor_after_a_panic_in_the_middle_of_a_call() {
    for at in 1..=4 {
        let stage = Stage::plastic();
        stage.finalize().unwrap();
        let countdown = Arc::new(AtomicI64::new(0));
        let panicking = Panicking {
            desk: stage.desk.clone(),
            countdown: Arc::clone(&countdown),
        };
        common::mount(Box::new(panicking), Config::default()).unwrap();
        stage.slot_list(false).unwrap();
        let session = stage.logged_in(SIGN);
        let key = stage.private_key(session);
        let _watching = stage.neighbour();
        stage.sign_init(session, &usual(), key).unwrap();
        countdown.store(at, Ordering::Relaxed);
        assert_eq!(
            stage.sign(session, b"data"),
            Err(CKR_GENERAL_ERROR),
            "at {at}"
        );
        safe(&stage, &format!("after a panic at APDU {at}"));
        assert_eq!(stage.state(session), Err(CKR_GENERAL_ERROR));
        stage.finalize().unwrap();
        safe(&stage, "after C_Finalize");
    }
}

#[test]
fn the_other_trade_leaves_it_open_until_the_login_ends() {
    let stage = Stage::configured("plastic", |config| config.login_state = LoginState::Card);
    let _watching = stage.neighbour();
    let session = stage.logged_in(AUTH);
    assert_eq!(loot(&stage), ["authentication key"]);
    stage.logout(session).unwrap();
    safe(&stage, "after C_Logout");
    stage.login(session, CKU_USER, common::PIN).unwrap();
    stage.close_session(session).unwrap();
    safe(&stage, "after C_CloseSession");

    let session = stage.logged_in(SIGN);
    let key = stage.private_key(session);
    assert_eq!(loot(&stage).len(), 2);
    assert!(stage.sign_once(session, &usual(), key, b"data").is_ok());
    safe(&stage, "after the one signature that came with the login");
    stage.sign_init(session, &usual(), key).unwrap();
    stage
        .login(session, CKU_CONTEXT_SPECIFIC, common::PASSWORD)
        .unwrap();
    safe(&stage, "after C_Login for one signature");
    assert!(stage.sign(session, b"data").is_ok());
    safe(&stage, "after that signature");
    stage.logout(session).unwrap();
    stage.login(session, CKU_USER, common::PASSWORD).unwrap();
    stage.sign_init(session, &usual(), key).unwrap();
    assert_eq!(
        stage.login(session, CKU_CONTEXT_SPECIFIC, b""),
        Err(CKR_PIN_INCORRECT)
    );
    safe(&stage, "after a C_Login for one signature that failed");

    stage.logged_in(AUTH);
    assert_ne!(loot(&stage), Vec::<&str>::new());
    stage.finalize().unwrap();
    safe(&stage, "after C_Finalize");
}
