//! The one table of settings: names, values, defaults, meanings. Documentation, error texts and the example file are
//! made from it or checked against it.

use std::path::{Path, PathBuf};

use strsim::levenshtein;

use super::values::{ANSWER_SECONDS, RawValue, is_log_filter, language_from_raw, seconds_from_raw};
use super::{
    AlwaysAuthenticate, CaCertificates, Config, Consent, ExtendedReads, LastTry, LoginState,
    PinEntry, Readers, Slots,
};
use crate::messages::Language;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its name in a file and in the parameters of `C_Initialize`.
    pub name: &'static str,
    /// What may be written.
    pub values: Values,
    /// The default, in the notation of TOML.
    pub default: &'static str,
    /// What it does, in one English line.
    pub meaning: &'static str,
    /// The same in Japanese.
    pub meaning_japanese: &'static str,
    /// Puts a value into the configuration; `None`: the value is wrong and nothing was changed.
    pub(super) set: fn(&mut Config, &RawValue) -> Option<()>,
    /// The configuration's value in the notation of TOML.
    pub(super) notation: fn(&Config) -> String,
}

impl Key {
    /// The environment variable of this setting.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// The value that `config` has for this setting, in the notation of TOML.
    pub fn value_in(&self, config: &Config) -> String {
        (self.notation)(config)
    }
}

/// What may be written as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `on` or `off`, or a boolean.
    Switch,
    /// Patterns of reader names.
    Patterns,
    /// A filter of `env_logger`.
    LogFilter,
    /// An absolute path, or nothing.
    Path,
    /// A number of seconds.
    Seconds,
}

impl Values {
    /// What is expected, for people.
    pub fn expected(self, language: Language) -> String {
        use Language::{English, Japanese};
        match (self, language) {
            (Values::OneOf(words), English) => format!("one of {}", quoted(words, ", ")),
            (Values::OneOf(words), Japanese) => format!("{} のどれか", quoted(words, "、")),
            (Values::Switch, English) => "`on` or `off`".to_owned(),
            (Values::Switch, Japanese) => "`on` または `off`".to_owned(),
            (Values::Patterns, English) => {
                "`{ allow = [\"…\"], ignore = [\"…\"] }`, or patterns between commas, those to \
                 ignore with `!` in front"
                    .to_owned()
            }
            (Values::Patterns, Japanese) => {
                "`{ allow = [\"…\"], ignore = [\"…\"] }`、またはコンマで区切ったパターン\
                 （使わないものは先頭に `!`）"
                    .to_owned()
            }
            (Values::LogFilter, English) => {
                "`off`, `error`, `warn`, `info`, `debug`, `trace`, or a filter such as \
                 `jpki_pkcs11=debug`"
                    .to_owned()
            }
            (Values::LogFilter, Japanese) => {
                "`off`、`error`、`warn`、`info`、`debug`、`trace` のどれか、または \
                 `jpki_pkcs11=debug` のようなフィルター"
                    .to_owned()
            }
            (Values::Path, English) => "an absolute path, or nothing".to_owned(),
            (Values::Path, Japanese) => "絶対パス、または空欄".to_owned(),
            (Values::Seconds, English) => {
                format!("{} to {}", ANSWER_SECONDS.start(), ANSWER_SECONDS.end())
            }
            (Values::Seconds, Japanese) => {
                format!("{}〜{}", ANSWER_SECONDS.start(), ANSWER_SECONDS.end())
            }
        }
    }
}

/// The setting of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The setting that somebody who wrote `name` may have meant: two letters are wrong at most, in a
/// short word one, or two that changed places.
pub(super) fn similar_key(name: &str) -> Option<&'static Key> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let (distance, key) = KEYS
        .iter()
        .filter(|key| key.name.len().abs_diff(name.len()) <= 2)
        .map(|key| (levenshtein(&name, key.name), key))
        .min_by_key(|(distance, _)| *distance)?;
    let allowed = match key.name.len() {
        0..=3 => 1,
        4..=5 if !same_letters(&name, key.name) => 1,
        _ => 2,
    };
    (distance <= allowed).then_some(key)
}

