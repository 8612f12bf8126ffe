//! The module on a real pcscd with virtual cards. `run` beside this file starts both; without it there
//! is nothing to test, so each test is ignored by default. What belongs here: what only pcscd can do to us.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail like tests, and tell figures"
)]

#[path = "../it/common/mod.rs"]
mod common;
mod events;
mod faults;
mod phone;
mod processes;
mod rig;
mod service;
mod transport;

/// Runs last, by its name: what the tests started ends with them.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn z_clean() {
    rig::clean();
}
