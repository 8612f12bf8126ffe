//! A slot: one of the two roles of a reader, with the login of its token.
//! It uses `reader` and `pin`. Sessions and objects are above it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cryptoki_sys::*;
use log::{debug, warn};
use parking_lot::Mutex;

use crate::card::certificate::Certificate;
use crate::card::files::{CertificateFile, Role, Scheme};
use crate::card::{self, Access, LastTry};
use crate::config::{AlwaysAuthenticate, Config, LoginState};
use crate::error::{Error, Result, Rv};
use crate::mechanism::Offer;
use crate::messages::{Language, Message, Token};
use crate::object::token::Surroundings;
use crate::pin::{self, Pin, Refused};
use crate::reader::{Inserted, Reader};

/// What the configuration says about logins and signatures, resolved once.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    last_try: LastTry,
    login_state: LoginState,
    always_authenticate: AlwaysAuthenticate,
    offer: Offer,
    language: Language,
}

impl Policy {
    /// From the configuration.
    pub fn new(config: &Config) -> Policy {
        Policy {
            last_try: match config.last_try {
                crate::config::LastTry::Guard => LastTry::Keep,
                crate::config::LastTry::Allow => LastTry::Spend,
            },
            login_state: config.login_state,
            always_authenticate: config.always_authenticate,
            offer: Offer {
                pss: config.pss,
                sha1: config.sha1,
            },
            language: config.spoken_language(),
        }
    }
}

/// A slot and the login of the token in it.
pub struct Slot {
    /// Its number, the same for a reader's name for the whole life of the module.
    pub id: CK_SLOT_ID,
    /// Which of the card's two keys.
    pub role: Role,
    /// The reader that it shares with the other role.
    pub reader: Arc<Reader>,
    policy: Policy,
    /// Lock 4.
    login: Mutex<Login>,
    /// Number of the insertion that is logged in, 0 for none: the same as in `login`, for those who
    /// only want to know and must not wait for a signature.
    logged_in: AtomicU64,
    /// Something happened that `C_WaitForSlotEvent` has not told yet.
    pub event: AtomicBool,
}

#[derive(Default)]
struct Login {
    /// The insertion that all of this belongs to.
    number: u64,
    key: Key,
    refused: Refused,
    /// How many PINs in a row were refused without the card.
    unsent: u32,
    /// Rises when the login ends and when the PIN is changed: what was verified before is over.
    epoch: u64,
}

/// One use of a key that wants its PIN for each (`C_Login` with `CKU_CONTEXT_SPECIFIC`). It belongs to
/// the operation that it was given for, and the PIN is wiped with it, used or not.
pub struct Authenticated {
    pin: Pin,
    epoch: u64,
}

/// By what means the private key can be used.
#[derive(Default)]
enum Key {
    /// Nobody is logged in.
    #[default]
    Closed,
    /// With this PIN, sent again in each transaction.
    Pin(Pin),
    /// The card was left open (`login_state = "card"`).
    OnCard,
    /// The login is there, but the key wants its PIN for each signature and has had one.
    Spent,
}

impl Slot {
    /// An empty slot.
    pub fn new(id: CK_SLOT_ID, role: Role, reader: Arc<Reader>, policy: Policy) -> Slot {
        let (login, logged_in, event) =
            (Mutex::default(), AtomicU64::new(0), AtomicBool::new(false));
        Slot {
            id,
            role,
            reader,
            policy,
            login,
            logged_in,
            event,
        }
    }

    /// The token, opened if need be.
    ///
    /// # Errors
    /// As [`Reader::inserted`].
    pub fn token(&self) -> Result<Arc<Inserted>> {
        self.reader.inserted()
    }

    /// Is the user logged in to this insertion? Never waits.
    pub fn is_logged_in(&self, inserted: &Inserted) -> bool {
        self.logged_in.load(Ordering::Acquire) == inserted.number()
    }

    /// What the token signs with, at the moment.
    pub fn offer(&self, inserted: &Inserted) -> Offer {
        let refused = inserted.pss_refused.load(Ordering::Relaxed);
        Offer {
            pss: self.policy.offer.pss && !refused,
            ..self.policy.offer
        }
    }

    /// Does the key want its PIN for each signature?
    pub fn always_authenticate(&self) -> bool {
        match self.policy.always_authenticate {
            // The signature key binds its holder by law; the card itself asks once only
            // (jpki-card.md, section 5), so this is policy.
            AlwaysAuthenticate::Auto => self.role == Role::Signature,
            AlwaysAuthenticate::Yes => true,
            AlwaysAuthenticate::No => false,
        }
    }

