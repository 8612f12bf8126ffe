//! A reader and the card in it: one connection, one lock, whichever of its two slots is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use log::debug;
use parking_lot::Mutex;

use super::backoff::Backoff;
use super::certificate::Certificate;
use super::error::Error;
use super::files::{CertificateFile, Role};
use super::insertion::Insertion;
use super::jpki_card::{Access, CardInfo, JpkiCard, Shown};
use crate::config::ExtendedReads;
use crate::pcsc::{self, Channel, InsertionId, Transport};

type Result<T> = std::result::Result<T, Error>;

/// How long a card that another program holds for itself is waited for. Such a program mostly does one thing and
/// ends; GnuPG's scdaemon does not.
const BUSY_PATIENCE: Duration = Duration::from_millis(1500);

/// Between two attempts meanwhile.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Attempts to close a card that was left open.
const CLOSING_ATTEMPTS: u32 = 2;

/// A reader, by its name, for the whole life of the module.
pub struct Reader {
    name: String,
    transport: Arc<dyn Transport>,
    extended_reads: ExtendedReads,
    /// The roles that are shown: whose tries a card is asked for when it is opened.
    roles: Vec<Role>,
    /// Lock 5: the card, for one transaction.
    held: Mutex<Held>,
    /// `C_Finalize` has begun.
    closed: AtomicBool,
    /// What is known without asking the card. Held for a comparison only, so that polling never
    /// waits for a signature.
    known: Mutex<Known>,
    /// The holder was told that another program has the card for itself.
    pub busy_told: AtomicBool,
    /// What slot events have reported last.
    last_reported: Mutex<Option<InsertionId>>,
}

#[derive(Default)]
struct Held {
    /// The insertion that `card` belongs to.
    number: u64,
    card: Option<JpkiCard>,
    /// The authentication certificate of the last card, DER. It is public.
    last_certificate: Vec<u8>,
    /// The card could not be opened.
    sick: Option<Failing>,
    /// The last exchange got no answer: the next connection resets the card first. It may have lost its power
    /// without pcscd noticing, and answers nothing until then.
    unanswered: bool,
}

/// A card that cannot be opened, though it may be ours.
struct Failing {
    insertion: InsertionId,
    backoff: Backoff,
    /// What was wrong the last time.
    error: Error,
}

#[derive(Clone)]
enum Known {
    Nothing,
    /// Somebody else's card: left alone until it is taken out.
    Foreign(InsertionId),
    Ours(Arc<Insertion>),
}

impl Known {
    fn forget(&mut self) {
        if let Known::Ours(inserted) = self {
            inserted.permit.remove();
        }
        *self = Known::Nothing;
    }
}

/// Gives each insertion its number.
static INSERTIONS: AtomicU64 = AtomicU64::new(1);

impl Reader {
    /// A reader of which nothing is known but its name.
    /// `last_reported`: the card in it that is no event any more.
    pub fn new(
        name: String,
        transport: Arc<dyn Transport>,
        roles: Vec<Role>,
        extended_reads: ExtendedReads,
        last_reported: Option<InsertionId>,
    ) -> Reader {
        let (known, last_reported) = (Mutex::new(Known::Nothing), Mutex::new(last_reported));
        Reader {
            name,
            transport,
            extended_reads,
            roles,
            held: Mutex::default(),
            closed: AtomicBool::new(false),
            known,
            busy_told: AtomicBool::new(false),
            last_reported,
        }
    }

    /// Records what slot events report now. True when it differs from their last report.
    pub fn report_change(&self, seen: Option<InsertionId>) -> bool {
        std::mem::replace(&mut *self.last_reported.lock(), seen) != seen
    }

    /// As PC/SC calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is in it at this moment, compared with what was. Costs no APDU.
    ///
    /// # Errors
    /// What [`Transport::insertion`] says.
    pub fn look(&self) -> Result<Option<InsertionId>> {
        let seen = match self.transport.insertion(&self.name) {
            Err(pcsc::Error::NoReader) => None,
            seen => seen?,
        };
        self.notice(seen);
        self.check_connection();
        Ok(seen)
    }

