//! A slot: one of the two roles of a reader, with the login of its token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cryptoki_sys::*;
use parking_lot::Mutex;

use crate::card::Insertion;
use crate::card::certificate::Certificate;
use crate::card::files::{CertificateFile, Role, Scheme};
use crate::card::pin::Pin;
use crate::card::reader::Reader;
use crate::card::{self, Access, Closing, Error as C, PcscError};
use crate::config::{AlwaysAuthenticate, Config, LastTry, LoginState, PinEntry};
use crate::cryptoki::mechanisms::MechanismSet;
use crate::cryptoki::objects::token::TokenContext;
use crate::cryptoki::pin_dialog::{DialogPolicy, Dialogs, shown_hash};
use crate::cryptoki::rv::{Error, Result, Rv};
use crate::logging;
use crate::messages::{Language, Message, Request, Token};

/// What the configuration says about logins and signatures, resolved once.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(super) last_try: LastTry,
    pub(super) login_state: LoginState,
    pub(super) always_authenticate: AlwaysAuthenticate,
    pub(super) offer: MechanismSet,
    pub(super) language: Language,
    /// `None`: the program asks for PINs.
    pub(super) dialog: Option<Arc<DialogPolicy>>,
    /// PINs are typed on the reader, where it has keys.
    pub(super) pinpad: bool,
}

impl Policy {
    /// From the configuration.
    pub(crate) fn new(config: &Config) -> Policy {
        Policy {
            last_try: config.last_try,
            login_state: config.login_state,
            always_authenticate: config.always_authenticate_here(),
            offer: MechanismSet {
                pss: config.pss,
                sha1: config.sha1,
            },
            language: config.spoken_language(),
            dialog: DialogPolicy::new(config),
            pinpad: config.pin_entry == PinEntry::Pinpad,
        }
    }
}

/// A slot and the login of the token in it.
pub(crate) struct Slot {
    /// Its number, the same for a reader's name for the whole life of the module.
    pub(crate) id: CK_SLOT_ID,
    /// Which of the card's two keys.
    pub(crate) role: Role,
    /// The reader that it shares with the other role.
    pub(crate) reader: Arc<Reader>,
    pub(super) policy: Policy,
    /// Lock 4.
    pub(super) login: Mutex<Login>,
    /// Number of the insertion that is logged in, 0 for none: the same as in `login`, for those who
    /// only want to know and must not wait for a signature.
    pub(super) logged_in: AtomicU64,
    /// How many logins have ended: handles of private objects are good for one of them.
    pub(super) logins_ended: AtomicU64,
    /// Number of the insertion of which [`Message::CardStaysOpen`] was last told.
    stays_open_told: AtomicU64,
    /// Something happened that `C_WaitForSlotEvent` has not told yet.
    pub(crate) event: AtomicBool,
    /// One series of PIN dialogs at a time for the reader.
    pub(super) dialog_turn: Arc<Mutex<()>>,
}

#[derive(Default)]
pub(super) struct Login {
    /// The insertion that all of this belongs to.
    pub(super) number: u64,
    pub(super) key: KeyAccess,
    /// How many PINs in a row were refused without the card.
    pub(super) unsent: u32,
    /// Rises when the login ends and when the PIN is changed: what was verified before is over.
    pub(super) epoch: u64,
    /// Signatures since the login.
    pub(super) signatures: u32,
}

/// One use of a key that needs its PIN for each (`C_Login` with `CKU_CONTEXT_SPECIFIC`). It belongs to
/// the operation that it was given for, and the PIN is wiped with it, used or not.
pub(crate) struct ContextLogin {
    pub(super) pin: Pin,
    pub(super) epoch: u64,
}

/// By what means the private key can be used.
#[derive(Default)]
pub(super) enum KeyAccess {
    /// Nobody is logged in.
    #[default]
    Closed,
    /// With this PIN, sent again in each transaction.
    Pin(Pin),
    /// The card was left open (`login_state = "card"`).
    OnCard,
    /// With a PIN that is typed on the reader for each signature: no PIN is kept.
    Pad,
    /// The login is there, but the key needs its PIN for each signature and has had one.
    Spent,
}