    /// All that an object's attributes can depend on.
    pub fn surroundings(&self, inserted: &Inserted) -> Surroundings {
        let certificate = inserted.certificate(self.role.certificate()).flatten();
        Surroundings {
            role: self.role,
            serial: inserted.serial.clone(),
            kind: inserted.kind,
            public_certificate: inserted.public_certificate,
            always_authenticate: self.always_authenticate(),
            offer: self.offer(inserted),
            tries: inserted.tries(self.role),
            end_date: certificate.map(|certificate| certificate.not_after()),
        }
    }

    /// `C_Login` as user: sends the PIN, if it can be right.
    ///
    /// # Errors
    /// `CKR_USER_ALREADY_LOGGED_IN`, `CKR_PIN_INCORRECT`, `CKR_PIN_LOCKED`, and what the card says.
    pub fn login(&self, inserted: &Arc<Inserted>, given: &[u8]) -> Result<()> {
        let mut login = self.lock(inserted);
        if !matches!(login.key, Key::Closed) {
            return Err(Rv::UserAlreadyLoggedIn.into());
        }
        let keep_open = self.policy.login_state == LoginState::Card;
        let pin = self.authenticate(&mut login, inserted, given, keep_open)?;
        login.key = if keep_open {
            Key::OnCard
        } else {
            Key::Pin(pin)
        };
        self.logged_in.store(inserted.number(), Ordering::Release);
        Ok(())
    }

    /// `C_Login` for one use of a key that wants it. The one use that came with the login is over,
    /// also by a failure (PKCS#11 3.2, 4.9).
    ///
    /// # Errors
    /// As [`Slot::login`], and `CKR_USER_NOT_LOGGED_IN`.
    pub fn login_again(&self, inserted: &Arc<Inserted>, given: &[u8]) -> Result<Authenticated> {
        let mut login = self.lock(inserted);
        if matches!(login.key, Key::Closed) {
            return Err(Rv::UserNotLoggedIn.into());
        }
        let on_card = matches!(login.key, Key::OnCard);
        login.key = Key::Spent;
        // With `login_state = "card"` too, the PIN is kept for the one operation: a key that wants its
        // PIN for each use gains nothing from a card that is left open meanwhile.
        let result = self.authenticate(&mut login, inserted, given, false);
        if on_card && result.is_err() {
            self.leave_card(inserted);
        }
        if let Err(Error::Card(card::Error::PinLocked)) = result {
            // PKCS#11 3.2, 4.9: this also logs the user out.
            self.clear(&mut login);
        }
        Ok(Authenticated {
            pin: result?,
            epoch: login.epoch,
        })
    }

    /// Sends the PIN, if it can be right, and gives it back if it is.
    fn authenticate(
        &self,
        login: &mut Login,
        inserted: &Arc<Inserted>,
        given: &[u8],
        keep_open: bool,
    ) -> Result<Pin> {
        let pin = Pin::parse(self.role.pin_shape(), given)
            .map_err(|error| match error {
                pin::Error::Memory => Rv::HostMemory,
                pin::Error::Length | pin::Error::Characters => {
                    self.tell(&Message::PinShape {
                        token: self.role.into(),
                    });
                    Rv::PinIncorrect
                }
            })
            .map_err(Error::from)
            .and_then(|pin| self.check_not_refused(login, &pin).map(|()| pin))
            .map_err(|error| with_patience(login, error))?;
        login.unsent = 0;
        // In the same transaction, what only this PIN opens: whoever logs in wants the certificate
        // next, and the card would have to be told the PIN once more for it.
        let file =
            Some(self.role.certificate()).filter(|&file| inserted.certificate(file).is_none());
        let answer = self.reader.with_card(inserted, |card| {
            card.login(self.role, &pin, self.policy.last_try, file, keep_open)
        });
        match answer {
            Ok(read) => {
                if let (Some(file), Some(read)) = (file, read) {
                    note_certificate(inserted, file, read);
                }
                login.refused.forget();
                Ok(pin)
            }
            Err(error) => {
                self.note_refusal(login, &pin, &error);
                Err(error)
            }
        }
    }

