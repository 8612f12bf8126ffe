//! The card's operations: open, log in, read, sign, change a PIN. Each is one transaction.

use std::time::Duration;

use log::{debug, warn};

use super::certificate::Certificate;
use super::error::Error;
use super::files::{CertificateFile, FileId, Kind, MAX_CHALLENGE, READ_LENGTH, Role, Scheme};
use super::permit::Permit;
use super::pin::Pin;
use super::state::{CardState, Closing, Fallback, Origin};
use super::transaction::Transaction;
use crate::config::{ExtendedReads, LastTry};
use crate::pcsc::{self, Abilities, Channel, Disposition, Exchange};

/// What a card shows without a PIN when it is opened.
#[derive(Debug)]
pub struct CardInfo {
    /// Card or phone.
    pub kind: Kind,
    /// Model from EF 0006, without padding; empty when there is none.
    pub model: String,
    /// The start of EF 0006; empty when there is none.
    pub token_information: Vec<u8>,
    /// The authentication certificate.
    pub certificate: Shown,
    /// The reader has a PIN pad.
    pub has_pad: bool,
}

/// A certificate file before any login.
#[derive(Debug)]
pub enum Shown {
    /// It can be read.
    Open(Box<Certificate>),
    /// The PIN opens it (an Android phone).
    Locked,
    /// There is none.
    Absent,
}

