//! Every verb that talks to the card, at every APDU and at every call to PC/SC, with every fault: the whole product, in
//! process. What belongs here: what a fault may lead to, and what it never may.
//! `sick.rs` has the cards that fail again and again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail like tests"
)]

#[path = "../it/common/mod.rs"]
mod common;
mod fault;
mod sick;
mod verb;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::module::pcsc::Error;
use common::{AUTH, Call, Fixture, Mechanism, PASSWORD, PIN, READER, SIGN, proof};
use cryptoki_sys::*;
use fault::Fault;
use jpki_card_simulator::{Card, Counters};
use verb::{NEW_PASSWORD, NEW_PIN, Product, Scene, Verb};

/// Figures for docs/robustness.md; `cargo test --test faults -- --nocapture` shows them.
#[derive(Debug, Default)]
struct Figures {
    verbs: usize,
    positions: usize,
    faults: u64,
    apdus: u64,
    failed_calls: u64,
    new_logins: u64,
    new_sessions: u64,
}

#[test]
fn every_fault_at_every_apdu_of_every_verb() {
    sweep(&verb::all(), &fault::all(), |verb| {
        let (_, apdus) = undisturbed(verb);
        assert!(apdus > 0, "{}: no APDU", verb.name);
        vec![Call::Transmit; usize::try_from(apdus).unwrap()]
    });
}

#[test]
fn every_failure_at_every_call_of_every_verb() {
    let verbs: Vec<Verb> = verb::all().into_iter().chain(verb::polls()).collect();
    sweep(&verbs, &fault::failures(), |verb| undisturbed(verb).0);
}

/// `calls`: the calls of a verb where something can go wrong.
fn sweep(verbs: &[Verb], faults: &[Fault], calls: impl Fn(&Verb) -> Vec<Call>) {
    let mut figures = Figures::default();
    let mut failures = Vec::new();
    for verb in verbs {
        let calls = calls(verb);
        figures.verbs += 1;
        figures.positions += calls.len();
        for (position, call) in (1..).zip(&calls) {
            for fault in faults.iter().filter(|fault| fault.is_of(*call)) {
                let run = Run::new(verb, position, fault.clone());
                let name = run.name();
                // All failures at once: they tell more together.
                let check = AssertUnwindSafe(|| run.check(&mut figures));
                if catch_unwind(check).is_err() {
                    failures.push(name);
                }
            }
        }
    }
    println!("{figures:?}");
    assert!(
        failures.is_empty(),
        "{} failures: {failures:#?}",
        failures.len()
    );
    assert!(figures.faults > 2000, "{figures:?}");
}

/// What a verb calls and how many APDUs it sends when nothing goes wrong; it does what it should then.
fn undisturbed(verb: &Verb) -> (Vec<Call>, u64) {
    let run = Run::new(verb, 0, Fault::None);
    run.fixture.pcsc.failures(|failures| failures.clear());
    let (answer, apdus) = run.fixture.apdus(|| (verb.act)(&run.fixture, &run.scene));
    match answer {
        Ok(product) => run.judge(&product),
        Err(code) => assert!(
            verb.wrong && code == CKR_PIN_INCORRECT,
            "{}: {code:#x}",
            verb.name
        ),
    }
    let calls = run
        .fixture
        .pcsc
        .failures(|failures| failures.calls().to_vec());
    (calls, apdus)
}

/// One verb with one fault.
struct Run<'a> {
    verb: &'a Verb,
    position: usize,
    fault: Fault,
    fixture: Fixture,
    scene: Scene,
    before: Counters,
    /// How many VERIFYs and signatures the verb makes when all is well.
    usual: (u64, u64),
}

