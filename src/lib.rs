//! A PKCS#11 module for the Japanese My Number card (マイナンバーカード, JPKI).
//!
//! # The house
//!
//! Four floors; a call goes straight down and comes straight back, once:
//! `C_Sign` → [`module::Module::sign`] → [`slot::Slot::sign`] → [`card::JpkiCard::sign`] →
//! [`transport::Exchange::transmit`].
//!
//! * [`ffi`]: the C ABI. Pointers exist only here.
//! * [`module`], with [`session`], [`slot`], [`reader`], [`object`] and [`mechanism`]: PKCS#11.
//! * [`card`]: the card's own words.
//! * [`transport`]: bytes. PC/SC exists only here.
//!
//! [`error`] is the one mapping from what went wrong to a return code; [`pin`], [`config`],
//! [`messages`], [`output`] and [`vendor`] are leaves that know nothing of the rest.
//!
//! # Locks
//!
//! Their numbers only rise within a call; none of the first two is held while a card works.
//!
//! 1. `ffi::process`: is there a module?
//! 2. the maps of [`module::Module`]: slots, sessions, objects
//! 3. [`session::Session::operations`]
//! 4. the login of a [`slot::Slot`]
//! 5. the card of a [`reader::Reader`]
//!
//! No thread is started, no callback called, nothing done in the background. `ARCHITECTURE.md` says more.

pub mod card;
pub mod config;
pub mod error;
pub mod ffi;
pub mod logging;
pub mod mechanism;
pub mod messages;
pub mod module;
pub mod object;
pub mod output;
pub mod pin;
pub mod reader;
pub mod session;
pub mod slot;
pub mod transport;
pub mod vendor;
