//! The catalogue is complete, in both languages, and says the same in both.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{CardKind, Language, Message, Token};

/// One of each message; for those with a token, one for each token.
pub(super) fn all() -> Vec<Message> {
    let reader = || "READER".to_owned();
    let mut messages = vec![
        Message::PinsNotSet,
        Message::CannotUnblock,
        Message::PcscdNotInstalled,
        Message::CardStaysOpen,
        Message::PcscdNotRunning {
            reason: "REASON".to_owned(),
        },
        Message::NoDialog {
            reason: "REASON".to_owned(),
        },
        Message::NoDescriptor,
        Message::NotAuthorised,
        Message::NoReader,
        Message::ReaderGone { reader: reader() },
        Message::NoCard { reader: reader() },
        Message::NotMyNumberCard { reader: reader() },
        Message::CardMoved { reader: reader() },
        Message::CardRemoved { reader: reader() },
        Message::CardBusy { reader: reader() },
        Message::SignatureCertificateMayBeVoid,
        Message::NoSignatureCertificate,
        Message::PssWithdrawn,
        Message::SignatureWrong,
        Message::ConfigComplaint {
            complaint: "COMPLAINT".to_owned(),
        },
        Message::LogFileNotWritable {
            path: PathBuf::from("/PATH"),
            reason: "REASON".to_owned(),
        },
    ];
    for token in [Token::Authentication, Token::Signature] {
        messages.extend([
            Message::PinShape { token },
            Message::NewPinShape { token },
            Message::WrongPin {
                token,
                tries_left: 2,
            },
            Message::PinChangedElsewhere {
                token,
                tries_left: 2,
            },
            Message::NewPinRefused { token },
            Message::LastTryKept { token },
            Message::RefusedBefore { token },
            Message::PinLocked { token },
            Message::PinChangeUnclear { token },
            Message::LoginLost { token },
            Message::CertificateExpired {
                token,
                until: "DATE".to_owned(),
            },
            Message::CertificateExpiresSoon {
                token,
                until: "DATE".to_owned(),
                days: 30,
            },
            Message::CertificateNotYetValid {
                token,
                from: "DATE".to_owned(),
            },
        ]);
    }
    messages
}

/// The message's place in the catalogue. A new message does not compile before it has one here,
/// and does not pass before it is in `all`.
fn place(message: &Message) -> usize {
    match message {
        Message::PinShape { .. } => 0,
        Message::NewPinShape { .. } => 1,
        Message::WrongPin { .. } => 2,
        Message::LastTryKept { .. } => 3,
        Message::RefusedBefore { .. } => 4,
        Message::PinLocked { .. } => 5,
        Message::PinsNotSet => 6,
        Message::CannotUnblock => 7,
        Message::PinChangeUnclear { .. } => 8,
        Message::LoginLost { .. } => 9,
        Message::PcscdNotInstalled => 10,
        Message::PcscdNotRunning { .. } => 11,
        Message::NotAuthorised => 12,
        Message::NoReader => 13,
        Message::ReaderGone { .. } => 14,
        Message::NoCard { .. } => 15,
        Message::NotMyNumberCard { .. } => 16,
        Message::CardMoved { .. } => 17,
        Message::CardRemoved { .. } => 18,
        Message::CardBusy { .. } => 19,
        Message::CertificateExpired { .. } => 20,
        Message::CertificateExpiresSoon { .. } => 21,
        Message::CertificateNotYetValid { .. } => 22,
        Message::SignatureCertificateMayBeVoid => 23,
        Message::NoSignatureCertificate => 24,
        Message::PssWithdrawn => 25,
        Message::SignatureWrong => 26,
        Message::ConfigComplaint { .. } => 27,
        Message::LogFileNotWritable { .. } => 28,
        Message::PinChangedElsewhere { .. } => 29,
        Message::NewPinRefused { .. } => 30,
        Message::CardStaysOpen => 31,
        Message::NoDialog { .. } => 32,
        Message::NoDescriptor => 33,
    }
}

const COUNT: usize = 34;

/// Each message, with its words on Windows and elsewhere.
fn on_all_systems() -> impl Iterator<Item = (Message, bool)> {
    let on = |is_windows| all().into_iter().map(move |message| (message, is_windows));
    on(false).chain(on(true))
}

/// The `{places}` of a template.
fn places(template: &str) -> Vec<String> {
    template
        .split('{')
        .skip(1)
        .map(|rest| {
            rest.split_once('}')
                .expect("a place must be closed")
                .0
                .to_owned()
        })
        .collect()
}

