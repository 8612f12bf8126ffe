//! The settings as a page for people, made from their table. It uses the table and the language
//! names. It never says anything that the table does not say.

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
            Values::Patterns | Values::LogFilter | Values::Path => key.values.expected(language),
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
