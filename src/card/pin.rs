//! The only type that holds a PIN. Its bytes leave it in one place, [`Pin::write_to`].

use std::fmt;

use crate::platform::LockedPage;
use sha2::{Digest, Sha256};

/// The longest PIN of the card: 16 characters (docs/card.md, section 5).
pub const MAX_LENGTH: usize = 16;

/// A block of SHA-256, in bytes.
const BLOCK: usize = 64;

/// What a PIN must look like before it may reach the card. The card's own two shapes have nothing
/// in common, so a PIN that was meant for the other token is always recognised
/// (docs/card.md, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// 利用者証明用暗証番号: exactly four digits.
    FourDigits,
    /// 署名用パスワード: 6 to 16 characters, A-Z and 0-9. Lower-case letters are raised.
    Password,
}

impl Shape {
    /// The shortest PIN of this shape, in bytes.
    pub const fn min_length(self) -> usize {
        match self {
            Shape::FourDigits => 4,
            Shape::Password => 6,
        }
    }

    /// The longest PIN of this shape, in bytes.
    pub const fn max_length(self) -> usize {
        match self {
            Shape::FourDigits => 4,
            Shape::Password => MAX_LENGTH,
        }
    }

    fn admits(self, byte: u8) -> bool {
        match self {
            Shape::FourDigits => byte.is_ascii_digit(),
            Shape::Password => byte.is_ascii_alphanumeric(),
        }
    }
}

/// Why a PIN was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too short or too long for the shape.
    #[error("the PIN has the wrong length")]
    Length,
    /// It has characters that the shape does not admit.
    #[error("the PIN has characters that this PIN cannot have")]
    Characters,
    /// The system gave no page of memory.
    #[error("no memory for the PIN")]
    Memory,
}

/// A PIN of the right shape in memory that is not swapped, not dumped, not inherited by a fork, and
/// wiped when it is dropped. It cannot be copied or printed.
pub struct Pin {
    page: LockedPage,
    length: usize,
}

impl Pin {
    /// Takes a PIN as the application gave it, if its shape is right.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Characters`]: the card must not see it. [`Error::Memory`].
    pub fn parse(shape: Shape, given: &[u8]) -> Result<Pin, Error> {
        if !(shape.min_length()..=shape.max_length()).contains(&given.len()) {
            return Err(Error::Length);
        }
        if !given.iter().all(|&byte| shape.admits(byte)) {
            return Err(Error::Characters);
        }
        let mut page = LockedPage::new().ok_or(Error::Memory)?;
        for (place, byte) in page.bytes_mut().iter_mut().zip(given) {
            // JPKI compares bytes exactly; the official software raises letters before it sends.
            *place = byte.to_ascii_uppercase();
        }
        Ok(Pin {
            page,
            length: given.len(),
        })
    }

    /// Length in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Appends the PIN to a command buffer. The buffer must have room for it, or growing it would
    /// leave a copy behind, and must wipe itself.
    ///
    /// Returns false, and appends nothing, in a forked child, where the page reads as zeros.
    #[must_use]
    pub fn write_to(&self, command: &mut Vec<u8>) -> bool {
        let bytes = self.page.bytes().get(..self.length).unwrap_or_default();
        let intact = !bytes.contains(&0);
        if intact {
            command.extend_from_slice(bytes);
        }
        intact
    }

    /// Is it the same PIN? For a new one that is typed twice.
    pub fn is_same_as(&self, other: &Pin) -> bool {
        self.page.bytes().get(..self.length) == other.page.bytes().get(..other.length)
    }

    fn digest(&self, salt: &[u8]) -> [u8; DIGEST] {
        // `finalize` would move the state, and leave a block with the PIN in it on the stack
        // (tests/compare-opensc/memory.py found it). This one stays in its place and is overwritten.
        let mut hash = Sha256::new();
        hash.update(salt);
        hash.update(self.page.bytes().get(..self.length).unwrap_or_default());
        let digest = hash.finalize_reset().into();
        hash.update([0; BLOCK]);
        digest
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(hidden)")
    }
}

/// The values that a card refused during this insertion, each with the tries that it left, so that
/// none of them is sent twice. Salted hashes in a locked page, because four digits are soon guessed.
#[derive(Default)]
pub struct RejectedPins {
    /// `None` until the first refusal. A salt, then one entry after the other.
    page: Option<LockedPage>,
    count: usize,
}

/// Bytes of a salt and of a digest.
const DIGEST: usize = 32;

/// Bytes of an entry: the digest, then the tries left after the refusal.
const ENTRY: usize = DIGEST + 1;

impl RejectedPins {
    /// Was this value refused, and has the counter not risen since? A counter that rose shows a
    /// successful VERIFY or a change of the PIN by another program: the value may be right now.
    /// `left`: tries left now.
    pub fn contains(&self, pin: &Pin, left: u8) -> bool {
        let Some((salt, entries)) = self.parts() else {
            return false;
        };
        let digest = pin.digest(salt);
        entries
            .chunks_exact(ENTRY)
            .take(self.count)
            .any(|entry| entry.get(..DIGEST) == Some(&digest[..]) && entry.last() >= Some(&left))
    }

