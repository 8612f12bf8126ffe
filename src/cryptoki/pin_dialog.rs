//! PIN entry in a dialog of the desktop (`pin_entry = "dialog"`): what is asked, how often, and what the answers become.
//! No lock of a card or of the maps is held while a dialog is open.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::debug;
use parking_lot::MutexGuard;
use sha2::{Digest, Sha256};

use super::slot::Slot;
use crate::card::files::Scheme;
use crate::card::pin::{self, Pin};
use crate::card::{self, Insertion, PcscError};
use crate::config::{Config, Consent, LastTry, PinEntry};
use crate::cryptoki::mechanisms::signed_hash;
use crate::cryptoki::rv::{Error, Result, Rv};
use crate::messages::{self, Message, Remark, Request, ShownHash};
use crate::pinentry::{self, Pinentry};

/// Dialogs in one call before it gives up: a scripted pinentry could answer for ever.
const MOST_DIALOGS: u32 = 30;

/// How often PC/SC is asked whether the card is still there while a dialog is open.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Pause between two attempts to show a dialog while another one is open for this reader.
const TURN_INTERVAL: Duration = Duration::from_millis(100);

/// The settings of the dialog.
pub(crate) struct DialogPolicy {
    pinentry: Pinentry,
    program: String,
    consent: Consent,
    limit: Duration,
}

impl DialogPolicy {
    /// From the configuration; `None`: the program asks for PINs. Reads the environment.
    pub(crate) fn new(config: &Config) -> Option<Arc<DialogPolicy>> {
        let wanted = config.pin_entry == PinEntry::Dialog;
        wanted.then(|| {
            let limit = config.pin_entry_timeout;
            Arc::new(DialogPolicy {
                pinentry: Pinentry::new(config.pinentry_program.clone(), limit),
                program: config.program.clone(),
                consent: config.consent,
                limit,
            })
        })
    }

    /// Does the signature key ask for each signature?
    pub(crate) fn consents_to_each(&self) -> bool {
        self.consent == Consent::Each
    }
}

/// A series of dialogs for one call.
pub(super) struct Dialogs<'a> {
    slot: &'a Slot,
    inserted: &'a Arc<Insertion>,
    policy: &'a DialogPolicy,
    /// The answer to "cancel".
    cancelled: Rv,
    /// [`Slot::logins_ended`] at the start: a logout closes the dialog.
    logins_ended: u64,
    looked: Cell<Instant>,
    left: Cell<u32>,
}

