//! The calls that programs make again and again, over a recorded card: for callgrind, for criterion and for counting
//! allocations. No card, no PC/SC, no clock.

use std::hint::black_box;

use cryptoki_sys::*;
use jpki_card_simulator::{Card, Profile, VirtualReader};
use jpki_pkcs11::card::Readers;
use jpki_pkcs11::config::Config;
use jpki_pkcs11::cryptoki::module::Module;
use jpki_pkcs11::ffi::initialize_with;

use crate::card::PIN;
use crate::client::digest_info;
use crate::functions::Functions;
use crate::mount::{Mount, Recording};
use crate::{Result, heap};

/// The calls by name.
pub const CALLS: [&str; 10] = [
    "slot-list",
    "slot-info",
    "token-info",
    "session-info",
    "find",
    "attributes",
    "certificate-value",
    "sign-pkcs1",
    "sign-sha256",
    "sign-pss",
];

/// Recorded by `jpki-bench record`. A fixed card, so that the counts of instructions can be compared. To
/// be recorded anew when the module sends other commands; golden.txt wants a look then.
const CARD: &str = include_str!("../card.trace");

/// The module, initialised and logged in.
pub struct Scene {
    functions: Functions,
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
    certificate: CK_OBJECT_HANDLE,
    digest_info: Vec<u8>,
}

impl Scene {
    /// Over the recorded card. Once for each process: the module is.
    ///
    /// # Errors
    /// Whatever the module says.
    pub fn new() -> Result<Scene> {
        Scene::over(Mount::playing(Recording::parse(CARD)?))
    }

    fn over(mount: Mount) -> Result<Scene> {
        initialize_with(Module::new(
            Config::default(),
            Readers::new(Box::new(mount)),
        ))?;
        let functions = Functions::new()?;
        functions.slot_list()?;
        functions.token_info(0)?;
        let session = functions.open_session(0)?;
        functions.login(session, PIN)?;
        Ok(Scene {
            functions,
            session,
            key: functions.find(session, CKO_PRIVATE_KEY)?,
            certificate: functions.find(session, CKO_CERTIFICATE)?,
            digest_info: digest_info(0),
        })
    }

    /// One call.
    ///
    /// # Errors
    /// Whatever the module says; when there is no such call.
    pub fn call(&self, name: &str) -> Result<()> {
        let Scene {
            functions,
            session,
            key,
            ..
        } = *self;
        match name {
            "slot-list" => black_box(functions.slot_list()?),
            "slot-info" => black_box(functions.slot_info(0)?).flags,
            "token-info" => black_box(functions.token_info(0)?).flags,
            "session-info" => black_box(functions.session_info(session)?).flags,
            "find" => functions.find(session, CKO_PRIVATE_KEY)?,
            "attributes" => functions.attributes(session, key)?,
            "certificate-value" => functions.value(session, self.certificate)?,
            "sign-pkcs1" => functions.sign(session, key, CKM_RSA_PKCS, &self.digest_info)?,
            "sign-sha256" => functions.sign(session, key, CKM_SHA256_RSA_PKCS, b"document")?,
            "sign-pss" => {
                let digest = self.digest_info.last_chunk::<32>().ok_or("no digest")?;
                functions.sign(session, key, CKM_RSA_PKCS_PSS, digest)?
            }
            other => return Err(format!("no such call: {other}").into()),
        };
        Ok(())
    }
}

/// Calls so often. Callgrind is told to count inside of [`jpki_bench_counted`] only, which sees the
/// second and later rounds: what is made lazily is there by then.
///
/// # Errors
/// As [`Scene::call`].
pub fn repeat(call: &str, rounds: usize) -> Result<()> {
    let scene = Scene::new()?;
    scene.call(call)?;
    jpki_bench_counted(&scene, call, rounds)
}

/// Under a name that callgrind can be given.
#[unsafe(no_mangle)]
#[inline(never)]
#[expect(
    clippy::missing_errors_doc,
    reason = "it is `repeat`, under another name"
)]
pub fn jpki_bench_counted(scene: &Scene, call: &str, rounds: usize) -> Result<()> {
    (0..rounds).try_for_each(|_| scene.call(call))
}

/// `CALL ALLOCATIONS` for each call, one a line.
///
/// # Errors
/// As [`Scene::call`].
pub fn allocations() -> Result<String> {
    let scene = Scene::new()?;
    let mut lines = Vec::new();
    for call in CALLS {
        scene.call(call)?;
        let before = heap::allocations();
        scene.call(call)?;
        lines.push(format!("{call} {}", heap::allocations() - before));
    }
    Ok(lines.join("\n"))
}

/// Records what a simulated card answers to all the calls.
///
/// # Errors
/// As [`Scene::call`].
pub fn record() -> Result<String> {
    let card = Card::sample(Profile::parse("plastic")?)?;
    let mount = Mount::recording(VirtualReader::with(card));
    let scene = Scene::over(mount.clone())?;
    CALLS.iter().try_for_each(|call| scene.call(call))?;
    Ok(mount.recorded().text())
}
