//! Another program with its own connection to the same card.

use super::fake_pcsc::{FakePcsc, Link, Transaction};

/// Another program.
pub struct OtherClient(Link);

impl OtherClient {
    /// Connects to the card in a reader.
    pub fn at(pcsc: &FakePcsc, reader: &str) -> OtherClient {
        OtherClient(pcsc.link(reader).unwrap())
    }

    /// Sends one command, also after a reset by another program.
    pub fn send(&mut self, command: &[u8]) -> Vec<u8> {
        let mut transaction = self.0.begin().unwrap();
        let answer = transaction.send(command).unwrap();
        transaction.leave();
        answer
    }

    /// The status word of an answer.
    pub fn status(&mut self, command: &[u8]) -> u16 {
        let answer = self.send(command);
        let [.., high, low] = answer[..] else {
            panic!("an answer of {} bytes", answer.len())
        };
        u16::from_be_bytes([high, low])
    }

    /// Selects the JPKI application.
    pub fn select_jpki(&mut self) -> u16 {
        self.status(&SELECT_JPKI)
    }

    /// Selects the application that every card has (共通カードAP).
    pub fn select_other(&mut self) -> u16 {
        self.status(&SELECT_COMMON)
    }

    /// Tries to sign with the authentication key as the card is now.
    pub fn sign_auth(&mut self) -> u16 {
        self.status(&[0x80, 0x2A, 0x00, 0x97, 0x02, 0x01, 0x02, 0x00])
    }

    /// Tries to sign with the signature key as the card is now.
    pub fn sign_sign(&mut self) -> u16 {
        self.status(&[0x80, 0x2A, 0x00, 0x9A, 0x02, 0x01, 0x02, 0x00])
    }

    /// Verifies the authentication PIN.
    pub fn verify_auth(&mut self, pin: &[u8; 4]) -> u16 {
        let command = [&[0x00, 0x20, 0x00, 0x98, 0x04], &pin[..]].concat();
        self.status(&command)
    }

    /// Takes the card's power and gives it back.
    pub fn reset(&mut self) {
        // A transaction that is dropped ends with the power.
        drop(self.0.begin().unwrap());
    }

    /// Holds the card until the transaction ends: [`Transaction::leave`], or dropped, which takes
    /// the card's power.
    pub fn hold(&mut self) -> Transaction<'_> {
        self.0.begin().unwrap()
    }
}

/// SELECT of the JPKI application (docs/card.md).
pub const SELECT_JPKI: [u8; 15] = [
    0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01,
];
const SELECT_COMMON: [u8; 15] = [
    0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x01, 0x00,
];
