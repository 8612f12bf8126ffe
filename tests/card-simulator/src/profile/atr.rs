//! The answers to reset of section 1.1. Tables only, and one that changes at every power-up.

/// What a card says when it is powered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atr {
    /// Always these bytes.
    Fixed(&'static [u8]),
    /// The first so many of these bytes.
    Own([u8; 33], u8),
    /// As readers of the ACR122 class make it: with the card's pseudo-unique identifier in it, new at every power-up.
    RandomPupi,
}

impl Atr {
    /// The contact card, the one ATR in everybody's tables.
    pub const CONTACT: Self = Self::Fixed(CONTACT);
    /// A contactless card.
    pub const CONTACTLESS: Self = Self::Fixed(CONTACTLESS);
    /// Somebody else's smart card, made up.
    pub const FOREIGN: Self = Self::Fixed(FOREIGN);
    /// A security key, made up; it looks like a contactless card on purpose (section 11, "a PC has several readers").
    pub const FIDO: Self = Self::Fixed(FIDO);

    /// One of [`ATRS`] by its name, `random`, or other bytes in hexadecimal.
    pub(super) fn named(text: &str) -> Option<Self> {
        if text == "random" {
            return Some(Self::RandomPupi);
        }
        if let Some((_, bytes)) = ATRS.iter().find(|(name, _)| *name == text) {
            return Some(Self::Fixed(bytes));
        }
        let mut bytes = [0; 33];
        let length = text.len() / 2;
        for (at, byte) in bytes.iter_mut().enumerate().take(length) {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        // An ATR has at least TS and T0.
        let fits = (2..=33).contains(&length) && text.len().is_multiple_of(2);
        fits.then_some(Self::Own(bytes, u8::try_from(length).ok()?))
    }

    /// The bytes for one power-up.
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Fixed(bytes) => bytes.to_vec(),
            Self::Own(bytes, length) => bytes.iter().take(length.into()).copied().collect(),
            Self::RandomPupi => {
                let mut pupi = [0; 4];
                // Without a source of randomness the identifier is 0: still a correct ATR.
                let _ = getrandom::fill(&mut pupi);
                let mut atr = vec![0x3B, 0x88, 0x80, 0x01];
                atr.extend(pupi);
                atr.extend([0xB3, 0x81, 0xA1, 0x00]);
                let check = atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte);
                atr.push(check);
                atr
            }
        }
    }
}

/// Every ATR of a JPKI card somebody published, by a short name: contact cards, then contactless ones.
pub const ATRS: &[(&str, &[u8])] = &[
    ("contact", CONTACT),
    (
        "contact-2024",
        &[
            0x3B, 0xDA, 0x13, 0xFF, 0x81, 0x31, 0xFB, 0x46, 0x80, 0x12, 0x39, 0x2F, 0x31, 0xC1,
            0x73, 0xC6, 0x01, 0xC0, 0x3B,
        ],
    ),
    (
        "contact-c5",
        &[
            0x3B, 0xC5, 0xFF, 0x81, 0x31, 0xFB, 0x45, 0x80, 0x73, 0xC6, 0x01, 0x00, 0x00,
        ],
    ),
    (
        "contact-f5-d1",
        &[
            0x3B, 0xF5, 0x91, 0x00, 0xFF, 0x91, 0x81, 0x71, 0xFE, 0x40, 0x00, 0x42, 0x00, 0x01,
            0x00, 0xD1, 0xD6,
        ],
    ),
    (
        "contact-f5-a1",
        &[
            0x3B, 0xF5, 0x91, 0x00, 0xFF, 0x91, 0x81, 0x71, 0xFE, 0x40, 0x00, 0x42, 0x00, 0x01,
            0xB3, 0xA1, 0x15,
        ],
    ),
    ("contactless", CONTACTLESS),
    (
        "contactless-41",
        &[
            0x3B, 0x88, 0x80, 0x01, 0x00, 0x00, 0x41, 0xE0, 0xB3, 0x81, 0xA1, 0x00, 0x3B,
        ],
    ),
    (
        "contactless-4b-00",
        &[
            0x3B, 0x88, 0x80, 0x01, 0x00, 0x4B, 0x51, 0xFF, 0x00, 0x81, 0xD1, 0x00, 0xBC,
        ],
    ),
    (
        "contactless-4b-b3",
        &[
            0x3B, 0x88, 0x80, 0x01, 0x00, 0x4B, 0x51, 0xFF, 0xB3, 0x81, 0xD1, 0x00, 0x0F,
        ],
    ),
];

const CONTACT: &[u8] = &[0x3B, 0xE0, 0x00, 0xFF, 0x81, 0x31, 0xFE, 0x45, 0x14];

const CONTACTLESS: &[u8] = &[
    0x3B, 0x88, 0x80, 0x01, 0x00, 0x00, 0x05, 0xE0, 0xB3, 0x81, 0xA1, 0x00, 0x7F,
];

/// Historical bytes "SIM-OTHER".
const FOREIGN: &[u8] = &[
    0x3B, 0xD9, 0x18, 0xFF, 0x81, 0x31, 0xFE, 0x45, 0x53, 0x49, 0x4D, 0x2D, 0x4F, 0x54, 0x48, 0x45,
    0x52, 0x0B,
];

/// Historical bytes "SIM-FIDO 1".
const FIDO: &[u8] = &[
    0x3B, 0x8A, 0x80, 0x01, 0x53, 0x49, 0x4D, 0x2D, 0x46, 0x49, 0x44, 0x4F, 0x20, 0x31, 0x64,
];

#[cfg(test)]
mod tests {
    use super::{ATRS, Atr, FIDO, FOREIGN};

    #[test]
    fn check_bytes() {
        let random = Atr::RandomPupi.bytes();
        for atr in ATRS
            .iter()
            .map(|(_, atr)| *atr)
            .chain([FIDO, FOREIGN, &random])
        {
            assert_eq!(
                atr[1..].iter().fold(0, |sum, byte| sum ^ byte),
                0,
                "{atr:02X?}"
            );
        }
        assert_ne!(random, Atr::RandomPupi.bytes());
    }
}