/// The settings.
pub const KEYS: &[Key] = &[
    Key {
        name: "slots",
        values: Values::OneOf(Slots::NAMES),
        default: "\"auto\"",
        meaning: "which tokens a program sees; auto: both, but in web browsers the authentication token alone",
        meaning_japanese: "プログラムに見せるトークン。auto では両方、ただしウェブブラウザーには利用者証明用だけ",
        set: |config, given| put(&mut config.slots, Slots::from_raw(given)),
        notation: |config| text(config.slots.name()),
    },
    Key {
        name: "last_try",
        values: Values::OneOf(LastTry::NAMES),
        default: "\"guard\"",
        meaning: "whether a login may spend the last try of a PIN; guard: no",
        meaning_japanese: "暗証番号の最後の1回をログインに使うかどうか。guard では使わない",
        set: |config, given| put(&mut config.last_try, LastTry::from_raw(given)),
        notation: |config| text(config.last_try.name()),
    },
    Key {
        name: "always_authenticate",
        values: Values::OneOf(AlwaysAuthenticate::NAMES),
        default: "\"auto\"",
        meaning: "whether a key needs its PIN for each signature; auto: the signature key alone, and none in programs that cannot log in for each (java, openssl, osslsigncode, gnupg-pkcs11-scd, ssh-agent, python)",
        meaning_japanese: "署名のたびに暗証番号を求めるかどうか。auto では署名用の鍵だけ。署名のたびにログインできないプログラム（java、openssl、osslsigncode、gpgsm、ssh-agent、python）では求めない",
        set: |config, given| {
            put(
                &mut config.always_authenticate,
                AlwaysAuthenticate::from_raw(given),
            )
        },
        notation: |config| text(config.always_authenticate.name()),
    },
    Key {
        name: "login_state",
        values: Values::OneOf(LoginState::NAMES),
        default: "\"module\"",
        meaning: "where a login lives; module: the PIN in locked memory, the card never left open; card: on the card, nothing in memory",
        meaning_japanese: "ログイン状態の置き場所。module では保護したメモリー（カードは開いたままにしない）、card ではカード上",
        set: |config, given| put(&mut config.login_state, LoginState::from_raw(given)),
        notation: |config| text(config.login_state.name()),
    },
    Key {
        name: "pss",
        values: Values::Switch,
        default: "\"on\"",
        meaning: "RSA-PSS signatures, which TLS 1.3 needs; off sends clients to TLS 1.2",
        meaning_japanese: "RSA-PSS 署名（TLS 1.3 に必要）。off にすると TLS 1.2 が使われる",
        set: |config, given| put(&mut config.pss, given.switch()),
        notation: |config| switch(config.pss),
    },
    Key {
        name: "sha1",
        values: Values::Switch,
        default: "\"on\"",
        meaning: "signatures with SHA-1, for old documents and servers",
        meaning_japanese: "SHA-1 による署名（古い文書やサーバーのため）",
        set: |config, given| put(&mut config.sha1, given.switch()),
        notation: |config| switch(config.sha1),
    },
    Key {
        name: "ca_certificates",
        values: Values::OneOf(CaCertificates::NAMES),
        default: "\"auto\"",
        meaning: "whether the CA certificates are shown; auto: not to OpenSSH, kinit and SSSD, which take each for one of yours",
        meaning_japanese: "認証局の証明書を見せるかどうか。auto では OpenSSH・kinit・SSSD（すべてを本人の証明書として扱う）にだけ見せない",
        set: |config, given| put(&mut config.ca_certificates, CaCertificates::from_raw(given)),
        notation: |config| text(config.ca_certificates.name()),
    },
    Key {
        name: "extended_reads",
        values: Values::OneOf(ExtendedReads::NAMES),
        default: "\"auto\"",
        meaning: "certificates in few, long answers; auto: where the reader says that it can, until the card refuses",
        meaning_japanese: "証明書を少ない回数で長く読み取るかどうか。auto ではリーダーが対応していれば、カードが断るまで行う",
        set: |config, given| put(&mut config.extended_reads, ExtendedReads::from_raw(given)),
        notation: |config| text(config.extended_reads.name()),
    },
    Key {
        name: "pin_entry",
        values: Values::OneOf(PinEntry::NAMES),
        default: "\"program\"",
        meaning: "who asks for the PIN; program: the program, as it always does; dialog: the module, in a dialog of the desktop (pinentry); pinpad: the reader's own keys, for the authentication PIN",
        meaning_japanese: "暗証番号を尋ねるもの。program ではこれまでどおりプログラム、dialog ではこのモジュールがデスクトップのダイアログ（pinentry）で尋ね、pinpad ではリーダーのキーで入力する（利用者証明用だけ）",
        set: |config, given| put(&mut config.pin_entry, PinEntry::from_raw(given)),
        notation: |config| text(config.pin_entry.name()),
    },
    Key {
        name: "consent",
        values: Values::OneOf(Consent::NAMES),
        default: "\"each\"",
        meaning: "with `pin_entry = \"dialog\"`: each: the dialog shows each signature of the signature key and asks for its password; session: at the login alone",
        meaning_japanese: "`pin_entry = \"dialog\"` のとき、each では署名用の鍵で署名するたびに内容を示してパスワードを尋ね、session ではログイン時にだけ尋ねる",
        set: |config, given| put(&mut config.consent, Consent::from_raw(given)),
        notation: |config| text(config.consent.name()),
    },
    Key {
        name: "pinentry_program",
        values: Values::Path,
        default: "\"\"",
        meaning: "the program that shows the dialog; nothing: `pinentry` of the system",
        meaning_japanese: "ダイアログを表示するプログラム。空欄ならシステムの `pinentry`",
        set: |config, given| put(&mut config.pinentry_program, path_from_raw(given)),
        notation: |config| path(config.pinentry_program.as_deref()),
    },
    Key {
        name: "pin_entry_timeout",
        values: Values::Seconds,
        default: "120",
        meaning: "how many seconds the dialog waits for an answer",
        meaning_japanese: "ダイアログが入力を待つ秒数",
        set: |config, given| put(&mut config.pin_entry_timeout, seconds_from_raw(given)),
        notation: |config| config.pin_entry_timeout.as_secs().to_string(),
    },
    Key {
        name: "readers",
        values: Values::Patterns,
        default: "{ allow = [], ignore = [] }",
        meaning: "which readers are used, by name; * stands for anything, ? for one character; allow empty: all",
        meaning_japanese: "使うICカードリーダーの名前。* は任意の文字列、? は任意の1文字。allow が空ならすべて",
        set: |config, given| put(&mut config.readers, readers_from_raw(given)),
        notation: |config| {
            format!(
                "{{ allow = {}, ignore = {} }}",
                list(&config.readers.allow),
                list(&config.readers.ignore)
            )
        },
    },
    Key {
        name: "log",
        values: Values::LogFilter,
        default: "\"warn\"",
        meaning: "what is logged: off, error, warn, info, debug, trace, or a filter of env_logger",
        meaning_japanese: "ログに書く内容。off、error、warn、info、debug、trace、または env_logger のフィルター",
        set: |config, given| put(&mut config.log, log_from_raw(given)),
        notation: |config| text(&config.log),
    },
    Key {
        name: "log_file",
        values: Values::Path,
        default: "\"\"",
        meaning: "the file that the log is added to; nothing: standard error",
        meaning_japanese: "ログを書き足すファイル。空欄なら標準エラー出力",
        set: |config, given| put(&mut config.log_file, path_from_raw(given)),
        notation: |config| path(config.log_file.as_deref()),
    },
    Key {
        name: "language",
        values: Values::OneOf(&["auto", "ja", "en"]),
        default: "\"auto\"",
        meaning: "the language of messages; auto: by locale",
        meaning_japanese: "メッセージの言語。auto ではロケールに従う",
        set: |config, given| put(&mut config.language, language_from_raw(given)),
        notation: |config| {
            text(match config.language {
                None => "auto",
                Some(Language::Japanese) => "ja",
                Some(Language::English) => "en",
            })
        },
    },
];

