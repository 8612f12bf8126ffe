//! One transaction with the JPKI application: select it, do something, leave it.
//! It speaks in commands and status words and uses `transport` for the bytes. It keeps no PIN.

use std::time::{Duration, Instant};

use log::{debug, warn};

use super::apdu::{Command, Response, StatusWord, reference};
use super::error::Error;
use super::files::{FileId, Role, Scheme};
use super::state::{Addressing, Addressings, CardState};
use crate::card::pin::Pin;
use crate::pcsc::{Channel, Disposition, Exchange};

/// The longest answer to a short command: 256 bytes and a status word.
const MAX_RESPONSE: usize = 256 + 2;

/// How often a card may say 61xx or 6Cxx to one command before we take it for mad. A card of T=0
/// needs one of each.
const MAX_ROUNDS: usize = 4;

/// A transaction in which the JPKI application is selected.
pub(super) struct Transaction<'a> {
    exchange: Box<dyn Exchange + 'a>,
    pub(super) memory: &'a mut CardState,
    /// A VERIFY with data went out: the card may be open now.
    maybe_open: bool,
}

impl<'a> Transaction<'a> {
    /// Begins a transaction, without selecting anything.
    pub(super) fn begin(
        channel: &'a mut dyn Channel,
        memory: &'a mut CardState,
    ) -> Result<Self, Error> {
        let exchange = channel.begin()?;
        if exchange.was_reset() {
            memory.left_selected = false;
        }
        // A card that shows who it is does so again after a reset, after a rest, and where it costs
        // nothing because one READ takes the place of the SELECT. One without an identity survives
        // our own power-down: PC/SC has counted no removal since, or the module floor would not be here.
        let doubtful = match memory.identity {
            Some(_) => {
                exchange.was_reset() || memory.left_selected || has_been_idle(memory.left_at)
            }
            None => exchange.was_reset() && !memory.powered_down_by_us,
        };
        if doubtful {
            memory.proven = false;
        }
        Ok(Transaction {
            exchange,
            memory,
            maybe_open: false,
        })
    }

