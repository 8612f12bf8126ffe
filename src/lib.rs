//! jpki-pkcs11.

pub mod config;
pub mod messages;
