//! PC/SC through the `pcsc` crate. Each connection has a context of its own, because pcsc-lite serves one call at a time on a context.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use log::debug;
use parking_lot::Mutex;
use pcsc::{Card, Context, Protocols, ReaderState as PcscReaderState, Scope, ShareMode, State};

use super::part10;
use super::{
    Abilities, Cancel, Channel, Disposition, Error, Exchange, InsertionId, ReaderState, Transport,
    Watch,
};
use crate::platform::{NotInherited, has_no_descriptor_left, is_privileged, not_inherited};

/// How long a card that somebody else has just powered off may refuse to be connected. pcscd 1.9 was
/// measured to need up to 0.7 s (docs/pcscd.md).
const UNPOWERED_PATIENCE: Duration = Duration::from_millis(1500);

/// Between two attempts meanwhile.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Room for the longest answer that is asked for: a certificate. A card that does not keep to it is an error.
const RECEIVE_ROOM: usize = 4096 + 2;

/// Names the socket of pcscd in place of the usual one (docs/pcscd.md).
const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// The last part of the usual one's path.
const SOCKET_NAME: &str = "pcscd.comm";

/// The system's PC/SC service. Its calls have no time limit; [`super::Bounded`] gives them one.
#[derive(Default)]
pub struct Pcsc {
    /// For questions that cost no APDU.
    questions: Mutex<Questions>,
    /// Names that are not UTF-8, by the text that stands for them: pcscd itself cuts a long name in the
    /// middle of a character (docs/pcscd.md).
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
        if let Some(client) = &kept.client {
            match question(client.context()?, kept.epoch, &mut kept.readers) {
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
        match name.to_str() {
            Ok(name) => name.to_owned(),
            Err(_) => {
                let text = name.to_string_lossy().into_owned();
                self.names.lock().insert(text.clone(), name.to_owned());
                text
            }
        }
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
        Ok(Box::new(Connection {
            card: Some(card),
            _client: client,
        }))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(PcscWatch {
            end: Arc::new(End {
                client: Client::establish()?,
                cancelled: AtomicBool::new(false),
            }),
            states: Vec::new(),
        }))
    }

    /// A call inside libpcsclite cannot be shortened.
    fn close_by(&self, _: Instant) {}
}

/// One shared connection.
struct Connection {
    /// `None` once it was ended.
    card: Option<Card>,
    /// Dropped after the card.
    _client: Client,
}

impl Connection {
    fn end(&mut self, disposition: Disposition) {
        let Some(mut card) = self.card.take() else {
            return;
        };
        if disposition == Disposition::PowerDown
            && let Ok(transaction) = card.transaction()
        {
            let _ = transaction.end(disposition.into());
        }
        // pcscd answers this one at once, also when another program has a transaction. An error means
        // that the card or the service is gone.
        let _alone = CONTEXTS.lock();
        let _ = card.disconnect(pcsc::Disposition::LeaveCard);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Another program may be in the middle of something.
        self.end(Disposition::Leave);
    }
}

impl Channel for Connection {
    fn begin(&mut self, _: Duration) -> Result<Box<dyn Exchange + '_>, Error> {
        let mut card = self.card.as_mut().ok_or(Error::Removed)?;
        let mut was_reset = false;
        // Another program may reset the card again between our reconnect and our transaction. More
        // than twice in a row is a fault.
        for _ in 0..3 {
            card = match card.transaction2() {
                Ok(transaction) => {
                    return Ok(Box::new(PcscExchange {
                        inner: Some(transaction),
                        was_reset,
                    }));
                }
                Err((card, pcsc::Error::ResetCard | pcsc::Error::UnpoweredCard)) => {
                    was_reset = true;
                    reconnect(card, pcsc::Disposition::LeaveCard)?;
                    card
                }
                Err((_, error)) => return Err(error.into()),
            };
        }
        Err(Error::Failed(
            "the card is reset again and again".to_owned(),
        ))
    }

    fn is_alive(&mut self) -> Result<bool, Error> {
        let card = self.card.as_ref().ok_or(Error::Removed)?;
        match card.status2_owned() {
            // A reset is no removal.
            Ok(_) | Err(pcsc::Error::ResetCard | pcsc::Error::UnpoweredCard) => Ok(true),
            Err(
                pcsc::Error::RemovedCard
                | pcsc::Error::NoSmartcard
                | pcsc::Error::ReaderUnavailable
                | pcsc::Error::UnknownReader
                | pcsc::Error::InvalidHandle,
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn power_up(&mut self) -> Result<(), Error> {
        let card = self.card.as_mut().ok_or(Error::Removed)?;
        Ok(reconnect(card, pcsc::Disposition::LeaveCard)?)
    }

    fn reset(&mut self) -> Result<(), Error> {
        let card = self.card.as_mut().ok_or(Error::Removed)?;
        Ok(reconnect(card, pcsc::Disposition::ResetCard)?)
    }

    fn abilities(&mut self) -> Abilities {
        // A reader that does not know the question refuses it.
        self.ask_reader().unwrap_or_default()
    }

    fn disconnect(mut self: Box<Self>, disposition: Disposition) {
        self.end(disposition);
    }
}

impl Connection {
    fn ask_reader(&self) -> Option<Abilities> {
        let card = self.card.as_ref()?;
        let mut room = [0; pcsc::MAX_BUFFER_SIZE];
        let question = pcsc::ctl_code(part10::GET_FEATURE_REQUEST.into());
        let features = card.control(question, &[], &mut room).ok()?;
        let verify_pin = part10::verify_pin_request(features);
        let modify_pin = part10::modify_pin_request(features);
        let max_apdu_data = part10::properties_request(features).and_then(|request| {
            let properties = card.control(request.into(), &[], &mut room).ok()?;
            part10::max_apdu_data(properties)
        });
        Some(Abilities {
            max_apdu_data: max_apdu_data.unwrap_or(0),
            verify_pin,
            modify_pin,
        })
    }
}

/// Takes note of a reset, and powers a card that has no power. `first`: what is done with the card before.
fn reconnect(card: &mut Card, first: pcsc::Disposition) -> Result<(), pcsc::Error> {
    patiently(|| card.reconnect(ShareMode::Shared, Protocols::ANY, first))
}

impl From<Disposition> for pcsc::Disposition {
    fn from(disposition: Disposition) -> pcsc::Disposition {
        match disposition {
            Disposition::Leave => pcsc::Disposition::LeaveCard,
            Disposition::PowerDown => pcsc::Disposition::UnpowerCard,
        }
    }
}

struct PcscExchange<'a> {
    /// `None` once it was ended.
    inner: Option<pcsc::Transaction<'a>>,
    was_reset: bool,
}

impl Exchange for PcscExchange<'_> {
    fn was_reset(&self) -> bool {
        self.was_reset
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let card = self.inner.as_ref().ok_or(Error::Removed)?;
        let mut room = [0; RECEIVE_ROOM];
        Ok(card.transmit(command, &mut room)?.to_vec())
    }

    fn control(&mut self, code: u32, data: &[u8]) -> Result<Vec<u8>, Error> {
        let card = self.inner.as_ref().ok_or(Error::Removed)?;
        let mut room = [0; pcsc::MAX_BUFFER_SIZE];
        Ok(card.control(code.into(), data, &mut room)?.to_vec())
    }

    fn end(mut self: Box<Self>, disposition: Disposition) -> Result<(), Error> {
        let Some(transaction) = self.inner.take() else {
            return Ok(());
        };
        // The transaction that comes back with the error ends itself when it is dropped.
        transaction
            .end(disposition.into())
            .map_err(|(_, error)| error.into())
    }
}

