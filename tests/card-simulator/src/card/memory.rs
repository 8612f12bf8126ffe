//! What a card keeps without power, as text for a state directory. Reads back only what it wrote.

use std::{error::Error, fmt};

use super::{Card, Role};

/// The PINs with their tries. Keys and certificates never change and are kept as [`crate::pki::Credentials`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    auth_pin: Vec<u8>,
    auth_tries: u8,
    sign_password: Vec<u8>,
    sign_tries: u8,
}

/// The text is not one that [`Memory`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableMemory;

impl Card {
    /// What the card would keep if its power failed now.
    pub fn memory(&self) -> Memory {
        Memory {
            auth_pin: self.auth.value().to_vec(),
            auth_tries: self.auth.tries(),
            sign_password: self.sign.value().to_vec(),
            sign_tries: self.sign.tries(),
        }
    }

    /// Gives the card the PINs and tries of an earlier one.
    pub fn restore(&mut self, memory: Memory) {
        self.auth.restore(memory.auth_pin, memory.auth_tries);
        self.sign.restore(memory.sign_password, memory.sign_tries);
    }

    /// Sets the tries of one PIN, for tests; at most the full number.
    pub fn set_tries(&mut self, role: Role, tries: u8) {
        let pin = self.pin(role);
        let value = pin.value().to_vec();
        pin.restore(value, tries);
    }
}

impl Memory {
    /// Reads what [`fmt::Display`] wrote.
    ///
    /// # Errors
    ///
    /// [`UnreadableMemory`] if a line is missing or no number.
    pub fn parse(text: &str) -> Result<Self, UnreadableMemory> {
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let line = lines.find(|(name, _)| *name == key);
            line.map(|(_, value)| value).ok_or(UnreadableMemory)
        };
        let tries = |key| value(key)?.parse().map_err(|_| UnreadableMemory);
        Ok(Self {
            auth_pin: value("auth-pin")?.as_bytes().to_vec(),
            auth_tries: tries("auth-tries")?,
            sign_password: value("sign-password")?.as_bytes().to_vec(),
            sign_tries: tries("sign-tries")?,
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "auth-pin={}", String::from_utf8_lossy(&self.auth_pin))?;
        writeln!(f, "auth-tries={}", self.auth_tries)?;
        writeln!(
            f,
            "sign-password={}",
            String::from_utf8_lossy(&self.sign_password)
        )?;
        writeln!(f, "sign-tries={}", self.sign_tries)
    }
}

impl fmt::Display for UnreadableMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card's memory is unreadable")
    }
}

impl Error for UnreadableMemory {}