    /// Remembers a value that the card refused, with the tries that it left.
    pub fn remember(&mut self, pin: &Pin, left: u8) {
        if self.page.is_none() {
            let mut page = LockedPage::new();
            // Without randomness nothing is remembered: an unsalted hash of four digits is the PIN.
            let salt = page
                .as_mut()
                .and_then(|page| page.bytes_mut().get_mut(..DIGEST));
            if salt.is_none_or(|salt| getrandom::fill(salt).is_err()) {
                return;
            }
            self.page = page;
        }
        let Some(digest) = self.parts().map(|(salt, _)| pin.digest(salt)) else {
            return;
        };
        let at = DIGEST + self.count * ENTRY;
        let entry = self
            .page
            .as_mut()
            .and_then(|page| page.bytes_mut().get_mut(at..at + ENTRY));
        // A full page holds more values than a card has tries.
        if let Some((kept, tries)) = entry.and_then(|entry| entry.split_at_mut_checked(DIGEST)) {
            kept.copy_from_slice(&digest);
            tries.fill(left);
            self.count += 1;
        }
    }

    /// Forgets all of them.
    pub fn forget(&mut self) {
        *self = RejectedPins::default();
    }

    fn parts(&self) -> Option<(&[u8], &[u8])> {
        self.page.as_ref()?.bytes().split_at_checked(DIGEST)
    }
}

impl fmt::Debug for RejectedPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rejected values", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::for_tests::in_child;

    fn shown(pin: &Pin) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_LENGTH);
        assert!(pin.write_to(&mut bytes));
        bytes
    }

    #[test]
    fn four_digits_and_nothing_else() {
        assert_eq!(
            shown(&Pin::parse(Shape::FourDigits, b"0123").unwrap()),
            b"0123"
        );
        for (given, why) in [
            (&b""[..], Error::Length),
            (b"123", Error::Length),
            (b"12345", Error::Length),
            (b"ABC123", Error::Length),
            (b"12a4", Error::Characters),
            (b"12 4", Error::Characters),
            ("１".as_bytes(), Error::Length),
            (&[b'1'; 300], Error::Length),
            (b"123\0", Error::Characters),
        ] {
            assert_eq!(
                Pin::parse(Shape::FourDigits, given).unwrap_err(),
                why,
                "{given:?}"
            );
        }
    }

    #[test]
    fn a_password_is_raised() {
        assert_eq!(
            shown(&Pin::parse(Shape::Password, b"abC123").unwrap()),
            b"ABC123"
        );
        assert_eq!(
            shown(&Pin::parse(Shape::Password, &[b'Z'; 16]).unwrap()),
            [b'Z'; 16]
        );
        for (given, why) in [
            (&b"1234"[..], Error::Length),
            (b"ABC12", Error::Length),
            (&[b'Z'; 17], Error::Length),
            (b"ABC 12", Error::Characters),
            (b"ABC-12", Error::Characters),
            ("ＡＢ".as_bytes(), Error::Characters),
            ("ABC1é".as_bytes(), Error::Characters),
        ] {
            assert_eq!(
                Pin::parse(Shape::Password, given).unwrap_err(),
                why,
                "{given:?}"
            );
        }
    }

    #[test]
    fn it_is_not_printed() {
        let pin = Pin::parse(Shape::FourDigits, b"4711").unwrap();
        assert_eq!(format!("{pin:?}"), "Pin(hidden)");
    }

    #[test]
    fn rejected_values_are_known_until_the_counter_rises() {
        let wrong = Pin::parse(Shape::Password, b"WRONG1").unwrap();
        let other = Pin::parse(Shape::Password, b"WRONG2").unwrap();
        let mut rejected = RejectedPins::default();
        assert!(!rejected.contains(&wrong, 4));
        rejected.remember(&wrong, 4);
        assert!(rejected.contains(&Pin::parse(Shape::Password, b"wrong1").unwrap(), 4));
        assert!(rejected.contains(&wrong, 3), "others failed meanwhile");
        assert!(
            !rejected.contains(&wrong, 5),
            "somebody succeeded meanwhile"
        );
        assert!(!rejected.contains(&other, 4));
        rejected.remember(&other, 3);
        assert!(rejected.contains(&wrong, 3) && rejected.contains(&other, 3));
        rejected.forget();
        assert!(!rejected.contains(&wrong, 4));
    }

    #[test]
    fn a_full_page_of_rejected_values_is_no_fault() {
        let mut rejected = RejectedPins::default();
        for number in 0..1000 {
            let value = format!("{number:04}");
            rejected.remember(&Pin::parse(Shape::FourDigits, value.as_bytes()).unwrap(), 2);
        }
        for early in [b"0000", b"0099"] {
            assert!(rejected.contains(&Pin::parse(Shape::FourDigits, early).unwrap(), 2));
        }
    }

    #[test]
    fn a_pin_typed_twice_is_the_same() {
        let pin = |text| Pin::parse(Shape::Password, text).unwrap();
        assert!(pin(b"abc123").is_same_as(&pin(b"ABC123")));
        assert!(!pin(b"ABC123").is_same_as(&pin(b"ABC1234")));
        assert!(!pin(b"ABC123").is_same_as(&pin(b"ABC124")));
    }

    #[test]
    fn a_forked_child_finds_nothing() {
        let pin = Pin::parse(Shape::FourDigits, b"4711").unwrap();
        let mut bytes = Vec::with_capacity(MAX_LENGTH);
        assert!(in_child(|| !pin.write_to(&mut bytes)));
        assert!(pin.write_to(&mut bytes));
    }
}
