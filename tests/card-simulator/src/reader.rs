//! A reader with a deck of cards. Logs, keeps time, misbehaves when told to.

mod describe;
mod log;
mod plan;
mod state;

pub use self::{
    describe::describe,
    log::{Entry, Event},
    plan::{Misbehaviour, UnknownMisbehaviour},
};

use std::{
    error::Error,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::card::{Card, Counters};
use plan::Plan;
use state::State;

/// A smart card reader. Clones are the same reader, so that a test can hold one and the code under test another.
///
/// ```
/// use jpki_card_simulator::{Card, Misbehaviour, Profile, VirtualReader};
/// let reader = VirtualReader::new();
/// reader.add("plastic", Card::sample(Profile::plastic()).unwrap());
/// reader.insert("plastic").unwrap();
/// reader.power_on().unwrap();
/// reader.misbehave(1, Misbehaviour::RemovedBefore);
/// assert!(reader.exchange(&[0x00, 0xA4, 0x00, 0x00]).is_err());
/// assert_eq!(reader.inserted(), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct VirtualReader(Arc<Shared>);

/// There is no card, or it left before it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// The deck has no card of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchCard(pub String);

/// How long things take. The default is no time at all. Section 10 has planning figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// For each APDU.
    pub apdu: Duration,
    /// For each byte in either direction.
    pub byte: Duration,
    /// For each signature.
    pub signature: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    /// Held during an exchange: one after another, as on the wire.
    bus: Mutex<()>,
    /// Held for moments only, so that a card can be removed while it works. Taken after `bus`.
    state: Mutex<State>,
    changed: Condvar,
}

impl VirtualReader {
    /// A reader without cards.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader with one card, named "card", in it.
    pub fn with(card: Card) -> Self {
        let reader = Self::new();
        reader.add("card", card);
        // The name was just given.
        let _ = reader.insert("card");
        reader
    }

    /// Adds a card to the deck, or replaces the one of this name. It is not inserted.
    pub fn add(&self, name: &str, card: Card) {
        let mut state = self.state();
        match state.index(name) {
            Ok(index) => {
                if let Some((_, old)) = state.deck.get_mut(index) {
                    *old = card;
                }
            }
            Err(_) => state.deck.push((name.to_owned(), card)),
        }
    }

    /// The names in the deck.
    pub fn names(&self) -> Vec<String> {
        let state = self.state();
        state.deck.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Puts a card in, without power, in place of the one that is there.
    ///
    /// # Errors
    ///
    /// [`NoSuchCard`] if the deck has none of this name.
    pub fn insert(&self, name: &str) -> Result<(), NoSuchCard> {
        let mut state = self.state();
        let index = state.index(name)?;
        state.remove();
        state.insert(index);
        state.changes += 1;
        state.record(Event::Inserted);
        self.0.changed.notify_all();
        Ok(())
    }

    /// Puts in the card that was there last, or the first of the deck.
    ///
    /// # Errors
    ///
    /// [`NoSuchCard`] if the deck is empty.
    pub fn insert_again(&self) -> Result<(), NoSuchCard> {
        let name = {
            let state = self.state();
            let (name, _) = state
                .deck
                .get(state.last)
                .ok_or(NoSuchCard(String::new()))?;
            name.clone()
        };
        self.insert(&name)
    }

    /// Takes the card out; a command it works on is not answered.
    pub fn remove(&self) {
        self.state().remove();
        self.0.changed.notify_all();
    }

    /// Changes the card in such a moment that nobody is told: the new one has power and no history, [`VirtualReader::changes`]
    /// and [`VirtualReader::resets`] stay. pcscd looks at a vpcd reader every 400 ms; this is what happens in between.
    ///
    /// # Errors
    ///
    /// [`NoSuchCard`] if the deck has none of this name.
    pub fn swap_silently(&self, name: &str) -> Result<(), NoSuchCard> {
        let mut state = self.state();
        let index = state.index(name)?;
        match state.card() {
            Some(card) => card.power_off(),
            // An empty reader notices whatever comes.
            None => state.changes += 1,
        }
        state.insert(index);
        if let Some(card) = state.card() {
            card.power_on();
        }
        state.record(Event::SwappedSilently);
        self.0.changed.notify_all();
        Ok(())
    }

    /// The name of the card that is in.
    pub fn inserted(&self) -> Option<String> {
        self.state().inserted_name()
    }

    /// How often a card was put in; it only rises.
    pub fn insertions(&self) -> u64 {
        self.state().insertions
    }

    /// How often a card was put in or taken out where a reader notices; it only rises.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// How often a card was powered or reset where a resource manager would tell its clients; it only rises.
    /// A mount that remembers this number knows whether somebody reset the card in between.
    pub fn resets(&self) -> u64 {
        self.state().resets
    }

    /// Waits until [`VirtualReader::changes`] is not `seen`, at most `timeout`, and returns it.
    pub fn wait_for_change(&self, seen: u64, timeout: Duration) -> u64 {
        let state = self.state();
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, timeout, |state| state.changes == seen);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.changes
    }

    /// Gives the card power and returns its ATR.
    ///
    /// # Errors
    ///
    /// [`Gone`] if there is no card.
    pub fn power_on(&self) -> Result<Vec<u8>, Gone> {
        let _bus = self.bus();
        let mut state = self.state();
        let atr = state.card().ok_or(Gone)?.power_on();
        state.mute = false;
        state.resets += 1;
        state.record(Event::PowerOn(atr.clone()));
        Ok(atr)
    }

