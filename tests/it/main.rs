//! The tests of the module through its C ABI, with virtual cards, in one process. A test has the
//! module for itself: [`common::Fixture`] takes a lock. `tests/README.md` says what lives where.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "helpers of tests fail like tests; clippy.toml covers #[test] functions only"
)]

mod api;
mod cards;
mod common;
mod layering;
mod pin;
mod sharing;
mod wire;
