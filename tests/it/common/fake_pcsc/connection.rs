//! A connection to a card and its transactions.

use std::time::{Duration, Instant};

use super::super::module::pcsc::{Abilities, Channel, Disposition, Error, Exchange, InsertionId};
use super::failures::{Call, Failure};
use super::part10::Part10;
use super::{FakePcsc, Place};

/// A shared connection to one card. Dropping it leaves the card as it is.
pub struct Link {
    pcsc: FakePcsc,
    place: Place,
    insertion: InsertionId,
    /// The resets that this connection knows of.
    resets: u64,
    /// What every call of the module is answered from now on: its thread hangs, or the service went away.
    broken: Option<Error>,
    /// A transaction that could not be ended. pcscd ends it with the connection.
    holds: bool,
}

impl Link {
    pub(super) fn new(pcsc: FakePcsc, place: Place, insertion: InsertionId) -> Link {
        Link {
            pcsc,
            resets: place.reader.resets(),
            place,
            insertion,
            broken: None,
            holds: false,
        }
    }

    /// Begins a transaction.
    pub fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        self.begin_within(Duration::MAX)
    }

    fn begin_within(&mut self, limit: Duration) -> Result<Transaction<'_>, Error> {
        self.check()?;
        if !self.holds {
            self.wait_for_turn(limit)?;
        }
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

    /// Counts a call of the module on this connection. `Some`: it fails. The thread of a call that is late has no time for
    /// another one, and a service that went away has forgotten the connection.
    fn failure(&mut self, call: Call) -> Option<Failure> {
        let planned = self.pcsc.failures(|failures| failures.count(call));
        self.after(planned)
    }

    fn failure_of(&mut self, command: &[u8]) -> Option<Failure> {
        let planned = self
            .pcsc
            .failures(|failures| failures.count_command(command));
        self.after(planned)
    }

    fn after(&mut self, planned: Option<Failure>) -> Option<Failure> {
        if let Some(error) = self.broken.clone() {
            return Some(Failure::of(error));
        }
        if let Some(error @ (Error::Stuck | Error::NoService(_))) =
            planned.as_ref().map(|it| &it.error)
        {
            self.broken = Some(error.clone());
        }
        planned
    }

    fn power_card(&mut self) -> Result<(), Error> {
        self.begin()?.leave();
        Ok(())
    }

    fn reset_card(&mut self) -> Result<(), Error> {
        let transaction = self.begin()?;
        let reset = transaction.link.place.reader.warm_reset();
        transaction.link.resets = transaction.link.place.reader.resets();
        transaction.leave();
        reset.map(|_| ()).map_err(|_| Error::Removed)
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
        if let Some(Failure { error, happened }) = self.failure(Call::Begin) {
            if happened && let Ok(transaction) = self.begin_within(limit) {
                // Nobody waits for it any more.
                transaction.leave();
            }
            return Err(error);
        }
        Ok(Box::new(self.begin_within(limit)?))
    }

    fn is_alive(&mut self) -> Result<bool, Error> {
        let before = self.broken.clone();
        if let Some(failure) = self.failure(Call::IsAlive) {
            // An answer that comes later is taken at the next question: nothing is late by it.
            if failure.error == Error::Stuck {
                self.broken = before;
            }
            return Err(failure.error);
        }
        match self.check() {
            Ok(()) => Ok(true),
            Err(Error::Removed | Error::NoReader) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn power_up(&mut self) -> Result<(), Error> {
        if let Some(Failure { error, happened }) = self.failure(Call::PowerUp) {
            if happened {
                self.power_card()?;
            }
            return Err(error);
        }
        self.power_card()
    }

    fn reset(&mut self) -> Result<(), Error> {
        if let Some(Failure { error, happened }) = self.failure(Call::Reset) {
            if happened {
                self.reset_card()?;
            }
            return Err(error);
        }
        self.reset_card()
    }

    fn abilities(&mut self) -> Abilities {
        self.place.part10.abilities
    }

    fn disconnect(mut self: Box<Self>, disposition: Disposition) {
        let is_late = self.broken == Some(Error::Stuck);
        let happens = self.failure(Call::Disconnect).is_none_or(|it| it.happened);
        let power_down = disposition == Disposition::PowerDown;
        // A thread that is late does it when it is back.
        if power_down && (happens || is_late) && self.check().is_ok() {
            self.place.reader.power_off();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.holds {
            self.place.turn.give_back();
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

    pub(super) fn part10(&self) -> &Part10 {
        &self.link.place.part10
    }

    /// Ends it and leaves the card as it is.
    pub fn leave(mut self) {
        self.finish(Disposition::Leave);
    }

    fn release(&mut self) {
        self.ended = true;
        if !self.link.holds {
            self.link.place.turn.give_back();
        }
    }

    fn finish(&mut self, disposition: Disposition) {
        let takes_power = !self.link.pcsc.0.lock().unwrap().keeps_power;
        if disposition == Disposition::PowerDown && takes_power && self.link.check().is_ok() {
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
        let Some(Failure { error, happened }) = self.link.failure_of(command) else {
            return self.send(command);
        };
        if happened {
            let _ = self.send(command);
        }
        if matches!(error, Error::NoService(_)) && !self.ended {
            // pcscd resets the card of a client that goes away within a transaction.
            self.finish(Disposition::PowerDown);
        }
        Err(error)
    }

    fn control(&mut self, code: u32, data: &[u8]) -> Result<Vec<u8>, Error> {
        Transaction::control(self, code, data)
    }

    fn end(mut self: Box<Self>, disposition: Disposition) -> Result<(), Error> {
        let Some(Failure { error, happened }) = self.link.failure(Call::End) else {
            let there = self.link.check();
            self.finish(disposition);
            return there;
        };
        match &error {
            _ if self.ended => {}
            _ if happened => self.finish(disposition),
            // The late thread goes on: it takes the power where a command was late.
            Error::Stuck => {}
            Error::NoService(_) => self.finish(Disposition::PowerDown),
            _ if self.link.pcsc.failures(|failures| failures.next_fails()) => {
                self.link.holds = true;
                self.release();
            }
            // The crate pcsc tries it again, and leaves the card as it is.
            _ => self.finish(Disposition::Leave),
        }
        Err(error)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.finish(Disposition::PowerDown);
        }
    }
}
