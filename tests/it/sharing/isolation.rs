//! Another program tries to use both keys after every call of the module, whatever the result of the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::common::config::{AlwaysAuthenticate, Config, LoginState};
use crate::common::module::pcsc::{
    Channel, Disposition, Error, Exchange, InsertionId, ReaderState, Transport, Watch,
};
use crate::common::{AUTH, FakePcsc, Fixture, Mechanism, SIGN, Template};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;

/// Kinds of cards that differ in what ends the verified state.
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

/// What another program can use on the card as it is. Selecting JPKI again keeps the verified state.
fn loot(fixture: &Fixture) -> Vec<&'static str> {
    let mut attacker = fixture.other_client();
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

fn safe(fixture: &Fixture, when: &str) {
    assert_eq!(loot(fixture), Vec::<&str>::new(), "{when}");
}

fn usual() -> Mechanism {
    Mechanism::usual(CKM_SHA256_RSA_PKCS)
}

#[test]
fn open_card_can_be_used_by_another_client() {
    let fixture = Fixture::plastic();
    let mut other = fixture.other_client();
    other.select_jpki();
    other.verify_auth(b"1234");
    assert_eq!(loot(&fixture), ["authentication key"]);
    other.status(b"\x00\x20\x00\x9B\x06ABC123");
    assert_eq!(loot(&fixture).len(), 3);
}

#[test]
fn keys_are_unusable_for_others_after_each_call() {
    for profile in CARDS {
        let fixture = Fixture::configured(profile, |config| {
            config.always_authenticate = AlwaysAuthenticate::No;
        });
        let _watching = fixture.other_client();
        for slot in [AUTH, SIGN] {
            let at = |call: &str| format!("{profile}, slot {slot}: after {call}");
            let first = fixture.open(slot);
            let session = fixture.logged_in(slot);
            safe(&fixture, &at("C_Login"));
            let key = fixture.private_key(session);
            safe(&fixture, &at("C_FindObjects"));
            for certificate in fixture
                .find(session, &Template::class(CKO_CERTIFICATE))
                .unwrap()
            {
                fixture.attribute(session, certificate, CKA_VALUE).unwrap();
                safe(&fixture, &at("C_GetAttributeValue"));
            }
            fixture.sign_init(session, &usual(), key).unwrap();
            safe(&fixture, &at("C_SignInit"));
            for part in [&b"part"[..], &[0; 70_000]] {
                fixture.sign_update(session, part).unwrap();
                safe(&fixture, &at("C_SignUpdate"));
            }
            fixture.sign_final(session).unwrap();
            safe(&fixture, &at("C_SignFinal"));
            fixture.sign_init(session, &usual(), key).unwrap();
            fixture.sign_length(session, b"data", None).0.unwrap();
            safe(&fixture, &at("C_Sign with NULL"));
            fixture.sign(session, b"data").unwrap();
            safe(&fixture, &at("C_Sign"));
            fixture.random(session, 32).unwrap();
            safe(&fixture, &at("C_GenerateRandom"));
            let (pin, new) = match slot {
                AUTH => (crate::common::PIN, &b"5678"[..]),
                _ => (crate::common::PASSWORD, &b"NEW1234"[..]),
            };
            fixture.set_pin(session, pin, new).unwrap();
            safe(&fixture, &at("C_SetPIN"));
            fixture.set_pin(session, new, pin).unwrap();
            assert!(fixture.set_pin(session, b"9999", new).is_err());
            safe(&fixture, &at("C_SetPIN refused"));
            fixture.logout(session).unwrap();
            safe(&fixture, &at("C_Logout"));
            let wrong = [&b"9999"[..], b"WRONG1"][slot as usize];
            assert_eq!(
                fixture.login(session, CKU_USER, wrong),
                Err(CKR_PIN_INCORRECT)
            );
            safe(&fixture, &at("C_Login refused"));
            fixture.login(session, CKU_USER, pin).unwrap();
            fixture.close_session(session).unwrap();
            safe(&fixture, &at("C_CloseSession"));
            fixture.close_session(first).unwrap();
            safe(&fixture, &at("the last C_CloseSession"));
            fixture.logged_in(slot);
            fixture.close_all_sessions(slot).unwrap();
            safe(&fixture, &at("C_CloseAllSessions"));
            fixture.logged_in(slot);
        }
        fixture.finalize().unwrap();
        safe(&fixture, &format!("{profile}: after C_Finalize"));
    }
}

#[test]
fn keys_are_unusable_for_others_after_each_fault() {
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
            let fixture = Fixture::plastic();
            let _watching = fixture.other_client();
            let session = fixture.logged_in(SIGN);
            let key = fixture.private_key(session);
            fixture.sign_init(session, &usual(), key).unwrap();
            fixture.reader().misbehave(at, fault.clone());
            let _ = fixture.sign(session, b"data");
            fixture.reader().behave();
            safe(&fixture, &format!("{fault:?} at APDU {at} of C_Sign"));

            let auth = fixture.open(AUTH);
            fixture.reader().misbehave(at, fault.clone());
            let _ = fixture.login(auth, CKU_USER, crate::common::PIN);
            fixture.reader().behave();
            safe(&fixture, &format!("{fault:?} at APDU {at} of C_Login"));
            assert!(
                fixture.tries().0 >= 2 && fixture.tries().1 >= 4,
                "{fault:?} at {at}"
            );
        }
    }
}

/// A PC/SC service that panics at one of the next APDUs.
#[derive(Clone)]
struct Panicking {
    pcsc: FakePcsc,
    countdown: Arc<AtomicI64>,
}

