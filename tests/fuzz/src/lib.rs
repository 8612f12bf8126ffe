//! What the targets share: a reader whose card answers as the input says.

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the targets use a part of it"
)]
pub mod common;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use jpki_card_simulator::{Card, Profile, Role};
use jpki_pkcs11::config::Config;
use jpki_pkcs11::pcsc::{
    Channel, Disposition, Error, Exchange, InsertionId, ReaderState, Transport, Watch,
};

/// The input, byte by byte; zeros when it is at its end, which mean that all goes well.
#[derive(Default)]
pub struct Script {
    bytes: Vec<u8>,
    at: usize,
    /// How many exchanges go well before the next byte is read.
    calm: u8,
}

impl Script {
    /// From the fuzzer.
    pub fn new(bytes: &[u8]) -> Script {
        Script {
            bytes: bytes.to_vec(),
            at: 0,
            calm: 0,
        }
    }

    /// What happens to the next exchange. A byte says it, the one after it how many exchanges then go well: so a
    /// few bytes reach an answer in the midst of a signature.
    fn trouble(&mut self) -> u8 {
        match self.calm.checked_sub(1) {
            Some(calm) => {
                self.calm = calm;
                0
            }
            None => {
                let trouble = self.byte();
                self.calm = self.byte();
                trouble
            }
        }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    /// The next few.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// Is there nothing more to do?
    pub fn is_over(&self) -> bool {
        self.at >= self.bytes.len()
    }
}

/// A reader with a simulated card, and somebody between the two who reads the script.
#[derive(Clone)]
pub struct Bench(Arc<Mutex<State>>);

struct State {
    card: Card,
    script: Script,
    insertion: u64,
    present: bool,
    resets: u64,
    /// So many connections and transactions from now on cannot be had.
    refusals: u8,
    /// Something was called done that was not.
    lied: bool,
}

/// A card with keys that are made once.
pub fn card(profile: &str) -> Card {
    Card::sample(Profile::parse(profile).expect("a profile")).expect("a card")
}

impl Bench {
    /// One card; what happens between it and the module is in the script.
    pub fn new(profile: &str, script: Script) -> Bench {
        let mut card = card(profile);
        card.power_on();
        Bench(Arc::new(Mutex::new(State {
            card,
            script,
            insertion: 1,
            present: true,
            resets: 0,
            refusals: 0,
            lied: false,
        })))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().expect("not poisoned"))
    }

    /// Refuses a connection or a transaction, if the script wants it.
    fn refuse(&self) -> Result<(), Error> {
        self.with(|state| match state.refusals.checked_sub(1) {
            Some(left) => {
                state.refusals = left;
                Err(Error::Failed("refused".to_owned()))
            }
            None => Ok(()),
        })
    }

    /// `C_Initialize`, with this reader instead of those of PC/SC.
    pub fn initialize(&self) -> common::caller::Caller {
        common::module::initialize_with(Box::new(self.clone()), Config::default())
            .expect("the last run has finalized");
        common::caller::Caller::new()
    }

    /// Tries left of both PINs.
    pub fn tries(&self) -> (u8, u8) {
        self.with(|state| {
            let counters = state.card.counters();
            (counters.auth_tries, counters.sign_tries)
        })
    }

    /// Is a PIN verified on the card, though it has told no lie?
    pub fn is_open(&self) -> bool {
        self.with(|state| {
            state.present
                && !state.lied
                && (state.card.is_verified(Role::Auth) || state.card.is_verified(Role::Sign))
        })
    }

    /// From now on all goes well, and a card is there.
    pub fn behave(&self) {
        self.with(|state| {
            state.script = Script::default();
            state.refusals = 0;
            if state.lied {
                state.lied = false;
                state.card.power_on();
                state.resets += 1;
            }
            if !state.present {
                state.present = true;
                state.insertion += 1;
                state.card.power_on();
            }
        });
    }
}

impl Transport for Bench {
    fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        Ok(vec![ReaderState {
            name: "Reader".to_owned(),
            insertion: self.insertion("Reader")?,
            atr: Vec::new(),
        }])
    }

    fn insertion(&self, _: &str) -> Result<Option<InsertionId>, Error> {
        Ok(self.with(|state| state.present.then_some(InsertionId(state.insertion))))
    }

    fn connect(&self, _: &str) -> Result<Box<dyn Channel>, Error> {
        self.refuse()?;
        match self.with(|state| (state.present, state.insertion, state.resets)) {
            (true, insertion, resets) => Ok(Box::new(Line {
                bench: self.clone(),
                insertion,
                resets,
            })),
            (false, ..) => Err(Error::NoCard),
        }
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        Err(Error::NoService("nothing to watch".to_owned()))
    }

    fn close_by(&self, _: Instant) {}
}

