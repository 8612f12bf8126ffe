//! The settings as pages for people, made from their table.

use super::keys::{KEYS, Values};
use crate::messages::Language;

/// A table in Markdown: key, values, default, meaning.
pub fn documentation(language: Language) -> String {
    let mut page = match language {
        Language::English => "| key | values | default | meaning |\n",
        Language::Japanese => "| 項目 | 値 | 既定値 | 意味 |\n",
    }
    .to_owned();
    page.push_str("|---|---|---|---|\n");
    for key in KEYS {
        let values = match key.values {
            Values::OneOf(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                quoted.join(" ")
            }
            Values::Switch => "`on` `off`".to_owned(),
            Values::Patterns | Values::LogFilter | Values::Path | Values::Seconds => {
                key.values.expected(language)
            }
        };
        let meaning = match language {
            Language::English => key.meaning,
            Language::Japanese => key.meaning_japanese,
        };
        page.push_str(&format!(
            "| `{}` | {values} | `{}` | {meaning} |\n",
            key.name, key.default
        ));
    }
    page
}

/// The entries of the manual page `jpki-pkcs11-config(5)`, in roff.
pub fn manual(language: Language) -> String {
    let mut entries = String::new();
    for key in KEYS {
        let values = match key.values {
            Values::OneOf(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                quoted.join(", ")
            }
            _ => key.values.expected(language),
        };
        let (meaning, label, default, stop) = match language {
            Language::English => (key.meaning, "Values: ", "Default: ", "."),
            Language::Japanese => (key.meaning_japanese, "値: ", "既定値: ", "。"),
        };
        entries.push_str(&format!(
            ".TP\n.B {}\n{}{stop}\n.br\n{label}{}{stop}\n.br\n{default}{}{stop}\n",
            key.name,
            roff(meaning),
            roff(&values),
            roff(&format!("`{}`", key.default)),
        ));
    }
    entries
}

/// Text as roff: what stands between backticks is bold, hyphens and backslashes are themselves.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let mut bold = false;
    let mut page = String::new();
    for letter in escaped.chars() {
        if letter == '`' {
            bold = !bold;
            page.push_str(if bold { "\\fB" } else { "\\fR" });
        } else {
            page.push(letter);
        }
    }
    page
}
