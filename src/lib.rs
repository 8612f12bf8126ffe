//! A PKCS#11 module for the Japanese My Number card (マイナンバーカード, JPKI).
//!
//! # The house
//!
//! Four floors; a call goes straight down and comes straight back, once:
//! `C_Sign` → `cryptoki::module::Module::sign` → [`card::JpkiCard::sign`] → [`pcsc::Exchange::transmit`].
//!
//! * [`ffi`]: the C ABI. Pointers exist only here.
//! * [`mod@cryptoki`] is PKCS#11.
//! * [`card`]: the JPKI card.
//! * [`pcsc`]: readers, connections, bytes. PC/SC exists only here.
//!
//! [`config`], [`messages`], [`logging`], [`pinentry`], `platform` and [`vendor`] are leaves.
//!
//! # Locks
//!
//! Their numbers only rise within a call; none of the first two is held while a card works.
//!
//! 1. `ffi::process`: is there a module?
//! 2. the maps of `cryptoki::module::Module`: slots, sessions, objects
//! 3. `cryptoki::session::Session::operations`
//! 4. the login of a `cryptoki::slot::Slot`
//! 5. the card of a [`card::reader::Reader`]
//!
//! Threads carry PC/SC calls and nothing else; no callback is called. `ARCHITECTURE.md` says more.

pub mod card;
pub mod config;
pub mod cryptoki;
pub mod ffi;
pub mod logging;
pub mod messages;
pub mod pcsc;
pub mod pinentry;
mod platform;
pub mod vendor;