impl<'a> Run<'a> {
    fn new(verb: &'a Verb, position: usize, fault: Fault) -> Run<'a> {
        let fixture = Fixture::configured(verb.profile, verb.configure);
        let scene = (verb.prepare)(&fixture);
        let before = fixture.counters();
        Run {
            verb,
            position,
            fault,
            fixture,
            scene,
            before,
            usual: (verb.verifies, verb.signatures),
        }
    }

    fn name(&self) -> String {
        let Run {
            verb,
            position,
            fault,
            ..
        } = self;
        let of = match fault.error() {
            Some(_) => "call",
            None => "APDU",
        };
        format!("{}, {of} {position}, {fault:?}", verb.name)
    }

    fn check(self, figures: &mut Figures) {
        let reader = self.fixture.reader();
        let pcsc = &self.fixture.pcsc;
        let was_logged_in = self.is_logged_in();
        pcsc.failures(|failures| failures.clear());
        self.fault.plan(&self.fixture, self.position);
        let (answer, apdus) = self
            .fixture
            .apdus(|| (self.verb.act)(&self.fixture, &self.scene));
        let calls = pcsc.failures(|failures| failures.calls().to_vec());
        reader.behave();
        pcsc.failures(|failures| failures.clear());
        figures.faults += 1;
        figures.apdus += apdus;
        figures.failed_calls += u64::from(answer.is_err());

        match &answer {
            Ok(product) => self.judge(product),
            Err(code) => assert!(
                self.fault.allows(*code, self.verb),
                "{}: {code:#x}",
                self.name()
            ),
        }
        assert!(apdus < 60, "{}: {apdus} APDUs", self.name());
        self.check_repeated(&answer, &calls);
        self.check_counters();
        // While nothing at all gets through, it waits for the next call; and what PC/SC says is gone is not closed.
        let reachable = !matches!(self.fault, Fault::Calls(_)) && !self.fault.says_gone();
        if reachable {
            self.check_closed();
        }
        assert!(!pcsc.is_held(READER), "{}: transaction held", self.name());
        self.check_session(was_logged_in);
        if reader.inserted().is_none() {
            self.fixture.put_back();
        }
        reader.reset_log();
        self.recover(figures);
        if !self.verb.login_opens {
            self.check_closed();
        }
        self.check_nothing_refused();
        assert_eq!(self.tries(), (3, 5), "{}: after recovery", self.name());
    }

    fn is_logged_in(&self) -> bool {
        self.fixture.state(self.scene.session) == Ok(CKS_RW_USER_FUNCTIONS)
    }

    /// A read is made again after a failure that passes: the program does not notice it.
    fn check_repeated(&self, answer: &Result<Product, CK_RV>, calls: &[Call]) {
        if self.verb.reads
            && matches!(&self.fault, Fault::Call(failure) if matches!(failure.error, Error::Failed(_)))
            && calls.get(self.position - 1) == Some(&Call::Transmit)
        {
            assert!(answer.is_ok(), "{}: not read again", self.name());
        }
    }

    /// A session ends only when the card is gone, and its login with it or where nothing proves the card to be the same.
    fn check_session(&self, was_logged_in: bool) {
        if self.fault.error().is_none() || self.fault.says_gone() || self.verb.opens {
            return;
        }
        let state = self.fixture.state(self.scene.session);
        assert!(state.is_ok(), "{}: the session has ended", self.name());
        let stays = was_logged_in && !self.verb.may_end_login;
        assert!(
            !stays || self.is_logged_in(),
            "{}: the login has ended",
            self.name()
        );
    }

    /// What came out is the card's.
    fn judge(&self, product: &Product) {
        let credentials = self.on_card(|card| card.credentials().clone());
        match product {
            Product::Nothing => {}
            Product::Certificate(slot, value) => {
                let expected = match *slot {
                    AUTH => credentials.auth_ca,
                    _ => credentials.sign_ca,
                };
                assert!(*value == expected, "{}: another certificate", self.name());
            }
            Product::Own(value) => {
                let own = credentials.sign.unwrap().certificate;
                assert!(*value == own, "{}: another certificate", self.name());
            }
            Product::Signature(mechanism, signature) => {
                let identity = match self.verb.slot {
                    AUTH => credentials.auth,
                    _ => credentials.sign,
                };
                let key = proof::key_of(&identity.unwrap().certificate);
                let data = proof::data_for(*mechanism);
                assert!(
                    proof::is_signature(*mechanism, &key, &data, signature),
                    "{}: a bad signature came out",
                    self.name()
                );
            }
            Product::PinChanged => assert!(self.takes(self.new_pin()), "{}", self.name()),
            Product::Random(bytes) => assert_eq!(bytes.len(), 40, "{}", self.name()),
        }
    }

    /// Nothing that counts was done more often than the verb does it; a wrong PIN cost what it had to.
    fn check_counters(&self) {
        let after = self.on_card(|card| card.counters());
        let verifies = |counters: Counters| counters.auth_verifies + counters.sign_verifies;
        let signatures = |counters: Counters| counters.auth_signatures + counters.sign_signatures;
        let done = (
            verifies(after) - verifies(self.before),
            signatures(after) - signatures(self.before),
        );
        assert!(
            done.0 <= self.usual.0 && done.1 <= self.usual.1,
            "{}: {done:?} VERIFYs and signatures, usual are {:?}",
            self.name(),
            self.usual
        );
        assert_eq!(self.tries(), self.tries_expected(), "{}", self.name());
    }

    fn tries(&self) -> (u8, u8) {
        self.on_card(|card| (card.counters().auth_tries, card.counters().sign_tries))
    }

    /// Right PINs cost nothing. The wrong one costs one try if the card has seen it, and the right
    /// one of the recovery gives it back.
    fn tries_expected(&self) -> (u8, u8) {
        let counters = self.on_card(|card| card.counters());
        let mut full = (3, 5);
        let seen = counters.auth_verifies + counters.sign_verifies
            - self.before.auth_verifies
            - self.before.sign_verifies;
        if self.verb.wrong && seen == 1 {
            match self.verb.slot {
                AUTH => full.0 -= 1,
                _ => full.1 -= 1,
            }
        }
        full
    }

    /// The recovery sent no PIN that the card did not take: whatever the module kept was right.
    fn check_nothing_refused(&self) {
        for (command, answer) in self.fixture.reader().exchanges() {
            let verify = matches!(command[..], [0x00, 0x20, 0x00, _, _, ..]);
            let taken = answer.as_deref() == Some(&[0x90, 0x00]);
            assert!(!verify || taken, "{}: a wrong PIN was sent", self.name());
        }
    }

    /// The card is not left open for others, unless the user has chosen so and all went well.
    fn check_closed(&self) {
        if self.verb.stays_open || self.fixture.reader().inserted().is_none() {
            return;
        }
        assert!(!self.fixture.is_open(), "{}: left open", self.name());
    }

    /// The next calls are good, at the most after another login or in another session.
    fn recover(&self, figures: &mut Figures) {
        let mut session = self.scene.session;
        for round in 0.. {
            // A session and a login, and both again when the first signature shows a torn certificate.
            assert!(round < 5, "{}: no recovery", self.name());
            match self.use_key(session) {
                Ok(signature) => {
                    return self.judge(&Product::Signature(CKM_SHA256_RSA_PKCS, signature));
                }
                Err(CKR_USER_NOT_LOGGED_IN) => {
                    figures.new_logins += 1;
                    let code = self.fixture.login(session, CKU_USER, self.pin());
                    assert_eq!(code, Ok(()), "{}: login", self.name());
                }
                Err(CKR_DEVICE_REMOVED | CKR_SESSION_HANDLE_INVALID) => {
                    figures.new_sessions += 1;
                    match self.fixture.open_session(self.verb.slot, true) {
                        Ok(opened) => session = opened,
                        // A first SELECT that was answered as by another kind of card is believed
                        // until the card is taken out.
                        Err(CKR_TOKEN_NOT_RECOGNIZED) if self.fault.denies() => self.put_in_anew(),
                        // A card that was waited for in vain is left alone for a while.
                        Err(CKR_TOKEN_NOT_PRESENT) if self.fault.error() == Some(&Error::Busy) => {
                            self.put_in_anew();
                        }
                        Err(code) => panic!("{}: C_OpenSession {code:#x}", self.name()),
                    }
                }
                Err(code) => panic!("{}: the next call: {code:#x}", self.name()),
            }
        }
    }

    fn put_in_anew(&self) {
        self.fixture.take_out();
        self.fixture.put_back();
    }

    fn use_key(&self, session: CK_SESSION_HANDLE) -> Result<Vec<u8>, CK_RV> {
        let state = self.fixture.state(session)?;
        if state == CKS_RW_PUBLIC_SESSION {
            return Err(CKR_USER_NOT_LOGGED_IN);
        }
        let key = self.fixture.private_key(session);
        // What a failed verb left behind is no business of the next one.
        let _ = self.fixture.sign_cancel(session);
        let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
        self.fixture.sign_init(session, &mechanism, key)?;
        if self.verb.slot == SIGN {
            self.fixture
                .login(session, CKU_CONTEXT_SPECIFIC, self.pin())?;
        }
        let data = proof::data_for(mechanism.kind);
        self.fixture.sign(session, &data)
    }

    /// The PIN that the card takes now.
    fn pin(&self) -> &'static [u8] {
        match (
            self.verb.changes && self.takes(self.new_pin()),
            self.verb.slot,
        ) {
            (true, _) => self.new_pin(),
            (false, AUTH) => PIN,
            (false, _) => PASSWORD,
        }
    }

    fn new_pin(&self) -> &'static [u8] {
        match self.verb.slot {
            AUTH => NEW_PIN,
            _ => NEW_PASSWORD,
        }
    }

    /// Asks a copy of the card, so that nothing happens to this one.
    fn takes(&self, pin: &[u8]) -> bool {
        let memory = self.on_card(|card| card.memory());
        let mut copy = common::card(self.verb.profile);
        copy.restore(memory);
        copy.power_on();
        copy.transmit(&verb::SELECT_JPKI);
        let reference = if self.verb.slot == AUTH { 0x18 } else { 0x1B };
        copy.transmit(&[0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, reference]);
        let length = u8::try_from(pin.len()).unwrap();
        let verify = [&[0x00, 0x20, 0x00, 0x80, length], pin].concat();
        copy.transmit(&verify) == [0x90, 0x00]
    }

    /// The card of the deck, in or out.
    fn on_card<T>(&self, work: impl FnOnce(&mut Card) -> T) -> T {
        self.fixture.reader().card("card", work).unwrap()
    }
}
