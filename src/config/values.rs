//! The types that settings have, and how a written value becomes one.

use std::ops::RangeInclusive;
use std::time::Duration;

use wildmatch::WildMatch;

use crate::messages::Language;

/// A value as a source gave it, before a key has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawValue {
    /// Text: a TOML string, a parameter, an environment variable.
    Text(String),
    /// A TOML boolean.
    Flag(bool),
    /// The TOML table of `readers`.
    Patterns(Readers),
    /// Something that no key takes (a number, a date), in the source's notation.
    Other(String),
}

impl RawValue {
    /// The value for a complaint: short, on one line.
    pub(super) fn shown(&self) -> String {
        match self {
            RawValue::Text(text) | RawValue::Other(text) => shortened(text),
            RawValue::Flag(flag) => flag.to_string(),
            RawValue::Patterns(_) => "{ … }".to_owned(),
        }
    }

    /// `on` or `off`, with the words and numbers that people write instead.
    pub(super) fn switch(&self) -> Option<bool> {
        match self {
            RawValue::Flag(flag) => Some(*flag),
            RawValue::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "on" | "yes" | "true" | "1" => Some(true),
                "off" | "no" | "false" | "0" => Some(false),
                _ => None,
            },
            RawValue::Patterns(_) | RawValue::Other(_) => None,
        }
    }
}

/// Writes an enum of named values together with the names, so that neither can forget a member.
macro_rules! choice {
    ($(#[$doc:meta])* $type:ident: $($(#[$member_doc:meta])* $member:ident = $name:literal,)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $type {
            $($(#[$member_doc])* $member,)*
        }

        impl $type {
            /// The names that may be written, the default first.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The name of this value.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$member => $name,)*
                }
            }

            /// The value of a name; upper and lower case are the same.
            pub fn from_name(name: &str) -> Option<$type> {
                let name = name.trim();
                $(if name.eq_ignore_ascii_case($name) {
                    return Some($type::$member);
                })*
                None
            }

            /// As [`Self::from_name`]; where the type has `on` and `off` or `yes` and `no`, any
            /// way to write a switch will do.
            pub(super) fn from_raw(given: &RawValue) -> Option<$type> {
                if let RawValue::Text(text) = given
                    && let Some(value) = $type::from_name(text)
                {
                    return Some(value);
                }
                match given.switch()? {
                    true => $type::from_name("on").or_else(|| $type::from_name("yes")),
                    false => $type::from_name("off").or_else(|| $type::from_name("no")),
                }
            }
        }
    };
}

choice! {
    /// Which of a reader's two tokens a program sees.
    Slots:
    /// Both, but in web browsers the authentication token alone.
    #[default]
    Auto = "auto",
    /// Both.
    Both = "both",
    /// The authentication token (利用者証明用) alone.
    Auth = "auth",
    /// The signature token (署名用) alone.
    Sign = "sign",
}

choice! {
    /// May a login spend the last try of a PIN?
    LastTry:
    /// No: the module refuses before the card is asked.
    #[default]
    Guard = "guard",
    /// Yes.
    Allow = "allow",
}

choice! {
    /// Does a key need its PIN for each signature (`CKA_ALWAYS_AUTHENTICATE`)?
    AlwaysAuthenticate:
    /// The signature key does, the authentication key does not.
    #[default]
    Auto = "auto",
    /// Both keys do.
    Yes = "yes",
    /// Neither key does: one login, many signatures.
    No = "no",
}

choice! {
    /// Where a login lives between two calls.
    LoginState:
    /// In this process: the PIN is kept in locked memory and the card is never left open.
    #[default]
    Module = "module",
    /// On the card: nothing is kept in memory, and other programs find the card open.
    Card = "card",
}

