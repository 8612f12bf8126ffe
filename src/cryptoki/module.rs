//! The module from `C_Initialize` to `C_Finalize`: one method for each C function that does something, one file for each chapter. Handles come in,
//! owned values go out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cryptoki_sys::*;
use parking_lot::{Mutex, RwLock};

use crate::card::files::Role;
use crate::card::reader::Reader;
use crate::card::{Cancel, PcscError, Readers};
use crate::config::Config;
use crate::cryptoki::objects::session::SessionObject;
use crate::cryptoki::objects::token::TokenObject;
use crate::cryptoki::rv::{Result, Rv};
use crate::cryptoki::session::Session;
use crate::cryptoki::slot::{Policy, Slot};
use crate::logging;

/// The version of the standard that this module keeps to: the newest of its function lists.
pub(crate) const CRYPTOKI_VERSION: CK_VERSION = CK_VERSION { major: 3, minor: 2 };

/// How long `C_Finalize` takes at the most, calls under way included. A signature takes a second or two.
const CLOSING_LIMIT: Duration = Duration::from_secs(3);

/// Everything between `C_Initialize` and `C_Finalize`.
pub struct Module {
    pub(super) config: Config,
    pub(super) policy: Policy,
    /// What is shown of each reader, in the order of its slots.
    pub(super) roles: Vec<Role>,
    pub(super) readers: Readers,
    /// Lock 2. Only grows.
    pub(super) slots: RwLock<Vec<Arc<Slot>>>,
    /// What the last query for each kind of list counted: the tokens (`true`), all slots (`false`).
    pub(super) counted_slots: Mutex<BTreeMap<bool, Vec<CK_SLOT_ID>>>,
    /// Lock 2.
    pub(super) sessions: Mutex<BTreeMap<CK_SESSION_HANDLE, Arc<Session>>>,
    /// Lock 2. Objects that sessions made.
    pub(super) session_objects: Mutex<BTreeMap<CK_OBJECT_HANDLE, KeptObject>>,
    /// Lock 2. The handles of token objects, made when they are first found.
    pub(super) token_objects: Mutex<BTreeMap<CK_OBJECT_HANDLE, TokenHandle>>,
    /// `C_Finalize` has begun: waits end.
    pub(super) closing: AtomicBool,
    /// What ends the waits for events.
    pub(super) waits: Mutex<Vec<Weak<dyn Cancel>>>,
    /// How many waits are under way.
    pub(super) waiting: AtomicU64,
    /// The last trouble with the service, so that each is told once.
    pub(super) trouble: Mutex<Option<PcscError>>,
}

/// The next handle, of whatever kind. None is ever used again in this process, also after `C_Finalize`: a stale
/// one must not be valid on another token.
static NEXT_HANDLE: AtomicU64 = AtomicU64::new(1);

/// An object that a session made.
pub(super) struct KeptObject {
    pub(super) slot: CK_SLOT_ID,
    /// See [`Slot::login_of`].
    pub(super) login: Option<u64>,
    pub(super) object: SessionObject,
}

/// A token object belongs to a slot, to one insertion of a card and, when it is private, to one login.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenHandle {
    pub(super) slot: CK_SLOT_ID,
    pub(super) insertion: u64,
    /// See [`Slot::login_of`].
    pub(super) login: Option<u64>,
    pub(super) object: TokenObject,
}

/// An object that a handle stands for.
pub(super) enum Object {
    Token(TokenObject),
    Session(SessionObject),
}

impl Module {
    /// What `C_Initialize` makes: the configuration is read here, once, and the log begins.
    /// `parameters`: the string in `pReserved`. `threads`: the library may start some.
    pub(crate) fn open(parameters: Option<&str>, threads: bool) -> Module {
        let (config, complaints) = Config::load(parameters);
        logging::start(&config, &complaints);
        Module::new(config, Readers::system(threads))
    }

