//! The kinds of card, and how they are read.

mod kinds;
mod reading;
mod reports;