struct PanickingChannel(Box<dyn Channel>, Arc<AtomicI64>);

struct PanickingExchange<'a>(Box<dyn Exchange + 'a>, Arc<AtomicI64>);

impl Transport for Panicking {
    fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        self.pcsc.survey()
    }

    fn insertion(&self, reader: &str) -> Result<Option<InsertionId>, Error> {
        self.pcsc.insertion(reader)
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, Error> {
        let channel = self.pcsc.connect(reader)?;
        Ok(Box::new(PanickingChannel(
            channel,
            Arc::clone(&self.countdown),
        )))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        self.pcsc.watch()
    }

    fn close_by(&self, deadline: Instant) {
        self.pcsc.close_by(deadline);
    }
}

impl Channel for PanickingChannel {
    fn begin(&mut self, limit: Duration) -> Result<Box<dyn Exchange + '_>, Error> {
        Ok(Box::new(PanickingExchange(
            self.0.begin(limit)?,
            Arc::clone(&self.1),
        )))
    }

    fn is_alive(&mut self) -> Result<bool, Error> {
        self.0.is_alive()
    }

    fn power_up(&mut self) -> Result<(), Error> {
        self.0.power_up()
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.reset()
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        self.0.disconnect(disposition);
    }
}

impl Exchange for PanickingExchange<'_> {
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
fn keys_are_unusable_for_others_after_a_panic() {
    for at in 1..=4 {
        let fixture = Fixture::plastic();
        fixture.finalize().unwrap();
        let countdown = Arc::new(AtomicI64::new(0));
        let panicking = Panicking {
            pcsc: fixture.pcsc.clone(),
            countdown: Arc::clone(&countdown),
        };
        crate::common::module::initialize_with(Box::new(panicking), Config::default()).unwrap();
        fixture.slot_list(false).unwrap();
        let session = fixture.logged_in(SIGN);
        let key = fixture.private_key(session);
        let _watching = fixture.other_client();
        fixture.sign_init(session, &usual(), key).unwrap();
        countdown.store(at, Ordering::Relaxed);
        assert_eq!(
            fixture.sign(session, b"data"),
            Err(CKR_GENERAL_ERROR),
            "at {at}"
        );
        safe(&fixture, &format!("after a panic at APDU {at}"));
        assert_eq!(fixture.state(session), Err(CKR_GENERAL_ERROR));
        fixture.finalize().unwrap();
        safe(&fixture, "after C_Finalize");
    }
}

#[test]
fn login_state_card_leaves_it_open_until_the_login_ends() {
    let fixture = Fixture::configured("plastic", |config| config.login_state = LoginState::Card);
    let _watching = fixture.other_client();
    let session = fixture.logged_in(AUTH);
    assert_eq!(loot(&fixture), ["authentication key"]);
    fixture.logout(session).unwrap();
    safe(&fixture, "after C_Logout");
    fixture
        .login(session, CKU_USER, crate::common::PIN)
        .unwrap();
    fixture.close_session(session).unwrap();
    safe(&fixture, "after C_CloseSession");

    let session = fixture.logged_in(SIGN);
    let key = fixture.private_key(session);
    assert_eq!(loot(&fixture).len(), 2);
    assert!(fixture.signature(session).is_ok());
    safe(&fixture, "after the one signature that came with the login");
    fixture.sign_init(session, &usual(), key).unwrap();
    fixture
        .login(session, CKU_CONTEXT_SPECIFIC, crate::common::PASSWORD)
        .unwrap();
    safe(&fixture, "after C_Login for one signature");
    assert!(fixture.sign(session, b"data").is_ok());
    safe(&fixture, "after that signature");
    fixture.logout(session).unwrap();
    fixture
        .login(session, CKU_USER, crate::common::PASSWORD)
        .unwrap();
    let key = fixture.private_key(session);
    fixture.sign_init(session, &usual(), key).unwrap();
    assert_eq!(
        fixture.login(session, CKU_CONTEXT_SPECIFIC, b""),
        Err(CKR_PIN_INCORRECT)
    );
    safe(&fixture, "after a C_Login for one signature that failed");

    fixture.logged_in(AUTH);
    assert_ne!(loot(&fixture), Vec::<&str>::new());
    fixture.finalize().unwrap();
    safe(&fixture, "after C_Finalize");
}

#[test]
fn card_is_closed_after_each_call_without_other_clients() {
    for profile in ["plastic", "android", "iphone", "plastic,no-security-domain"] {
        let fixture = Fixture::with(profile);
        for slot in [AUTH, SIGN] {
            let session = fixture.logged_in(slot);
            assert!(!fixture.is_open(), "{profile}: after the login");
            fixture.signature(session).unwrap();
            assert!(!fixture.is_open(), "{profile}: after a signature");
            let mut client = fixture.other_client();
            assert_eq!(client.select_jpki(), 0x9000);
            assert_eq!(client.sign_auth(), 0x6982);
            assert_eq!(client.sign_sign(), 0x6982);
            fixture.logout(session).unwrap();
        }
    }
}

#[test]
fn login_closes_a_card_left_open_by_another_client() {
    let fixture = Fixture::plastic();
    let mut client = fixture.other_client();
    client.select_jpki();
    // Another program left the card open. The next login closes it, with a right or a wrong PIN.
    assert_eq!(client.verify_auth(b"1234"), 0x9000);
    let session = fixture.open(AUTH);
    let wrong = fixture.login(session, CKU_USER, b"0000");
    assert_eq!(wrong, Err(CKR_PIN_INCORRECT));
    assert!(!fixture.is_open());
}