struct Line {
    bench: Bench,
    insertion: u64,
    resets: u64,
}

impl Channel for Line {
    fn begin(&mut self, _: Duration) -> Result<Box<dyn Exchange + '_>, Error> {
        self.bench.refuse()?;
        let (there, resets) = self.bench.with(|state| {
            (
                state.present && state.insertion == self.insertion,
                state.resets,
            )
        });
        if !there {
            return Err(Error::Removed);
        }
        let was_reset = std::mem::replace(&mut self.resets, resets) != resets;
        Ok(Box::new(Talk {
            line: self,
            was_reset,
            ended: false,
        }))
    }

    fn is_alive(&mut self) -> Result<bool, Error> {
        Ok(true)
    }

    fn power_up(&mut self) -> Result<(), Error> {
        self.begin(Duration::ZERO).map(|_| ())
    }

    fn reset(&mut self) -> Result<(), Error> {
        let talk = self.begin(Duration::ZERO)?;
        talk.end(Disposition::PowerDown)
    }

    fn disconnect(self: Box<Self>, _: Disposition) {}
}

struct Talk<'a> {
    line: &'a mut Line,
    was_reset: bool,
    ended: bool,
}

impl Exchange for Talk<'_> {
    fn was_reset(&self) -> bool {
        self.was_reset
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let insertion = self.line.insertion;
        self.line.bench.with(|state| {
            if !state.present || state.insertion != insertion {
                return Err(Error::Removed);
            }
            let before = state.card.counters().apdus;
            let answer = perform(state, command)?;
            let done = state.card.counters().apdus > before;
            if !done && answer.ends_with(&[0x90, 0x00]) {
                state.lied = true;
            }
            Ok(answer)
        })
    }

    fn end(mut self: Box<Self>, disposition: Disposition) -> Result<(), Error> {
        self.ended = true;
        if disposition == Disposition::PowerDown {
            self.power_down();
        }
        Ok(())
    }
}

impl Talk<'_> {
    fn power_down(&self) {
        self.line.bench.with(|state| {
            state.card.power_on();
            state.resets += 1;
        });
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.power_down();
        }
    }
}

/// One exchange, as the next bytes of the script say.
fn perform(state: &mut State, command: &[u8]) -> Result<Vec<u8>, Error> {
    let script = &mut state.script;
    match script.trouble() % 16 {
        1 => {
            let status = script.take(2);
            Ok(status)
        }
        2 => {
            let length = usize::from(script.byte());
            Ok(script.take(length))
        }
        3 => {
            let mut answer = state.card.transmit(command);
            let (at, with) = (usize::from(script.byte()), script.byte());
            if let Some(byte) = answer.get_mut(at) {
                *byte ^= with;
            }
            Ok(answer)
        }
        4 => {
            let mut answer = state.card.transmit(command);
            answer.truncate(usize::from(script.byte()));
            Ok(answer)
        }
        5 => {
            let mut answer = state.card.transmit(command);
            let end = answer.len().saturating_sub(2);
            answer.truncate(end);
            answer.extend(script.take(2));
            Ok(answer)
        }
        6 => {
            state.present = false;
            Err(Error::Removed)
        }
        7 => {
            state.card.transmit(command);
            Err(Error::Failed("torn".to_owned()))
        }
        8 => {
            state.resets += 1;
            state.card.power_on();
            Ok(state.card.transmit(command))
        }
        9 => Ok(vec![0xA5; 65_538]),
        10 => Err(Error::NoService("ended".to_owned())),
        11 => {
            state.card.transmit(command);
            Err(Error::Stuck)
        }
        12 => {
            state.refusals = script.byte() % 4;
            Ok(state.card.transmit(command))
        }
        _ => Ok(state.card.transmit(command)),
    }
}

/// Fuzzing the same process again and again: the first call makes what takes long.
pub fn once() {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        card("plastic");
        card("android");
    });
}
