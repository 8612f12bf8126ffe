//! The only texts of card and reader that a report may hold, each without what could tell one holder from another.

use crate::report;

/// A text that may be published. It is made here alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Public(String);

/// What stands for a text of another form than every published one has.
const UNKNOWN: &str = "unknown";

/// Most bytes of an answer to reset (ISO 7816-3).
const MAX_ATR: usize = 33;

/// Historical bytes of a contactless card: what its maker and the application wrote. Some readers put the number that
/// the card calls itself by there instead (docs/card.md, 1.1), so they are told only where they were published.
const APPLICATION_DATA: std::ops::Range<usize> = 4..8;

/// The application data of the contactless cards that were published (docs/card.md, 1.1).
const PUBLISHED: [[u8; 4]; 3] = [
    [0x00, 0x00, 0x05, 0xE0],
    [0x00, 0x00, 0x41, 0xE0],
    [0x00, 0x4B, 0x51, 0xFF],
];

impl Public {
    /// An answer to reset in hexadecimal; `..` for each byte that is left out.
    pub(super) fn atr(atr: &[u8]) -> Public {
        let data = atr.get(APPLICATION_DATA).unwrap_or_default();
        let hidden = is_contactless(atr) && !PUBLISHED.iter().any(|known| known == data);
        let last = atr.len().saturating_sub(1);
        let byte = |(at, byte): (usize, &u8)| match hidden {
            // The last byte is the sum of the others.
            true if APPLICATION_DATA.contains(&at) || at == last => "..".to_owned(),
            _ => format!("{byte:02X}"),
        };
        Public(atr.iter().take(MAX_ATR).enumerate().map(byte).collect())
    }

    /// A reader's name without what stands in parentheses: drivers put serial numbers there.
    pub(super) fn reader(name: &str) -> Public {
        let mut depth = 0_usize;
        let outside = name.chars().filter(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        });
        let outside: String = outside.collect();
        let words: Vec<&str> = outside.split_whitespace().collect();
        Public(report::redact(&words.join(" "), None))
    }

    /// A label of EF 0006, as every known one is made.
    pub(super) fn label(field: &[u8]) -> Public {
        Public::plain(field, |text| text.starts_with("JPKIAP"))
    }

    /// A model of EF 0006: letters and digits.
    pub(super) fn model(field: &[u8]) -> Public {
        Public::plain(field, |_| true)
    }

    fn plain(field: &[u8], known: impl Fn(&str) -> bool) -> Public {
        let text = std::str::from_utf8(field).unwrap_or_default().trim_end();
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        let fits = !text.is_empty() && text.chars().all(plain) && known(text);
        Public(if fits { text } else { UNKNOWN }.to_owned())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// Did a reader make this answer to reset for a contactless card (PC/SC part 3, 3.1.3.2.3)?
pub(super) fn is_contactless(atr: &[u8]) -> bool {
    matches!(atr, [0x3B, 0x80..=0x8F, 0x80, 0x01, ..])
}

#[cfg(test)]
mod tests {
    use super::Public;

    #[test]
    fn numbers_of_one_card_or_reader_are_left_out() {
        let atr = |hex: &[u8]| Public::atr(hex).0;
        let published = [
            0x3B, 0x88, 0x80, 0x01, 0x00, 0x4B, 0x51, 0xFF, 0x00, 0x81, 0xD1, 0x00, 0xBC,
        ];
        assert_eq!(atr(&published), "3B888001004B51FF0081D100BC");
        let own = [
            0x3B, 0x88, 0x80, 0x01, 0x12, 0x34, 0x56, 0x78, 0xB3, 0x81, 0xA1, 0x00, 0x77,
        ];
        assert_eq!(atr(&own), "3B888001........B381A100..");
        assert_eq!(atr(&[0x3B, 0xE0, 0x00]), "3BE000");
        let reader = |name: &str| Public::reader(name).0;
        assert_eq!(
            reader("SONY FeliCa RC-S300/P (1234567) 00 00"),
            "SONY FeliCa RC-S300/P 00 00"
        );
        assert_eq!(
            reader("Gemalto PC Twin Reader (CCDB4DDB) 00 00"),
            "Gemalto PC Twin Reader 00 00"
        );
        assert_eq!(
            reader("ACS ACR1251 [ACR1251 1S CL Reader PICC] 00 00"),
            "ACS ACR1251 [ACR1251 1S CL Reader PICC] 00 00"
        );
        assert_eq!(Public::label(b"JPKIAPICCTOKEN2   ").0, "JPKIAPICCTOKEN2");
        assert_eq!(Public::label(b"YAMADA HANAKO").0, "unknown");
        assert_eq!(Public::model(b"E16R01NJ        ").0, "E16R01NJ");
        assert_eq!(Public::model(&[0xE5, 0xB1]).0, "unknown");
    }
}