impl Drop for PcscExchange<'_> {
    fn drop(&mut self) {
        if let Some(transaction) = self.inner.take() {
            // A panic or an early return: nobody knows what was verified.
            let _ = transaction.end(pcsc::Disposition::UnpowerCard);
        }
    }
}

/// Waits on a context of its own.
struct PcscWatch {
    end: Arc<End>,
    /// As the last call saw them.
    states: Vec<PcscReaderState>,
}

/// Ends the waits on a context.
struct End {
    client: Client,
    cancelled: AtomicBool,
}

impl Cancel for End {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        // Without a wait under way, or without a service, there is nothing to end.
        let _ = self.client.context().and_then(Context::cancel);
    }
}

impl Watch for PcscWatch {
    fn wait(&mut self, timeout: Duration) -> Result<(), Error> {
        let context = self.end.client.context()?;
        let known = std::mem::take(&mut self.states);
        self.states = reader_states(context)?;
        // A reader that pcscd announces later wakes us too.
        self.states.push(PcscReaderState::new(
            pcsc::PNP_NOTIFICATION(),
            State::UNAWARE,
        ));
        let mut changed = known.len() != self.states.len();
        for state in &mut self.states {
            match known.iter().find(|old| old.name() == state.name()) {
                Some(old) => *state = PcscReaderState::new(old.name(), old.event_state()),
                None => changed = true,
            }
        }
        if self.end.cancelled.load(Ordering::Acquire) {
            return Err(Error::Cancelled);
        }
        let timeout = if changed { Duration::ZERO } else { timeout };
        match context.get_status_change(timeout, &mut self.states) {
            Ok(()) | Err(pcsc::Error::Timeout) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.end) as Arc<dyn Cancel>
    }
}

/// Held while libpcsclite's list of contexts changes, and over `SCardDisconnect`, which walks through it
/// without libpcsclite's own lock and crashes when another thread changes it meanwhile (docs/pcscd.md).
static CONTEXTS: Mutex<()> = Mutex::new(());

/// A connection to pcscd, released under [`CONTEXTS`].
struct Client {
    /// `None` only while it is dropped.
    context: Option<Context>,
    /// With the socket, a forked child would keep a transaction that its parent's death has to end.
    _not_inherited: Option<NotInherited>,
}

impl Client {
    fn establish() -> Result<Client, Error> {
        let other = std::env::var_os(SOCKET_VARIABLE);
        if other.is_some() && is_privileged() {
            // libpcsclite would follow it: the caller could put a service of its own below a program with more rights.
            return Err(Error::NoService(format!("{SOCKET_VARIABLE} is set")));
        }
        let _alone = CONTEXTS.lock();
        let is_pcscd = |path: &Path| {
            path.ends_with(SOCKET_NAME) || other.as_deref().is_some_and(|it| path == it)
        };
        let (context, not_inherited) = not_inherited(|| Context::establish(Scope::User), is_pcscd);
        let context = context.map_err(|error| match has_no_descriptor_left() {
            true => Error::NoDescriptor,
            false => error.into(),
        })?;
        Ok(Client {
            context: Some(context),
            _not_inherited: not_inherited,
        })
    }

    fn context(&self) -> Result<&Context, pcsc::Error> {
        self.context.as_ref().ok_or(pcsc::Error::InvalidHandle)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _alone = CONTEXTS.lock();
        self.context = None;
    }
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

/// Repeats what fails only because another program has just powered the card off.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, pcsc::Error>) -> Result<T, pcsc::Error> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(pcsc::Error::UnpoweredCard) if started.elapsed() < UNPOWERED_PATIENCE => {
                thread::sleep(RETRY_PAUSE);
            }
            answer => return answer,
        }
    }
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
