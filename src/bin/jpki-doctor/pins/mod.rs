//! `check-pin` and `change-pin`, and asking for a PIN at all. It spends a last try only after a typed yes, and sends
//! nothing that has not the right shape.

pub(crate) mod sign_test;

use jpki_pkcs11::card;
use jpki_pkcs11::card::files::Role;
use jpki_pkcs11::card::pin::Pin;
use jpki_pkcs11::config::LastTry;
use jpki_pkcs11::messages::Message;
use jpki_pkcs11::messages::doctor::{Finding, Phrase};

use crate::context::{Context, Outcome};
use crate::readers::{self, Notice, Opened, explain, token, word};
use crate::terminal::{NoInput, Terminal, complain, say};

impl From<NoInput> for Notice {
    fn from(none: NoInput) -> Notice {
        let phrase = match none {
            NoInput::NoTerminal => Phrase::NoTerminal,
            NoInput::Stopped => Phrase::Stopped,
        };
        Notice::Phrase(phrase, Vec::new())
    }
}

/// Asks for a PIN that exists. What has not its shape never comes back from here.
///
/// # Errors
/// What to tell the user.
pub(crate) fn ask(context: &Context, terminal: &mut Terminal, role: Role) -> Result<Pin, Notice> {
    let wrong = Message::PinShape { token: token(role) };
    ask_with(context, terminal, role, Phrase::AskPin, wrong)
}

fn ask_with(
    context: &Context,
    terminal: &mut Terminal,
    role: Role,
    prompt: Phrase,
    wrong: Message,
) -> Result<Pin, Notice> {
    let language = context.arguments.language;
    let prompt = prompt.say(language, &[("pin", token(role).pin(language).to_owned())]);
    let typed = terminal.ask_hidden(&prompt)?;
    Pin::parse(role.pin_shape(), &typed).map_err(|_| Notice::Message(wrong))
}

/// `check-pin`: is the PIN right?
pub(crate) fn check(context: &Context, role: Role) -> Outcome {
    let language = context.arguments.language;
    let checked = Terminal::open()
        .map_err(Notice::from)
        .and_then(|mut terminal| {
            let mut opened = readers::only_card(context)?;
            let last_try = permission(context, &mut terminal, &mut opened, role)?;
            let pin = ask(context, &mut terminal, role)?;
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
fn permission(
    context: &Context,
    terminal: &mut Terminal,
    opened: &mut Opened,
    role: Role,
) -> Result<LastTry, Notice> {
    let language = context.arguments.language;
    let left = opened
        .card
        .tries_left(role)
        .map_err(|error| explain(&error, &opened.reader, Some(role)))?;
    match left {
        0 => Err(explain(&card::Error::PinLocked, &opened.reader, Some(role))),
        1 => {
            let fields = vec![
                ("pin", token(role).pin(language).to_owned()),
                ("command", format!("jpki-doctor check-pin {}", word(role))),
            ];
            say(&Notice::Finding(Finding::LastTry, fields).text(language));
            let answer = terminal.ask(&Phrase::AskYes.say(language, &[]))?;
            // Either language's yes, whichever is easier to type.
            if answer.eq_ignore_ascii_case("yes") || answer == "はい" {
                Ok(LastTry::Allow)
            } else {
                Err(NoInput::Stopped.into())
            }
        }
        _ => Ok(LastTry::Guard),
    }
}

/// `change-pin`: the old one, the new one, the new one again. A last try is not spent here.
pub(crate) fn change(context: &Context, role: Role) -> Outcome {
    let changed = Terminal::open()
        .map_err(Notice::from)
        .and_then(|mut terminal| {
            let mut opened = readers::only_card(context)?;
            match opened.card.known_tries(role) {
                Some(0) => {
                    return Err(explain(&card::Error::PinLocked, &opened.reader, Some(role)));
                }
                Some(1) => {
                    return Err(explain(
                        &card::Error::LastTryKept,
                        &opened.reader,
                        Some(role),
                    ));
                }
                _ => {}
            }
            let old = ask(context, &mut terminal, role)?;
            let wrong = || Message::NewPinShape { token: token(role) };
            let new = ask_with(context, &mut terminal, role, Phrase::AskNewPin, wrong())?;
            let again = ask_with(
                context,
                &mut terminal,
                role,
                Phrase::AskNewPinAgain,
                wrong(),
            )?;
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