impl Slot {
    /// An empty slot.
    /// `dialog_turn`: shared with the other slot of the reader.
    pub(crate) fn new(
        id: CK_SLOT_ID,
        role: Role,
        reader: Arc<Reader>,
        policy: Policy,
        dialog_turn: Arc<Mutex<()>>,
    ) -> Slot {
        Slot {
            id,
            role,
            reader,
            policy,
            login: Mutex::default(),
            logged_in: AtomicU64::new(0),
            logins_ended: AtomicU64::new(0),
            stays_open_told: AtomicU64::new(0),
            event: AtomicBool::new(false),
            dialog_turn,
        }
    }

    /// The token, opened if need be.
    ///
    /// # Errors
    /// As [`Reader::inserted`].
    pub(crate) fn token(&self) -> Result<Arc<Insertion>> {
        let token = self.reader.inserted();
        let busy = matches!(token, Err(C::Pcsc(PcscError::Busy)));
        let told = self.reader.busy_told.swap(busy, Ordering::AcqRel);
        if busy && !told {
            let reader = self.reader.name().to_owned();
            self.tell(&Message::CardBusy { reader });
        }
        token.map_err(|error| match error {
            // libp11 gives up at a token that answers anything else, and never reaches the next reader.
            C::Pcsc(PcscError::Busy) => Rv::TokenNotPresent.into(),
            other => other.into(),
        })
    }

    /// Is there a token, as far as the card can be asked? Costs APDUs only at the first question of an insertion.
    pub(crate) fn is_present(&self) -> bool {
        match self.token() {
            Ok(_) => true,
            Err(Error::Rv(_)) => false,
            Err(Error::Card(C::NotJpki)) => false,
            Err(Error::Card(C::Pcsc(cause))) => matches!(cause, PcscError::Failed(_)),
            // It may be ours, and it does not work: better seen than missed.
            Err(Error::Card(_)) => true,
        }
    }

    /// Is the user logged in to this insertion? Never waits.
    pub(crate) fn is_logged_in(&self, inserted: &Insertion) -> bool {
        self.logged_in.load(Ordering::Acquire) == inserted.number()
    }

    /// The login that a handle made now belongs to: `None` for a public object. After that login the handle of a
    /// private object stays invalid, also when the user logs in again (PKCS#11, 5.6.9).
    pub(crate) fn login_of(&self, private: bool) -> Option<u64> {
        private.then(|| self.logins_ended.load(Ordering::Acquire))
    }

    /// Is a handle of that login still good?
    pub(crate) fn is_of_now(&self, login: Option<u64>) -> bool {
        login.is_none() || login == self.login_of(true)
    }

    /// What the token signs with, at the moment.
    pub(crate) fn offer(&self, inserted: &Insertion) -> MechanismSet {
        let refused = inserted.pss_refused.load(Ordering::Relaxed);
        MechanismSet {
            pss: self.policy.offer.pss && !refused,
            ..self.policy.offer
        }
    }

    /// `CKF_PROTECTED_AUTHENTICATION_PATH` when the module or the reader asks for PINs.
    pub(crate) fn pin_entry_flags(&self, inserted: &Insertion) -> CK_FLAGS {
        match self.policy.dialog.is_some() || self.has_pad(inserted) {
            true => CKF_PROTECTED_AUTHENTICATION_PATH,
            false => 0,
        }
    }

    /// Is the PIN typed on the reader? A pad has no letters: the password is not.
    pub(super) fn has_pad(&self, inserted: &Insertion) -> bool {
        self.policy.pinpad && inserted.has_pad && self.role == Role::Authentication
    }

