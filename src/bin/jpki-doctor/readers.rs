//! Which card a command works with, and what to say when that fails. It opens cards.

use jpki_pkcs11::card::files::{Kind, Role};
use jpki_pkcs11::card::{self, CardInfo, JpkiCard};
use jpki_pkcs11::config::ExtendedReads;
use jpki_pkcs11::messages::doctor::{Finding, Phrase};
use jpki_pkcs11::messages::{CardKind, Language, Message, Token};
use jpki_pkcs11::pcsc::{self, Bounded, ReaderState, Transport};
use serde_json::Value;

use crate::context::Context;
use crate::report::{Report, Severity};
use crate::{phone, service};

/// A card that a command works with.
pub(crate) struct Opened {
    pub(crate) reader: String,
    pub(crate) card: JpkiCard,
    pub(crate) face: CardInfo,
}

/// What to tell the user.
#[derive(Debug)]
pub(crate) enum Notice {
    Message(Message),
    Finding(Finding, Vec<(&'static str, String)>),
    Phrase(Phrase, Vec<(&'static str, String)>),
}

impl Notice {
    /// On one line.
    pub(crate) fn text(&self, language: Language) -> String {
        match self {
            Notice::Message(message) => message.text(language),
            Notice::Finding(finding, fields) => {
                finding.say(language, fields).join(match language {
                    Language::Japanese => "",
                    Language::English => " ",
                })
            }
            Notice::Phrase(phrase, fields) => phrase.say(language, fields),
        }
    }

    /// As a line of a report.
    pub(crate) fn report(
        &self,
        report: &mut Report,
        check: &'static str,
        severity: Severity,
        facts: Value,
    ) {
        match self {
            Notice::Message(message) => report.message(check, severity, message, facts),
            Notice::Finding(finding, fields) => {
                report.add(check, severity, *finding, fields, facts)
            }
            Notice::Phrase(phrase, fields) => {
                report.phrase(check, severity, *phrase, fields, facts)
            }
        }
    }
}

/// The names that the messages have for the card's things.
pub(crate) fn token(role: Role) -> Token {
    match role {
        Role::Authentication => Token::Authentication,
        Role::Signature => Token::Signature,
    }
}

/// As on the command line.
pub(crate) fn word(role: Role) -> &'static str {
    match role {
        Role::Authentication => "auth",
        Role::Signature => "sign",
    }
}

/// The name that the messages have for a kind of card.
pub(crate) fn kind(kind: Kind) -> CardKind {
    match kind {
        Kind::Plastic => CardKind::MyNumberCard,
        Kind::Android => CardKind::AndroidPhone,
        Kind::Iphone => CardKind::IPhone,
        Kind::Juki => CardKind::ResidentCard,
    }
}

/// Is this reader one that the user means and the configuration allows?
pub(crate) fn is_meant(context: &Context, reader: &str) -> bool {
    let wanted = context.arguments.reader.as_deref();
    wanted.map_or_else(
        || context.config.readers.shows(reader),
        |part| reader.contains(part),
    )
}

/// Is it vpcd's reader, behind which is a phone?
pub(crate) fn is_phone(reader: &str) -> bool {
    // The first is the name that vpcd's package gives, the second the one of our own service.
    reader.starts_with("Virtual PCD") || reader.starts_with(phone::READER)
}

/// The one My Number card that there is.
///
/// # Errors
/// What to tell the user.
pub(crate) fn only_card(context: &Context) -> Result<Opened, Notice> {
    let (state, opened) = one_reader(context, &service::open(), |_| false)?;
    opened.map_err(|error| explain(&error, &state.name, None))
}

/// The one reader with a card that is meant, and the card as the module opens it. `too`: errors with which a card counts
/// as meant.
///
/// # Errors
/// What to tell the user.
pub(crate) fn one_reader(
    context: &Context,
    pcsc: &Bounded,
    too: impl Fn(&card::Error) -> bool,
) -> Result<(ReaderState, Result<Opened, card::Error>), Notice> {
    let states = match pcsc.survey() {
        Ok(states) => states,
        Err(error) => return Err(Notice::Message(service::message(&error))),
    };
    let none = none(context, &states);
    let mut found = None;
    // A card that cannot be used says more than a reader that is empty.
    let (mut refused, mut empty) = (None, None);
    for state in states {
        if !is_meant(context, &state.name) {
            continue;
        }
        if state.insertion.is_none() {
            let reader = state.name;
            empty = Some(Notice::Message(Message::NoCard { reader }));
            continue;
        }
        match open(pcsc, &state.name) {
            Err(error) if !too(&error) => refused = Some(explain(&error, &state.name, None)),
            _ if found.is_some() => {
                return Err(Notice::Phrase(Phrase::SeveralCards, Vec::new()));
            }
            opened => found = Some((state, opened)),
        }
    }
    found.ok_or_else(|| refused.or(empty).unwrap_or(none))
}

/// What to say when there is no reader, or none that the user means.
pub(crate) fn none(context: &Context, states: &[ReaderState]) -> Notice {
    match &context.arguments.reader {
        Some(reader) if !states.is_empty() => {
            Notice::Phrase(Phrase::NoSuchReader, vec![("reader", reader.clone())])
        }
        _ => Notice::Message(Message::NoReader),
    }
}

/// Opens the card in a reader, a second time if the first attempt was disturbed: contactless cards
/// fail like this when they have just been laid down.
pub(crate) fn open(pcsc: &Bounded, reader: &str) -> Result<Opened, card::Error> {
    let attempt = || {
        let channel = pcsc.connect(reader)?;
        JpkiCard::open(channel, &Role::ALL, &[], ExtendedReads::Off)
    };
    let opened = match attempt() {
        Err(card::Error::Pcsc(pcsc::Error::Failed(_))) => attempt(),
        other => other,
    };
    opened.map(|(card, face)| Opened {
        reader: reader.to_owned(),
        card,
        face,
    })
}

/// What an error of the card means to its holder. `role`: whose PIN or key it was about.
pub(crate) fn explain(error: &card::Error, reader: &str, role: Option<Role>) -> Notice {
    use card::Error as C;
    use pcsc::Error as T;
    let reader = reader.to_owned();
    let token = role.map_or(Token::Authentication, token);
    Notice::Message(match error {
        C::NotJpki => Message::NotMyNumberCard { reader },
        C::PinIncorrect { left } => Message::WrongPin {
            token,
            tries_left: *left,
        },
        C::ChangeUnclear(_) => Message::PinChangeUnclear { token },
        C::KeptPinRefused { left } | C::PinMayHaveChanged { left } => {
            Message::PinChangedElsewhere {
                token,
                tries_left: *left,
            }
        }
        C::PinLocked => Message::PinLocked { token },
        C::LastTryKept => Message::LastTryKept { token },
        C::RefusedBefore => Message::RefusedBefore { token },
        C::SignatureWrong => Message::SignatureWrong,
        C::SchemeRefused => Message::PssWithdrawn,
        C::AnotherCard | C::Pcsc(T::Removed) => Message::CardRemoved { reader },
        C::Pcsc(T::NoCard) => Message::NoCard { reader },
        C::Pcsc(T::NoReader) => Message::ReaderGone { reader },
        C::Pcsc(T::Busy) => Message::CardBusy { reader },
        C::Pcsc(T::Stuck) => {
            return Notice::Finding(Finding::ReaderSilent, vec![("reader", reader)]);
        }
        C::Pcsc(T::NoService(_) | T::NoDescriptor | T::NotAuthorised) => match error {
            C::Pcsc(cause) => service::message(cause),
            _ => Message::CardMoved { reader },
        },
        C::Pcsc(T::Failed(_) | T::Cancelled) => Message::CardMoved { reader },
        C::FileAbsent if role == Some(Role::Signature) => Message::NoSignatureCertificate,
        C::Unproven
        | C::NotVerified
        | C::FileAbsent
        | C::InputRefused
        | C::NewPinRefused
        | C::NoChallenge
        | C::PadCancelled
        | C::Unexplained { .. }
        | C::Malformed(_) => {
            let fields = vec![("reader", reader), ("reason", error.to_string())];
            return Notice::Finding(Finding::CardFaulty, fields);
        }
    })
}