choice! {
    /// Who asks for the PIN?
    PinEntry:
    /// The program, which passes it to `C_Login`.
    #[default]
    Program = "program",
    /// The module, in a dialog of the desktop (`CKF_PROTECTED_AUTHENTICATION_PATH`).
    Dialog = "dialog",
    /// The reader, where it has a PIN pad; the authentication PIN alone, since a pad has no letters.
    Pinpad = "pinpad",
}

choice! {
    /// With `pin_entry = "dialog"`: for what is the signature password asked?
    Consent:
    /// For each signature, with what is signed.
    #[default]
    Each = "each",
    /// For the login alone.
    Session = "session",
}

choice! {
    /// Are certificates read in few, long answers?
    ExtendedReads:
    /// Yes, where the reader says that it can (PC/SC part 10) and until the card refuses.
    #[default]
    Auto = "auto",
    /// No.
    Off = "off",
}

choice! {
    /// Are the two CA certificates shown as objects?
    CaCertificates:
    /// Yes, but not to OpenSSH, which makes a key of every certificate.
    #[default]
    Auto = "auto",
    /// Yes.
    On = "on",
    /// No.
    Off = "off",
}

/// Which readers are used. A pattern is compared with the whole name; `*` stands for anything,
/// `?` for one character, upper and lower case are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readers {
    /// Readers that are used; empty: all.
    pub allow: Vec<String>,
    /// Readers that are not used, even when `allow` names them.
    pub ignore: Vec<String>,
}

impl Readers {
    /// Is the reader of this name used?
    pub fn shows(&self, reader: &str) -> bool {
        let among = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, reader));
        (self.allow.is_empty() || among(&self.allow)) && !among(&self.ignore)
    }

    /// Reads `Sony*, !*virtual*`: patterns between commas, `!` in front of one to ignore.
    /// `None`: a `!` with nothing behind it.
    pub fn from_text(text: &str) -> Option<Readers> {
        let mut readers = Readers::default();
        for pattern in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            match pattern.strip_prefix('!').map(str::trim_start) {
                Some("") => return None,
                Some(ignored) => readers.ignore.push(ignored.to_owned()),
                None => readers.allow.push(pattern.to_owned()),
            }
        }
        Some(readers)
    }
}

/// A number of seconds that somebody can answer in.
pub(super) fn seconds_from_raw(given: &RawValue) -> Option<Duration> {
    let (RawValue::Text(text) | RawValue::Other(text)) = given else {
        return None;
    };
    let seconds = text.trim().parse().ok();
    let seconds = seconds.filter(|seconds| ANSWER_SECONDS.contains(seconds))?;
    Some(Duration::from_secs(seconds))
}

/// The limits of `pin_entry_timeout`.
pub(super) const ANSWER_SECONDS: RangeInclusive<u64> = 10..=3600;

/// The language that a setting names. `Some(None)`: by locale.
pub(super) fn language_from_raw(given: &RawValue) -> Option<Option<Language>> {
    let RawValue::Text(text) = given else {
        return None;
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "auto" => Some(None),
        "ja" => Some(Some(Language::Japanese)),
        "en" => Some(Some(Language::English)),
        _ => None,
    }
}

/// Is this a filter that the log understands? It is a list of `level` or `module=level` between
/// commas, perhaps with `/text` behind it. A lone word that is neither a level nor one of our
/// modules would silence the log without a word, so it is refused.
pub(super) fn is_log_filter(text: &str) -> bool {
    let is_level = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    let directives = text.split('/').next().unwrap_or_default();
    directives
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .all(|one| match one.split_once('=') {
            Some((module, level)) => !module.trim().is_empty() && is_level(level.trim()),
            None => is_level(one) || one.starts_with("jpki"),
        })
}

/// Does the whole of `text` fit `pattern`, with `*` and `?`, in whatever case?
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    WildMatch::new(&pattern.to_lowercase()).matches(&text.to_lowercase())
}

/// At most 40 characters, without line breaks and other control characters.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(LONGEST_SHOWN)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        short.push('…');
    }
    short
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const LONGEST_SHOWN: usize = 40;
