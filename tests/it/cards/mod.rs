//! The kinds of card, and how they are read.

mod extended_reads;
mod kinds;
mod odd_answers;
mod reading;
mod reports;
