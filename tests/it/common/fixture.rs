//! The initialised module with readers and cards. It is the caller too, and finalizes the module at its end.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use cryptoki_sys::*;
use jpki_card_simulator::{Card, Counters, Profile, Role, VirtualReader};

use super::caller::Caller;
use super::config::Config;
use super::fake_pcsc::FakePcsc;
use super::module::initialize_with;
use super::other_client::OtherClient;
use super::words::{Mechanism, Template};

/// The slot of the first reader's authentication token.
pub const AUTH: CK_SLOT_ID = 0;
/// The slot of the first reader's signature token.
pub const SIGN: CK_SLOT_ID = 1;

/// The name of the first reader.
pub const READER: &str = "Reader 00";

/// The module exists once per process.
static TURN: Mutex<()> = Mutex::new(());

/// The thread that holds `TURN`.
static HOLDER: Mutex<Option<ThreadId>> = Mutex::new(None);

/// No other test initialises the module while this lives.
pub struct Alone(MutexGuard<'static, ()>);

/// The module is initialised while this lives.
pub struct Fixture {
    /// The service with its readers.
    pub pcsc: FakePcsc,
    caller: Caller,
    _alone: Alone,
}

impl Fixture {
    /// One reader with a plastic card.
    pub fn plastic() -> Fixture {
        Fixture::with("plastic")
    }

    /// One reader with a card of a profile (as the simulator writes it: `plastic,auth-tries=1`).
    pub fn with(profile: &str) -> Fixture {
        Fixture::configured(profile, |_| ())
    }

    /// The same with other settings.
    pub fn configured(profile: &str, change: impl FnOnce(&mut Config)) -> Fixture {
        let alone = alone();
        let pcsc = FakePcsc::default();
        pcsc.plug(READER, reader_with(profile));
        Fixture::start(alone, pcsc, change)
    }

    /// A card in each of two readers, `Reader A` and `Reader B`.
    pub fn with_two(a: &str, b: &str) -> Fixture {
        let pcsc = FakePcsc::default();
        pcsc.plug("Reader A", reader_with(a));
        pcsc.plug("Reader B", reader_with(b));
        Fixture::on(pcsc, |_| ())
    }

    /// Any readers.
    pub fn on(pcsc: FakePcsc, change: impl FnOnce(&mut Config)) -> Fixture {
        Fixture::start(alone(), pcsc, change)
    }

    fn start(alone: Alone, pcsc: FakePcsc, change: impl FnOnce(&mut Config)) -> Fixture {
        let mut config = Config::default();
        change(&mut config);
        let fixture = Fixture {
            pcsc,
            caller: Caller::new(),
            _alone: alone,
        };
        fixture.initialize(config).unwrap();
        fixture.slot_list(false).unwrap();
        fixture
    }

    /// `C_Initialize`, on the readers of this fixture.
    pub fn initialize(&self, config: Config) -> Result<(), CK_RV> {
        let result = initialize_with(Box::new(self.pcsc.clone()), config);
        result.map_err(|error| error.rv().code())
    }

    /// The caller, to hand to a thread.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The first reader.
    pub fn reader(&self) -> VirtualReader {
        self.pcsc.reader(READER)
    }

    /// Another program with a connection to the card in the first reader.
    pub fn other_client(&self) -> OtherClient {
        OtherClient::at(&self.pcsc, READER)
    }

    /// Takes the card out of the first reader.
    pub fn take_out(&self) {
        self.reader().remove();
    }

    /// Puts the same card back.
    pub fn put_back(&self) {
        self.reader().insert_again().unwrap();
    }

    /// What the card counted.
    pub fn counters(&self) -> Counters {
        self.reader().counters().unwrap()
    }

    /// Tries left: authentication PIN and signature password.
    pub fn tries(&self) -> (u8, u8) {
        let counters = self.counters();
        (counters.auth_tries, counters.sign_tries)
    }

    /// Is a PIN verified on the card at this moment?
    pub fn is_open(&self) -> bool {
        let open = |card: &mut Card| card.is_verified(Role::Auth) || card.is_verified(Role::Sign);
        self.reader().inserted_card(open).unwrap()
    }

    /// How many APDUs reach the first reader while this is done.
    pub fn apdus<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let reader = self.reader();
        let before = reader.apdus();
        let result = work();
        (result, reader.apdus() - before)
    }

    /// A read/write session.
    pub fn open(&self, slot: CK_SLOT_ID) -> CK_SESSION_HANDLE {
        self.open_session(slot, true).unwrap()
    }

    /// A session with the user logged in.
    pub fn logged_in(&self, slot: CK_SLOT_ID) -> CK_SESSION_HANDLE {
        let session = self.open(slot);
        let pin = if slot % 2 == AUTH {
            super::PIN
        } else {
            super::PASSWORD
        };
        self.login(session, CKU_USER, pin).unwrap();
        session
    }

    /// The only object that fits.
    pub fn find_one(&self, session: CK_SESSION_HANDLE, template: &Template) -> CK_OBJECT_HANDLE {
        let found = self.find(session, template).unwrap();
        let [object] = found[..] else {
            panic!("{} objects fit {template:?}", found.len())
        };
        object
    }

    /// The private key of a token that is logged in.
    pub fn private_key(&self, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
        self.find_one(session, &Template::class(CKO_PRIVATE_KEY))
    }

    /// One signature of `b"data"` with the private key of a token that is logged in.
    pub fn signature(&self, session: CK_SESSION_HANDLE) -> Result<Vec<u8>, CK_RV> {
        let key = self.private_key(session);
        self.sign_once(
            session,
            &Mechanism::plain(CKM_SHA256_RSA_PKCS),
            key,
            b"data",
        )
    }

    /// The public key of a token.
    pub fn public_key(&self, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
        let template = Template::class(CKO_PUBLIC_KEY).flag(CKA_TOKEN, true);
        self.find_one(session, &template)
    }
}

impl Deref for Fixture {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // A test may have finalized it.
        let _ = self.caller.finalize();
    }
}

/// Takes the lock alone, for tests that initialise the module themselves.
pub fn alone() -> Alone {
    let me = thread::current().id();
    // Otherwise the test would deadlock.
    let twice = *HOLDER.lock().unwrap() == Some(me);
    assert!(!twice, "this test has a fixture already: drop it first");
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    *HOLDER.lock().unwrap() = Some(me);
    Alone(turn)
}

impl Drop for Alone {
    fn drop(&mut self) {
        *HOLDER.lock().unwrap() = None;
    }
}

/// A card with the keys that all samples of its kind share.
pub fn card(profile: &str) -> Card {
    Card::sample(Profile::parse(profile).unwrap()).unwrap()
}

/// A reader with such a card in it.
pub fn reader_with(profile: &str) -> VirtualReader {
    VirtualReader::with(card(profile))
}
