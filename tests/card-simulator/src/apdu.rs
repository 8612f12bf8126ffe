//! Command and response APDUs of ISO 7816-4, as the card sees them. Knows lengths, not meanings.

/// A command APDU taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// CLA.
    pub class: u8,
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The data field; `None` when the command has no Lc (case 1 and 2).
    pub data: Option<&'a [u8]>,
    /// Le as a number of bytes (`00` is 256); `None` when the command has no Le (case 1 and 3).
    pub expected: Option<usize>,
    /// Whether the lengths are in the extended form.
    pub extended: bool,
}

impl<'a> Command<'a> {
    /// Takes a command apart. `None` if the lengths in it contradict the number of bytes.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[class, instruction, p1, p2], body) = bytes.split_first_chunk::<4>()?;
        let (data, expected, extended) = match body {
            [] => (None, None, false),
            &[le] => (None, Some(short_length(le)), false),
            &[0, high, low] => (None, Some(extended_length(high, low)), true),
            &[0, high, low, ref rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                let (data, tail) = rest.split_at_checked(length)?;
                match tail {
                    [] if length > 0 => (Some(data), None, true),
                    &[high, low] if length > 0 => {
                        (Some(data), Some(extended_length(high, low)), true)
                    }
                    _ => return None,
                }
            }
            &[length, ref rest @ ..] => {
                let (data, tail) = rest.split_at_checked(usize::from(length))?;
                match tail {
                    [] if length > 0 => (Some(data), None, false),
                    &[le] if length > 0 => (Some(data), Some(short_length(le)), false),
                    _ => return None,
                }
            }
        };
        Some(Self {
            class,
            instruction,
            p1,
            p2,
            data,
            expected,
            extended,
        })
    }
}

/// A status word, SW1 SW2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

/// The status words of section 4.
impl Status {
    /// Done.
    pub const OK: Self = Self(0x9000);
    /// End of file before Le bytes (ISO; never reported from this card).
    pub const END_OF_FILE: Self = Self(0x6282);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// Logical channel not supported.
    pub const NO_CHANNEL: Self = Self(0x6881);
    /// Wrong file structure, for example READ BINARY on a key.
    pub const WRONG_STRUCTURE: Self = Self(0x6981);
    /// PIN not verified.
    pub const NOT_VERIFIED: Self = Self(0x6982);
    /// Locked, the ISO way. Never evidenced on this card.
    pub const BLOCKED: Self = Self(0x6983);
    /// The referenced key file is locked, the JICSAP way.
    pub const LOCKED: Self = Self(0x6984);
    /// Conditions of use not satisfied.
    pub const CONDITIONS: Self = Self(0x6985);
    /// No current EF.
    pub const NO_CURRENT_FILE: Self = Self(0x6986);
    /// Secure messaging refused.
    pub const NO_SECURE_MESSAGING: Self = Self(0x69FC);
    /// Bad data.
    pub const BAD_DATA: Self = Self(0x6A80);
    /// No such file or application.
    pub const NOT_FOUND: Self = Self(0x6A82);
    /// Bad P1 or P2.
    pub const BAD_PARAMETERS: Self = Self(0x6A86);
    /// No such data object.
    pub const NO_OBJECT: Self = Self(0x6A88);
    /// Offset past the end of the file.
    pub const PAST_END: Self = Self(0x6B00);
    /// INS not supported.
    pub const NO_INSTRUCTION: Self = Self(0x6D00);
    /// CLA not supported.
    pub const NO_CLASS: Self = Self(0x6E00);
    /// No precise diagnosis.
    pub const UNKNOWN: Self = Self(0x6F00);

    /// `63Cx`: `tries` attempts left.
    pub const fn tries(tries: u8) -> Self {
        Self(0x63C0 | (tries & 0x0F) as u16)
    }
}

/// A response APDU: data and status word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The data field, often empty.
    pub data: Vec<u8>,
    /// SW1 SW2.
    pub status: Status,
}

impl Response {
    /// `data` with 9000.
    pub fn ok(data: Vec<u8>) -> Self {
        Self {
            data,
            status: Status::OK,
        }
    }

    /// The bytes on the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.data;
        bytes.extend(self.status.0.to_be_bytes());
        bytes
    }
}

impl From<Status> for Response {
    fn from(status: Status) -> Self {
        Self {
            data: Vec::new(),
            status,
        }
    }
}

fn short_length(le: u8) -> usize {
    match le {
        0 => 256,
        le => usize::from(le),
    }
}

fn extended_length(high: u8, low: u8) -> usize {
    match u16::from_be_bytes([high, low]) {
        0 => 65_536,
        le => usize::from(le),
    }
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn the_four_cases() {
        let shape = |bytes: &[u8]| {
            Command::parse(bytes).map(|c| (c.data.map(<[u8]>::len), c.expected, c.extended))
        };
        assert_eq!(shape(&[0, 0x20, 0, 0x80]), Some((None, None, false)));
        assert_eq!(shape(&[0, 0xB0, 0, 0, 0]), Some((None, Some(256), false)));
        assert_eq!(shape(&[0, 0xB0, 0, 0, 7]), Some((None, Some(7), false)));
        assert_eq!(
            shape(&[0, 0xA4, 2, 12, 2, 0, 1]),
            Some((Some(2), None, false))
        );
        assert_eq!(
            shape(&[0, 0xA4, 2, 12, 2, 0, 1, 0]),
            Some((Some(2), Some(256), false))
        );
        assert_eq!(
            shape(&[0, 0xB0, 0, 0, 0, 1, 2]),
            Some((None, Some(258), true))
        );
        assert_eq!(
            shape(&[0, 0xB0, 0, 0, 0, 0, 0]),
            Some((None, Some(65_536), true))
        );
        assert_eq!(
            shape(&[0, 0xB0, 0, 0, 0, 0, 1, 9]),
            Some((Some(1), None, true))
        );
        assert_eq!(
            shape(&[0, 0xB0, 0, 0, 0, 0, 1, 9, 0, 0]),
            Some((Some(1), Some(65_536), true))
        );
    }

    #[test]
    fn contradictions() {
        for bytes in [
            &[][..],
            &[0, 0x20, 0],
            &[0, 0x20, 0, 0x80, 4, 1, 2],
            &[0, 0x20, 0, 0x80, 1, 1, 2, 3],
            &[0, 0x20, 0, 0x80, 0, 0],
            &[0, 0x20, 0, 0x80, 0, 0, 0, 1],
            &[0, 0x20, 0, 0x80, 0, 0, 2, 1],
        ] {
            assert_eq!(Command::parse(bytes), None, "{bytes:02X?}");
        }
    }
}