fn is_kana(c: char) -> bool {
    ('\u{3041}'..='\u{30ff}').contains(&c)
}

/// The sentences of a Japanese text, without what stands in parentheses.
fn sentences(text: &str) -> Vec<String> {
    let plain: String = text.split(['（', '）']).step_by(2).collect();
    plain.split_terminator('。').map(str::to_owned).collect()
}

#[test]
fn every_message_is_here() {
    let places: BTreeSet<usize> = all().iter().map(place).collect();
    assert_eq!(places, (0..COUNT).collect());
}

#[test]
fn every_message_has_three_whole_parts_in_both_languages() {
    for (message, is_windows) in on_all_systems() {
        for language in Language::ALL {
            let parts = message.parts_on(is_windows, language);
            let end = if language == Language::Japanese {
                '。'
            } else {
                '.'
            };
            for part in [&parts.happened, &parts.meaning, &parts.next] {
                assert!(part.chars().count() > 5, "{message:?}: {part}");
                assert!(part.ends_with(end), "{message:?}: {part}");
                assert!(!part.contains(['{', '}', '\n']), "{message:?}: {part}");
                assert!(!part.contains("  "), "{message:?}: {part}");
                // English keeps the Japanese names of offices and cards, in parentheses.
                let plain: String = part.split(['(', ')']).step_by(2).collect();
                let kana = match language {
                    Language::Japanese => part.chars().any(is_kana),
                    Language::English => plain.chars().any(is_kana),
                };
                assert_eq!(kana, language == Language::Japanese, "{message:?}: {part}");
            }
            let text = message.text_on(is_windows, language);
            assert!(text.starts_with(&parts.happened) && text.ends_with(&parts.next));
        }
    }
}

#[test]
fn both_languages_tell_the_same_facts() {
    for (message, is_windows) in on_all_systems() {
        // Which token it is about can be said by its PIN or its certificate.
        let facts = |language| -> BTreeSet<String> {
            message
                .templates(is_windows, language)
                .iter()
                .flat_map(|template| places(template))
                .collect()
        };
        assert_eq!(
            facts(Language::Japanese),
            facts(Language::English),
            "{message:?}"
        );
        for language in Language::ALL {
            let known: BTreeSet<&str> = message.fields(language).iter().map(|one| one.0).collect();
            for fact in facts(language) {
                assert!(known.contains(fact.as_str()), "{message:?}: {{{fact}}}");
            }
        }
    }
}

#[test]
fn every_fact_of_the_caller_is_told() {
    for (message, is_windows) in on_all_systems() {
        for language in Language::ALL {
            for (name, value) in message.fields(language) {
                if !["pin", "other", "shape", "certificate"].contains(&name) {
                    assert!(
                        message.text_on(is_windows, language).contains(&value),
                        "{message:?}: {name}"
                    );
                }
            }
        }
    }
}

#[test]
fn both_languages_name_the_same_commands_and_settings() {
    let commands = |text: &str| -> BTreeSet<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    for (message, is_windows) in on_all_systems() {
        assert_eq!(
            commands(&message.text_on(is_windows, Language::Japanese)),
            commands(&message.text_on(is_windows, Language::English)),
            "{message:?}"
        );
    }
}

#[test]
fn the_japanese_is_polite_and_uses_one_set_of_terms() {
    for (message, is_windows) in on_all_systems() {
        let parts = message.parts_on(is_windows, Language::Japanese);
        for part in [parts.happened, parts.meaning, parts.next] {
            for sentence in sentences(&part) {
                let polite = [
                    "です",
                    "ます",
                    "ません",
                    "ました",
                    "ませんでした",
                    "ください",
                ];
                assert!(
                    polite.iter().any(|end| sentence.ends_with(end)) || sentence == "COMPLAINT",
                    "{message:?}: {sentence}"
                );
            }
            for other in [
                "PINコード",
                "カードリーダ「",
                "ユーザ認証",
                "下さい",
                "電子署名用",
            ] {
                assert!(!part.contains(other), "{message:?}: {part}");
            }
        }
    }
}

#[test]
fn the_last_try_message_says_how_to_go_on() {
    for language in Language::ALL {
        let text = Message::LastTryKept {
            token: Token::Signature,
        }
        .text_on(false, language);
        assert!(text.contains("jpki-doctor check-pin"));
        assert!(text.contains("JPKI_PKCS11_LAST_TRY=allow"));
    }
}

