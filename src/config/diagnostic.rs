//! What is wrong with a setting and where it was written.

use std::fmt;
use std::path::PathBuf;

use super::keys::Key;
use crate::messages::Language;

/// A setting, or a whole source, that could not be used.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

impl Diagnostic {
    /// `config.toml:7: unknown key …`, on one line.
    pub fn text(&self, language: Language) -> String {
        format!(
            "{}: {}",
            self.place.text(language),
            self.problem.text(language)
        )
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Language::English))
    }
}

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A configuration file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, counted from 1; `None` when the whole file is meant.
        line: Option<usize>,
    },
    /// The string in `pReserved` of `C_Initialize`.
    Parameters,
    /// An environment variable.
    Variable(String),
}

impl Place {
    /// The place for people.
    pub fn text(&self, language: Language) -> String {
        match self {
            Place::File { path, line: None } => path.display().to_string(),
            Place::File {
                path,
                line: Some(line),
            } => format!("{}:{line}", path.display()),
            Place::Parameters => match language {
                Language::English => "parameters of C_Initialize".to_owned(),
                Language::Japanese => "C_Initialize のパラメーター".to_owned(),
            },
            Place::Variable(name) => match language {
                Language::English => format!("environment variable {name}"),
                Language::Japanese => format!("環境変数 {name}"),
            },
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone)]
pub enum Problem {
    /// No setting has this name.
    UnknownKey {
        /// The name.
        name: String,
        /// The setting that may have been meant.
        similar: Option<&'static Key>,
    },
    /// The setting does not take this value.
    WrongValue {
        /// The setting.
        key: &'static Key,
        /// The value, shortened.
        given: String,
    },
    /// The setting's value is missing, or a quote in it is opened and not closed.
    NoValue {
        /// The setting.
        key: &'static Key,
    },
    /// `[program]` has something that is not a table of settings.
    NotATable {
        /// The name.
        name: String,
    },
    /// The source is not written as it must be; the setting in question is not used.
    Syntax(String),
    /// What follows a broken `[heading]` is not used, since nobody knows to what it belongs.
    RestLeftOut,
    /// There is so much wrong that nothing of the source is used.
    AllLeftOut,
    /// There are more complaints of the same source.
    More(usize),
    /// A folder, a device, a pipe.
    NotAFile,
    /// Larger than a configuration can be.
    TooLarge,
    /// Not UTF-8.
    NotUtf8,
    /// The system does not let us read it.
    Unreadable(String),
}

impl Problem {
    /// The problem for people.
    pub fn text(&self, language: Language) -> String {
        match language {
            Language::English => self.english(),
            Language::Japanese => self.japanese(),
        }
    }

    fn english(&self) -> String {
        match self {
            Problem::UnknownKey {
                name,
                similar: Some(key),
            } => {
                format!("unknown key `{name}`; did you mean `{}`?", key.name)
            }
            Problem::UnknownKey {
                name,
                similar: None,
            } => format!("unknown key `{name}`"),
            Problem::WrongValue { key, given } => format!(
                "wrong value `{given}` for `{}`; expected {}",
                key.name,
                key.values.expected(Language::English)
            ),
            Problem::NoValue { key } => {
                format!(
                    "`{}` has no value, or one whose quote is not closed",
                    key.name
                )
            }
            Problem::NotATable { name } => {
                format!("`{name}` must be a table, as in `[program.firefox]`")
            }
            Problem::Syntax(what) => format!("not well written: {what}"),
            Problem::RestLeftOut => "everything from this line on is left out".to_owned(),
            Problem::AllLeftOut => "too many mistakes; nothing of this file is used".to_owned(),
            Problem::More(count) => format!("and {count} more"),
            Problem::NotAFile => "not a regular file".to_owned(),
            Problem::TooLarge => "larger than 1 MiB, not read".to_owned(),
            Problem::NotUtf8 => "not UTF-8".to_owned(),
            Problem::Unreadable(why) => format!("cannot be read: {why}"),
        }
    }

    fn japanese(&self) -> String {
        match self {
            Problem::UnknownKey {
                name,
                similar: Some(key),
            } => {
                format!(
                    "`{name}` という項目はありません。`{}` の間違いではありませんか",
                    key.name
                )
            }
            Problem::UnknownKey {
                name,
                similar: None,
            } => {
                format!("`{name}` という項目はありません")
            }
            Problem::WrongValue { key, given } => format!(
                "`{}` に `{given}` は指定できません。指定できるのは {} です",
                key.name,
                key.values.expected(Language::Japanese)
            ),
            Problem::NoValue { key } => {
                format!("`{}` の値がないか、引用符が閉じられていません", key.name)
            }
            Problem::NotATable { name } => {
                format!("`{name}` は `[program.firefox]` のような表でなければなりません")
            }
            Problem::Syntax(what) => format!("書き方が正しくありません（{what}）"),
            Problem::RestLeftOut => "この行から後は使われません".to_owned(),
            Problem::AllLeftOut => "誤りが多すぎるため、このファイルは使われません".to_owned(),
            Problem::More(count) => format!("ほかに{count}件あります"),
            Problem::NotAFile => "通常のファイルではありません".to_owned(),
            Problem::TooLarge => "1 MiB を超えるため読み込みません".to_owned(),
            Problem::NotUtf8 => "文字コードが UTF-8 ではありません".to_owned(),
            Problem::Unreadable(why) => format!("読み込めません（{why}）"),
        }
    }
}