    /// Takes the power away.
    pub fn power_off(&self) {
        let _bus = self.bus();
        let mut state = self.state();
        state.mute = false;
        if let Some(card) = state.card() {
            card.power_off();
            state.resets += 1;
            state.record(Event::PowerOff);
        }
    }

    /// Resets the card under power and returns its ATR.
    ///
    /// # Errors
    ///
    /// [`Gone`] if there is no card.
    pub fn warm_reset(&self) -> Result<Vec<u8>, Gone> {
        let _bus = self.bus();
        let mut state = self.state();
        let atr = state.card().ok_or(Gone)?.warm_reset();
        state.mute = false;
        state.resets += 1;
        state.record(Event::WarmReset(atr.clone()));
        Ok(atr)
    }

    /// The ATR of the card that is in, see [`Card::atr`].
    pub fn atr(&self) -> Option<Vec<u8>> {
        self.state().card().map(|card| card.atr().to_vec())
    }

    /// Sends a command APDU to the card and returns its answer, as the plan of misbehaviour and the timing say.
    ///
    /// # Errors
    ///
    /// [`Gone`] if there is no card or it leaves before it answered.
    pub fn exchange(&self, command: &[u8]) -> Result<Vec<u8>, Gone> {
        let _bus = self.bus();
        let outcome = self.state().perform(command);
        self.0.changed.notify_all();
        let answered = self.take_time(outcome.takes, outcome.insertion);
        let mut state = self.state();
        let answer = match answered {
            true => outcome.answer,
            false => None,
        };
        state.record_for(
            outcome.card,
            Event::Apdu {
                command: command.to_vec(),
                answer: answer.clone(),
                misbehaviours: outcome.misbehaviours.clone(),
            },
        );
        for misbehaviour in outcome.misbehaviours {
            state.afterwards(&misbehaviour);
        }
        drop(state);
        self.0.changed.notify_all();
        answer.ok_or(Gone)
    }

    /// Lets something go wrong at the `n`-th exchange from now; 1 is the next one. Several may fall on one exchange.
    pub fn misbehave(&self, n: u64, misbehaviour: Misbehaviour) {
        self.state().plan.add(n, misbehaviour);
    }

    /// Forgets the whole plan, the endless answers too.
    pub fn behave(&self) {
        self.state().plan = Plan::default();
    }

    /// Sets how long things take from now on.
    pub fn set_timing(&self, timing: Timing) {
        self.state().timing = timing;
    }

    /// Exchanges since the start or since [`VirtualReader::reset_log`].
    pub fn apdus(&self) -> u64 {
        self.state().apdus
    }

    /// The log; of a long one the newest part.
    pub fn log(&self) -> Vec<Entry> {
        self.state().log.entries()
    }

    /// The commands of the log with their answers; `None` is a card that left.
    pub fn exchanges(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let exchange = |entry: Entry| match entry.event {
            Event::Apdu {
                command, answer, ..
            } => Some((command, answer)),
            _ => None,
        };
        self.log().into_iter().filter_map(exchange).collect()
    }

    /// Empties the log and sets [`VirtualReader::apdus`] to 0.
    pub fn reset_log(&self) {
        let mut state = self.state();
        state.log.clear();
        state.apdus = 0;
    }

    /// Sets the number [`VirtualReader::apdus`] counts from to 0 and keeps the log.
    pub fn reset_apdus(&self) {
        self.state().apdus = 0;
    }

    /// Writes a line of your own into the log.
    pub fn mark(&self, text: &str) {
        self.state().record(Event::Mark(text.to_owned()));
    }

    /// Writes every further entry as a line to `sink` as well. PINs are asterisks there.
    pub fn log_to(&self, sink: Box<dyn std::io::Write + Send>) {
        self.state().log.set_sink(sink);
    }

    /// Does something with a card of the deck.
    ///
    /// # Errors
    ///
    /// [`NoSuchCard`] if the deck has none of this name.
    pub fn card<T>(&self, name: &str, work: impl FnOnce(&mut Card) -> T) -> Result<T, NoSuchCard> {
        let mut state = self.state();
        let index = state.index(name)?;
        let card = state.deck.get_mut(index).map(|(_, card)| card);
        card.map(work).ok_or_else(|| NoSuchCard(name.to_owned()))
    }

    /// Does something with the card that is in.
    ///
    /// # Errors
    ///
    /// [`Gone`] if there is none.
    pub fn inserted_card<T>(&self, work: impl FnOnce(&mut Card) -> T) -> Result<T, Gone> {
        self.state().card().map(work).ok_or(Gone)
    }

    /// The counters of the card that is in.
    ///
    /// # Errors
    ///
    /// [`Gone`] if there is none.
    pub fn counters(&self) -> Result<Counters, Gone> {
        self.inserted_card(|card| card.counters())
    }

    /// Waits; false if the card that was in at `insertion` left meanwhile.
    fn take_time(&self, duration: Duration, insertion: Option<u64>) -> bool {
        let there = |state: &State| insertion.is_none() || state.present() == insertion;
        // `None` is after the end of time.
        let end = Instant::now().checked_add(duration);
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let left = end.map_or(duration, |end| end.saturating_duration_since(now));
            if !there(&state) {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bus(&self) -> MutexGuard<'_, ()> {
        self.0.bus.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no card")
    }
}

impl Error for Gone {}

impl fmt::Display for NoSuchCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no card '{}' in the deck", self.0)
    }
}

impl Error for NoSuchCard {}