/// How a key is reached in one transaction.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// By this PIN, which was kept since it was right, and the card is left at the end.
    Pin(&'a Pin),
    /// By this PIN, which the holder has just typed, and the card is left at the end.
    Typed(&'a Pin, LastTry),
    /// By a PIN that is typed on the reader, and the card is left at the end.
    Pad(LastTry),
    /// The card is open, and stays so (`login_state = "card"`).
    Open,
    /// The card is open, and is left at the end.
    OpenOnce,
}

/// A card that knows JPKI, on a connection of its own.
pub struct JpkiCard {
    /// `None` after a fault; see [`JpkiCard::attach`].
    channel: Option<Box<dyn Channel>>,
    state: CardState,
    permit: Permit,
    abilities: Abilities,
}

impl JpkiCard {
    /// Opens the card: selects the application, reads what tells it from others, and asks for the
    /// tries left of the PINs named. One transaction; no PIN. `known`: the authentication certificate of the card
    /// that was there before, which is mostly the same one. `extended_reads`: long answers may be asked for.
    ///
    /// # Errors
    /// [`Error::NotJpki`] after one APDU; [`Error::Pcsc`]; [`Error::Unexplained`], [`Error::Malformed`].
    pub fn open(
        mut channel: Box<dyn Channel>,
        tries_of: &[Role],
        known: &[u8],
        extended_reads: ExtendedReads,
    ) -> Result<(JpkiCard, CardInfo), Error> {
        let abilities = channel.abilities();
        let extended = match extended_reads {
            ExtendedReads::Auto => abilities.max_apdu_data,
            ExtendedReads::Off => 0,
        };
        let mut card = JpkiCard {
            channel: Some(channel),
            state: CardState {
                extended,
                ..CardState::default()
            },
            permit: Permit::default(),
            abilities,
        };
        let face = card.talk_within(LOOK, false, |talk| {
            // Resets before the card was opened are irrelevant.
            talk.state.proven = true;
            talk.select()?;
            let file = FileId::certificate_of(Role::Authentication);
            let certificate = match talk.read_der_or_known(file, known) {
                Ok(der) => Shown::Open(Box::new(Certificate::parse(der)?)),
                Err(Error::NotVerified) => Shown::Locked,
                Err(Error::FileAbsent) => Shown::Absent,
                Err(other) => return Err(other),
            };
            let token_information =
                match talk.read_start(FileId::TOKEN_INFORMATION, TOKEN_INFORMATION_LENGTH) {
                    Ok(bytes) => bytes,
                    Err(Error::Pcsc(cause)) => return Err(Error::Pcsc(cause)),
                    // What hides its certificate is told from others by this file alone.
                    Err(other) if matches!(certificate, Shown::Locked) => {
                        return Err(match other {
                            Error::FileAbsent => Error::Malformed("no certificate, no EF 0006"),
                            other => other,
                        });
                    }
                    Err(other) => {
                        warn!("EF 0006: {other}");
                        Vec::new()
                    }
                };
            for &role in tries_of {
                talk.ask_tries(role)?;
            }
            Ok(CardInfo {
                kind: Kind::from_label(&text(&token_information, 0, 32)),
                model: text(&token_information, 64, 16),
                token_information,
                certificate,
                has_pad: abilities.verify_pin.is_some(),
            })
        })?;
        if let Shown::Open(certificate) = &face.certificate {
            let start = certificate.der().len().min(READ_LENGTH);
            card.state.identity = certificate.der().get(..start).map(<[u8]>::to_vec);
            let file = CertificateFile::Authentication;
            let certificate = Certificate::clone(certificate);
            card.state.certificates.insert(file, certificate);
        }
        Ok((card, face))
    }

    /// Is the connection still one to this card? `None`: there is none, or it is not known.
    pub fn is_alive(&mut self) -> Option<bool> {
        match self.channel.as_mut()?.is_alive() {
            // The service has forgotten the connection. That says nothing of the card.
            Err(pcsc::Error::NoService(_)) => {
                self.detach();
                None
            }
            answer => answer.ok(),
        }
    }

    /// Does it have a connection?
    pub fn is_attached(&self) -> bool {
        self.channel.is_some()
    }

    /// Gives up a connection on which something inexplicable happened. An open card loses its power.
    pub fn detach(&mut self) {
        self.state.left_open.clear();
        if let Some(channel) = self.channel.take() {
            channel.disconnect(match self.state.open {
                true => Disposition::PowerDown,
                false => Disposition::Leave,
            });
        }
    }

    /// Goes on over a new connection. The card must prove again that it is the same.
    pub fn attach(&mut self, channel: Box<dyn Channel>) {
        self.channel = Some(channel);
        self.state.proven = false;
        self.state.left_selected = false;
        self.state.pins.outdate();
    }

    /// Ends what a transaction that waits may still do.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// May a PIN be verified on the card at this moment?
    pub fn is_open(&self) -> bool {
        self.state.open
    }

    /// The tries left of a PIN as the card told them last; `None`: it has not been asked, or the
    /// last VERIFY had no clear end. Costs no APDU.
    pub fn known_tries(&mut self, role: Role) -> Option<u8> {
        self.state.pins.of(role).tries
    }

    /// Asks the card for the tries left of a PIN. Costs no try.
    ///
    /// # Errors
    /// [`Error::Pcsc`], [`Error::Unexplained`], [`Error::AnotherCard`], [`Error::Unproven`].
    pub fn tries_left(&mut self, role: Role) -> Result<u8, Error> {
        self.talk_within(LOOK, false, |talk| {
            talk.select()?;
            talk.tries_left(role)
        })
    }

    /// Verifies a PIN and, in the same transaction, reads the certificate that it opens, if asked.
    /// The tries left are asked first.
    ///
    /// # Errors
    /// [`Error::PinIncorrect`], [`Error::PinLocked`], [`Error::LastTryKept`], [`Error::AnotherCard`], [`Error::Unproven`],
    /// [`Error::Pcsc`], [`Error::Unexplained`], [`Error::Malformed`]. A VERIFY that got no answer is not repeated.
    pub fn login(
        &mut self,
        role: Role,
        pin: &Pin,
        last_try: LastTry,
        read: Option<CertificateFile>,
        keep_open: bool,
    ) -> Result<Option<Result<Certificate, Error>>, Error> {
        self.login_by(role, Access::Typed(pin, last_try), read, keep_open)
    }

    /// As [`JpkiCard::login`], with the PIN typed on the reader.
    ///
    /// # Errors
    /// As [`JpkiCard::login`], and [`Error::PadCancelled`].
    pub fn login_on_pad(
        &mut self,
        role: Role,
        last_try: LastTry,
        read: Option<CertificateFile>,
        keep_open: bool,
    ) -> Result<Option<Result<Certificate, Error>>, Error> {
        self.login_by(role, Access::Pad(last_try), read, keep_open)
    }

    fn login_by(
        &mut self,
        role: Role,
        access: Access<'_>,
        read: Option<CertificateFile>,
        keep_open: bool,
    ) -> Result<Option<Result<Certificate, Error>>, Error> {
        let abilities = self.abilities;
        self.talk(keep_open, |talk| {
            if !keep_open {
                // A login for one use takes the place of one on the card.
                talk.state.left_open.retain(|&it| it != role);
            }
            talk.select()?;
            unlock(talk, role, access, abilities)?;
            // The login is good whatever comes of the certificate.
            Ok(read.map(|file| talk.read_certificate(file)))
        })
    }

    /// Hands the transaction to `examine` with the PIN of a role verified (`jpki-doctor report`), and takes the card's
    /// power afterwards. Sends the PIN once, and only while the PIN has all its tries.
    ///
    /// # Errors
    /// As [`JpkiCard::login`]; [`Error::PinMayHaveChanged`] when a try is missing: nothing was sent.
    pub fn examine(
        &mut self,
        role: Role,
        pin: &Pin,
        examine: impl FnOnce(&mut dyn Exchange),
    ) -> Result<(), Error> {
        self.talk(false, |talk| {
            talk.select()?;
            let left = talk.tries_left(role)?;
            if left < role.max_tries() {
                return Err(Error::PinMayHaveChanged { left });
            }
            talk.verify(role, pin, Origin::Typed(LastTry::Guard))?;
            // Whatever becomes of the card meanwhile, nothing but its power is trusted to close it.
            talk.state.closing = Closing::ByPowerDownUnproved;
            examine(talk.exchange.as_mut());
            talk.state.left_selected = false;
            Ok(())
        })
    }

    /// Leaves the application: what `login_state = "card"` left open is closed.
    ///
    /// # Errors
    /// [`Error::Pcsc`].
    pub fn logout(&mut self) -> Result<(), Error> {
        self.talk(false, |talk| {
            talk.state.left_open.clear();
            Ok(())
        })
    }

    /// Reads a certificate, behind its PIN when `access` is given. A free file is read again after a
    /// transient error, once; behind a PIN never, because that would send the PIN again.
    ///
    /// # Errors
    /// [`Error::FileAbsent`], [`Error::NotVerified`], [`Error::AnotherCard`], [`Error::Unproven`], [`Error::Pcsc`],
    /// [`Error::Unexplained`], [`Error::Malformed`].
    pub fn read_certificate(
        &mut self,
        file: CertificateFile,
        access: Option<Access<'_>>,
    ) -> Result<Certificate, Error> {
        match self.read_certificate_once(file, access) {
            Err(Error::Pcsc(pcsc::Error::Failed(cause)))
                if access.is_none() && self.is_attached() =>
            {
                warn!("reading a certificate again after: {cause}");
                self.read_certificate_once(file, access)
            }
            other => other,
        }
    }

    fn read_certificate_once(
        &mut self,
        file: CertificateFile,
        access: Option<Access<'_>>,
    ) -> Result<Certificate, Error> {
        let abilities = self.abilities;
        self.talk(matches!(access, Some(Access::Open)), |talk| {
            talk.select()?;
            if let Some(access) = access {
                unlock(talk, file.role(), access, abilities)?;
            }
            talk.read_certificate(file)
        })
    }

    /// Signs once and checks the signature with the key's own certificate before anybody sees it.
    ///
    /// # Errors
    /// [`Error::NotVerified`], [`Error::KeptPinRefused`], [`Error::AnotherCard`], [`Error::Unproven`], [`Error::SchemeRefused`],
    /// [`Error::InputRefused`], [`Error::SignatureWrong`], [`Error::Pcsc`], [`Error::Unexplained`], [`Error::Malformed`].
    /// VERIFY and SIGN are never sent twice.
    pub fn sign(
        &mut self,
        role: Role,
        scheme: Scheme,
        input: &[u8],
        access: Access<'_>,
        certificate: &Certificate,
    ) -> Result<Vec<u8>, Error> {
        let abilities = self.abilities;
        self.talk(false, |talk| {
            talk.select()?;
            unlock(talk, role, access, abilities)?;
            let signature = talk.sign(role, scheme, input)?;
            match certificate.check(scheme, input, &signature) {
                // One of both is torn. While the file can be read, it tells which.
                Err(Error::SignatureWrong)
                    if talk.reads_otherwise(role.certificate(), certificate) =>
                {
                    Err(Error::AnotherCard)
                }
                checked => checked.map(|()| signature),
            }
        })
    }

    /// Changes a PIN: verifies the old one and sets the new one.
    ///
    /// # Errors
    /// As [`JpkiCard::login`], and [`Error::NewPinRefused`]. After [`Error::Pcsc`] the card has
    /// the old PIN or the new one; nobody can tell without spending a try.
    pub fn change_pin(
        &mut self,
        role: Role,
        old: &Pin,
        new: &Pin,
        last_try: LastTry,
        keep_open: bool,
    ) -> Result<(), Error> {
        self.talk(keep_open, |talk| {
            talk.select()?;
            talk.change(role, old, new, last_try)
        })
    }

    /// As [`JpkiCard::change_pin`], with both PINs typed on the reader.
    ///
    /// # Errors
    /// As [`JpkiCard::change_pin`], and [`Error::PadCancelled`], also when the reader cannot do it.
    pub fn change_pin_on_pad(
        &mut self,
        role: Role,
        last_try: LastTry,
        keep_open: bool,
    ) -> Result<(), Error> {
        let codes = self.abilities.verify_pin.zip(self.abilities.modify_pin);
        let (verify, modify) = codes.ok_or(Error::PadCancelled)?;
        self.talk(keep_open, |talk| {
            talk.select()?;
            talk.change_on_pad(role, verify, modify, last_try)
        })
    }

    /// Random bytes from the card, at most [`MAX_CHALLENGE`] of them.
    ///
    /// # Errors
    /// [`Error::NoChallenge`], [`Error::Pcsc`], [`Error::Unexplained`], [`Error::Malformed`].
    pub fn challenge(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let length = length.clamp(1, MAX_CHALLENGE);
        // It works in every application, so none is selected.
        self.talk(false, |talk| talk.challenge(length))
    }

    /// One transaction. `keep_open`: the PIN that `work` has sent stays verified, until [`JpkiCard::logout`].
    fn talk<T>(
        &mut self,
        keep_open: bool,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.talk_within(TURN, keep_open, work)
    }

    fn talk_within<T>(
        &mut self,
        limit: Duration,
        keep_open: bool,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let channel = self.channel.as_mut().ok_or(pcsc::Error::Removed)?;
        let mut talk = Transaction::begin(channel.as_mut(), &mut self.state, &self.permit, limit)?;
        // The wait for the card may have been long. After a removal or C_Finalize nothing is sent but
        // what closes the card.
        let result = self
            .permit
            .check()
            .map_err(Error::from)
            .and_then(|()| work(&mut talk));
        // A refused input says nothing of the login. After any other failure nothing stays open.
        let harmless = matches!(
            result,
            Ok(_)
                | Err(Error::InputRefused
                    | Error::SchemeRefused
                    | Error::FileAbsent
                    | Error::NoChallenge)
        );
        let verified = talk.verified();
        let left_open = &mut talk.state.left_open;
        if let (Some(role), true) = (verified, keep_open)
            && !left_open.contains(&role)
        {
            left_open.push(role);
        }
        // A card cannot be closed for one PIN alone.
        if !harmless || verified.is_some_and(|role| !left_open.contains(&role)) {
            left_open.clear();
        }
        match talk.end() {
            Ok(Disposition::Leave) => {}
            Ok(Disposition::PowerDown) => {
                if let Err(error) = self.after_power_down(verified) {
                    debug!("after the power-down: {error}");
                }
            }
            // The connection shows it at the next look.
            Err(pcsc::Error::NoCard | pcsc::Error::Removed | pcsc::Error::NoReader) => {}
            // A transaction that could not be ended keeps other programs away until its connection ends.
            Err(error) => {
                debug!("end of the transaction: {error}");
                self.detach();
            }
        }
        result
    }

    /// What follows a power-down of ours.
    fn after_power_down(&mut self, verified: Option<Role>) -> Result<(), Error> {
        let channel = self.channel.as_mut().ok_or(pcsc::Error::Removed)?;
        let prove = verified.filter(|_| self.state.closing == Closing::ByPowerDownUnproved);
        if prove.is_some() || self.state.identity.is_none() {
            // A card that is proved by nothing is told by resets alone. This takes note of our own;
            // every later one was made by another program.
            channel.power_up()?;
        }
        let Some(role) = prove else { return Ok(()) };
        let mut talk = Transaction::begin(channel.as_mut(), &mut self.state, &self.permit, TURN)?;
        let works = talk.select().and_then(|()| talk.works_without_pin(role));
        talk.state.closing = match works {
            Ok(true) => Closing::Impossible,
            Ok(false) => Closing::ByPowerDown,
            Err(_) => talk.state.closing,
        };
        if works == Ok(true) {
            talk.state.open = true;
            talk.state.fall_back(Fallback::NeverClosed);
        } else {
            talk.state.open = false;
        }
        talk.end()?;
        works.map(|_| ())
    }

    /// What this card made us do otherwise than usual so far.
    pub fn fallbacks(&self) -> &[Fallback] {
        &self.state.fallbacks
    }

    /// How this card is closed, as far as it has shown.
    pub fn closing(&self) -> Closing {
        self.state.closing
    }
}

/// How long a login or a signature waits for another program's transaction.
const TURN: Duration = Duration::from_secs(30);

/// How long a question waits for it: a program that lists its tokens must not hang.
const LOOK: Duration = Duration::from_secs(5);

/// So much of EF 0006 tells what we want of it, in bytes: label, manufacturer, model, serial number (docs/card.md,
/// 2.1). The rest is the same on every card that was published.
const TOKEN_INFORMATION_LENGTH: usize = 96;

/// Makes the key or the file of a role usable.
fn unlock(
    talk: &mut Transaction<'_>,
    role: Role,
    access: Access<'_>,
    abilities: Abilities,
) -> Result<(), Error> {
    match access {
        Access::Pad(last_try) => {
            let code = abilities.verify_pin.ok_or(Error::PadCancelled)?;
            talk.verify_on_pad(role, code, last_try)
        }
        Access::Pin(pin) => talk.verify(role, pin, Origin::Kept),
        Access::Typed(pin, last_try) => talk.verify(role, pin, Origin::Typed(last_try)),
        Access::Open => Ok(()),
        Access::OpenOnce => {
            talk.state.left_open.clear();
            Ok(())
        }
    }
}

/// A text field of EF 0006: ASCII, padded with spaces.
fn text(bytes: &[u8], at: usize, length: usize) -> String {
    let field = bytes.get(at..at.saturating_add(length)).unwrap_or_default();
    let printable = field
        .iter()
        .copied()
        .filter(|byte| matches!(byte, 0x20..=0x7E));
    printable
        .map(char::from)
        .collect::<String>()
        .trim_end()
        .to_owned()
}
