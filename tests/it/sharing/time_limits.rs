//! A reader or a service that hangs: every call comes back, and the module works again when it does.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::config::{Config, LoginState};
use crate::common::module::pcsc::{
    Bounded, Channel, Disposition, Error, Exchange, InsertionId, ReaderState, Transport, Watch,
};
use crate::common::{AUTH, FakePcsc, Fixture, PIN};
use cryptoki_sys::*;

/// What hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hang {
    Question,
    Connect,
    Status,
    Begin,
    Transmit,
    End,
    Disconnect,
}

/// A gate at which calls of one kind wait.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<Option<Hang>>, Condvar)>);

impl Gate {
    fn close(&self, hang: Hang) {
        *self.0.0.lock().unwrap() = Some(hang);
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = None;
        self.0.1.notify_all();
    }

    fn pass(&self, kind: Hang) {
        let mut closed = self.0.0.lock().unwrap();
        while *closed == Some(kind) {
            closed = self.0.1.wait(closed).unwrap();
        }
    }
}

/// PC/SC behind a gate.
struct Hanging {
    pcsc: FakePcsc,
    gate: Gate,
}

struct HangingChannel(Box<dyn Channel>, Gate);

struct HangingExchange<'a>(Box<dyn Exchange + 'a>, Gate);

impl Transport for Hanging {
    fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        self.gate.pass(Hang::Question);
        self.pcsc.survey()
    }

    fn insertion(&self, reader: &str) -> Result<Option<InsertionId>, Error> {
        self.gate.pass(Hang::Question);
        self.pcsc.insertion(reader)
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, Error> {
        self.gate.pass(Hang::Connect);
        let channel = self.pcsc.connect(reader)?;
        Ok(Box::new(HangingChannel(channel, self.gate.clone())))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        self.pcsc.watch()
    }

    fn close_by(&self, deadline: Instant) {
        self.pcsc.close_by(deadline);
    }
}

impl Channel for HangingChannel {
    fn begin(&mut self, limit: Duration) -> Result<Box<dyn Exchange + '_>, Error> {
        self.1.pass(Hang::Begin);
        let exchange = self.0.begin(limit)?;
        Ok(Box::new(HangingExchange(exchange, self.1.clone())))
    }

    fn is_alive(&mut self) -> Result<bool, Error> {
        self.1.pass(Hang::Status);
        self.0.is_alive()
    }

    fn power_up(&mut self) -> Result<(), Error> {
        self.0.power_up()
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.reset()
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        self.1.pass(Hang::Disconnect);
        self.0.disconnect(disposition);
    }
}

impl Exchange for HangingExchange<'_> {
    fn was_reset(&self) -> bool {
        self.0.was_reset()
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        self.1.pass(Hang::Transmit);
        self.0.transmit(command)
    }

    fn end(self: Box<Self>, disposition: Disposition) -> Result<(), Error> {
        self.1.pass(Hang::End);
        self.0.end(disposition)
    }
}

/// A card, its transport on threads of the module, each call through the gate.
fn bounded(fixture: &Fixture) -> (Bounded, Gate) {
    let gate = Gate::default();
    let hanging = Hanging {
        pcsc: fixture.pcsc.clone(),
        gate: gate.clone(),
    };
    (Bounded::new(hanging), gate)
}

/// The same with the module above.
fn hanging() -> (Fixture, Gate) {
    hanging_with(Config::default())
}

fn hanging_with(config: Config) -> (Fixture, Gate) {
    let fixture = Fixture::plastic();
    fixture.finalize().unwrap();
    let (bounded, gate) = bounded(&fixture);
    crate::common::module::initialize_with(Box::new(bounded), config).unwrap();
    fixture.slot_list(false).unwrap();
    (fixture, gate)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

/// `SCardStatus` waits for the end of another program's transaction.
#[test]
fn a_long_transaction_of_another_program_delays_no_question() {
    let (fixture, gate) = hanging();
    let session = fixture.logged_in(AUTH);
    gate.close(Hang::Status);
    let (answers, took) = timed(|| [(); 5].map(|()| fixture.state(session)));
    assert_eq!(answers, [Ok(CKS_RW_USER_FUNCTIONS); 5]);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let opener = gate.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(6));
        opener.open();
    });
    // What needs the card waits its turn.
    assert_eq!(fixture.signature(session).unwrap().len(), 256);
}

#[test]
fn questions_come_back_while_the_service_hangs() {
    let (fixture, gate) = hanging();
    let session = fixture.logged_in(AUTH);
    gate.close(Hang::Question);
    let (_, first) = timed(|| fixture.slot_info(AUTH));
    assert!(first < Duration::from_secs(6), "{first:?}");
    let (_, later) = timed(|| {
        let _ = fixture.slot_info(AUTH);
        let _ = fixture.slot_list(true);
        fixture.state(session)
    });
    assert!(later < Duration::from_millis(500), "{later:?}");
    gate.open();
    thread::sleep(Duration::from_millis(100));
    assert_eq!(fixture.slot_list(true).unwrap().len(), 2);
    // That nobody answered has not ended the login.
    fixture.signature(session).unwrap();
}

#[test]
fn stuck_connection_answers_at_once_until_it_is_back() {
    let (fixture, gate) = hanging();
    gate.close(Hang::Connect);
    let (info, first) = timed(|| fixture.token_info(AUTH));
    assert!(info.is_err() && first < Duration::from_secs(6), "{first:?}");
    let (info, second) = timed(|| fixture.token_info(AUTH));
    assert!(
        info.is_err() && second < Duration::from_millis(500),
        "{second:?}"
    );
    gate.open();
    thread::sleep(Duration::from_millis(100));
    wait_until_it_works(&fixture);
}

