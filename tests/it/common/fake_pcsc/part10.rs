//! A reader that says what it can do (PC/SC part 10): long APDUs, and keys on which a PIN is typed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::super::module::pcsc::{Abilities, Error};
use super::{FakePcsc, Transaction};

const VERIFY_PIN: u32 = 0x4200_0DB2;
const MODIFY_PIN: u32 = 0x4200_0DB3;

const NOBODY_TYPED: [u8; 2] = [0x64, 0x00];
const CANCELLED: [u8; 2] = [0x64, 0x01];
const PINS_DIFFER: [u8; 2] = [0x64, 0x02];
const WRONG_LENGTH: [u8; 2] = [0x64, 0x03];

/// What a reader can, and what will be typed on it.
#[derive(Clone, Default)]
pub(super) struct Part10 {
    pub(super) abilities: Abilities,
    typed: Arc<Mutex<VecDeque<&'static str>>>,
}

impl FakePcsc {
    /// The reader carries APDUs with so many bytes of data.
    pub fn carry(&self, name: &str, max_apdu_data: usize) {
        self.with_place(name, |place| {
            place.part10.abilities.max_apdu_data = max_apdu_data;
        });
    }

    /// The reader has keys. What is typed at each question: digits and the green key, or `cancel`.
    pub fn give_pad(&self, name: &str, typed: &[&'static str]) {
        self.with_place(name, |place| {
            place.part10.abilities.verify_pin = Some(VERIFY_PIN);
            place.part10.abilities.modify_pin = Some(MODIFY_PIN);
            place.part10.typed = Arc::new(Mutex::new(typed.iter().copied().collect()));
        });
    }

    /// What nobody was asked for.
    pub fn untyped(&self, name: &str) -> usize {
        self.place(name).unwrap().part10.typed.lock().unwrap().len()
    }
}

impl Part10 {
    /// The command with the PIN that was typed, or the reader's own answer.
    fn command(&self, code: u32, block: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
        // Where wPINMaxExtraDigit and ulDataLength stand: PIN_VERIFY_STRUCTURE and PIN_MODIFY_STRUCTURE.
        let (limits, length, is_new) = match code {
            VERIFY_PIN => (5, 15, false),
            MODIFY_PIN => (7, 20, true),
            _ => panic!("control code {code:x}"),
        };
        assert_eq!(block[2], 0x82, "ASCII, at an offset in bytes");
        let data = &block[length + 4..];
        let told = u32::from_le_bytes(block[length..length + 4].try_into().unwrap());
        assert_eq!(told as usize, data.len());
        let mut typed = self.typed.lock().unwrap();
        let pin = typed.pop_front().ok_or(NOBODY_TYPED)?;
        if pin == "cancel" {
            return Err(CANCELLED);
        }
        let (most, least) = (block[limits], block[limits + 1]);
        if !(usize::from(least)..=usize::from(most)).contains(&pin.len()) {
            return Err(WRONG_LENGTH);
        }
        if is_new && block[9] & 1 != 0 && typed.pop_front() != Some(pin) {
            return Err(PINS_DIFFER);
        }
        let mut command = data.to_vec();
        command[5..5 + pin.len()].copy_from_slice(pin.as_bytes());
        Ok(command)
    }
}

impl Transaction<'_> {
    /// Does what a block of part 10 asks for.
    pub(super) fn control(&mut self, code: u32, block: &[u8]) -> Result<Vec<u8>, Error> {
        match self.part10().command(code, block) {
            Ok(command) => self.send(&command),
            Err(answer) => Ok(answer.to_vec()),
        }
    }
}
