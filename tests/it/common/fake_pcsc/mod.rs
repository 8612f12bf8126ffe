//! A PC/SC service in memory: virtual readers, shared connections, exclusive transactions.

mod connection;
mod events;
pub mod failures;
mod part10;

pub use connection::{Link, Transaction};

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jpki_card_simulator::VirtualReader;

use super::module::pcsc::{Channel, Error, InsertionId, ReaderState, Transport, Watch};
use failures::{Call, Failure, Failures};

/// The service and its readers. Clones are the same one; give one to the module, keep one.
#[derive(Clone, Default)]
pub struct FakePcsc(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    service: Service,
    readers: Vec<Place>,
    /// Counts plugging in; a reader that comes back has other insertions.
    plugged: u64,
    /// Insertions are not counted, as on macOS.
    uncounted: bool,
    /// No reader takes a card's power.
    keeps_power: bool,
    failures: Failures,
}

/// Is the service there?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Service {
    /// Yes.
    #[default]
    Running,
    /// No: not installed, or stopped.
    Stopped,
    /// polkit does not let this user in.
    Forbidden,
}

/// A reader that is plugged in.
#[derive(Clone)]
struct Place {
    name: String,
    reader: VirtualReader,
    turn: Arc<Turn>,
    epoch: u64,
    /// Another program has the card for itself, until then.
    busy_until: Option<Instant>,
    part10: part10::Part10,
}

/// Whose transaction it is.
#[derive(Default)]
struct Turn {
    taken: Mutex<bool>,
    free: Condvar,
}

impl FakePcsc {
    /// From now on no reader takes a card's power, whatever it is told.
    pub fn keep_power(&self) {
        self.0.lock().unwrap().keeps_power = true;
    }

    /// Plugs in a reader, and gives the card in it power, as pcscd does.
    pub fn plug(&self, name: &str, reader: VirtualReader) {
        let mut state = self.state();
        state.plugged += 1;
        let place = Place {
            name: name.to_owned(),
            reader,
            turn: Arc::default(),
            epoch: state.plugged,
            busy_until: None,
            part10: part10::Part10::default(),
        };
        state.readers.push(place);
    }

    /// Pulls a reader out.
    pub fn unplug(&self, name: &str) {
        self.state().readers.retain(|place| place.name != name);
    }

    /// Another program connects exclusively to the cards in all readers, for so long.
    pub fn occupy(&self, time: Duration) {
        for place in &mut self.state().readers {
            place.busy_until = Some(Instant::now() + time);
        }
    }

    /// Starts or stops the service.
    pub fn set_service(&self, service: Service) {
        self.state().service = service;
    }

    /// From now on a card that is put back looks like the one before, as on macOS. Connections end all the same.
    pub fn stop_counting(&self) {
        self.state().uncounted = true;
    }

    /// What the module hears of a card in a reader.
    fn reported(&self, place: &Place) -> Option<InsertionId> {
        let insertion = place.insertion()?;
        Some(match self.state().uncounted {
            true => InsertionId(0),
            false => insertion,
        })
    }

    /// Restarts the service: its counters begin again.
    pub fn restart(&self) {
        let mut state = self.state();
        for place in 0..state.readers.len() {
            state.plugged += 1;
            state.readers[place].epoch = state.plugged;
        }
    }

    /// The calls that the module makes: which were made, which fail.
    pub fn failures<T>(&self, work: impl FnOnce(&mut Failures) -> T) -> T {
        work(&mut self.state().failures)
    }

    /// Does a connection have a transaction with the card in this reader?
    pub fn is_held(&self, name: &str) -> bool {
        *self.place(name).unwrap().turn.taken.lock().unwrap()
    }

    /// A call of the module. One whose answer is lost is made all the same.
    fn call<T>(&self, call: Call, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        match self.failures(|failures| failures.count(call)) {
            None => work(),
            Some(Failure { error, happened }) => {
                if happened {
                    let _ = work();
                }
                Err(error)
            }
        }
    }

    /// The reader of this name, for another program's connection or the test's own hand.
    pub fn reader(&self, name: &str) -> VirtualReader {
        self.place(name).unwrap().reader
    }

    /// A shared connection, as [`Transport::connect`] gives it.
    pub fn link(&self, name: &str) -> Result<Link, Error> {
        let place = self.place(name)?;
        let insertion = place.insertion().ok_or(Error::NoCard)?;
        if place.busy_until.is_some_and(|end| Instant::now() < end) {
            return Err(Error::Busy);
        }
        place.power();
        Ok(Link::new(self.clone(), place, insertion))
    }

    fn with_place(&self, name: &str, change: impl FnOnce(&mut Place)) {
        let mut state = self.state();
        let mut places = state.readers.iter_mut();
        change(places.find(|place| place.name == name).unwrap());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn places(&self) -> Result<Vec<Place>, Error> {
        let state = self.state();
        match state.service {
            Service::Running => Ok(state.readers.clone()),
            Service::Stopped => Err(Error::NoService("the service was stopped".to_owned())),
            Service::Forbidden => Err(Error::NotAuthorised),
        }
    }

    fn states(&self) -> Result<Vec<ReaderState>, Error> {
        let places = self.places()?.into_iter();
        Ok(places
            .map(|place| ReaderState {
                insertion: self.reported(&place),
                atr: Vec::new(),
                name: place.name,
            })
            .collect())
    }

    fn place(&self, name: &str) -> Result<Place, Error> {
        let mut places = self.places()?.into_iter();
        places
            .find(|place| place.name == name)
            .ok_or(Error::NoReader)
    }
}

impl Transport for FakePcsc {
    fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        self.call(Call::Survey, || self.states())
    }

    fn insertion(&self, reader: &str) -> Result<Option<InsertionId>, Error> {
        let place = self.call(Call::Insertion, || self.place(reader))?;
        Ok(self.reported(&place))
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, Error> {
        let link = self.call(Call::Connect, || self.link(reader))?;
        Ok(Box::new(link))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        self.call(Call::Watch, || self.places())?;
        Ok(Box::new(events::Eyes::new(self.clone())))
    }

    fn close_by(&self, _: Instant) {}
}

impl Place {
    fn insertion(&self) -> Option<InsertionId> {
        let number = self.epoch << 32 | self.reader.changes();
        self.reader.inserted().map(|_| InsertionId(number))
    }

    fn power(&self) {
        if let Ok(false) = self.reader.inserted_card(|card| card.is_powered()) {
            // The card may leave at this very moment; the next command hears of it.
            let _ = self.reader.power_on();
        }
    }
}

impl Turn {
    fn give_back(&self) {
        *self.taken.lock().unwrap() = false;
        self.free.notify_all();
    }
}
