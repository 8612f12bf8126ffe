//! The card's operations: open, log in, read, sign, change a PIN. Each is one transaction.

use log::warn;

use super::certificate::Certificate;
use super::error::Error;
use super::files::{CertificateFile, FileId, Kind, MAX_CHALLENGE, READ_LENGTH, Role, Scheme};
use super::pin::Pin;
use super::state::{Addressings, CardState, Tries};
use super::transaction::Transaction;
use crate::pcsc::{self, Channel};

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
    /// By this PIN, and the card is left at the end.
    Pin(&'a Pin),
    /// The card is open, and stays so (`login_state = "card"`).
    Open,
    /// The card is open, and is left at the end.
    OpenOnce,
}

/// May the last try be spent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastTry {
    /// No.
    Keep,
    /// Yes: somebody said so.
    Spend,
}

/// A card that knows JPKI, on a connection of its own.
pub struct JpkiCard {
    /// `None` after a fault; see [`JpkiCard::attach`].
    channel: Option<Box<dyn Channel>>,
    memory: CardState,
}

impl JpkiCard {
    /// Opens the card: selects the application, reads what tells it from others, and asks for the
    /// tries left of the PINs named. One transaction; no PIN.
    ///
    /// # Errors
    /// [`Error::NotJpki`] after one APDU; [`Error::Pcsc`]; [`Error::Unexplained`], [`Error::Malformed`].
    pub fn open(
        channel: Box<dyn Channel>,
        tries_of: &[Role],
    ) -> Result<(JpkiCard, CardInfo), Error> {
        let memory = CardState {
            form: Addressings::default(),
            tries: Tries::default(),
            identity: None,
            recognised: false,
            proven: true,
            leave_by_select: true,
            powered_down_by_us: false,
            left_selected: false,
            left_at: None,
        };
        let mut card = JpkiCard {
            channel: Some(channel),
            memory,
        };
        let face = card.talk(false, |talk| {
            // Whatever happened to the card before we knew it is nothing to us.
            talk.forget_resets();
            talk.select()?;
            let certificate = match talk.read_der(FileId::certificate_of(Role::Authentication)) {
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
            })
        })?;
        if let Shown::Open(certificate) = &face.certificate {
            let start = certificate.der().len().min(READ_LENGTH);
            card.memory.identity = certificate.der().get(..start).map(<[u8]>::to_vec);
        }
        Ok((card, face))
    }

    /// Does it have a connection?
    pub fn is_attached(&self) -> bool {
        self.channel.is_some()
    }

    /// Gives up a connection on which something inexplicable happened.
    pub fn detach(&mut self) {
        self.channel = None;
    }

    /// Goes on over a new connection. The card must prove again that it is the same.
    pub fn attach(&mut self, channel: Box<dyn Channel>) {
        self.channel = Some(channel);
        self.memory.proven = false;
        self.memory.left_selected = false;
    }

    /// The tries left of a PIN as the card told them last; `None`: it has not been asked, or the
    /// last VERIFY had no clear end. Costs no APDU.
    pub fn known_tries(&mut self, role: Role) -> Option<u8> {
        *self.memory.tries.of(role)
    }

    /// Asks the card for the tries left of a PIN. Costs no try.
    ///
    /// # Errors
    /// [`Error::Pcsc`], [`Error::Unexplained`], [`Error::AnotherCard`], [`Error::Unproven`].
    pub fn tries_left(&mut self, role: Role) -> Result<u8, Error> {
        self.talk(false, |talk| {
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
        self.talk(keep_open, |talk| {
            talk.select()?;
            guard(talk.tries_of_unverified(role)?, last_try)?;
            talk.verify(role, pin)?;
            // The login is good whatever comes of the certificate.
            Ok(read.map(|file| talk.read_der(file.id()).and_then(Certificate::parse)))
        })
    }

    /// Leaves the application: what `login_state = "card"` left open is closed.
    ///
    /// # Errors
    /// [`Error::Pcsc`].
    pub fn logout(&mut self) -> Result<(), Error> {
        self.talk(false, |talk| {
            talk.close_at_the_end();
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
        let mut read = || {
            self.talk(matches!(access, Some(Access::Open)), |talk| {
                talk.select()?;
                if let Some(access) = access {
                    unlock(talk, file.role(), access)?;
                }
                talk.read_der(file.id()).and_then(Certificate::parse)
            })
        };
        match read() {
            Err(Error::Pcsc(pcsc::Error::Failed(cause))) if access.is_none() => {
                warn!("reading a certificate again after: {cause}");
                read()
            }
            other => other,
        }
    }

    /// Signs once and checks the signature with the key's own certificate before anybody sees it.
    ///
    /// # Errors
    /// [`Error::NotVerified`], [`Error::KeptPinRefused`], [`Error::AnotherCard`], [`Error::Unproven`], [`Error::SchemeRefused`],
    /// [`Error::InputRefused`], [`Error::SignatureWrong`], [`Error::Pcsc`], [`Error::Unexplained`], [`Error::Malformed`].
    /// Nothing is ever sent twice.
    pub fn sign(
        &mut self,
        role: Role,
        scheme: Scheme,
        input: &[u8],
        access: Access<'_>,
        certificate: &Certificate,
    ) -> Result<Vec<u8>, Error> {
        let signature = self.talk(matches!(access, Access::Open), |talk| {
            talk.select()?;
            unlock(talk, role, access)?;
            talk.sign(role, scheme, input)
        })?;
        certificate.check(scheme, input, &signature)?;
        Ok(signature)
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
            guard(talk.tries_of_unverified(role)?, last_try)?;
            talk.verify(role, old)?;
            talk.change(role, new)
        })
    }

    /// Random bytes from the card, at most [`MAX_CHALLENGE`] of them.
    ///
    /// # Errors
    /// [`Error::Pcsc`], [`Error::Unexplained`], [`Error::Malformed`].
    pub fn challenge(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let length = length.clamp(1, MAX_CHALLENGE);
        // It works in every application, so none is selected.
        self.talk(false, |talk| talk.challenge(length))
    }

    /// One transaction. However `work` ends, the card is not left open.
    fn talk<T>(
        &mut self,
        keep_open: bool,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let channel = self.channel.as_mut().ok_or(pcsc::Error::Removed)?;
        let mut talk = Transaction::begin(channel.as_mut(), &mut self.memory)?;
        let result = work(&mut talk);
        talk.end(keep_open && result.is_ok());
        result
    }
}

/// So much of EF 0006 tells what we want of it, in bytes: label, manufacturer, model, serial number (jpki-card.md,
/// 2.1). The rest is the same on every card that was published.
const TOKEN_INFORMATION_LENGTH: usize = 96;

fn guard(left: u8, last_try: LastTry) -> Result<(), Error> {
    match (left, last_try) {
        (0, _) => Err(Error::PinLocked),
        (1, LastTry::Keep) => Err(Error::LastTryKept),
        _ => Ok(()),
    }
}

/// Sends the kept PIN again in a new transaction. It was right once, so a refusal means that somebody
/// changed it: the login is over.
fn unlock(talk: &mut Transaction<'_>, role: Role, access: Access<'_>) -> Result<(), Error> {
    match access {
        Access::Pin(pin) => talk.verify_again(role, pin).map_err(|error| match error {
            Error::PinIncorrect { .. } => Error::KeptPinRefused,
            Error::PinLocked => Error::NotVerified,
            other => other,
        }),
        Access::Open => Ok(()),
        Access::OpenOnce => {
            talk.close_at_the_end();
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
