//! Drives the built `jpki-doctor` against a real pcscd with virtual cards, in private homes, on a pseudo terminal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests; clippy.toml covers #[test] functions only"
)]

mod cards;
mod checkup;
mod pins;
mod registration;
mod report;
#[path = "../it/pin/scripted_pinentry.rs"]
#[allow(dead_code, reason = "the tests of the module use all of it")]
mod scripted_pinentry;
mod support;
mod tls;
