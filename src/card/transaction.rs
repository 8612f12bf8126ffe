//! One transaction with the JPKI application: select it, do something, leave it.

use std::time::{Duration, Instant};

use log::{debug, warn};

use super::apdu::{Command, Response, StatusWord, reference};
use super::error::Error;
use super::files::{CertificateFile, FileId, MAX_CERTIFICATE_LENGTH, Role, Scheme};
use super::permit::Permit;
use super::state::{Addressing, CardState, Closing, Fallback};
use crate::pcsc::{Channel, Disposition, Error as PcscError, Exchange};

/// The longest answer that is asked for: a certificate and a status word.
const MAX_RESPONSE: usize = MAX_CERTIFICATE_LENGTH + 2;

/// How often a card may say 61xx or 6Cxx to one command before we take it for mad. A card of T=0
/// needs one of each.
const MAX_ROUNDS: usize = 4;

/// A transaction with the card.
pub(super) struct Transaction<'a> {
    pub(super) exchange: Box<dyn Exchange + 'a>,
    pub(super) state: &'a mut CardState,
    pub(super) permit: &'a Permit,
    /// The PIN that was verified in this transaction.
    pub(super) verified: Option<Role>,
}

impl<'a> Transaction<'a> {
    /// Begins a transaction, without selecting anything.
    pub(super) fn begin(
        channel: &'a mut dyn Channel,
        state: &'a mut CardState,
        permit: &'a Permit,
        limit: Duration,
    ) -> Result<Self, Error> {
        let asked = Instant::now();
        let exchange = channel.begin(limit)?;
        if exchange.was_reset() {
            state.left_selected = false;
        }
        let idle = idle_for(state.left_at, IDLE);
        // Another client may have entered or changed a PIN meanwhile.
        let shared = asked.elapsed() > UNSHARED_BEGIN || idle_for(state.left_at, UNSHARED_PAUSE);
        if exchange.was_reset() || shared {
            state.pins.outdate();
        }
        // A card that shows its certificate is compared after a reset, after a pause, and where one
        // READ takes the place of the SELECT. A card without an identity can be proved by nothing.
        let doubtful = match state.identity {
            Some(_) => exchange.was_reset() || state.left_selected || idle,
            None => exchange.was_reset(),
        };
        if doubtful {
            state.proven = false;
        }
        Ok(Transaction {
            exchange,
            state,
            permit,
            verified: None,
        })
    }