/// What the environment variables of this module begin with.
pub const VARIABLE_PREFIX: &str = "JPKI_PKCS11_";

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

fn readers_from_raw(given: &RawValue) -> Option<Readers> {
    match given {
        RawValue::Patterns(readers) => Some(readers.clone()),
        RawValue::Text(text) => Readers::from_text(text),
        RawValue::Flag(_) | RawValue::Other(_) => None,
    }
}

fn log_from_raw(given: &RawValue) -> Option<String> {
    match given {
        RawValue::Text(text) if is_log_filter(text) => Some(text.trim().to_owned()),
        RawValue::Flag(false) => Some("off".to_owned()),
        _ => None,
    }
}

/// A relative path would mean another file in each program's folder, so it is refused.
fn path_from_raw(given: &RawValue) -> Option<Option<PathBuf>> {
    match given {
        RawValue::Text(text) if text.is_empty() => Some(None),
        RawValue::Text(text) if Path::new(text).is_absolute() && !text.contains('\0') => {
            Some(Some(PathBuf::from(text)))
        }
        _ => None,
    }
}

fn quoted(words: &[&str], between: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(between)
}

fn path(path: Option<&Path>) -> String {
    text(&path.unwrap_or(Path::new("")).to_string_lossy())
}

fn switch(on: bool) -> String {
    text(if on { "on" } else { "off" })
}

fn list(patterns: &[String]) -> String {
    let quoted: Vec<String> = patterns.iter().map(|pattern| text(pattern)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A TOML basic string.
fn text(value: &str) -> String {
    let mut notation = String::from('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => notation.extend(['\\', character]),
            control if control.is_control() => {
                notation.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            plain => notation.push(plain),
        }
    }
    notation.push('"');
    notation
}

fn same_letters(one: &str, other: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(one) == sorted(other)
}
