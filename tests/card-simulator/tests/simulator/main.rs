//! The simulated card against section 12 of the card sheet, byte for byte: one module for each command, one for kinds of cards,
//! one for the reader around the card, one for senseless input.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests; clippy.toml covers #[test] functions only"
)]

mod pins;
mod power;
mod profiles;
mod read;
mod reader;
mod robustness;
mod select;
mod sign;

use jpki_card_simulator::{Card, Profile};

/// SELECT of the JPKI application.
const JPKI: &str = "00A4040C0A D392F000260100000001";
/// SELECT of the Issuer Security Domain.
const DOMAIN: &str = "00A4040C07 A0000001510000";
/// SELECT of 共通カードAP.
const COMMON: &str = "00A4040C0A D3921000310001010100";
/// VERIFY of the auth PIN, right and wrong.
const PIN: &str = "0020009804 31323334";
const WRONG_PIN: &str = "0020009804 31323335";
/// VERIFY of the sign password, right and wrong.
const PASSWORD: &str = "0020009B06 414243313233";
const WRONG_PASSWORD: &str = "0020009B06 414243313234";

/// A powered card, spoken to in hexadecimal.
struct Desk {
    card: Card,
}

impl Desk {
    /// Just powered; `profile` as on the command line.
    fn powered(profile: &str) -> Self {
        let mut card = Card::sample(Profile::parse(profile).unwrap()).unwrap();
        card.power_on();
        Self { card }
    }

    /// With the JPKI application selected.
    fn jpki(profile: &str) -> Self {
        let mut desk = Self::powered(profile);
        assert_eq!(desk.ask(JPKI), "9000");
        desk
    }

    /// With both PINs verified.
    fn open(profile: &str) -> Self {
        let mut desk = Self::jpki(profile);
        desk.says(&[(PIN, "9000"), (PASSWORD, "9000")]);
        desk
    }

    fn send(&mut self, command: &str) -> Vec<u8> {
        self.card.transmit(&bytes(command))
    }

    fn ask(&mut self, command: &str) -> String {
        hex(&self.send(command))
    }

    /// A dialogue of commands and answers.
    #[track_caller]
    fn says(&mut self, dialogue: &[(&str, &str)]) {
        for (command, answer) in dialogue {
            assert_eq!(self.ask(command), *answer, "{command}");
        }
    }
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