    /// Does a dialog ask for the PIN of each signature? The program has nothing to do with it then.
    pub(super) fn asks_for_each(&self) -> Option<&DialogPolicy> {
        let dialog = self.policy.dialog.as_deref()?;
        let each = match self.policy.always_authenticate {
            AlwaysAuthenticate::Yes => true,
            // Which programs can log in for a use does not matter here.
            AlwaysAuthenticate::Auto | AlwaysAuthenticate::No => {
                self.role == Role::Signature && dialog.consents_to_each()
            }
        };
        each.then_some(dialog)
    }

    /// Does the program have to log in for each signature (`CKA_ALWAYS_AUTHENTICATE`)?
    pub(crate) fn always_authenticate(&self) -> bool {
        if self.policy.dialog.is_some() {
            return false;
        }
        match self.policy.always_authenticate {
            // The signature key binds its holder by law; the card itself asks once only
            // (docs/card.md, section 5), so this is policy.
            AlwaysAuthenticate::Auto => self.role == Role::Signature,
            AlwaysAuthenticate::Yes => true,
            AlwaysAuthenticate::No => false,
        }
    }

    /// All that an object's attributes can depend on.
    pub(crate) fn context(&self, inserted: &Insertion) -> TokenContext {
        let certificate = inserted.certificate(self.role.certificate()).flatten();
        TokenContext {
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

    /// One signature. A key that needs its PIN each time has none afterwards.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`, and what the card says.
    pub(crate) fn sign(
        &self,
        inserted: &Arc<Insertion>,
        scheme: Scheme,
        input: &[u8],
        certificate: &Certificate,
        authenticated: Option<ContextLogin>,
    ) -> Result<Vec<u8>> {
        if let (Some(dialog), None) = (self.asks_for_each(), &authenticated) {
            return self.sign_with_consent(dialog, inserted, scheme, input, certificate);
        }
        let mut guard = self.lock(inserted);
        let login = &mut *guard;
        let once = self.always_authenticate();
        let access = match (&login.key, &authenticated) {
            (KeyAccess::Closed, _) => return Err(Rv::UserNotLoggedIn.into()),
            (_, Some(own)) if own.epoch == login.epoch => Access::Pin(&own.pin),
            (_, Some(_)) | (KeyAccess::Spent, None) => return Err(Rv::UserNotLoggedIn.into()),
            (KeyAccess::Pin(pin), None) => Access::Pin(pin),
            (KeyAccess::Pad, None) => Access::Pad(self.policy.last_try),
            (KeyAccess::OnCard, None) if once => Access::OpenOnce,
            (KeyAccess::OnCard, None) => Access::Open,
        };
        let answer = self.reader.with_card(inserted, |card| {
            card.sign(self.role, scheme, input, access, certificate)
        });
        if let (KeyAccess::Pad, Err(error)) = (&login.key, &answer) {
            self.tell_refusal(error);
        } else if once {
            // Used is used, also by a failure.
            login.key = KeyAccess::Spent;
        }
        self.after_signature(login, inserted, answer)
    }

    /// One signature whose PIN the holder types into a dialog that shows what is signed.
    fn sign_with_consent(
        &self,
        dialog: &DialogPolicy,
        inserted: &Arc<Insertion>,
        scheme: Scheme,
        input: &[u8],
        certificate: &Certificate,
    ) -> Result<Vec<u8>> {
        let (epoch, made) = match &*self.lock(inserted) {
            Login {
                key: KeyAccess::Closed,
                ..
            } => return Err(Rv::UserNotLoggedIn.into()),
            login => (login.epoch, login.signatures),
        };
        let request = Request::Signature {
            hash: shown_hash(scheme, input),
            made,
        };
        let attempt = |_: &Dialogs<'_>, pin: Pin, last_try| {
            let mut login = self.lock(inserted);
            if login.epoch != epoch {
                return Err(Rv::UserNotLoggedIn.into());
            }
            let answer = self.reader.with_card(inserted, |card| {
                let access = Access::Typed(&pin, last_try);
                card.sign(self.role, scheme, input, access, certificate)
            });
            if let Err(error) = &answer {
                self.tell_refusal(error);
            }
            self.after_signature(&mut login, inserted, answer)
        };
        let rejected = Rv::FunctionRejected;
        self.ask_until_right(dialog, inserted, &request, rejected, || Ok(()), attempt)
    }

    /// What a signature, or its failure, does to the login.
    fn after_signature(
        &self,
        login: &mut Login,
        inserted: &Arc<Insertion>,
        answer: std::result::Result<Vec<u8>, card::Error>,
    ) -> Result<Vec<u8>> {
        self.tell_if_open(inserted);
        self.forget_if_gone(login, inserted);
        match &answer {
            Ok(_) => login.signatures = login.signatures.saturating_add(1),
            Err(card::Error::SchemeRefused) => {
                inserted.pss_refused.store(true, Ordering::Relaxed);
                self.tell(&Message::PssWithdrawn);
            }
            Err(card::Error::SignatureWrong) => self.tell(&Message::SignatureWrong),
            Err(error) => self.end_if_lost(login, error),
        }
        Ok(answer?)
    }

    /// A certificate of the token, opened by the login if it has to be.
    ///
    /// # Errors
    /// What the card says. `Ok(None)`: there is none, or it is locked.
    pub(crate) fn certificate(
        &self,
        inserted: &Arc<Insertion>,
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
            return Ok(self.reader.certificate(inserted, file, None)?);
        }
        let mut guard = self.lock(inserted);
        let login = &mut *guard;
        let access = match &login.key {
            KeyAccess::Pin(pin) => Access::Pin(pin),
            KeyAccess::OnCard => Access::Open,
            KeyAccess::Closed | KeyAccess::Spent | KeyAccess::Pad => return Ok(None),
        };
        let answer = self.reader.certificate(inserted, file, Some(access));
        if let Err(error) = &answer {
            self.end_if_lost(login, error);
        }
        self.forget_if_gone(login, inserted);
        Ok(answer?)
    }

