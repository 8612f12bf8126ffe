//! PINs: the tries left, and the only function that sends one. A PIN comes in a command of ours or from the pad of the
//! reader.

use log::{debug, warn};

use super::apdu::{Command, StatusWord, reference};
use super::error::Error;
use super::files::Role;
use super::pin::Pin;
use super::pin_pad;
use super::state::{Addressing, Entry, Fallback, Origin};
use super::transaction::{Transaction, unexplained};
use crate::config::LastTry;

impl Transaction<'_> {
    /// Asks for the tries left of a PIN. Costs none.
    pub(super) fn tries_left(&mut self, role: Role) -> Result<u8, Error> {
        // A PIN that is verified had all its tries when it was.
        let left = self.query(role)?.unwrap_or(role.max_tries());
        self.state.pins.of(role).tries = Some(left);
        Ok(left)
    }

    /// `None`: the card answers that the PIN is verified.
    fn query(&mut self, role: Role) -> Result<Option<u8>, Error> {
        if self.state.form.pin != Addressing::Long {
            let command = Command::tries_left(reference(Some(role.pin())));
            if let Some(left) = tries_in(self.send(command)?.status) {
                self.state.form.pin = Addressing::Short;
                return Ok(left);
            }
        }
        // The question costs nothing, so any refusal of the short form is worth a second one.
        self.select_file(role.pin())?;
        let status = self.send(Command::tries_left(reference(None)))?.status;
        let left = tries_in(status).ok_or(unexplained("VERIFY without data", status))?;
        self.state.form.pin = Addressing::Long;
        self.state.fall_back(Fallback::PinsSelected);
        Ok(left)
    }

    /// As [`Transaction::tries_left`], before a PIN is sent that may be wrong. A card that answers 9000
    /// while the PIN is verified (by another program; docs/card.md, 3.3) hides its counter, and wrong
    /// tries may have been made since: the verification is taken away, and the card asked again.
    fn tries_of_unverified(&mut self, role: Role) -> Result<u8, Error> {
        let left = match self.query(role)? {
            Some(left) => left,
            None => {
                self.state.open = true;
                let left =
                    self.leave() && self.send(Command::select_jpki())?.status == StatusWord::Ok;
                let hidden = Error::Malformed("the tries left are hidden by a verified PIN");
                // Where the application cannot be left, the power goes at the end: the next login will do.
                if !left {
                    return Err(hidden);
                }
                self.query(role)?.ok_or(hidden)?
            }
        };
        self.state.pins.of(role).tries = Some(left);
        Ok(left)
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

    /// Sends a PIN: the only function that does. It asks for the tries left first, unless our own
    /// successful VERIFY was the last thing that can have happened to them, and it spends none that
    /// the holder did not mean to spend.
    ///
    /// # Errors
    /// Nothing was sent: [`Error::Unproven`], [`Error::PinMayHaveChanged`], [`Error::LastTryKept`],
    /// [`Error::RefusedBefore`], [`Error::PinLocked`] with no tries left. Sent once:
    /// [`Error::PinIncorrect`], [`Error::PinLocked`], and everything unexplained.
    pub(super) fn verify(&mut self, role: Role, pin: &Pin, origin: Origin) -> Result<(), Error> {
        self.verify_by(role, Entry::Pin(pin), origin, self.state.form.pin)
    }

    /// The same with a PIN that is typed on the reader. `code`: of [`crate::pcsc::Abilities`].
    ///
    /// # Errors
    /// As [`Transaction::verify`], and [`Error::PadCancelled`].
    pub(super) fn verify_on_pad(
        &mut self,
        role: Role,
        code: u32,
        last_try: LastTry,
    ) -> Result<(), Error> {
        let origin = Origin::Typed(last_try);
        self.verify_by(role, Entry::Pad(code), origin, self.state.form.pin)
    }

    fn verify_by(
        &mut self,
        role: Role,
        entry: Entry<'_>,
        origin: Origin,
        addressing: Addressing,
    ) -> Result<(), Error> {
        if origin == Origin::Kept && !self.state.proven {
            return Err(Error::Unproven);
        }
        // What is typed on the pad is never known here.
        let pin = match entry {
            Entry::Pin(pin) => Some(pin),
            Entry::Pad(_) => None,
        };
        if !self.state.pins.of(role).current || pin.is_none() {
            let left = self.tries_of_unverified(role)?;
            match origin {
                // It was right once. A counter below the one that we left means that another client has
                // failed since, and the likely reason is that the PIN is another one now.
                Origin::Kept if left <= 1 || Some(left) < self.state.pins.of(role).left_by_us => {
                    return Err(Error::PinMayHaveChanged { left });
                }
                Origin::Typed(_) if left == 0 => return Err(Error::PinLocked),
                Origin::Typed(LastTry::Guard) if left == 1 => return Err(Error::LastTryKept),
                Origin::Typed(_)
                    if pin.is_some_and(|pin| {
                        self.state.pins.of(role).rejected.contains(pin, left)
                    }) =>
                {
                    return Err(Error::RefusedBefore);
                }
                Origin::Kept | Origin::Typed(_) => {}
            }
        }
        self.permit.check()?;
        let addressing = match addressing {
            // The question has been answered, so the form is known.
            Addressing::Untried => self.state.form.pin,
            known => known,
        };
        let reference = match addressing {
            Addressing::Long => {
                self.select_file(role.pin())?;
                reference(None)
            }
            Addressing::Untried | Addressing::Short => reference(Some(role.pin())),
        };
        let known = self.state.pins.of(role);
        known.tries = None;
        known.current = false;
        self.state.open = true;
        let status = match entry {
            Entry::Pin(pin) => {
                let command = Command::verify(reference, pin);
                self.send(command.ok_or(Error::Malformed(ANOTHER_PROCESS))?)?
            }
            Entry::Pad(code) => {
                debug!("VERIFY on the PIN pad");
                let block = pin_pad::verify_block(reference);
                pin_pad::answer(self.exchange.control(code, &block)?)?
            }
        }
        .status;
        let known = self.state.pins.of(role);
        match status {
            StatusWord::Ok => {
                known.tries = Some(role.max_tries());
                known.left_by_us = known.tries;
                known.current = true;
                known.rejected.forget();
                // A correct PIN proves the card's identity.
                self.state.proven = true;
                self.verified = Some(role);
                Ok(())
            }
            StatusWord::TriesLeft(0) | StatusWord::Locked => {
                known.tries = Some(0);
                Err(match origin {
                    Origin::Typed(_) => Error::PinLocked,
                    Origin::Kept => Error::KeptPinRefused { left: 0 },
                })
            }
            StatusWord::TriesLeft(left) => {
                known.tries = Some(left);
                known.left_by_us = known.tries;
                if let Some(pin) = pin {
                    known.rejected.remember(pin, left);
                }
                Err(match origin {
                    Origin::Typed(_) => Error::PinIncorrect { left },
                    Origin::Kept => Error::KeptPinRefused { left },
                })
            }
            other => Err(unexplained("VERIFY", other)),
        }
    }

    /// Replaces a PIN: verifies the old one and sets the new one, both on the selected EF, which is the
    /// published form (docs/card.md, 3.4).
    ///
    /// # Errors
    /// Those of [`Transaction::verify`], and [`Error::NewPinRefused`]: nothing was changed.
    /// [`Error::ChangeUnclear`]: the old PIN or the new one is right.
    pub(super) fn change(
        &mut self,
        role: Role,
        old: &Pin,
        new: &Pin,
        last_try: LastTry,
    ) -> Result<(), Error> {
        self.change_by(role, Entry::Pin(old), Entry::Pin(new), last_try)
    }

    /// The same with both PINs typed on the reader. `verify`, `modify`: of [`crate::pcsc::Abilities`].
    ///
    /// # Errors
    /// As [`Transaction::change`], and [`Error::PadCancelled`]: nothing was changed.
    pub(super) fn change_on_pad(
        &mut self,
        role: Role,
        verify: u32,
        modify: u32,
        last_try: LastTry,
    ) -> Result<(), Error> {
        self.change_by(role, Entry::Pad(verify), Entry::Pad(modify), last_try)
    }

    fn change_by(
        &mut self,
        role: Role,
        old: Entry<'_>,
        new: Entry<'_>,
        last_try: LastTry,
    ) -> Result<(), Error> {
        self.verify_by(role, old, Origin::Typed(last_try), Addressing::Long)?;
        self.state.pins.of(role).current = false;
        let response = match new {
            Entry::Pin(new) => {
                let command = Command::change(reference(None), new);
                let command = command.ok_or(Error::Malformed(ANOTHER_PROCESS))?;
                self.send(command).map_err(changing)?
            }
            Entry::Pad(code) => {
                debug!("CHANGE REFERENCE DATA on the PIN pad");
                let block = pin_pad::modify_block(reference(None));
                let answer = self.exchange.control(code, &block);
                let answer = answer.map_err(|error| changing(error.into()))?;
                pin_pad::answer(answer).map_err(|error| match error {
                    Error::PadCancelled => error,
                    other => changing(other),
                })?
            }
        };
        match response.status {
            StatusWord::Ok => Ok(()),
            StatusWord::SecurityStatus => Err(Error::NotVerified),
            // What a card answers to a new PIN that it does not take has not been published.
            StatusWord::Other(0x6A80 | 0x6985 | 0x6700) => Err(Error::NewPinRefused),
            status if status.is_checking_error() => {
                Err(unexplained("CHANGE REFERENCE DATA", status))
            }
            status => Err(changing(unexplained("CHANGE REFERENCE DATA", status))),
        }
    }
}

const ANOTHER_PROCESS: &str = "the PIN belongs to another process";

/// The tries left that a VERIFY without data was answered; `Some(None)`: the PIN is verified.
fn tries_in(status: StatusWord) -> Option<Option<u8>> {
    match status {
        StatusWord::TriesLeft(left) => Some(Some(left)),
        StatusWord::Locked => Some(Some(0)),
        StatusWord::Ok => Some(None),
        _ => None,
    }
}

/// What a CHANGE without a clear answer means.
fn changing(error: Error) -> Error {
    Error::ChangeUnclear(Box::new(error))
}