    /// Makes sure that the JPKI application is selected, and that it is still the same card. Where we
    /// left the application selected, one READ proves both; whatever else it is answered, the
    /// application is selected first. Selecting it again keeps what was verified (docs/card.md,
    /// section 5).
    pub(super) fn select(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.state.left_selected) {
            match self.compare() {
                Err(Error::Pcsc(cause)) => return Err(Error::Pcsc(cause)),
                Ok(()) if self.state.identity.is_some() => {
                    self.state.left_selected = true;
                    return Ok(());
                }
                // A neighbour has selected something else, or nothing was asked.
                Ok(()) | Err(_) => {}
            }
        }
        let response = self.send(Command::select_jpki())?;
        // The first command after power-up was once seen answered 6F00 (docs/card.md, 1).
        let response = match response.status {
            StatusWord::Other(0x6F00) => {
                self.state.fall_back(Fallback::SelectAgain);
                self.send(Command::select_jpki())?
            }
            _ => response,
        };
        match response.status {
            StatusWord::Ok => {
                self.state.left_selected = true;
                self.prove()
            }
            _ if self.state.recognised => Err(unexplained("SELECT JPKI", response.status)),
            // Whatever else it is (6A82 of another card, 6D00 of a FIDO key), it is not ours.
            status if status.number() >> 12 == 6 => Err(Error::NotJpki),
            status => Err(unexplained("SELECT JPKI", status)),
        }
    }

    /// Makes sure that the card in which the application was just selected is the one we know.
    fn prove(&mut self) -> Result<(), Error> {
        match self.compare() {
            // It showed its certificate to everybody. Now it hides it, or has none.
            Err(Error::NotVerified) => Err(Error::AnotherCard),
            Err(Error::FileAbsent) => {
                self.prove_selected()?;
                Err(Error::AnotherCard)
            }
            other => other,
        }
    }

    /// Compares the start of the authentication certificate with what this card showed first.
    fn compare(&mut self) -> Result<(), Error> {
        self.state.recognised = true;
        let Some(known) = self.state.identity.clone() else {
            // Nothing to compare with: an Android phone shows its certificate only after the PIN.
            return Ok(());
        };
        if self.state.proven {
            return Ok(());
        }
        let mut shown = self.read_start(
            FileId::certificate_of(Role::Authentication),
            IDENTITY_LENGTH,
        )?;
        self.read_on(&mut shown, IDENTITY_LENGTH)?;
        if known.get(..IDENTITY_LENGTH) != Some(&shown) {
            return Err(Error::AnotherCard);
        }
        self.state.proven = true;
        Ok(())
    }

    /// One signature.
    pub(super) fn sign(
        &mut self,
        role: Role,
        scheme: Scheme,
        input: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let response = self.with_key(role.key(), |file| {
            Command::sign(scheme, reference(file), input)
        })?;
        match (scheme, response.status) {
            (_, StatusWord::Ok) => Ok(response.data),
            (_, StatusWord::SecurityStatus) => Err(Error::NotVerified),
            // The input has the one length that the scheme takes, so the scheme is what it means.
            (Scheme::Pss, StatusWord::Other(0x6A80 | 0x6A81 | 0x6A86 | 0x6985 | 0x6D00)) => {
                self.state.fall_back(Fallback::NoPss);
                Err(Error::SchemeRefused)
            }
            (Scheme::Pkcs1, StatusWord::Other(0x6A80 | 0x6985 | 0x6700)) => {
                Err(Error::InputRefused)
            }
            (_, other) => Err(unexplained("COMPUTE DIGITAL SIGNATURE", other)),
        }
    }

    /// Random bytes of the card, 1 to 256.
    pub(super) fn challenge(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let response = self.send(Command::challenge(length))?;
        match response.status {
            StatusWord::Ok if response.data.len() == length => Ok(response.data),
            StatusWord::Ok => Err(Error::Malformed(
                "GET CHALLENGE gave another number of bytes",
            )),
            // INS not supported, function not supported.
            StatusWord::Other(0x6D00 | 0x6A81) => Err(Error::NoChallenge),
            other => Err(unexplained("GET CHALLENGE", other)),
        }
    }

    /// Ends the transaction. A card that may be open is closed, unless the user's own setting keeps it
    /// open (`login_state = "card"`).
    ///
    /// # Errors
    /// Those of [`Exchange::end`]: the transaction may go on until the connection ends.
    pub(super) fn end(mut self) -> Result<Disposition, PcscError> {
        let mut disposition = Disposition::Leave;
        if self.state.open && self.state.left_open.is_empty() && !self.close() {
            disposition = Disposition::PowerDown;
        }
        self.finish(disposition)
    }

    /// The PIN that was verified in this transaction.
    pub(super) fn verified(&self) -> Option<Role> {
        self.verified
    }

    /// Takes away what was verified, and selects JPKI again: a client that selects it once (OpenSC) goes
    /// on working, and our own next transaction begins with a READ. False where only a loss of power
    /// closes the card.
    fn close(&mut self) -> bool {
        let by_select = matches!(self.state.closing, Closing::Unproved | Closing::BySelect);
        if !by_select || !self.leave() {
            return false;
        }
        // Without an answer the card may have lost its power unseen: a power-down brings it back.
        let Ok(response) = self.send(Command::select_jpki()) else {
            return false;
        };
        self.state.left_selected = response.status == StatusWord::Ok;
        match self.verified {
            Some(role) if self.state.closing == Closing::Unproved && self.state.left_selected => {
                self.prove_closed(role)
            }
            _ => true,
        }
    }

    /// Does the card refuse what needs the PIN? Asked once for each insertion, because that leaving the
    /// application closes the card is an inference (docs/card.md, 3.1).
    fn prove_closed(&mut self, role: Role) -> bool {
        match self.works_without_pin(role) {
            Ok(false) => {
                self.state.closing = Closing::BySelect;
                true
            }
            Ok(true) => {
                self.state.closing = Closing::ByPowerDownUnproved;
                self.state.fall_back(Fallback::PowerDown);
                false
            }
            // Proof of nothing; the next transaction asks again.
            Err(error) => {
                debug!("proof of isolation: {error}");
                !matches!(error, Error::Pcsc(_))
            }
        }
    }

    /// Tries what needs the PIN of `role`. It must be refused with 6982.
    pub(super) fn works_without_pin(&mut self, role: Role) -> Result<bool, Error> {
        let answer = match role {
            Role::Signature => self
                .read_start(CertificateFile::Signature.id(), 1)
                .map(|_| ()),
            Role::Authentication => self.sign(role, Scheme::Pkcs1, PROBE).map(|_| ()),
        };
        match answer {
            Ok(()) => Ok(true),
            Err(Error::NotVerified) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Selects another application, which takes away what was verified. False where that is refused.
    pub(super) fn leave(&mut self) -> bool {
        self.state.left_selected = false;
        match self.send(Command::leave_jpki()) {
            Ok(response) if response.status == StatusWord::Ok => {
                self.state.leaves_refused = 0;
                self.state.open = false;
                true
            }
            Ok(response) => {
                debug!(
                    "SELECT of the issuer's domain: {:?}; the card is powered down instead",
                    response.status
                );
                // Once can be a disturbance. A phone that has no such application never has it.
                self.state.leaves_refused += 1;
                if self.state.leaves_refused >= LEAVES_TRIED {
                    self.state.closing = Closing::ByPowerDownUnproved;
                    self.state.fall_back(Fallback::PowerDown);
                }
                false
            }
            Err(_) => false,
        }
    }

    fn finish(self, disposition: Disposition) -> Result<Disposition, PcscError> {
        if disposition == Disposition::PowerDown {
            self.state.left_selected = false;
            self.state.pins.outdate();
        }
        self.state.left_at = Some(Instant::now());
        self.exchange.end(disposition)?;
        if disposition == Disposition::PowerDown {
            self.state.open = self.state.closing == Closing::Impossible;
        }
        Ok(disposition)
    }

    /// Selects an EF.
    pub(super) fn select_file(&mut self, file: FileId) -> Result<(), Error> {
        match self.send(Command::select_file(file))?.status {
            StatusWord::Ok => Ok(()),
            other => Err(unexplained("SELECT EF", other)),
        }
    }

    /// Sends a command that names a key: by its short identifier in P2 or, once the card has refused
    /// that form, after a SELECT of its file.
    fn with_key(
        &mut self,
        file: FileId,
        command: impl Fn(Option<FileId>) -> Command,
    ) -> Result<Response, Error> {
        if self.state.form.key != Addressing::Long {
            let response = self.send(command(Some(file)))?;
            let refused =
                response.status.refuses_the_form() && self.state.form.key == Addressing::Untried;
            if response.status.proves_the_form() {
                self.state.form.key = Addressing::Short;
            }
            if !refused {
                return Ok(response);
            }
        }
        self.select_file(file)?;
        let response = self.send(command(None))?;
        if response.status.proves_the_form() {
            self.state.form.key = Addressing::Long;
            self.state.fall_back(Fallback::KeysSelected);
        }
        Ok(response)
    }

    /// One command and its whole answer, 61xx and 6Cxx resolved.
    pub(super) fn send(&mut self, command: Command) -> Result<Response, Error> {
        let mut response = self.send_once(&command)?;
        let mut command = command;
        let mut collected = Vec::new();
        for _ in 0..MAX_ROUNDS {
            command = match response.status {
                StatusWord::MoreData(length) => {
                    collected.append(&mut response.data);
                    Command::get_response(length)
                }
                StatusWord::WrongLe(le) => command
                    .with_le(le)
                    .ok_or(Error::Malformed("6Cxx to a command that has no Le"))?,
                _ => {
                    if !collected.is_empty() {
                        collected.append(&mut response.data);
                        response.data = collected;
                    }
                    return Ok(response);
                }
            };
            response = self.send_once(&command)?;
            // A refusal of GET RESPONSE is none of the command that it was sent for.
            if command.is_get_response() && !response.status.brings_data() {
                return Err(unexplained("GET RESPONSE", response.status));
            }
        }
        Err(Error::Malformed("61xx or 6Cxx without end"))
    }

    fn send_once(&mut self, command: &Command) -> Result<Response, Error> {
        let answer = self.exchange.transmit(command.bytes());
        let answer = answer.inspect_err(|error| warn!("{command:?}: {error}"))?;
        if answer.len() > MAX_RESPONSE {
            return Err(Error::Malformed("an answer longer than what was asked for"));
        }
        // No card answers so (ISO 7816-4, 5.1); vpcd does when its card goes away meanwhile.
        let torn = || PcscError::Failed("an answer without a status word".to_owned());
        let response = Response::parse(answer).ok_or_else(torn)?;
        debug!("{command:?} -> {response:?}");
        Ok(response)
    }
}

/// Is the end of our last transaction so long ago?
fn idle_for(left_at: Option<Instant>, pause: Duration) -> bool {
    left_at.is_none_or(|left_at| left_at.elapsed() > pause)
}

/// Longer than a transaction begins when no other client holds the card.
const UNSHARED_BEGIN: Duration = Duration::from_millis(5);

/// Shorter than any client changes a PIN: that takes five commands, of 10 ms each at the least on a
/// real card.
const UNSHARED_PAUSE: Duration = Duration::from_millis(50);

/// What [`Transaction::works_without_pin`] has signed by a card that is not closed. The signature is
/// dropped.
const PROBE: &[u8] = b"jpki-pkcs11: this must be refused";

/// SELECTs of the issuer's domain in a row that a card may refuse before it is not asked again.
const LEAVES_TRIED: u8 = 3;

/// Too short to swap a card by hand, and to be missed by pcscd, which looks at a reader every 400 ms.
const IDLE: Duration = Duration::from_millis(200);

/// So many bytes of a certificate hold its serial number, whatever the header looks like: tag and
/// length twice, version, serial number of up to 20 bytes.
const IDENTITY_LENGTH: usize = 48;

pub(super) fn unexplained(command: &'static str, status: StatusWord) -> Error {
    Error::Unexplained {
        command,
        status: status.number(),
    }
}
