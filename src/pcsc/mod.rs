//! The bottom floor as the others see it: readers, connections, transactions, bytes.
//! It knows nothing of what an APDU means. Production is [`service`]; tests mount a card simulator here.

mod part10;
pub mod service;
mod worker;

pub use worker::Bounded;

use std::sync::Arc;
use std::time::{Duration, Instant};

/// What can go wrong below the card's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The reader is empty.
    #[error("no card in the reader")]
    NoCard,
    /// The card was taken out, or another one was put in.
    #[error("the card was removed")]
    Removed,
    /// The reader is gone.
    #[error("the reader is gone")]
    NoReader,
    /// pcscd is not installed, not running, or went away.
    #[error("the PC/SC service is not there ({0})")]
    NoService(String),
    /// The program has no file descriptor left to reach the service with.
    #[error("no file descriptor is left")]
    NoDescriptor,
    /// polkit (or its like) does not let this user use the reader.
    #[error("access to the reader is not allowed")]
    NotAuthorised,
    /// Another program holds the card exclusively.
    #[error("another program holds the card")]
    Busy,
    /// No answer within the time limit: another program's transaction, a reader or pcscd that hangs.
    #[error("no answer in time")]
    Stuck,
    /// A wait was ended from outside.
    #[error("cancelled")]
    Cancelled,
    /// Anything else, in the words of the layer below.
    #[error("{0}")]
    Failed(String),
}

/// A reader as it is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderState {
    /// The reader's name, as PC/SC gives it.
    pub name: String,
    /// The card in it: the same number means that the very same insertion is still going on.
    /// `None`: empty.
    pub insertion: Option<InsertionId>,
    /// The answer to reset of the card in it, as the reader tells it; empty: no card, or not told.
    pub atr: Vec<u8>,
}

/// Tells one insertion of a card from the next. PC/SC counts insertions and removals of a reader;
/// a reset by another program does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InsertionId(pub u64);

/// Where readers and cards come from.
pub trait Transport: Send + Sync {
    /// All readers and what is in them. Costs no APDU.
    ///
    /// # Errors
    /// [`Error::NoService`], [`Error::NotAuthorised`], [`Error::Failed`].
    fn survey(&self) -> Result<Vec<ReaderState>, Error>;

    /// The card in one reader. Costs no APDU.
    ///
    /// # Errors
    /// As [`Transport::survey`], and [`Error::NoReader`].
    fn insertion(&self, reader: &str) -> Result<Option<InsertionId>, Error>;

    /// A shared connection to the card in a reader.
    ///
    /// # Errors
    /// As [`Transport::insertion`], and [`Error::NoCard`], [`Error::Busy`].
    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, Error>;

    /// Something to wait for events with, on a connection of its own.
    ///
    /// # Errors
    /// [`Error::NoService`], [`Error::NotAuthorised`], [`Error::Failed`].
    fn watch(&self) -> Result<Box<dyn Watch>, Error>;

    /// `C_Finalize` has begun: no wait goes on after this moment.
    fn close_by(&self, deadline: Instant);
}

/// A connection to one card.
pub trait Channel: Send {
    /// Begins a transaction: nobody else talks to the card until the [`Exchange`] ends.
    /// `limit`: how long to wait for the transaction of another program.
    ///
    /// # Errors
    /// [`Error::Removed`], [`Error::NoReader`], [`Error::NoService`], [`Error::Stuck`], [`Error::Failed`].
    fn begin(&mut self, limit: Duration) -> Result<Box<dyn Exchange + '_>, Error>;

    /// Is the connection still one to the card that it was made to? A reader that was unplugged ends
    /// it, also when it is plugged in again.
    ///
    /// # Errors
    /// [`Error::NoService`], [`Error::Stuck`], [`Error::Failed`]: not known.
    fn is_alive(&mut self) -> Result<bool, Error>;

    /// Powers the card after a [`Disposition::PowerDown`] of ours, so that the next transaction does
    /// not take it for a reset by another program.
    ///
    /// # Errors
    /// As [`Channel::begin`].
    fn power_up(&mut self) -> Result<(), Error>;

    /// Resets a card that may have lost its power or its field without the reader noticing: it answers nothing
    /// until then. The next transaction does not take it for a reset by another program.
    ///
    /// # Errors
    /// As [`Channel::begin`].
    fn reset(&mut self) -> Result<(), Error>;

    /// What the reader says that it can do (PC/SC part 10). Sends nothing to the card.
    fn abilities(&mut self) -> Abilities {
        Abilities::default()
    }

    /// Ends the connection. Dropping it leaves the card as it is.
    fn disconnect(self: Box<Self>, disposition: Disposition);
}

/// What a reader can do beyond short APDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// Most bytes of data in one APDU; 0: short APDUs alone, or it does not tell.
    pub max_apdu_data: usize,
    /// The control code that has a PIN typed on the reader and verified by the card (VERIFY_PIN_DIRECT).
    pub verify_pin: Option<u32>,
    /// The control code that has a new PIN typed on the reader, twice, and set by the card (MODIFY_PIN_DIRECT).
    pub modify_pin: Option<u32>,
}

/// How a transaction leaves the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// As it is.
    Leave,
    /// Without power: it forgets every PIN.
    PowerDown,
}

/// One transaction. Dropping it without [`Exchange::end`] ends it with [`Disposition::PowerDown`],
/// because then nobody knows what state the card is in.
pub trait Exchange {
    /// Was the card reset or powered since the last transaction of this connection?
    fn was_reset(&self) -> bool;

    /// Sends one command, returns the answer with its status word.
    ///
    /// # Errors
    /// [`Error::Removed`], [`Error::NoReader`], [`Error::NoService`], [`Error::Failed`].
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error>;

    /// Resets the card without taking its power, and keeps the transaction.
    ///
    /// # Errors
    /// As [`Exchange::transmit`].
    fn reset(&mut self) -> Result<(), Error> {
        Err(Error::Failed(
            "this transaction cannot reset its card".to_owned(),
        ))
    }

    /// Has the reader do something by a control code of [`Abilities`], and returns its answer.
    ///
    /// # Errors
    /// As [`Exchange::transmit`].
    fn control(&mut self, _code: u32, _data: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::Failed("the reader has no such ability".to_owned()))
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// As [`Exchange::transmit`].
    fn end(self: Box<Self>, disposition: Disposition) -> Result<(), Error>;
}

/// Waits for readers and cards to come and go.
pub trait Watch: Send {
    /// Waits until something differs from what the last call saw, or `timeout` is over; what it is,
    /// [`Transport::survey`] answers.
    ///
    /// # Errors
    /// [`Error::NoService`], [`Error::NotAuthorised`], [`Error::Failed`]; [`Error::Cancelled`] after
    /// [`Cancel::cancel`].
    fn wait(&mut self, timeout: Duration) -> Result<(), Error>;

    /// What ends the waits from another thread.
    fn canceller(&self) -> Arc<dyn Cancel>;
}

/// Ends the waits of one [`Watch`], those to come included.
pub trait Cancel: Send + Sync {
    /// Returns at once.
    fn cancel(&self);
}