    /// Ends the login when the card has not accepted, or was not to be given, the kept PIN.
    fn end_if_lost(&self, login: &mut Login, error: &card::Error) {
        let token = self.role.into();
        let message = match *error {
            C::KeptPinRefused { left: 0 } | C::PinMayHaveChanged { left: 0 } => {
                Message::PinLocked { token }
            }
            C::KeptPinRefused { left } | C::PinMayHaveChanged { left } => {
                Message::PinChangedElsewhere {
                    token,
                    tries_left: left,
                }
            }
            C::NotVerified | C::Unproven => Message::LoginLost { token },
            _ => return,
        };
        self.clear(login);
        self.tell(&message);
    }

    /// Says once that a card cannot be closed.
    pub(super) fn tell_if_open(&self, inserted: &Insertion) {
        let number = inserted.number();
        if inserted.closing() == Closing::Impossible
            && self.stays_open_told.swap(number, Ordering::AcqRel) != number
        {
            self.tell(&Message::CardStaysOpen);
        }
    }

    /// Ends the login when the card turned out to be gone, or another one, in this very call.
    pub(super) fn forget_if_gone(&self, login: &mut Login, inserted: &Arc<Insertion>) {
        if !self.reader.holds(inserted) {
            self.clear(login);
        }
    }

    /// Lock 4, with whatever belongs to an earlier card wiped out of it.
    pub(super) fn lock(&self, inserted: &Insertion) -> parking_lot::MutexGuard<'_, Login> {
        let mut login = self.login.lock();
        if login.number != inserted.number() {
            self.clear(&mut login);
            login.number = inserted.number();
        }
        login
    }

    pub(super) fn clear(&self, login: &mut Login) {
        login.key = KeyAccess::Closed;
        login.signatures = 0;
        login.epoch += 1;
        self.logins_ended.fetch_add(1, Ordering::AcqRel);
        self.logged_in.store(0, Ordering::Release);
    }

    pub(super) fn tell(&self, message: &Message) {
        logging::tell(&message.text(self.policy.language));
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