    /// An insertion ends with its connection too: pcscd 2.x counts anew when a reader is unplugged and
    /// plugged in again, so that the number alone can be the same.
    fn check_connection(&self) {
        if matches!(&*self.known.lock(), Known::Ours(_))
            // A transaction under way finds out by itself.
            && let Some(mut held) = self.held.try_lock()
            && let Some(card) = held.card.as_mut()
            && card.is_alive() == Some(false)
        {
            debug!("{}: the connection to the card has ended", self.name);
            held.card = None;
            self.known.lock().forget();
        }
    }

    /// Takes note of what somebody saw in it.
    pub fn notice(&self, seen: Option<InsertionId>) {
        let mut known = self.known.lock();
        let before = match &*known {
            Known::Nothing => return,
            Known::Foreign(insertion) => *insertion,
            Known::Ours(inserted) => inserted.insertion,
        };
        if seen != Some(before) {
            debug!("{}: the card is gone", self.name);
            known.forget();
        }
    }

    /// Is this card still the one in the reader, as far as is known? Costs nothing.
    pub fn holds(&self, inserted: &Arc<Insertion>) -> bool {
        matches!(&*self.known.lock(), Known::Ours(now) if Arc::ptr_eq(now, inserted))
    }

    /// As [`Reader::holds`], by the insertion's number.
    pub fn holds_number(&self, number: u64) -> bool {
        matches!(&*self.known.lock(), Known::Ours(now) if now.number == number)
    }

    /// The My Number card in it. The first call after an insertion opens it.
    ///
    /// # Errors
    /// [`pcsc::Error::NoCard`], [`Error::NotJpki`], and those of [`JpkiCard::open`].
    pub fn inserted(&self) -> Result<Arc<Insertion>> {
        if let Some(answer) = self.known_card()? {
            return answer;
        }
        let mut held = self.held.lock();
        // Another thread may have opened it while we waited.
        match self.known_card()? {
            Some(answer) => answer,
            None => self.open(&mut held),
        }
    }

    /// What is known of the card that is in the reader now; `None`: nothing yet.
    fn known_card(&self) -> Result<Option<Result<Arc<Insertion>>>> {
        if self.look()?.is_none() {
            return Err(pcsc::Error::NoCard.into());
        }
        Ok(match &*self.known.lock() {
            Known::Nothing => None,
            Known::Foreign(_) => Some(Err(Error::NotJpki)),
            Known::Ours(inserted) => Some(Ok(Arc::clone(inserted))),
        })
    }