    /// Makes sure that the JPKI application is selected, and that it is still the same card. Where we
    /// left the application selected, one READ proves both; whatever else it is answered, the
    /// application is selected first. Selecting it again keeps what was verified (jpki-card.md,
    /// section 5).
    pub(super) fn select(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.memory.left_selected) {
            match self.compare() {
                Err(Error::Pcsc(cause)) => return Err(Error::Pcsc(cause)),
                Ok(()) if self.memory.identity.is_some() => {
                    self.memory.left_selected = true;
                    return Ok(());
                }
                // A neighbour has selected something else, or nothing was asked.
                Ok(()) | Err(_) => {}
            }
        }
        let response = self.send(Command::select_jpki())?;
        // The first command after power-up was once seen answered 6F00 (jpki-card.md, 1).
        let response = match response.status {
            StatusWord::Other(0x6F00) => self.send(Command::select_jpki())?,
            _ => response,
        };
        match response.status {
            StatusWord::Ok => {
                self.memory.left_selected = true;
                self.prove()
            }
            _ if self.memory.recognised => Err(unexplained("SELECT JPKI", response.status)),
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
        self.memory.recognised = true;
        let Some(known) = self.memory.identity.clone() else {
            // Nothing to compare with: an Android phone shows its certificate only after the PIN.
            return Ok(());
        };
        if self.memory.proven {
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
        self.memory.proven = true;
        Ok(())
    }

    /// Asks for the tries left of a PIN. Costs none.
    pub(super) fn tries_left(&mut self, role: Role) -> Result<u8, Error> {
        // A PIN that is verified had all its tries when it was.
        let left = self.query(role)?.unwrap_or(role.max_tries());
        self.memory.tries.set(role, left);
        Ok(left)
    }

    /// `None`: the card answers that the PIN is verified.
    fn query(&mut self, role: Role) -> Result<Option<u8>, Error> {
        let status = self
            .with_reference(role.pin(), Addressing::pin, |file| {
                Some(Command::tries_left(reference(file)))
            })?
            .status;
        let left = match status {
            StatusWord::TriesLeft(left) => left,
            StatusWord::Locked => 0,
            StatusWord::Ok => return Ok(None),
            other => return Err(unexplained("VERIFY without data", other)),
        };
        self.memory.tries.set(role, left);
        Ok(Some(left))
    }

    /// As [`Transaction::tries_left`], before a PIN is sent that may be wrong. A card that answers 9000
    /// while the PIN is verified (by another program; jpki-card.md, 3.3) hides its counter, and wrong
    /// tries may have been made since: the verification is taken away, and the card asked again.
    pub(super) fn tries_of_unverified(&mut self, role: Role) -> Result<u8, Error> {
        if let Some(left) = self.query(role)? {
            return Ok(left);
        }
        self.maybe_open = true;
        let left = self.leave() && self.send(Command::select_jpki())?.status == StatusWord::Ok;
        let hidden = Error::Malformed("the tries left are hidden by a verified PIN");
        // Where the application cannot be left, the power goes at the end: the next login will do.
        if !left {
            return Err(hidden);
        }
        self.query(role)?.ok_or(hidden)
    }

    /// After "no such file": is the JPKI application the selected one at all? A contactless card that
    /// lost its power for a moment in the middle of a transaction says so of every file.
    pub(super) fn prove_selected(&mut self) -> Result<(), Error> {
        match self.tries_left(Role::Authentication) {
            Err(Error::Unexplained { .. }) => {
                Err(Error::Malformed("the application is selected no longer"))
            }
            other => other.map(|_| ()),
        }
    }

    /// As [`Transaction::tries_left`], for a card that is just being opened: a PIN whose counter
    /// cannot be had must not hide the rest of the card.
    pub(super) fn ask_tries(&mut self, role: Role) -> Result<(), Error> {
        match self.tries_left(role) {
            Err(Error::Pcsc(cause)) => Err(Error::Pcsc(cause)),
            Err(other) => {
                warn!("tries left of the {role:?} PIN: {other}");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// The card is being opened: its earlier resets are nobody's.
    pub(super) fn forget_resets(&mut self) {
        self.memory.proven = true;
    }

    /// The card is open already, and shall not be so after this transaction.
    pub(super) fn close_at_the_end(&mut self) {
        self.maybe_open = true;
    }

    /// Sends a PIN that was kept from an earlier transaction, if this is provably still the card
    /// that it was given for.
    pub(super) fn verify_again(&mut self, role: Role, pin: &Pin) -> Result<(), Error> {
        if !self.memory.proven {
            return Err(Error::Unproven);
        }
        self.verify(role, pin)
    }

    /// Sends a PIN that the user has just given, once. The card is left at the end of the
    /// transaction, whatever it says.
    pub(super) fn verify(&mut self, role: Role, pin: &Pin) -> Result<(), Error> {
        self.maybe_open = true;
        self.memory.tries.forget(role);
        let status = self
            .with_reference(role.pin(), Addressing::pin, |file| {
                Command::verify(reference(file), pin)
            })?
            .status;
        match status {
            StatusWord::Ok => {
                self.memory.tries.set(role, role.max_tries());
                // Whatever it was before: it is the card that this PIN belongs to.
                self.memory.proven = true;
                Ok(())
            }
            StatusWord::TriesLeft(0) | StatusWord::Locked => {
                self.memory.tries.set(role, 0);
                Err(Error::PinLocked)
            }
            StatusWord::TriesLeft(left) => {
                self.memory.tries.set(role, left);
                Err(Error::PinIncorrect { left })
            }
            other => Err(unexplained("VERIFY", other)),
        }
    }

    /// Replaces a PIN that was verified in this transaction.
    pub(super) fn change(&mut self, role: Role, new: &Pin) -> Result<(), Error> {
        let status = self
            .with_reference(role.pin(), Addressing::pin, |file| {
                Command::change(reference(file), new)
            })?
            .status;
        match status {
            StatusWord::Ok => Ok(()),
            StatusWord::SecurityStatus => Err(Error::NotVerified),
            // Nobody has published what the card says to a new PIN that it does not like.
            StatusWord::Other(0x6A80 | 0x6985 | 0x6700) => Err(Error::NewPinRefused),
            other => Err(unexplained("CHANGE REFERENCE DATA", other)),
        }
    }

    /// One signature.
    pub(super) fn sign(
        &mut self,
        role: Role,
        scheme: Scheme,
        input: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let response = self.with_reference(role.key(), Addressing::key, |file| {
            Some(Command::sign(scheme, reference(file), input))
        })?;
        match (scheme, response.status) {
            (_, StatusWord::Ok) => Ok(response.data),
            (_, StatusWord::SecurityStatus) => Err(Error::NotVerified),
            // The input has the one length that the scheme takes, so the scheme is what it means.
            (Scheme::Pss, StatusWord::Other(0x6A80 | 0x6A81 | 0x6A86 | 0x6985 | 0x6D00)) => {
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
            other => Err(unexplained("GET CHALLENGE", other)),
        }
    }

    /// Ends the transaction. A card that may be open is left by selecting another application; if
    /// that cannot be done, it loses its power. `keep_open` is the user's own choice
    /// (`login_state = "card"`).
    pub(super) fn end(mut self, keep_open: bool) {
        let mut disposition = Disposition::Leave;
        if self.maybe_open && !keep_open {
            if !self.leave() {
                disposition = Disposition::PowerDown;
            } else if self.exchange.has_neighbours() {
                self.select_for_neighbours();
            }
        }
        self.finish(disposition);
    }

    /// Selects JPKI again, with nothing verified: a neighbour that selects it once and expects to find
    /// it (OpenSC) goes on working, and our own next transaction need not select it. Without
    /// neighbours this APDU is saved.
    fn select_for_neighbours(&mut self) {
        self.memory.left_selected = match self.send(Command::select_jpki()) {
            Ok(response) => response.status == StatusWord::Ok,
            Err(_) => false,
        };
    }

    /// Selects another application, which takes away what was verified. False where that is refused.
    fn leave(&mut self) -> bool {
        self.memory.left_selected = false;
        if !self.memory.leave_by_select {
            return false;
        }
        match self.send(Command::leave_jpki()) {
            Ok(response) if response.status == StatusWord::Ok => true,
            Ok(response) => {
                debug!(
                    "SELECT of the issuer's domain: {:?}; the card is powered down instead",
                    response.status
                );
                // A phone that has no such application will not have it next time either.
                self.memory.leave_by_select = response.status != StatusWord::NotFound;
                false
            }
            Err(_) => false,
        }
    }

    fn finish(self, disposition: Disposition) {
        if disposition == Disposition::PowerDown {
            self.memory.left_selected = false;
        }
        self.memory.powered_down_by_us = disposition == Disposition::PowerDown;
        self.memory.left_at = Some(Instant::now());
        if let Err(error) = self.exchange.end(disposition) {
            // Without a card or without a service nothing is open any more.
            debug!("end of the transaction: {error}");
        }
    }

    /// Sends a command that names a PIN or a key: by its short identifier in P2 or, once the card
    /// has refused that form, after a SELECT of its file.
    fn with_reference(
        &mut self,
        file: FileId,
        form: impl Fn(&mut Addressings) -> &mut Addressing,
        command: impl Fn(Option<FileId>) -> Option<Command>,
    ) -> Result<Response, Error> {
        let forked = || Error::Malformed("the PIN belongs to another process");
        if *form(&mut self.memory.form) != Addressing::Long {
            let response = self.send(command(Some(file)).ok_or_else(forked)?)?;
            let refused = response.status.refuses_the_form()
                && *form(&mut self.memory.form) == Addressing::Untried;
            if response.status.proves_the_form() {
                *form(&mut self.memory.form) = Addressing::Short;
            }
            if !refused {
                return Ok(response);
            }
        }
        match self.send(Command::select_file(file))?.status {
            StatusWord::Ok => {}
            // No such file either: then the form was not what it minded.
            other => return Err(unexplained("SELECT EF", other)),
        }
        let response = self.send(command(None).ok_or_else(forked)?)?;
        if response.status.proves_the_form() {
            *form(&mut self.memory.form) = Addressing::Long;
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
            return Err(Error::Malformed(
                "an answer longer than a short APDU can be",
            ));
        }
        let response =
            Response::parse(answer).ok_or(Error::Malformed("an answer without a status word"))?;
        debug!("{command:?} -> {response:?}");
        Ok(response)
    }
}

/// Has nobody talked to the card for so long that somebody could have changed it without pcscd seeing
/// it? A polled reader is looked at every 400 ms (architecture.md, "What pcscd 1.9 does").
fn has_been_idle(left_at: Option<Instant>) -> bool {
    left_at.is_none_or(|left_at| left_at.elapsed() > IDLE)
}

/// Shorter than any hand changes a card, longer than a program needs between two signatures.
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
