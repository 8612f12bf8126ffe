//! The doctor's sentences are whole in both languages and have the same places in both.

use std::collections::BTreeSet;

use super::{Finding, Phrase};
use crate::messages::Language;

fn places(template: &str) -> BTreeSet<&str> {
    let inside = template.split('{').skip(1);
    inside
        .map(|rest| rest.split_once('}').expect("a place must be closed").0)
        .collect()
}

fn commands(template: &str) -> BTreeSet<&str> {
    template.split('`').skip(1).step_by(2).collect()
}

fn is_kana(c: char) -> bool {
    ('\u{3041}'..='\u{30ff}').contains(&c)
}

#[test]
fn findings_have_the_same_facts_and_commands_in_both_languages() {
    for finding in Finding::ALL {
        let english = finding.template(Language::English);
        let japanese = finding.template(Language::Japanese);
        for (english, japanese) in english.iter().zip(japanese) {
            assert_eq!(english.is_empty(), japanese.is_empty(), "{finding:?}");
            assert_eq!(places(english), places(japanese), "{finding:?}");
            assert_eq!(commands(english), commands(japanese), "{finding:?}");
        }
    }
}

#[test]
fn findings_are_whole_sentences() {
    for finding in Finding::ALL {
        let [says, next] = finding.template(Language::English);
        assert!(
            says.ends_with('.') && (next.is_empty() || next.ends_with('.')),
            "{finding:?}"
        );
        let [says, next] = finding.template(Language::Japanese);
        assert!(says.chars().any(is_kana), "{finding:?}");
        for part in [says, next] {
            for sentence in part
                .split(['（', '）'])
                .step_by(2)
                .collect::<String>()
                .split_terminator('。')
            {
                let polite = [
                    "です",
                    "ます",
                    "ません",
                    "ました",
                    "でした",
                    "ください",
                    "{names}",
                ];
                assert!(
                    polite.iter().any(|end| sentence.ends_with(end)),
                    "{finding:?}: {sentence}"
                );
            }
            assert!(
                !part.contains("下さい") && !part.contains("ユーザに"),
                "{finding:?}"
            );
        }
    }
}

#[test]
fn phrases_have_the_same_places_in_both_languages() {
    for phrase in Phrase::ALL {
        let [english, japanese] =
            [Language::English, Language::Japanese].map(|language| phrase.template(language));
        assert!(!english.is_empty() && !japanese.is_empty(), "{phrase:?}");
        assert_eq!(places(english), places(japanese), "{phrase:?}");
    }
}

#[test]
fn the_usage_names_the_same_words_in_both_languages() {
    let words = |language| -> BTreeSet<&str> {
        let text = Phrase::Usage.template(language);
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .filter(|word| {
                word.starts_with("--") || ["auth", "sign", "firefox", "p11-kit"].contains(word)
            })
            .collect()
    };
    assert_eq!(words(Language::English), words(Language::Japanese));
}

/// Programs read them. A name may be added to the list and never changed or taken away.
#[test]
fn names_in_json_are_the_published_ones() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctor/names.txt");
    let published = std::fs::read_to_string(path).expect("the list");
    let published: BTreeSet<&str> = published.lines().collect();
    let findings = Finding::ALL.iter().map(|finding| finding.id());
    let phrases = Phrase::ALL.iter().map(|phrase| phrase.id());
    let messages = crate::messages::tests::all();
    let messages = messages.iter().map(crate::messages::Message::id);
    let here: BTreeSet<&str> = findings.chain(phrases).chain(messages).collect();
    assert_eq!(here, published);
}
