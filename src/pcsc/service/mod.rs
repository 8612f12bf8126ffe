//! PC/SC through the `pcsc` crate. Each connection has a context of its own, because pcsc-lite serves one call at a time on a context.

mod client;
mod connection;
mod watch;

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use log::debug;
use parking_lot::Mutex;
use pcsc::{Context, Protocols, ReaderState as PcscReaderState, ShareMode, State};

use super::{Channel, Error, InsertionId, ReaderState, Transport, Watch};
use crate::platform::reader_text;
use client::Client;
use connection::{Connection, patiently};
use watch::PcscWatch;

/// The system's PC/SC service. Its calls have no time limit; [`super::Bounded`] gives them one.
#[derive(Default)]
pub struct Pcsc {
    /// For questions that cost no APDU.
    questions: Mutex<Questions>,
    /// Names that are not UTF-8, by the text that stands for them: pcscd itself cuts a long name in the
    /// middle of a character (docs/pcscd.md), and Windows has code pages.
    names: Mutex<BTreeMap<String, CString>>,
}

#[derive(Default)]
struct Questions {
    /// Made at the first question, and again when it has died with pcscd.
    client: Option<Client>,
    /// How often it was made. A restarted pcscd counts insertions from the start again; with this
    /// number before its own, an insertion of before the restart is none of after it.
    epoch: u32,
    /// One for each reader that was asked about, so that polling allocates nothing. None is ever told
    /// what it has seen: each question is a first one, answered at once.
    readers: Vec<PcscReaderState>,
}

impl Pcsc {
    /// Does not talk to the service yet.
    pub fn new() -> Pcsc {
        Pcsc::default()
    }

    /// Asks a question, a second time on a fresh context if the first one had died.
    fn ask<T>(
        &self,
        mut question: impl FnMut(&Context, u32, &mut Vec<PcscReaderState>) -> Result<T, pcsc::Error>,
    ) -> Result<T, Error> {
        let mut kept = self.questions.lock();
        let kept = &mut *kept;
        if let Some(Ok(context)) = kept.client.as_ref().map(Client::context) {
            match question(context, kept.epoch, &mut kept.readers) {
                Err(error) if context_is_dead(error) => debug!("PC/SC context lost: {error}"),
                answer => return answer.map_err(Error::from),
            }
        }
        // The dead one goes first: pcscd may be back under the same socket.
        kept.client = None;
        let client = Client::establish()?;
        kept.epoch += 1;
        let answer = question(client.context()?, kept.epoch, &mut kept.readers);
        if !matches!(answer, Err(error) if context_is_dead(error)) {
            kept.client = Some(client);
        }
        answer.map_err(Error::from)
    }

    /// The text that stands for a reader's name.
    fn text(&self, name: &CStr) -> String {
        let text = reader_text(name);
        if text.as_bytes() != name.to_bytes() {
            self.names.lock().insert(text.clone(), name.to_owned());
        }
        text
    }

    /// The name that a text stands for.
    fn name(&self, text: &str) -> Result<CString, Error> {
        match self.names.lock().get(text) {
            Some(name) => Ok(name.clone()),
            None => CString::new(text).map_err(|_| Error::NoReader),
        }
    }
}

impl Transport for Pcsc {
    fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        self.ask(|context, epoch, _| {
            let mut states = reader_states(context)?;
            status_now(context, &mut states)?;
            Ok(states
                .iter()
                .filter(|state| {
                    !state
                        .event_state()
                        .intersects(State::UNKNOWN | State::IGNORE)
                })
                .map(|state| ReaderState {
                    name: self.text(state.name()),
                    insertion: insertion_of(state, epoch),
                    atr: state.atr().to_vec(),
                })
                .collect())
        })
    }

    fn insertion(&self, reader: &str) -> Result<Option<InsertionId>, Error> {
        let name = self.name(reader)?;
        self.ask(|context, epoch, readers| {
            let state = state_of(readers, &name)?;
            status_now(context, std::slice::from_mut(state))?;
            if state
                .event_state()
                .intersects(State::UNKNOWN | State::IGNORE)
            {
                return Err(pcsc::Error::UnknownReader);
            }
            Ok(insertion_of(state, epoch))
        })
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, Error> {
        let name = self.name(reader)?;
        let client = Client::establish()?;
        let context = client.context()?;
        let card = patiently(|| context.connect(&name, ShareMode::Shared, Protocols::ANY))?;
        Ok(Box::new(Connection::new(card, client)))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(PcscWatch::new(Client::establish()?)))
    }

    /// A call inside libpcsclite cannot be shortened.
    fn close_by(&self, _: Instant) {}
}

/// All readers, with nothing known about them.
fn reader_states(context: &Context) -> Result<Vec<PcscReaderState>, pcsc::Error> {
    let names = match context.list_readers_owned() {
        Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
        names => names?,
    };
    Ok(names
        .into_iter()
        .map(|name| PcscReaderState::new(name, State::UNAWARE))
        .collect())
}

/// The state of one reader among those that were asked about before; a new one at the first time.
fn state_of<'a>(
    known: &'a mut Vec<PcscReaderState>,
    reader: &CStr,
) -> Result<&'a mut PcscReaderState, pcsc::Error> {
    let found = known.iter().position(|state| state.name() == reader);
    let place = match found {
        Some(place) => place,
        None => {
            known.push(PcscReaderState::new(reader, State::UNAWARE));
            known.len() - 1
        }
    };
    known.get_mut(place).ok_or(pcsc::Error::UnknownReader)
}

/// Fills in what the readers hold at this moment.
fn status_now(context: &Context, states: &mut [PcscReaderState]) -> Result<(), pcsc::Error> {
    if states.is_empty() {
        // The call would refuse to wait for nothing.
        return Ok(());
    }
    match context.get_status_change(Duration::ZERO, states) {
        // Everything is as it was in no known state: it says so only for readers that are gone.
        Err(pcsc::Error::Timeout) => Ok(()),
        other => other,
    }
}

fn insertion_of(state: &PcscReaderState, epoch: u32) -> Option<InsertionId> {
    let present =
        state.event_state().contains(State::PRESENT) && !state.event_state().contains(State::MUTE);
    present.then(|| InsertionId(u64::from(epoch) << 32 | u64::from(state.event_count())))
}

/// pcscd was stopped or restarted: every call on the old context fails from now on, and
/// `SCardIsValidContext` would still call it valid (pcsc-rust issue 21).
fn context_is_dead(error: pcsc::Error) -> bool {
    matches!(
        error,
        pcsc::Error::NoService
            | pcsc::Error::ServiceStopped
            | pcsc::Error::InvalidHandle
            | pcsc::Error::InternalError
            | pcsc::Error::CommError
            | pcsc::Error::Shutdown
            | pcsc::Error::SystemCancelled
    )
}

impl From<pcsc::Error> for Error {
    fn from(error: pcsc::Error) -> Error {
        use pcsc::Error as P;
        match error {
            P::NoSmartcard => Error::NoCard,
            P::RemovedCard => Error::Removed,
            P::UnknownReader | P::ReaderUnavailable | P::NoReadersAvailable => Error::NoReader,
            P::SharingViolation => Error::Busy,
            P::SecurityViolation | P::NoAccess => Error::NotAuthorised,
            P::Cancelled => Error::Cancelled,
            P::NoService
            | P::ServiceStopped
            | P::Shutdown
            | P::InvalidHandle
            | P::SystemCancelled => Error::NoService(error.to_string()),
            other => Error::Failed(other.to_string()),
        }
    }
}
