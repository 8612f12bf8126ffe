//! Measures the module beside OpenSC and beside a bare PC/SC program, on one virtual card.

pub mod card;
pub mod client;
pub mod floor;
pub mod functions;
pub mod heap;
pub mod hot;
pub mod meter;
pub mod mount;
pub mod parallel;
pub mod programs;
pub mod report;
pub mod step;

/// Anything that can go wrong: a benchmark ends at the first of them.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
