//! `check-pin` and `change-pin`. A last try is spent only after an explicit yes, and nothing is sent that has not the
//! right shape.

pub(crate) mod prompt;
pub(crate) mod sign_test;

use jpki_pkcs11::card;
use jpki_pkcs11::card::files::Role;
use jpki_pkcs11::card::pin::Pin;
use jpki_pkcs11::config::LastTry;
use jpki_pkcs11::messages::doctor::Phrase;
use jpki_pkcs11::messages::{Message, Request};

use self::prompt::Prompt;
use crate::context::{Context, Outcome};
use crate::readers::{self, Notice, Opened, explain, token};
use crate::terminal::{complain, say};

/// Asks for a PIN that exists.
///
/// # Errors
/// What to tell the user.
pub(crate) fn ask(prompt: &mut Prompt<'_>, role: Role, request: Request) -> Result<Pin, Notice> {
    prompt.pin(role, request, Message::PinShape { token: token(role) })
}

/// `check-pin`: is the PIN right?
pub(crate) fn check(context: &Context, role: Role) -> Outcome {
    let language = context.arguments.language;
    let checked = Prompt::open(context).and_then(|mut prompt| {
        let mut opened = readers::only_card(context)?;
        let last_try = permission(&mut prompt, &mut opened, role)?;
        let pin = ask(&mut prompt, role, Request::Login)?;
        opened
            .card
            .login(role, &pin, last_try, None, false)
            .map_err(|error| explain(&error, &opened.reader, Some(role)))
    });
    finish(
        context,
        checked.map(|_| {
            let pin = token(role).pin(language).to_owned();
            let tries = language.tries(role.max_tries());
            Notice::Phrase(Phrase::PinRight, vec![("pin", pin), ("tries", tries)])
        }),
    )
}

/// May the last try be spent? Asked only when it is the last one.
fn permission(prompt: &mut Prompt<'_>, opened: &mut Opened, role: Role) -> Result<LastTry, Notice> {
    let left = opened
        .card
        .tries_left(role)
        .map_err(|error| explain(&error, &opened.reader, Some(role)))?;
    match left {
        0 => Err(explain(&card::Error::PinLocked, &opened.reader, Some(role))),
        1 => prompt.may_use_last_try(role).map(|()| LastTry::Allow),
        _ => Ok(LastTry::Guard),
    }
}

/// `change-pin`: the old one, the new one, the new one again. A last try is not spent here.
pub(crate) fn change(context: &Context, role: Role) -> Outcome {
    let changed = Prompt::open(context).and_then(|mut prompt| {
        let mut opened = readers::only_card(context)?;
        let refused = match opened.card.known_tries(role) {
            Some(0) => Some(card::Error::PinLocked),
            Some(1) => Some(card::Error::LastTryKept),
            _ => None,
        };
        if let Some(error) = refused {
            return Err(explain(&error, &opened.reader, Some(role)));
        }
        let old = ask(&mut prompt, role, Request::OldPin)?;
        let wrong = || Message::NewPinShape { token: token(role) };
        let new = prompt.pin(role, Request::NewPin, wrong())?;
        let again = prompt.pin(role, Request::NewPinAgain, wrong())?;
        if !new.is_same_as(&again) {
            return Err(Notice::Phrase(Phrase::NewPinsDiffer, Vec::new()));
        }
        opened
            .card
            .change_pin(role, &old, &new, LastTry::Guard, false)
            .map_err(|error| explain_change(context, &error, &opened.reader, role))
    });
    finish(
        context,
        changed.map(|()| Notice::Phrase(Phrase::PinChanged, named(context, role))),
    )
}

/// The PIN's name, for a phrase.
fn named(context: &Context, role: Role) -> Vec<(&'static str, String)> {
    vec![(
        "pin",
        token(role).pin(context.arguments.language).to_owned(),
    )]
}

/// Says how it ended.
pub(crate) fn finish(context: &Context, result: Result<Notice, Notice>) -> Outcome {
    let language = context.arguments.language;
    match result {
        Ok(told) => {
            say(&told.text(language));
            Outcome::Fine
        }
        Err(told) => {
            complain(&told.text(language));
            Outcome::Todo
        }
    }
}

fn explain_change(context: &Context, error: &card::Error, reader: &str, role: Role) -> Notice {
    match error {
        card::Error::NewPinRefused => Notice::Phrase(Phrase::NewPinRefused, named(context, role)),
        card::Error::Pcsc(_) | card::Error::Unexplained { .. } | card::Error::Malformed(_) => {
            Notice::Message(Message::PinChangeUnclear { token: token(role) })
        }
        other => explain(other, reader, Some(role)),
    }
}