    /// A module on these readers, after a first look at them: what comes later is an event (PKCS#11, 5.5.6).
    /// Sends nothing to any card.
    pub fn new(config: Config, readers: Readers) -> Module {
        let shown = config.slots_shown();
        let roles = Role::ALL.into_iter().filter(|role| match role {
            Role::Authentication => shown.auth,
            Role::Signature => shown.sign,
        });
        let module = Module {
            policy: Policy::new(&config),
            roles: roles.collect(),
            config,
            readers,
            slots: RwLock::default(),
            counted_slots: Mutex::default(),
            sessions: Mutex::default(),
            session_objects: Mutex::default(),
            token_objects: Mutex::default(),
            closing: AtomicBool::new(false),
            waits: Mutex::default(),
            waiting: AtomicU64::new(0),
            trouble: Mutex::default(),
        };
        module.survey_first();
        module
    }

    /// `C_Finalize`: ends waits, forgets PINs, lets go of the cards. Bounded in time.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let end = Instant::now() + CLOSING_LIMIT;
        self.readers.close_by(end);
        let readers = self.readers();
        for reader in &readers {
            reader.begin_closing();
        }
        for wait in self.waits.lock().iter().filter_map(Weak::upgrade) {
            wait.cancel();
        }
        while self.waiting.load(Ordering::Acquire) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.sessions.lock().clear();
        self.session_objects.lock().clear();
        for slot in self.slots.read().iter() {
            slot.close(end);
        }
        for reader in &readers {
            reader.close(end);
        }
    }

    /// Each reader once.
    pub(super) fn readers(&self) -> Vec<Arc<Reader>> {
        let mut readers: Vec<Arc<Reader>> = Vec::new();
        for slot in self.slots.read().iter() {
            if !readers
                .iter()
                .any(|reader| Arc::ptr_eq(reader, &slot.reader))
            {
                readers.push(Arc::clone(&slot.reader));
            }
        }
        readers
    }

    pub(super) fn slot(&self, id: CK_SLOT_ID) -> Result<Arc<Slot>> {
        if self.slots.read().is_empty() {
            // pcscd or its readers may have come since C_Initialize.
            self.survey();
        }
        let slots = self.slots.read();
        let found = slots.iter().find(|slot| slot.id == id);
        Ok(Arc::clone(found.ok_or(Rv::SlotIdInvalid)?))
    }

    /// The session of a handle, its card still in the reader.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`; `CKR_DEVICE_REMOVED` from the call that notices a removal.
    pub(super) fn session(&self, handle: CK_SESSION_HANDLE) -> Result<Arc<Session>> {
        let session = self.known_session(handle)?;
        let reader = &session.slot.reader;
        let held = || reader.holds(&session.inserted);
        let reported = !held();
        // Only the answer that the card is gone ends a session, not that nobody answered.
        let _ = reader.look();
        if held() {
            return Ok(session);
        }
        self.purge_removed(reader);
        Err(match reported {
            true => Rv::SessionHandleInvalid,
            false => Rv::DeviceRemoved,
        }
        .into())
    }

    pub(super) fn known_session(&self, handle: CK_SESSION_HANDLE) -> Result<Arc<Session>> {
        Ok(Arc::clone(
            self.sessions
                .lock()
                .get(&handle)
                .ok_or(Rv::SessionHandleInvalid)?,
        ))
    }

    /// Ends all that belongs to a card that is no longer in its reader: sessions, objects, logins.
    pub(super) fn purge_removed(&self, reader: &Arc<Reader>) {
        let gone = |session: &Session| {
            Arc::ptr_eq(&session.slot.reader, reader) && !reader.holds(&session.inserted)
        };
        let mut sessions = self.sessions.lock();
        let dead: Vec<_> = sessions
            .iter()
            .filter(|(_, session)| gone(session))
            .map(|(handle, _)| *handle)
            .collect();
        for handle in &dead {
            sessions.remove(handle);
        }
        drop(sessions);
        self.session_objects
            .lock()
            .retain(|_, kept| !dead.contains(&kept.object.session));
        for slot in self
            .slots
            .read()
            .iter()
            .filter(|slot| Arc::ptr_eq(&slot.reader, reader))
        {
            slot.forget_removed();
            self.token_objects.lock().retain(|_, handle| {
                handle.slot != slot.id || reader.holds_number(handle.insertion)
            });
        }
    }

    pub(super) fn fresh_handle(&self) -> CK_ULONG {
        NEXT_HANDLE.fetch_add(1, Ordering::Relaxed) as CK_ULONG
    }
}