    /// A value that this card refused is not sent again.
    fn check_not_refused(&self, login: &Login, pin: &Pin) -> Result<()> {
        if login.refused.contains(pin) {
            self.tell(&Message::RefusedBefore {
                token: self.role.into(),
            });
            return Err(card::Error::RefusedBefore.into());
        }
        Ok(())
    }

    fn note_refusal(&self, login: &mut Login, pin: &Pin, error: &Error) {
        let token = self.role.into();
        let Error::Card(error) = error else { return };
        match *error {
            card::Error::PinIncorrect { left } => {
                login.refused.remember(pin);
                self.tell(&Message::WrongPin {
                    token,
                    tries_left: left,
                });
            }
            card::Error::PinLocked => self.tell(&Message::PinLocked { token }),
            card::Error::LastTryKept => self.tell(&Message::LastTryKept { token }),
            _ => {}
        }
    }

    /// `C_Logout`.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`.
    pub fn logout(&self, inserted: &Arc<Inserted>) -> Result<()> {
        let mut login = self.lock(inserted);
        if matches!(login.key, Key::Closed) {
            return Err(Rv::UserNotLoggedIn.into());
        }
        let on_card = matches!(login.key, Key::OnCard);
        self.clear(&mut login);
        if on_card {
            self.leave_card(inserted);
        }
        Ok(())
    }

    /// Closes what `login_state = "card"` left open.
    fn leave_card(&self, inserted: &Arc<Inserted>) {
        if let Err(error) = self.reader.with_card(inserted, card::JpkiCard::logout) {
            // A card that cannot be reached has lost its power, or will have before long.
            debug!("the card could not be left: {error}");
        }
    }

    /// Forgets the login if it is one to a card that is no longer there. Does not wait for a
    /// signature under way: that one finds out by itself.
    pub fn forget_removed(&self) {
        if let Some(mut login) = self.login.try_lock()
            && !self.reader.holds_number(login.number)
        {
            self.clear(&mut login);
            login.refused.forget();
        }
    }

    /// Ends the login for good, at `C_Finalize`, waiting for a call under way at most so long.
    pub fn close(&self, patience: Duration) {
        if let Some(mut login) = self.login.try_lock_for(patience) {
            let on_card = matches!(login.key, Key::OnCard);
            self.clear(&mut login);
            login.refused.forget();
            if on_card && let Ok(inserted) = self.reader.inserted() {
                self.leave_card(&inserted);
            }
        }
    }

    /// `C_SetPIN`.
    ///
    /// # Errors
    /// `CKR_PIN_INCORRECT` (old one), `CKR_PIN_LEN_RANGE` and `CKR_PIN_INVALID` (new one), `CKR_PIN_LOCKED`,
    /// and what the card says.
    pub fn set_pin(&self, inserted: &Arc<Inserted>, old: &[u8], new: &[u8]) -> Result<()> {
        let token = self.role.into();
        let shape = self.role.pin_shape();
        let mut login = self.lock(inserted);
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
        self.check_not_refused(&login, &old)?;
        let keep_open = matches!(login.key, Key::OnCard);
        let changed = self.reader.with_card(inserted, |card| {
            card.change_pin(self.role, &old, &new, self.policy.last_try, keep_open)
        });
        if let Err(error) = changed {
            self.note_refusal(&mut login, &old, &error);
            let unchanged = is_refusal(&error);
            if !unchanged {
                self.tell(&Message::PinChangeUnclear { token });
            }
            // A kept PIN that may be the old one must not be sent again; and a card that was left
            // open is open no longer.
            if !unchanged || keep_open {
                self.clear(&mut login);
            }
            return Err(error);
        }
        login.refused.forget();
        login.epoch += 1;
        if let Key::Pin(kept) = &mut login.key {
            *kept = new;
        }
        Ok(())
    }

