//! The person on the card, as far as certificates tell. Uses nothing but text.

/// The holder of a card; the sign certificate tells all of it, the auth certificate only the
/// municipality (card sheet 6.1, 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// 氏名, full width, an ideographic space between family and given name.
    pub name: String,
    /// One digit per character of `name`, the space included; `1` marks a substitute character
    /// (代替文字).
    pub name_flags: String,
    /// 住所, full width including digits and `－`.
    pub address: String,
    /// One digit per character of `address`, as in `name_flags`.
    pub address_flags: String,
    /// 生年月日.
    pub birth_date: BirthDate,
    /// 性別.
    pub sex: Sex,
    /// Prefecture in Latin letters with its kind, e.g. `Tokyo-to`.
    pub prefecture: String,
    /// Municipality in Latin letters with its kind, e.g. `Kiyose-shi`.
    pub city: String,
    /// The five-digit code of the municipality (without check digit), e.g. `13221`.
    pub municipality_code: String,
}

impl Holder {
    /// An invented resident of Kiyose, without substitute characters.
    #[must_use]
    pub fn sample() -> Self {
        let name = "模擬　太郎";
        let address = "東京都清瀬市模擬町１丁目２３番地４－５０６";
        Self {
            name: name.into(),
            name_flags: no_substitutes(name),
            address: address.into(),
            address_flags: no_substitutes(address),
            birth_date: BirthDate {
                era: Era::Showa,
                year: 1980,
                month: 2,
                day: 17,
            },
            sex: Sex::Male,
            prefecture: "Tokyo-to".into(),
            city: "Kiyose-shi".into(),
            municipality_code: "13221".into(),
        }
    }

    /// Another invented person: other municipality and era, a substitute character in the name,
    /// born on 29 February.
    #[must_use]
    pub fn other() -> Self {
        let address = "京都府宇治市試験通３丁目７";
        Self {
            name: "髙試　花子".into(),
            name_flags: "10000".into(),
            address: address.into(),
            address_flags: no_substitutes(address),
            birth_date: BirthDate {
                era: Era::Heisei,
                year: 1996,
                month: 2,
                day: 29,
            },
            sex: Sex::Female,
            prefecture: "Kyoto-fu".into(),
            city: "Uji-shi".into(),
            municipality_code: "26204".into(),
        }
    }
}

/// A date of birth with the era it was registered under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BirthDate {
    /// The Japanese era.
    pub era: Era,
    /// Gregorian year; the certificate does not count in years of the era.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day, 1 to 31.
    pub day: u8,
}

impl BirthDate {
    /// `EYYYYMMDD`, as in the sign certificate (card sheet 6.2).
    pub(super) fn registered(&self) -> String {
        let era = match self.era {
            Era::Unknown => 0,
            Era::Meiji => 1,
            Era::Taisho => 2,
            Era::Showa => 3,
            Era::Heisei => 4,
            Era::Reiwa => 5,
        };
        format!("{era}{:04}{:02}{:02}", self.year, self.month, self.day)
    }
}

/// The era codes of the sign certificate (card sheet 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Era {
    Unknown,
    Meiji,
    Taisho,
    Showa,
    Heisei,
    Reiwa,
}

/// The registered sex. The certificate knows further codes, whose digits are not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Sex {
    Male,
    Female,
}

impl Sex {
    /// The digit of the sign certificate (card sheet 6.2).
    pub(super) fn digit(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }
}

/// Flags for a text in which no character was substituted.
fn no_substitutes(text: &str) -> String {
    text.chars().map(|_| '0').collect()
}