#[test]
fn windows_is_not_told_of_programs_that_it_does_not_have() {
    let of_linux = [
        "apt ",
        "dnf",
        "systemctl",
        "pcscd",
        "polkit",
        "libccid",
        "ulimit",
        "jpki-doctor",
    ];
    let named = |message: &Message, is_windows| {
        let texts = Language::ALL.map(|language| message.text_on(is_windows, language));
        of_linux
            .iter()
            .any(|it| texts.iter().any(|text| text.contains(it)))
    };
    // The doctor alone tells that pcscd is not installed, and the limit of files is one of Unix.
    let mut messages = all();
    messages.retain(|it| !matches!(it, Message::PcscdNotInstalled | Message::NoDescriptor));
    assert_eq!(messages.iter().filter(|it| named(it, false)).count(), 6);
    for message in messages {
        assert!(!named(&message, true), "{message:?}");
    }
}

#[test]
fn nothing_contested_is_said_of_the_authentication_pin() {
    // Sources conflict on kiosks for the 4-digit PIN (user-needs N1): only the office is named.
    for language in Language::ALL {
        let text = Message::PinLocked {
            token: Token::Authentication,
        }
        .text(language);
        assert!(text.contains("市区町村の窓口"));
        assert!(!text.contains("キオスク") && !text.contains("kiosk"));
    }
}

#[test]
fn numbers_have_their_plural() {
    let token = Token::Authentication;
    let one = Message::WrongPin {
        token,
        tries_left: 1,
    };
    assert!(one.text(Language::English).contains("1 try left"));
    let two = Message::WrongPin {
        token,
        tries_left: 2,
    };
    assert!(two.text(Language::English).contains("2 tries left"));
    assert!(two.text(Language::Japanese).contains("あと2回間違えると"));
}

#[test]
fn a_field_is_not_a_template_and_has_no_control_characters() {
    let reader = "a {reader} {pin}\n\u{1b}[31m".to_owned();
    let text = Message::CardRemoved { reader }.text(Language::English);
    assert!(text.contains("a {reader} {pin}  [31m"), "{text}");
}

#[test]
fn kinds_of_card_have_names() {
    let kinds = [
        CardKind::MyNumberCard,
        CardKind::AndroidPhone,
        CardKind::IPhone,
        CardKind::ResidentCard,
    ];
    for language in Language::ALL {
        let names: BTreeSet<&str> = kinds.iter().map(|kind| kind.name(language)).collect();
        assert_eq!(names.len(), kinds.len());
    }
}

#[test]
fn the_language_follows_the_setting_then_the_locale() {
    let detect = |setting, variables: &[(&str, &str)]| {
        Language::detect(
            setting,
            |name| {
                let (_, value) = variables.iter().find(|(one, _)| *one == name)?;
                Some((*value).to_owned())
            },
            || None,
        )
    };
    use Language::{English, Japanese};
    let of_windows = |locale: &str| Language::detect(None, |_| None, || Some(locale.to_owned()));
    assert_eq!(of_windows("ja_JP"), Japanese);
    assert_eq!(of_windows("en_US"), English);
    assert_eq!(detect(None, &[]), English);
    assert_eq!(detect(None, &[("LANG", "ja_JP.UTF-8")]), Japanese);
    assert_eq!(detect(None, &[("LANG", "ja_JP.utf8")]), Japanese);
    assert_eq!(detect(None, &[("LANG", "ja")]), Japanese);
    assert_eq!(detect(None, &[("LANG", "ja_JP@cjknarrow")]), Japanese);
    assert_eq!(detect(None, &[("LANG", "ja_JP.eucJP")]), English);
    assert_eq!(detect(None, &[("LANG", "jav_ID.UTF-8")]), English);
    assert_eq!(detect(None, &[("LANG", "C.UTF-8")]), English);
    assert_eq!(
        detect(None, &[("LC_ALL", "C"), ("LANG", "ja_JP.UTF-8")]),
        English
    );
    assert_eq!(
        detect(None, &[("LC_ALL", ""), ("LANG", "ja_JP.UTF-8")]),
        Japanese
    );
    assert_eq!(
        detect(
            None,
            &[("LC_MESSAGES", "ja_JP.UTF-8"), ("LANG", "en_US.UTF-8")]
        ),
        Japanese
    );
    assert_eq!(detect(Some(English), &[("LANG", "ja_JP.UTF-8")]), English);
    assert_eq!(detect(Some(Japanese), &[("LANG", "C")]), Japanese);
}
