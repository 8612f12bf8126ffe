//! What is looked at: programs, and the card in a reader.

pub(crate) mod cards;
pub(crate) mod dates;
pub(crate) mod programs;
