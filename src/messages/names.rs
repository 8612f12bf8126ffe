//! Languages, tokens, PINs, kinds of card and what they are called.

/// A language that messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// 日本語.
    Japanese,
    /// English.
    English,
}

impl Language {
    /// Both.
    pub const ALL: [Language; 2] = [Language::Japanese, Language::English];

    /// The language of the setting or, without one, of the locale: the first of `LC_ALL`,
    /// `LC_MESSAGES` and `LANG` that is set, or what the system says without them. A locale that says it is not UTF-8 gets English, which
    /// is readable in every encoding.
    pub fn detect(
        setting: Option<Language>,
        variable: impl Fn(&str) -> Option<String>,
        system: impl FnOnce() -> Option<String>,
    ) -> Language {
        if let Some(language) = setting {
            return language;
        }
        let locale = LOCALE_VARIABLES
            .iter()
            .filter_map(|name| variable(name))
            .find(|value| !value.is_empty())
            .or_else(system)
            .unwrap_or_default();
        let locale = locale.split('@').next().unwrap_or_default();
        let (name, encoding) = match locale.split_once('.') {
            Some((name, encoding)) => (name, Some(encoding)),
            None => (locale, None),
        };
        let japanese = matches!(name.split('_').next(), Some("ja" | "japanese"));
        let utf8 = encoding.is_none_or(|encoding| {
            encoding.eq_ignore_ascii_case("utf-8") || encoding.eq_ignore_ascii_case("utf8")
        });
        if japanese && utf8 {
            Language::Japanese
        } else {
            Language::English
        }
    }

    /// So many tries, in words.
    pub fn tries(self, count: u8) -> String {
        match (self, count) {
            (Language::Japanese, _) => format!("{count}回"),
            (Language::English, 1) => "1 try".to_owned(),
            (Language::English, _) => format!("{count} tries"),
        }
    }

    /// So many days, in words.
    pub fn days(self, count: u32) -> String {
        match (self, count) {
            (Language::Japanese, _) => format!("{count}日"),
            (Language::English, 1) => "1 day".to_owned(),
            (Language::English, _) => format!("{count} days"),
        }
    }
}

/// One of the card's two certificates with its key and its PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Token {
    /// 利用者証明用.
    Authentication,
    /// 署名用.
    Signature,
}

impl Token {
    /// The certificate's name.
    pub fn certificate(self, language: Language) -> &'static str {
        match (self, language) {
            (Token::Authentication, Language::Japanese) => "利用者証明用電子証明書",
            (Token::Authentication, Language::English) => "authentication certificate",
            (Token::Signature, Language::Japanese) => "署名用電子証明書",
            (Token::Signature, Language::English) => "signature certificate",
        }
    }

    /// The PIN's name.
    pub fn pin(self, language: Language) -> &'static str {
        match (self, language) {
            (Token::Authentication, Language::Japanese) => "利用者証明用暗証番号（4桁）",
            (Token::Authentication, Language::English) => "authentication PIN (4 digits)",
            (Token::Signature, Language::Japanese) => "署名用パスワード（6〜16文字）",
            (Token::Signature, Language::English) => "signature password (6 to 16 characters)",
        }
    }

    /// The PIN's shape.
    pub fn shape(self, language: Language) -> &'static str {
        match (self, language) {
            (Token::Authentication, Language::Japanese) => "数字4桁",
            (Token::Authentication, Language::English) => "4 digits",
            (Token::Signature, Language::Japanese) => "英字と数字からなる6〜16文字",
            (Token::Signature, Language::English) => "6 to 16 letters and digits",
        }
    }

    /// The token that this one may be mistaken for.
    pub(super) fn other(self) -> Token {
        match self {
            Token::Authentication => Token::Signature,
            Token::Signature => Token::Authentication,
        }
    }
}

/// What holds the certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CardKind {
    /// The plastic card.
    MyNumberCard,
    /// An Android phone.
    AndroidPhone,
    /// An iPhone.
    IPhone,
    /// The card that came before.
    ResidentCard,
}

impl CardKind {
    /// Its name.
    pub fn name(self, language: Language) -> &'static str {
        match (self, language) {
            (CardKind::MyNumberCard, Language::Japanese) => "マイナンバーカード",
            (CardKind::MyNumberCard, Language::English) => "My Number card",
            (CardKind::AndroidPhone, Language::Japanese) => {
                "Androidスマートフォン（スマホ用電子証明書）"
            }
            (CardKind::AndroidPhone, Language::English) => {
                "Android phone with My Number certificates"
            }
            (CardKind::IPhone, Language::Japanese) => "iPhone（iPhoneのマイナンバーカード）",
            (CardKind::IPhone, Language::English) => "iPhone with My Number card",
            (CardKind::ResidentCard, Language::Japanese) => "住民基本台帳カード",
            (CardKind::ResidentCard, Language::English) => "Basic Resident Register card",
        }
    }
}

const LOCALE_VARIABLES: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];