impl Slot {
    /// Asks for the PIN until it is right, cancelled or about to be locked. One series of dialogs at a time for a
    /// reader. `needed` is asked before the first dialog, when its turn has come: another thread may have logged in
    /// meanwhile. `attempt` sends the PIN to the card.
    ///
    /// # Errors
    /// `cancelled`; `CKR_PIN_LOCKED`; `CKR_FUNCTION_FAILED` when no dialog can be shown; what `needed` and `attempt`
    /// return.
    pub(super) fn ask_until_right<T>(
        &self,
        policy: &DialogPolicy,
        inserted: &Arc<Insertion>,
        request: &Request,
        cancelled: Rv,
        needed: impl Fn() -> Result<()>,
        mut attempt: impl FnMut(&Dialogs<'_>, Pin, LastTry) -> Result<T>,
    ) -> Result<T> {
        // What an earlier card left in the login is cleared first: it counts as a login that has ended.
        drop(self.lock(inserted));
        let dialogs = Dialogs {
            slot: self,
            inserted,
            policy,
            cancelled,
            logins_ended: self.logins_ended.load(Ordering::Acquire),
            looked: Cell::new(Instant::now()),
            left: Cell::new(MOST_DIALOGS),
        };
        let _turn = dialogs.turn()?;
        needed()?;
        let mut remark = None;
        loop {
            let (pin, last_try) = dialogs.pin_to_send(request, remark)?;
            remark = match attempt(&dialogs, pin, last_try) {
                Err(Error::Card(card::Error::PinIncorrect { .. })) => Some(Remark::Wrong),
                Err(Error::Card(card::Error::RefusedBefore)) => Some(Remark::RefusedBefore),
                // Another program has failed since the counter was read: the question comes next.
                Err(Error::Card(card::Error::LastTryKept)) => None,
                result => return result,
            };
        }
    }
}

impl Dialogs<'_> {
    /// Waits until no other dialog is open for this reader.
    fn turn(&self) -> Result<MutexGuard<'_, ()>> {
        let end = Instant::now() + self.policy.limit;
        loop {
            if let Some(turn) = self.slot.dialog_turn.try_lock_for(TURN_INTERVAL) {
                return Ok(turn);
            }
            if !self.is_wanted() || Instant::now() > end {
                return Err(self.unanswered());
            }
        }
    }

    /// A PIN that may be sent, with the permission to use the last try if that was given explicitly.
    fn pin_to_send(&self, request: &Request, remark: Option<Remark>) -> Result<(Pin, LastTry)> {
        let role = self.slot.role;
        let tries = self
            .slot
            .reader
            .with_card(self.inserted, |card| card.tries_left(role))?;
        let last_try = match tries {
            0 => {
                self.slot.tell(&Message::PinLocked { token: role.into() });
                return Err(card::Error::PinLocked.into());
            }
            1 => {
                let question = self.dialog(Request::LastTry, None, remark);
                self.show(|pinentry, wanted| pinentry.confirm(&question, wanted))?;
                LastTry::Allow
            }
            _ => LastTry::Guard,
        };
        let pin = self.pin(request, Some(tries), remark)?;
        Ok((pin, last_try))
    }

    /// A PIN of the right shape.
    fn pin(&self, request: &Request, tries: Option<u8>, mut remark: Option<Remark>) -> Result<Pin> {
        let shape = self.slot.role.pin_shape();
        loop {
            let dialog = self.dialog(request.clone(), tries, remark);
            let answer = self.show(|pinentry, wanted| {
                pinentry.ask(&dialog, wanted, |typed| Pin::parse(shape, typed))
            })?;
            match answer {
                Ok(pin) => return Ok(pin),
                Err(pin::Error::Memory) => return Err(Rv::HostMemory.into()),
                Err(pin::Error::Length | pin::Error::Characters) => remark = Some(Remark::Shape),
            }
        }
    }

    /// A new PIN, typed twice.
    pub(super) fn new_pin(&self) -> Result<Pin> {
        let mut remark = None;
        loop {
            let new = self.pin(&Request::NewPin, None, remark)?;
            if self
                .pin(&Request::NewPinAgain, None, None)?
                .is_same_as(&new)
            {
                return Ok(new);
            }
            remark = Some(Remark::Different);
        }
    }

    fn dialog(
        &self,
        request: Request,
        tries: Option<u8>,
        remark: Option<Remark>,
    ) -> messages::DialogText {
        let dialog = messages::PinDialog {
            token: self.slot.role.into(),
            request,
            program: &self.policy.program,
            tries,
            remark,
        };
        dialog.text(self.slot.policy.language)
    }

    fn show<T>(
        &self,
        show: impl FnOnce(&Pinentry, &dyn Fn() -> bool) -> std::result::Result<T, pinentry::Error>,
    ) -> Result<T> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or(Rv::FunctionFailed)?);
        show(&self.policy.pinentry, &|| self.is_wanted()).map_err(|error| match error {
            pinentry::Error::NotFound | pinentry::Error::Failed(_) => {
                let reason = error.to_string();
                self.slot.tell(&Message::NoDialog { reason });
                Rv::FunctionFailed.into()
            }
            pinentry::Error::Cancelled | pinentry::Error::TimedOut | pinentry::Error::Closed => {
                debug!("PIN dialog: {error}");
                self.unanswered()
            }
        })
    }

    /// Is the card still there, the module open, and the login that the call belongs to not over?
    fn is_wanted(&self) -> bool {
        if self.looked.get().elapsed() > LOOK_INTERVAL {
            // Only the answer that the card is gone counts.
            let _ = self.slot.reader.look();
            self.looked.set(Instant::now());
        }
        self.slot.reader.holds(self.inserted)
            && self.slot.logins_ended.load(Ordering::Acquire) == self.logins_ended
    }

    /// The error for a dialog without an answer.
    fn unanswered(&self) -> Error {
        match self.slot.reader.holds(self.inserted) {
            true => self.cancelled.into(),
            false => card::Error::from(PcscError::Removed).into(),
        }
    }
}

/// What the dialog shows of the data that the card signs.
pub(super) fn shown_hash(scheme: Scheme, input: &[u8]) -> ShownHash {
    let (function, value) = match (scheme, signed_hash(input)) {
        (Scheme::Pss, _) => ("SHA-256", input.to_vec()),
        (Scheme::Pkcs1, Some((hash, value))) => (hash.name(), value.to_vec()),
        // TLS 1.1 and others sign data that are no DigestInfo.
        (Scheme::Pkcs1, None) => ("SHA-256 (data)", Sha256::digest(input).to_vec()),
    };
    ShownHash {
        scheme: match scheme {
            Scheme::Pkcs1 => "RSASSA-PKCS1-v1_5",
            Scheme::Pss => "RSASSA-PSS",
        },
        function,
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cryptoki::mechanisms::{Hash, Padding, SignInput};

    #[test]
    fn shown_hash_is_the_one_that_is_signed() {
        let mut message = SignInput::new(Padding::HashedPkcs1(Hash::Sha512), 256);
        message.update(b"abc");
        let (scheme, input) = message.finish().unwrap();
        let shown = shown_hash(scheme, &input);
        assert_eq!(shown.function, "SHA-512");
        assert_eq!(shown.value, sha2::Sha512::digest(b"abc").to_vec());
        let shown = shown_hash(Scheme::Pss, &[7; 32]);
        assert_eq!((shown.scheme, shown.function), ("RSASSA-PSS", "SHA-256"));
        assert_eq!(shown.value, [7; 32]);
        let shown = shown_hash(Scheme::Pkcs1, b"no DigestInfo");
        assert_eq!(shown.value, Sha256::digest(b"no DigestInfo").to_vec());
    }
}