/// Three attempts that hang are followed by a pause.
fn wait_until_it_works(fixture: &Fixture) {
    let begun = Instant::now();
    while fixture.token_info(AUTH).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(200));
    }
    let session = fixture.open(AUTH);
    fixture.login(session, CKU_USER, PIN).unwrap();
    fixture.signature(session).unwrap();
}

#[test]
fn finalize_is_bounded_whatever_hangs() {
    for hang in [Hang::Question, Hang::Begin, Hang::Transmit, Hang::End] {
        let (fixture, gate) = hanging();
        let session = fixture.logged_in(AUTH);
        let verifies = fixture.counters().auth_verifies;
        gate.close(hang);
        thread::scope(|scope| {
            let caller = fixture.caller();
            let signing = scope.spawn(move || {
                caller.state(session).and_then(|_| {
                    let key =
                        caller.find(session, &crate::common::Template::class(CKO_PRIVATE_KEY))?;
                    let rsa = crate::common::Mechanism::plain(CKM_SHA256_RSA_PKCS);
                    caller.sign_once(session, &rsa, key[0], b"data")
                })
            });
            thread::sleep(Duration::from_millis(100));
            let begun = Instant::now();
            let (closed, took) = timed(|| fixture.finalize());
            assert_eq!(closed, Ok(()), "{hang:?}");
            assert!(took < Duration::from_millis(3500), "{hang:?}: {took:?}");
            let signed = signing.join().unwrap();
            assert!(begun.elapsed() < Duration::from_secs(4), "{hang:?}");
            assert!(signed.is_err() || hang == Hang::End, "{hang:?}: {signed:?}");
        });
        gate.open();
        thread::sleep(Duration::from_millis(200));
        assert!(!fixture.is_open(), "{hang:?}");
        assert!(fixture.counters().auth_verifies <= verifies + 1, "{hang:?}");
    }
}

#[test]
fn finalize_closes_what_a_call_under_way_leaves_open() {
    let (fixture, gate) = hanging_with(Config {
        login_state: LoginState::Card,
        ..Config::default()
    });
    let session = fixture.logged_in(AUTH);
    assert!(fixture.is_open());
    gate.close(Hang::Transmit);
    thread::scope(|scope| {
        let signing = scope.spawn(|| fixture.signature(session));
        thread::sleep(Duration::from_millis(100));
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(500));
            gate.open();
        });
        fixture.finalize().unwrap();
        assert!(!fixture.is_open());
        let _ = signing.join();
    });
}

/// Another program may have it for long.
#[test]
fn finalize_does_not_ask_for_a_card_that_is_closed() {
    let fixture = Fixture::plastic();
    fixture.signature(fixture.logged_in(AUTH)).unwrap();
    let mut other = fixture.other_client();
    let held = other.hold();
    let (closed, took) = timed(|| fixture.finalize());
    held.leave();
    assert_eq!(closed, Ok(()));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn late_transaction_is_undone_without_a_pin() {
    let (fixture, gate) = hanging();
    let session = fixture.logged_in(AUTH);
    let verifies = fixture.counters().auth_verifies;
    gate.close(Hang::Begin);
    thread::scope(|scope| {
        let signing = scope.spawn(|| fixture.signature(session));
        thread::sleep(Duration::from_millis(100));
        fixture.finalize().unwrap();
        assert!(signing.join().unwrap().is_err());
    });
    let apdus = fixture.reader().apdus();
    gate.open();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(fixture.reader().apdus(), apdus);
    assert_eq!(fixture.counters().auth_verifies, verifies);
    // The late transaction has ended: another client gets its turn.
    assert_eq!(fixture.other_client().select_jpki(), 0x9000);
}

/// A program may exit after `C_Finalize`; libpcsclite's lists are freed then.
#[test]
fn threads_have_ended_when_their_transport_has() {
    let fixture = Fixture::plastic();
    let (bounded, gate) = bounded(&fixture);
    let reader = bounded.survey().unwrap()[0].name.clone();
    let [slow, quick] = [(); 2].map(|()| bounded.connect(&reader).unwrap());
    quick.disconnect(Disposition::Leave);
    thread::sleep(Duration::from_millis(50));
    gate.close(Hang::Disconnect);
    slow.disconnect(Disposition::Leave);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Well below the 0.3 s that a transport waits for them.
            thread::sleep(Duration::from_millis(30));
            gate.open();
        });
        drop(bounded);
        // The threads had the others.
        assert_eq!(Arc::strong_count(&gate.0), 1);
    });
}

#[test]
fn transport_ends_although_a_thread_does_not() {
    let fixture = Fixture::plastic();
    let (bounded, gate) = bounded(&fixture);
    let reader = bounded.survey().unwrap()[0].name.clone();
    let channel = bounded.connect(&reader).unwrap();
    gate.close(Hang::Disconnect);
    channel.disconnect(Disposition::Leave);
    let ((), took) = timed(|| drop(bounded));
    gate.open();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn question_is_given_up_when_the_end_is_set() {
    let fixture = Fixture::plastic();
    let (bounded, gate) = bounded(&fixture);
    gate.close(Hang::Question);
    bounded.close_by(Instant::now() + Duration::from_secs(3));
    let (answer, took) = timed(|| bounded.survey());
    gate.open();
    assert_eq!(answer, Err(Error::Stuck));
    assert!(took < Duration::from_secs(1), "{took:?}");
}
