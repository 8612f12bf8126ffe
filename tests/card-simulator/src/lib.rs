//! A Japanese My Number card (JPKI) as bytes in, bytes out.
//!
//! **Built from published text.** Nobody who wrote this simulator held a card: it models what other people published about it
//! (code, issue threads, measurements, certificates). Many of its answers rest on one source, some on inference. The README lists which.
//!
//! - [`Card`] is the chip: it is powered, it answers command APDUs, it counts wrong PINs. It never panics, whatever comes in.
//! - [`Profile`] says which card it is (plastic, Android, iPhone, child, ...) and which of the unknowns it decides which way.
//! - [`VirtualReader`] is a reader with a deck of such cards: it logs, keeps time, and misbehaves when told to.
//! - [`pki`] makes the certificates.
//!
//! The program `jpki-card-simulator` puts a [`VirtualReader`] behind a real pcscd. Both uses share every line of this library.
//!
//! "Section N" in the documentation of an item is a section of `docs/card.md`.

#![forbid(unsafe_code)]

pub mod apdu;
pub mod card;
pub mod issue;
pub mod like;
pub mod pki;
pub mod profile;
pub mod reader;

pub use card::{Card, Counters, Role};
pub use profile::Profile;
pub use reader::{Gone, Misbehaviour, VirtualReader};

/// The code in the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
