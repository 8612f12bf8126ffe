//! The private pcscd, its virtual readers, and the module on them.

use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::common::config::Config;
use cryptoki_sys::*;

use super::common::{Caller, Mechanism, PASSWORD, PIN, Template, fixture, proof};

/// pcscd looks at a virtual reader every 400 ms, and needs as long again to power a card.
pub(crate) const SEEN: Duration = Duration::from_millis(1300);

/// Time in which the cards are seen again after a restart, on a busy machine too.
pub(crate) const BACK: Duration = Duration::from_secs(15);

/// The pcscd that a test started in place of the first one; it ends with this program.
static RESTARTED: Mutex<Option<Child>> = Mutex::new(None);

/// The module on the private pcscd.
pub(crate) struct Rig {
    caller: Caller,
    _alone: fixture::Alone,
}

impl Rig {
    /// A good card in the first reader, and the module initialised.
    pub(crate) fn new() -> Rig {
        let alone = fixture::alone();
        control("clear");
        if !control("status").contains("inserted=me ") {
            control("remove");
            thread::sleep(SEEN);
            control("insert me");
            thread::sleep(SEEN);
        }
        let rig = Rig {
            caller: Caller::new(),
            _alone: alone,
        };
        rig.start();
        rig
    }

    /// `C_Initialize`, and a first look.
    pub(crate) fn start(&self) {
        let pcsc = Box::new(super::common::module::pcsc_service());
        super::common::module::initialize_with(pcsc, Config::default()).unwrap();
        self.slot_list(false).unwrap();
    }

    /// A session, logged in.
    pub(crate) fn logged_in(&self, slot: CK_SLOT_ID) -> CK_SESSION_HANDLE {
        let session = self.open_session(slot, true).unwrap();
        self.login(session, CKU_USER, pin_of(slot)).unwrap();
        session
    }

    /// Signs, and checks it with the certificate on the token.
    pub(crate) fn sign_well(
        &self,
        session: CK_SESSION_HANDLE,
        slot: CK_SLOT_ID,
    ) -> Result<(), CK_RV> {
        let id = u8::try_from(slot % 2).unwrap() + 1;
        let key = self.find(session, &Template::class(CKO_PRIVATE_KEY))?[0];
        let certificate = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
        let certificate = self.find(session, &certificate)?[0];
        let certificate = self.attribute(session, certificate, CKA_VALUE)?;
        let _ = self.sign_cancel(session);
        self.sign_init(session, &Mechanism::plain(CKM_SHA256_RSA_PKCS), key)?;
        if slot % 2 == 1 {
            self.login(session, CKU_CONTEXT_SPECIFIC, pin_of(slot))?;
        }
        let data = proof::data_for(CKM_SHA256_RSA_PKCS);
        let signature = self.sign(session, &data)?;
        let key = proof::key_of(&certificate);
        assert!(proof::is_signature(
            CKM_SHA256_RSA_PKCS,
            &key,
            &data,
            &signature
        ));
        Ok(())
    }

    /// Repeats until it is so.
    pub(crate) fn until(&self, limit: Duration, what: &str, so: impl Fn(&Caller) -> bool) {
        let start = Instant::now();
        while !so(&self.caller) {
            assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Deref for Rig {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // A test that finalized already did no wrong.
        let _ = self.caller.finalize();
    }
}

/// The PIN of a slot's token.
pub(crate) fn pin_of(slot: CK_SLOT_ID) -> &'static [u8] {
    if slot.is_multiple_of(2) {
        PIN
    } else {
        PASSWORD
    }
}

/// One line to the first reader's simulator, and its answer.
pub(crate) fn control(line: &str) -> String {
    tell("VIRTUAL_CARD_CONTROL", line)
}

/// One line to the second reader's simulator.
pub(crate) fn control_second(line: &str) -> String {
    tell("VIRTUAL_CARD_CONTROL_2", line)
}

fn tell(socket: &str, line: &str) -> String {
    let path = env::var_os(socket).expect("run me with tests/pcscd/run");
    let mut stream = UnixStream::connect(path).unwrap();
    writeln!(stream, "{line}").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("ok"), "{line}: {answer}");
    answer
}

/// A number out of an answer: `auth_tries=3`.
pub(crate) fn number(answer: &str, name: &str) -> u64 {
    let mut words = answer.split_whitespace();
    let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.unwrap().parse().unwrap()
}

/// Tries left on the first reader's own card.
pub(crate) fn tries() -> (u64, u64) {
    let counters = control("counters me");
    (
        number(&counters, "auth_tries"),
        number(&counters, "sign_tries"),
    )
}

/// Where the private pcscd has its things.
pub(crate) fn folder() -> PathBuf {
    env::var_os("VIRTUAL_CARD_DIR").unwrap().into()
}

/// Its socket.
pub(crate) fn socket() -> PathBuf {
    folder().join("run/pcscd.comm")
}

/// The process that is the private pcscd now.
fn pcscd() -> u32 {
    match &*RESTARTED.lock().unwrap() {
        Some(child) => child.id(),
        None => env::var("VIRTUAL_CARD_PCSCD").unwrap().parse().unwrap(),
    }
}

/// Sends it a signal.
pub(crate) fn signal(name: &str) {
    let pid = pcscd().to_string();
    let status = Command::new("kill")
        .args(["-s", name, &pid])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Ends it as a service manager does.
pub(crate) fn stop_pcscd() {
    let pid = pcscd();
    signal("TERM");
    if let Some(mut child) = RESTARTED.lock().unwrap().take() {
        child.wait().unwrap();
    }
    let start = Instant::now();
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "pcscd does not end"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Starts another one in its place, and waits for the cards to be back.
pub(crate) fn start_pcscd() {
    let child = Command::new("tests/virtual-pcscd")
        .arg("--pcscd")
        .arg(folder())
        .spawn()
        .unwrap();
    *RESTARTED.lock().unwrap() = Some(child);
    let start = Instant::now();
    while UnixStream::connect(socket()).is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "pcscd does not start"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Ends what [`start_pcscd`] started last. The last test of all calls it.
pub(crate) fn clean() {
    if RESTARTED.lock().unwrap().is_some() {
        stop_pcscd();
    }
}