    fn open(&self, held: &mut Held) -> Result<Arc<Insertion>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(pcsc::Error::Cancelled.into());
        }
        // An old one that was left open: another connection would leave it so.
        if let Some(mut card) = held.card.take() {
            card.detach();
        }
        // Asked before the card: if it is changed while we read, the number is the old card's, and
        // the next look at the reader throws all of it away.
        let insertion = self
            .transport
            .insertion(&self.name)?
            .ok_or(pcsc::Error::NoCard)?;
        let began = Instant::now();
        let mut sick = held.sick.take().filter(|it| it.insertion == insertion);
        if let Some(resting) = sick.as_ref().filter(|it| it.backoff.rests(began)) {
            let error = resting.error.clone();
            held.sick = sick;
            return Err(error);
        }
        // A card that was busy the last time was waited for already.
        let patience = match &sick {
            Some(sick) if is_busy(&sick.error) => Duration::ZERO,
            _ => BUSY_PATIENCE,
        };
        let opened = self
            .connect_and_open(patience, false, &held.last_certificate, self.extended_reads)
            .or_else(|error| match error {
                // Contactless cards fail like this when they have just been laid down.
                Error::Pcsc(pcsc::Error::Failed(cause)) => {
                    debug!("{}: opened again after a reset: {cause}", self.name);
                    // A reader that cannot do what it says loses the exchange.
                    let short = ExtendedReads::Off;
                    self.connect_and_open(patience, true, &held.last_certificate, short)
                }
                other => Err(other),
            });
        match opened {
            Ok((mut card, face)) => {
                let last_certificate = match &face.certificate {
                    Shown::Open(certificate) => certificate.der().to_vec(),
                    Shown::Locked | Shown::Absent => Vec::new(),
                };
                let number = INSERTIONS.fetch_add(1, Ordering::Relaxed);
                let inserted = Arc::new(Insertion::new(
                    number,
                    insertion,
                    card.permit().clone(),
                    face,
                ));
                inserted.note(&mut card);
                *held = Held {
                    number,
                    card: Some(card),
                    last_certificate,
                    sick: None,
                    unanswered: false,
                };
                *self.known.lock() = Known::Ours(Arc::clone(&inserted));
                // C_Finalize may have begun while the card was opened.
                if self.closed.load(Ordering::Acquire) {
                    inserted.permit.close();
                }
                Ok(inserted)
            }
            Err(Error::NotJpki) => {
                *self.known.lock() = Known::Foreign(insertion);
                Err(Error::NotJpki)
            }
            Err(Error::Pcsc(pcsc::Error::Removed)) => Err(pcsc::Error::NoCard.into()),
            Err(other) => {
                if is_sickness(&other) {
                    let backoff = sick.take().map(|it| it.backoff).unwrap_or_default();
                    let mut sick = Failing {
                        insertion,
                        backoff,
                        error: other.clone(),
                    };
                    let now = Instant::now();
                    match is_busy(&other) {
                        true => sick.backoff.waited_in_vain(began, now),
                        false => sick.backoff.failed(began, now),
                    }
                    held.sick = Some(sick);
                }
                Err(other)
            }
        }
    }

    fn connect_and_open(
        &self,
        patience: Duration,
        reset: bool,
        known: &[u8],
        extended_reads: ExtendedReads,
    ) -> Result<(JpkiCard, CardInfo)> {
        let channel = self.connect(patience, reset)?;
        JpkiCard::open(channel, &self.roles, known, extended_reads)
    }

    /// `patience`: how long to wait for a program that holds the card for itself. `reset`: the card is reset.
    fn connect(&self, patience: Duration, reset: bool) -> Result<Box<dyn Channel>> {
        let began = Instant::now();
        let mut channel = loop {
            match self.transport.connect(&self.name) {
                Err(pcsc::Error::Busy) if began.elapsed() < patience => thread::sleep(BUSY_PAUSE),
                connected => break connected?,
            }
        };
        if reset {
            debug!("{}: the card is reset", self.name);
            channel.reset()?;
        }
        Ok(channel)
    }

    /// Does something with the card, if it is still the one that was inserted then.
    ///
    /// # Errors
    /// [`pcsc::Error::Removed`], and those of `work`.
    pub fn with_card<T>(
        &self,
        inserted: &Arc<Insertion>,
        work: impl FnOnce(&mut JpkiCard) -> Result<T>,
    ) -> Result<T> {
        let mut held = self.held.lock();
        if self.look()?.is_none() || !self.holds(inserted) || held.number != inserted.number {
            return Err(pcsc::Error::Removed.into());
        }
        let held = &mut *held;
        let card = held.card.as_mut().ok_or(pcsc::Error::Removed)?;
        let result = self
            .attach(card, std::mem::take(&mut held.unanswered))
            .and_then(|()| work(card));
        inserted.note(card);
        if let Err(error) = &result {
            held.unanswered = matches!(error, Error::Pcsc(pcsc::Error::Failed(_)));
            if matches!(error, Error::AnotherCard) {
                // What was read of it may be torn, behind a first block that is whole.
                held.last_certificate.clear();
            }
            self.react(error, card);
        }
        result.map_err(|error| match error {
            // The card was there a moment ago, and a session of it is in somebody's hands.
            Error::Pcsc(pcsc::Error::NoCard) => pcsc::Error::Removed.into(),
            other => other,
        })
    }

    fn attach(&self, card: &mut JpkiCard, reset: bool) -> Result<()> {
        if !card.is_attached() {
            card.attach(self.connect(BUSY_PATIENCE, reset)?);
        }
        Ok(())
    }

    /// After a failure: is the card gone, is the connection to be made anew, or was it only a no?
    fn react(&self, error: &Error, card: &mut JpkiCard) {
        use Error as C;
        use pcsc::Error as T;
        match error {
            C::ChangeUnclear(cause) => self.react(cause, card),
            C::AnotherCard | C::Pcsc(T::NoCard | T::Removed | T::NoReader) => {
                card.detach();
                self.known.lock().forget();
            }
            C::Unexplained { .. } | C::Malformed(_) | C::SignatureWrong | C::Pcsc(_) => {
                card.detach()
            }
            C::NotJpki
            | C::Unproven
            | C::PinIncorrect { .. }
            | C::PinLocked
            | C::LastTryKept
            | C::RefusedBefore
            | C::NotVerified
            | C::KeptPinRefused { .. }
            | C::PinMayHaveChanged { .. }
            | C::FileAbsent
            | C::SchemeRefused
            | C::NoChallenge
            | C::PadCancelled
            | C::InputRefused
            | C::NewPinRefused => {}
        }
    }

    /// Tries left of a PIN: as the card told them last or, after a VERIFY without a clear end, as it
    /// tells them now. A card that does not tell them is not asked at each look.
    pub fn tries(&self, inserted: &Arc<Insertion>, role: Role) -> Option<u8> {
        let began = Instant::now();
        if let Some(left) = inserted.tries(role) {
            return Some(left);
        }
        if inserted.silent.lock().rests(began) {
            return None;
        }
        let asked = self.with_card(inserted, |card| card.tries_left(role));
        let mut silent = inserted.silent.lock();
        match &asked {
            Ok(_) => *silent = Backoff::default(),
            Err(error) => {
                debug!("{}: tries left: {error}", self.name);
                silent.failed(began, Instant::now());
            }
        }
        asked.ok()
    }

    /// A certificate of the card; read once in an insertion. `access`: how to open the file.
    ///
    /// # Errors
    /// What the card says. `Ok(None)`: there is no such certificate, or it is locked.
    pub fn certificate(
        &self,
        inserted: &Arc<Insertion>,
        file: CertificateFile,
        access: Option<Access<'_>>,
    ) -> Result<Option<Arc<Certificate>>> {
        if let Some(answer) = inserted.certificate(file) {
            return Ok(answer);
        }
        // Without its PIN a locked file is not absent: nothing is kept then.
        let read = self.with_card(inserted, |card| {
            inserted.certificate_or_read(file, || match card.read_certificate(file, access) {
                Err(Error::FileAbsent) => Ok(None),
                read => read.map(Some),
            })
        });
        match read {
            Err(Error::NotVerified) if access.is_none() => Ok(None),
            read => read,
        }
    }

    /// Closes what `login_state = "card"` left open: by leaving the application, a second time over another connection where
    /// the first one is lost, and at last by the end of the connection, which takes the card's power.
    pub fn leave(&self, inserted: &Arc<Insertion>) {
        for _ in 0..CLOSING_ATTEMPTS {
            match self.with_card(inserted, JpkiCard::logout) {
                Ok(()) => return,
                Err(error) => debug!("{}: {error}", self.name),
            }
        }
        let mut held = self.held.lock();
        let is_this = held.number == inserted.number;
        if let Some(card) = held.card.as_mut().filter(|_| is_this) {
            card.detach();
        }
    }

    /// `C_Finalize` has begun: from now on nothing is sent to the card but what closes it.
    pub fn begin_closing(&self) {
        self.closed.store(true, Ordering::Release);
        let mut known = self.known.lock();
        if let Known::Ours(inserted) = &*known {
            inserted.permit.close();
        }
        known.forget();
    }

    /// Lets go of the card, waiting for a call under way until `end`. A card that
    /// `login_state = "card"` left open is closed.
    pub fn close(&self, end: Instant) {
        if let Some(mut held) = self.held.try_lock_until(end)
            && let Some(mut card) = held.card.take()
            && card.is_open()
        {
            if let Err(error) = card.logout() {
                debug!("{}: {error}", self.name);
            }
            card.detach();
        }
    }
}

/// Is the card or its reader to blame? Then it may be so the next time too, and take long.
fn is_sickness(error: &Error) -> bool {
    use pcsc::Error as T;
    !matches!(
        error,
        Error::Pcsc(
            T::NoCard
                | T::Removed
                | T::NoReader
                | T::NoService(_)
                | T::NoDescriptor
                | T::NotAuthorised
                | T::Cancelled
        )
    )
}

/// Does another program hold the card for itself?
fn is_busy(error: &Error) -> bool {
    matches!(error, Error::Pcsc(pcsc::Error::Busy))
}
