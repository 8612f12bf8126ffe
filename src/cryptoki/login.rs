//! Login, logout and the change of a PIN: where a PIN is judged before the card sees it, and what the card's answer
//! does to the login.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use log::debug;

use super::slot::{ContextLogin, KeyAccess, Login, Slot};
use crate::card;
use crate::card::Insertion;
use crate::card::certificate::Certificate;
use crate::card::files::CertificateFile;
use crate::card::pin::{self, Pin};
use crate::config::{LastTry, LoginState};
use crate::cryptoki::pin_dialog::{DialogPolicy, Dialogs};
use crate::cryptoki::rv::{Error, Result, Rv};
use crate::messages::{Message, Request};

impl Slot {
    /// `C_Login` as user: sends the PIN, if it can be right. `given`: `None` for NULL, which opens the PIN dialog.
    ///
    /// # Errors
    /// `CKR_USER_ALREADY_LOGGED_IN`, `CKR_PIN_INCORRECT`, `CKR_PIN_LOCKED`, `CKR_ARGUMENTS_BAD` without a PIN and
    /// without a dialog, `CKR_FUNCTION_CANCELED`, and what the card says.
    pub(crate) fn login(&self, inserted: &Arc<Insertion>, given: Option<&[u8]>) -> Result<()> {
        if given.is_none_or(<[u8]>::is_empty) && self.has_pad(inserted) {
            return self.login_on_pad(inserted);
        }
        let Some(dialog) = self.dialog_for(given) else {
            let mut login = self.lock(inserted);
            let pin = self.parse(&mut login, given.ok_or(Rv::ArgumentsBad)?)?;
            return self.login_with(&mut login, inserted, pin, self.policy.last_try);
        };
        let (request, cancelled) = (Request::Login, Rv::FunctionCanceled);
        let needed = || match self.is_logged_in(inserted) {
            true => Err(Rv::UserAlreadyLoggedIn.into()),
            false => Ok(()),
        };
        let attempt = |_: &Dialogs<'_>, pin, last_try| {
            self.login_with(&mut self.lock(inserted), inserted, pin, last_try)
        };
        self.ask_until_right(dialog, inserted, &request, cancelled, needed, attempt)
    }

    fn login_with(
        &self,
        login: &mut Login,
        inserted: &Arc<Insertion>,
        pin: Pin,
        last_try: LastTry,
    ) -> Result<()> {
        if !matches!(login.key, KeyAccess::Closed) {
            return Err(Rv::UserAlreadyLoggedIn.into());
        }
        let each = self.asks_for_each().is_some();
        let keep_open = self.policy.login_state == LoginState::Card && !each;
        let pin = self.authenticate(login, inserted, pin, last_try, keep_open)?;
        login.key = match keep_open {
            true => KeyAccess::OnCard,
            // The dialog asks again: there is nothing to keep.
            false if each => KeyAccess::Spent,
            false => KeyAccess::Pin(pin),
        };
        self.logged_in.store(inserted.number(), Ordering::Release);
        Ok(())
    }

    /// The PIN is typed on the reader. It is not kept: each signature asks for it again, unless the card stays open
    /// (`login_state = "card"`).
    fn login_on_pad(&self, inserted: &Arc<Insertion>) -> Result<()> {
        let mut login = self.lock(inserted);
        if !matches!(login.key, KeyAccess::Closed) {
            return Err(Rv::UserAlreadyLoggedIn.into());
        }
        let keep_open = self.policy.login_state == LoginState::Card;
        let last_try = self.policy.last_try;
        self.authenticate_by(&mut login, inserted, |card, file| {
            card.login_on_pad(self.role, last_try, file, keep_open)
        })?;
        login.key = match keep_open {
            true => KeyAccess::OnCard,
            false => KeyAccess::Pad,
        };
        self.logged_in.store(inserted.number(), Ordering::Release);
        Ok(())
    }

    /// The dialog, if it has to ask: a program that passes a PIN is served without.
    fn dialog_for(&self, given: Option<&[u8]>) -> Option<&DialogPolicy> {
        let dialog = self.policy.dialog.as_deref()?;
        given.is_none_or(<[u8]>::is_empty).then_some(dialog)
    }

    /// `C_Login` for one use of a key that wants it. The one use that came with the login is over,
    /// also by a failure (PKCS#11 3.2, 4.9). `None`: the dialog will ask at the signature.
    ///
    /// # Errors
    /// As [`Slot::login`], and `CKR_USER_NOT_LOGGED_IN`.
    pub(crate) fn login_again(
        &self,
        inserted: &Arc<Insertion>,
        given: Option<&[u8]>,
    ) -> Result<Option<ContextLogin>> {
        if given.is_none_or(<[u8]>::is_empty) && self.has_pad(inserted) {
            return match self.lock(inserted).key {
                KeyAccess::Closed => Err(Rv::UserNotLoggedIn.into()),
                // The reader asks at the signature.
                _ => Ok(None),
            };
        }
        let Some(dialog) = self.dialog_for(given) else {
            let mut login = self.lock(inserted);
            let pin = self.parse(&mut login, given.ok_or(Rv::ArgumentsBad)?);
            return self
                .login_again_with(&mut login, inserted, pin, self.policy.last_try)
                .map(Some);
        };
        if matches!(self.lock(inserted).key, KeyAccess::Closed) {
            return Err(Rv::UserNotLoggedIn.into());
        }
        if self.asks_for_each().is_some() {
            return Ok(None);
        }
        let (request, cancelled) = (Request::Login, Rv::FunctionCanceled);
        let attempt = |_: &Dialogs<'_>, pin, last_try| {
            self.login_again_with(&mut self.lock(inserted), inserted, Ok(pin), last_try)
                .map(Some)
        };
        self.ask_until_right(dialog, inserted, &request, cancelled, || Ok(()), attempt)
    }

    fn login_again_with(
        &self,
        login: &mut Login,
        inserted: &Arc<Insertion>,
        pin: Result<Pin>,
        last_try: LastTry,
    ) -> Result<ContextLogin> {
        if matches!(login.key, KeyAccess::Closed) {
            return Err(Rv::UserNotLoggedIn.into());
        }
        let on_card = matches!(login.key, KeyAccess::OnCard);
        let needed = self.always_authenticate();
        if needed {
            login.key = KeyAccess::Spent;
        }
        // With `login_state = "card"` too, the PIN is kept for the one operation: a key that wants its
        // PIN for each use gains nothing from a card that is left open meanwhile.
        let result = pin
            .and_then(|pin| self.authenticate(login, inserted, pin, last_try, on_card && !needed));
        if on_card && needed && result.is_err() {
            self.reader.leave(inserted);
        }
        if matches!(&result, Err(error) if error.rv() == Rv::PinLocked) {
            // PKCS#11 3.2, 4.9: this also logs the user out.
            self.clear(login);
        }
        Ok(ContextLogin {
            pin: result?,
            epoch: login.epoch,
        })
    }

    /// The PIN that a program passes, if its shape is right.
    fn parse(&self, login: &mut Login, given: &[u8]) -> Result<Pin> {
        Pin::parse(self.role.pin_shape(), given)
            .map_err(|error| match error {
                pin::Error::Memory => Rv::HostMemory,
                pin::Error::Length | pin::Error::Characters => {
                    self.tell(&Message::PinShape {
                        token: self.role.into(),
                    });
                    Rv::PinIncorrect
                }
            })
            .map_err(|rv| with_patience(login, rv.into()))
    }

    /// Sends the PIN, if it can be right, and gives it back if it is.
    fn authenticate(
        &self,
        login: &mut Login,
        inserted: &Arc<Insertion>,
        pin: Pin,
        last_try: LastTry,
        keep_open: bool,
    ) -> Result<Pin> {
        self.authenticate_by(login, inserted, |card, file| {
            card.login(self.role, &pin, last_try, file, keep_open)
        })?;
        Ok(pin)
    }

    /// One transaction with a VERIFY, and what follows from its answer.
    fn authenticate_by(
        &self,
        login: &mut Login,
        inserted: &Arc<Insertion>,
        send: impl FnOnce(
            &mut card::JpkiCard,
            Option<CertificateFile>,
        ) -> std::result::Result<LoginAnswer, card::Error>,
    ) -> Result<()> {
        // In the same transaction, what only this PIN opens: a program that logs in wants the certificate
        // next, and the card would have to be told the PIN once more for it.
        let file =
            Some(self.role.certificate()).filter(|&file| inserted.certificate(file).is_none());
        let answer = self.reader.with_card(inserted, |card| send(card, file));
        self.tell_if_open(inserted);
        match answer {
            Ok(read) => {
                if let (Some(file), Some(read)) = (file, read) {
                    note_certificate(inserted, file, read);
                }
                login.unsent = 0;
                Ok(())
            }
            Err(error) => {
                self.tell_refusal(&error);
                Err(match error {
                    card::Error::RefusedBefore => with_patience(login, error.into()),
                    sent => {
                        login.unsent = 0;
                        sent.into()
                    }
                })
            }
        }
    }

    pub(super) fn tell_refusal(&self, error: &card::Error) {
        let token = self.role.into();
        self.tell(&match *error {
            card::Error::PinIncorrect { left } => Message::WrongPin {
                token,
                tries_left: left,
            },
            card::Error::PinLocked => Message::PinLocked { token },
            card::Error::LastTryKept => Message::LastTryKept { token },
            card::Error::RefusedBefore => Message::RefusedBefore { token },
            card::Error::NewPinRefused => Message::NewPinRefused { token },
            card::Error::ChangeUnclear(_) => Message::PinChangeUnclear { token },
            _ => return,
        });
    }

    /// `C_Logout`.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`.
    pub(crate) fn logout(&self, inserted: &Arc<Insertion>) -> Result<()> {
        let mut login = self.lock(inserted);
        if matches!(login.key, KeyAccess::Closed) {
            return Err(Rv::UserNotLoggedIn.into());
        }
        let on_card = matches!(login.key, KeyAccess::OnCard);
        self.clear(&mut login);
        if on_card {
            self.reader.leave(inserted);
        }
        Ok(())
    }

    /// Forgets the login if it is one to a card that is no longer there. Does not wait for a
    /// signature under way: that one finds out by itself.
    pub(crate) fn forget_removed(&self) {
        if let Some(mut login) = self.login.try_lock()
            && !self.reader.holds_number(login.number)
        {
            self.clear(&mut login);
        }
    }

    /// Ends the login for good, at `C_Finalize`, waiting for a call under way until `end`.
    pub(crate) fn close(&self, end: Instant) {
        if let Some(mut login) = self.login.try_lock_until(end) {
            self.clear(&mut login);
        }
    }

    /// `C_SetPIN`. Both PINs `None`: the dialog or the reader asks for them.
    ///
    /// # Errors
    /// `CKR_PIN_INCORRECT` (old one), `CKR_PIN_LEN_RANGE` and `CKR_PIN_INVALID` (new one), `CKR_PIN_LOCKED`,
    /// `CKR_ARGUMENTS_BAD`, `CKR_FUNCTION_CANCELED`, and what the card says.
    pub(crate) fn set_pin(
        &self,
        inserted: &Arc<Insertion>,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<()> {
        let (old, new) = match (old, new, self.policy.dialog.as_deref()) {
            (Some(old), Some(new), _) => (old, new),
            (None, None, _) if self.has_pad(inserted) => return self.set_pin_on_pad(inserted),
            (None, None, Some(dialog)) => return self.set_pin_by_dialog(dialog, inserted),
            _ => return Err(Rv::ArgumentsBad.into()),
        };
        let token = self.role.into();
        let shape = self.role.pin_shape();
        // The new one first: a wrong new PIN must not cost a look at the old one.
        let new = Pin::parse(shape, new).map_err(|error| {
            self.tell(&Message::NewPinShape { token });
            match error {
                pin::Error::Length => Rv::PinLenRange,
                pin::Error::Characters => Rv::PinInvalid,
                pin::Error::Memory => Rv::HostMemory,
            }
        })?;
        let old = Pin::parse(shape, old).map_err(|_| {
            self.tell(&Message::PinShape { token });
            Rv::PinIncorrect
        })?;
        self.change_pin(inserted, &old, &mut Some(new), self.policy.last_try)
    }

    fn set_pin_by_dialog(&self, dialog: &DialogPolicy, inserted: &Arc<Insertion>) -> Result<()> {
        let mut new = None;
        let (request, cancelled) = (Request::OldPin, Rv::FunctionCanceled);
        let attempt = |dialogs: &Dialogs<'_>, old, last_try| {
            // Asked once, however often the old one is typed.
            if new.is_none() {
                new = Some(dialogs.new_pin()?);
            }
            self.change_pin(inserted, &old, &mut new, last_try)
        };
        self.ask_until_right(dialog, inserted, &request, cancelled, || Ok(()), attempt)
    }

    fn set_pin_on_pad(&self, inserted: &Arc<Insertion>) -> Result<()> {
        let mut login = self.lock(inserted);
        let keep_open = matches!(login.key, KeyAccess::OnCard);
        let last_try = self.policy.last_try;
        let changed = self.reader.with_card(inserted, |card| {
            card.change_pin_on_pad(self.role, last_try, keep_open)
        });
        self.after_change(&mut login, keep_open, changed)
    }

    /// `new` is taken out when the login keeps it.
    fn change_pin(
        &self,
        inserted: &Arc<Insertion>,
        old: &Pin,
        new: &mut Option<Pin>,
        last_try: LastTry,
    ) -> Result<()> {
        let mut login = self.lock(inserted);
        let keep_open = matches!(login.key, KeyAccess::OnCard);
        let chosen = new.as_ref().ok_or(Rv::GeneralError)?;
        let changed = self.reader.with_card(inserted, |card| {
            card.change_pin(self.role, old, chosen, last_try, keep_open)
        });
        self.after_change(&mut login, keep_open, changed)?;
        if let KeyAccess::Pin(kept) = &mut login.key
            && let Some(new) = new.take()
        {
            *kept = new;
        }
        Ok(())
    }

    /// What a change of the PIN, or its failure, does to the login.
    fn after_change(
        &self,
        login: &mut Login,
        keep_open: bool,
        changed: std::result::Result<(), card::Error>,
    ) -> Result<()> {
        if let Err(error) = changed {
            self.tell_refusal(&error);
            // A kept PIN that may be the old one must not be sent again; and a card that was left
            // open is open no longer.
            if keep_open || matches!(error, card::Error::ChangeUnclear(_)) {
                self.clear(login);
            }
            return Err(error.into());
        }
        login.epoch += 1;
        Ok(())
    }
}

