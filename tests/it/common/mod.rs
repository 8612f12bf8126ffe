//! What the tests of the module share: a PC/SC service in memory, other programs on it, and a
//! caller of the C ABI. It may use the module and the card simulator. It never tests anything.
//!
//! A test begins with a [`Stage`], which is also the caller:
//!
//! ```text
//! let stage = Stage::plastic();
//! let session = stage.open(AUTH);
//! stage.login(session, CKU_USER, b"1234").unwrap();
//! stage.take_out();
//! assert_eq!(stage.logout(session), Err(CKR_DEVICE_REMOVED));
//! ```

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test program uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests; clippy.toml covers #[test] functions only"
)]

pub mod caller;
pub mod desk;
pub mod golden;
pub mod neighbour;
pub mod proof;
pub mod stage;
pub mod standard;
pub mod words;

use jpki_pkcs11::card::Readers;
use jpki_pkcs11::config::Config;
use jpki_pkcs11::cryptoki::module::Module;
use jpki_pkcs11::pcsc::Transport;
use jpki_pkcs11::{cryptoki, ffi};

pub use caller::Caller;
pub use desk::{Desk, Service};
pub use neighbour::Neighbour;
pub use stage::{AUTH, SIGN, Stage};
pub use words::{Mechanism, Template};

/// What `C_Initialize` does, on these readers instead of PC/SC's.
pub fn mount(transport: Box<dyn Transport>, config: Config) -> cryptoki::rv::Result<()> {
    ffi::initialize_with(Module::new(config, Readers::new(transport)))
}

/// The PIN of every card here, and the password of its signature key.
pub const PIN: &[u8] = b"1234";
/// See [`PIN`].
pub const PASSWORD: &[u8] = b"ABC123";
