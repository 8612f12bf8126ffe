//! What the tests of the module share. A test begins with a [`Fixture`], which is also the caller:
//!
//! ```text
//! let fixture = Fixture::plastic();
//! let session = fixture.open(AUTH);
//! fixture.login(session, CKU_USER, b"1234").unwrap();
//! fixture.take_out();
//! assert_eq!(fixture.logout(session), Err(CKR_DEVICE_REMOVED));
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
pub mod fake_pcsc;
pub mod fixture;
pub mod golden;
pub mod module;
pub mod other_client;
pub mod proof;
pub mod standard;
pub mod words;

pub use caller::Caller;
pub use fake_pcsc::failures::{Call, Failure};
pub use fake_pcsc::{FakePcsc, Service};
pub use fixture::{AUTH, Fixture, READER, SIGN, card, reader_with};
pub use module::config;
pub use other_client::OtherClient;
pub use words::{Mechanism, Template};

/// The PIN of every card here, and the password of its signature key.
pub const PIN: &[u8] = b"1234";
/// See [`PIN`].
pub const PASSWORD: &[u8] = b"ABC123";

/// Longer than the module takes a card for the same, and its PIN for untried, without asking it.
pub const REST: std::time::Duration = std::time::Duration::from_millis(300);