/// What a login read beside: the certificate, if it was asked for.
type LoginAnswer = Option<std::result::Result<Certificate, card::Error>>;

/// How many PINs in a row are refused without the card before `C_Login` says more than
/// `CKR_PIN_INCORRECT`. Nobody types that many.
const PATIENCE: u32 = 30;

/// NSS asks for the PIN anew, without a limit, as long as it hears `CKR_PIN_INCORRECT`, and poppler's
/// pdfsig without `-kpw` answers each time with the same empty one. A card ends that by being locked;
/// what is refused without the card would go on for ever. `CKR_FUNCTION_FAILED` ends NSS's loop.
fn with_patience(login: &mut Login, error: Error) -> Error {
    if error.rv() != Rv::PinIncorrect {
        return error;
    }
    login.unsent += 1;
    if login.unsent < PATIENCE {
        return error;
    }
    login.unsent = 0;
    Rv::FunctionFailed.into()
}

/// Keeps what a login read, or that there was nothing to read.
fn note_certificate(
    inserted: &Insertion,
    file: CertificateFile,
    read: std::result::Result<Certificate, card::Error>,
) {
    match read {
        Ok(certificate) => {
            inserted.note_certificate(file, Some(certificate));
        }
        Err(card::Error::FileAbsent) => {
            inserted.note_certificate(file, None);
        }
        Err(error) => debug!("the certificate could not be read at login: {error}"),
    }
}