    /// One signature. A key that wants its PIN each time has none afterwards.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`, and what the card says.
    pub fn sign(
        &self,
        inserted: &Arc<Inserted>,
        scheme: Scheme,
        input: &[u8],
        certificate: &Certificate,
        authenticated: Option<Authenticated>,
    ) -> Result<Vec<u8>> {
        let mut guard = self.lock(inserted);
        let login = &mut *guard;
        let once = self.always_authenticate();
        let access = match (&login.key, &authenticated) {
            (Key::Closed, _) => return Err(Rv::UserNotLoggedIn.into()),
            (_, Some(own)) if own.epoch == login.epoch => Access::Pin(&own.pin),
            (_, Some(_)) | (Key::Spent, None) => return Err(Rv::UserNotLoggedIn.into()),
            (Key::Pin(pin), None) => Access::Pin(pin),
            (Key::OnCard, None) if once => Access::OpenOnce,
            (Key::OnCard, None) => Access::Open,
        };
        let answer = self.reader.with_card(inserted, |card| {
            card.sign(self.role, scheme, input, access, certificate)
        });
        if let (Access::Pin(pin), Err(Error::Card(card::Error::KeptPinRefused))) = (access, &answer)
        {
            login.refused.remember(pin);
        }
        if once {
            // Used is used, also by a failure.
            login.key = Key::Spent;
        }
        self.forget_if_gone(login, inserted);
        if let Err(Error::Card(error)) = &answer {
            match error {
                card::Error::SchemeRefused => {
                    inserted.pss_refused.store(true, Ordering::Relaxed);
                    self.tell(&Message::PssWithdrawn);
                }
                card::Error::SignatureWrong => self.tell(&Message::SignatureWrong),
                _ => self.end_if_lost(login, error),
            }
        }
        answer
    }

    /// A certificate of the token, opened by the login if it has to be.
    ///
    /// # Errors
    /// What the card says. `Ok(None)`: there is none, or it is locked.
    pub fn certificate(
        &self,
        inserted: &Arc<Inserted>,
        file: CertificateFile,
    ) -> Result<Option<Arc<Certificate>>> {
        if let Some(answer) = inserted.certificate(file) {
            return Ok(answer);
        }
        let locked = match file {
            CertificateFile::Signature => true,
            CertificateFile::Authentication => !inserted.public_certificate,
            CertificateFile::AuthenticationAuthority | CertificateFile::SignatureAuthority => false,
        };
        if !locked {
            return self.reader.certificate(inserted, file, None);
        }
        let mut guard = self.lock(inserted);
        let login = &mut *guard;
        let access = match &login.key {
            Key::Pin(pin) => Access::Pin(pin),
            Key::OnCard => Access::Open,
            Key::Closed | Key::Spent => return Ok(None),
        };
        let answer = self.reader.certificate(inserted, file, Some(access));
        if let Err(Error::Card(error)) = &answer {
            if let (Access::Pin(pin), card::Error::KeptPinRefused) = (access, error) {
                login.refused.remember(pin);
            }
            self.end_if_lost(login, error);
        }
        self.forget_if_gone(login, inserted);
        answer
    }

    /// Ends the login when the card says, or may not be asked, that the PIN is right.
    fn end_if_lost(&self, login: &mut Login, error: &card::Error) {
        use card::Error::{KeptPinRefused, NotVerified, Unproven};
        if matches!(error, NotVerified | KeptPinRefused | Unproven) {
            self.clear(login);
            self.tell(&Message::LoginLost {
                token: self.role.into(),
            });
        }
    }

    /// Ends the login when the card turned out to be gone, or another one, in this very call.
    fn forget_if_gone(&self, login: &mut Login, inserted: &Arc<Inserted>) {
        if !self.reader.holds(inserted) {
            self.clear(login);
            login.refused.forget();
        }
    }

    /// Lock 4, with whatever belongs to an earlier card wiped out of it.
    fn lock(&self, inserted: &Inserted) -> parking_lot::MutexGuard<'_, Login> {
        let mut login = self.login.lock();
        if login.number != inserted.number() {
            self.clear(&mut login);
            login.refused.forget();
            login.number = inserted.number();
        }
        login
    }

    fn clear(&self, login: &mut Login) {
        login.key = Key::Closed;
        login.epoch += 1;
        self.logged_in.store(0, Ordering::Release);
    }

    fn tell(&self, message: &Message) {
        warn!("{}", message.text(self.policy.language));
    }
}

/// Did a change of the PIN end before anything was changed?
fn is_refusal(error: &Error) -> bool {
    use card::Error as C;
    let Error::Card(error) = error else {
        return true;
    };
    matches!(
        error,
        C::PinIncorrect { .. }
            | C::PinLocked
            | C::LastTryKept
            | C::NotVerified
            | C::NewPinRefused
            | C::AnotherCard
    )
}

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
    inserted: &Inserted,
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

impl From<Role> for Token {
    fn from(role: Role) -> Token {
        match role {
            Role::Authentication => Token::Authentication,
            Role::Signature => Token::Signature,
        }
    }
}
