//! A PC/SC service in memory: virtual readers, shared connections, exclusive transactions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use jpki_card_simulator::VirtualReader;

use super::module::pcsc::{
    Cancel, Channel, Disposition, Error, Exchange, InsertionId, ReaderState, Transport, Watch,
};

/// The service and its readers. Clones are the same one; give one to the module, keep one.
#[derive(Clone, Default)]
pub struct FakePcsc(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    service: Service,
    readers: Vec<Place>,
    /// Counts plugging in; a reader that comes back has other insertions.
    plugged: u64,
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
}

/// Whose transaction it is.
#[derive(Default)]
struct Turn {
    taken: Mutex<bool>,
    free: Condvar,
}

impl FakePcsc {
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

    /// Restarts the service: its counters begin again.
    pub fn restart(&self) {
        let mut state = self.state();
        for place in 0..state.readers.len() {
            state.plugged += 1;
            state.readers[place].epoch = state.plugged;
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
        Ok(Link {
            pcsc: self.clone(),
            resets: place.reader.resets(),
            insertion,
            place,
        })
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

    fn place(&self, name: &str) -> Result<Place, Error> {
        let mut places = self.places()?.into_iter();
        places
            .find(|place| place.name == name)
            .ok_or(Error::NoReader)
    }
}

impl Transport for FakePcsc {
    fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        Ok(self
            .places()?
            .into_iter()
            .map(|place| ReaderState {
                insertion: place.insertion(),
                atr: Vec::new(),
                name: place.name,
            })
            .collect())
    }

    fn insertion(&self, reader: &str) -> Result<Option<InsertionId>, Error> {
        Ok(self.place(reader)?.insertion())
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, Error> {
        Ok(Box::new(self.link(reader)?))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        self.places()?;
        Ok(Box::new(Eyes {
            pcsc: self.clone(),
            seen: None,
            cancelled: Arc::default(),
        }))
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

/// A shared connection to one card. Dropping it leaves the card as it is.
pub struct Link {
    pcsc: FakePcsc,
    place: Place,
    insertion: InsertionId,
    /// The resets that this connection knows of.
    resets: u64,
}

impl Link {
    /// Begins a transaction.
    pub fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        self.begin_within(Duration::MAX)
    }

    fn begin_within(&mut self, limit: Duration) -> Result<Transaction<'_>, Error> {
        self.check()?;
        self.wait_for_turn(limit)?;
        // From here on dropping the transaction gives the turn back.
        let mut transaction = Transaction {
            link: self,
            was_reset: false,
            ended: false,
        };
        if let Err(error) = transaction.link.check() {
            transaction.release();
            return Err(error);
        }
        let link = &mut transaction.link;
        link.place.power();
        let resets = link.place.reader.resets();
        transaction.was_reset = std::mem::replace(&mut link.resets, resets) != resets;
        Ok(transaction)
    }

    /// Is the card that we connected to still there, as far as PC/SC can tell?
    fn check(&self) -> Result<(), Error> {
        let place = self.pcsc.place(&self.place.name)?;
        if place.epoch != self.place.epoch {
            return Err(Error::NoReader);
        }
        match place.insertion() == Some(self.insertion) {
            true => Ok(()),
            false => Err(Error::Removed),
        }
    }

    fn wait_for_turn(&self, limit: Duration) -> Result<(), Error> {
        let asked = Instant::now();
        let turn = &self.place.turn;
        let mut taken = turn.taken.lock().unwrap();
        while *taken {
            let slice = Duration::from_millis(10);
            (taken, _) = turn.free.wait_timeout(taken, slice).unwrap();
            self.check()?;
            if *taken && asked.elapsed() > limit {
                return Err(Error::Stuck);
            }
        }
        *taken = true;
        Ok(())
    }
}

impl Channel for Link {
    fn begin(&mut self, limit: Duration) -> Result<Box<dyn Exchange + '_>, Error> {
        Ok(Box::new(self.begin_within(limit)?))
    }

    fn is_alive(&mut self) -> Result<bool, Error> {
        match self.check() {
            Ok(()) => Ok(true),
            Err(Error::Removed | Error::NoReader) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn power_up(&mut self) -> Result<(), Error> {
        self.begin()?.leave();
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        let transaction = self.begin()?;
        let reset = transaction.link.place.reader.warm_reset();
        transaction.link.resets = transaction.link.place.reader.resets();
        transaction.leave();
        reset.map(|_| ()).map_err(|_| Error::Removed)
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        if disposition == Disposition::PowerDown && self.check().is_ok() {
            self.place.reader.power_off();
        }
    }
}

/// One transaction.
pub struct Transaction<'a> {
    link: &'a mut Link,
    was_reset: bool,
    ended: bool,
}

impl Transaction<'_> {
    /// Sends one command.
    pub fn send(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        self.link.check()?;
        let answer = self.link.place.reader.exchange(command);
        answer.map_err(|_| match self.link.check() {
            Err(error) => error,
            Ok(()) => Error::Failed("no answer".to_owned()),
        })
    }

    /// Ends it and leaves the card as it is.
    pub fn leave(mut self) {
        self.finish(Disposition::Leave);
    }

    fn release(&mut self) {
        self.ended = true;
        let turn = &self.link.place.turn;
        *turn.taken.lock().unwrap() = false;
        turn.free.notify_all();
    }

    fn finish(&mut self, disposition: Disposition) {
        if disposition == Disposition::PowerDown && self.link.check().is_ok() {
            self.link.place.reader.power_off();
        }
        self.release();
    }
}

impl Exchange for Transaction<'_> {
    fn was_reset(&self) -> bool {
        self.was_reset
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        self.send(command)
    }

    fn end(mut self: Box<Self>, disposition: Disposition) -> Result<(), Error> {
        let there = self.link.check();
        self.finish(disposition);
        there
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(Disposition::PowerDown);
        }
    }
}

/// Waits by looking again and again.
struct Eyes {
    pcsc: FakePcsc,
    seen: Option<Vec<ReaderState>>,
    cancelled: Arc<Cancelled>,
}

#[derive(Default)]
struct Cancelled(AtomicBool);

impl Cancel for Cancelled {
    fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Watch for Eyes {
    fn wait(&mut self, timeout: Duration) -> Result<(), Error> {
        let end = Instant::now() + timeout;
        loop {
            let now = self.pcsc.survey()?;
            if self.seen.as_ref() != Some(&now) {
                self.seen = Some(now);
                return Ok(());
            }
            if Instant::now() >= end {
                return Ok(());
            }
            if self.cancelled.0.load(Ordering::Acquire) {
                return Err(Error::Cancelled);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.cancelled) as Arc<dyn Cancel>
    }
}
