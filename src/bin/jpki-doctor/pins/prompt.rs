//! Asking the user for a PIN: at the terminal, or in the dialog that `pin_entry = "dialog"` chooses. What has not the
//! right shape never comes back from here.

use jpki_pkcs11::card::files::Role;
use jpki_pkcs11::card::pin::Pin;
use jpki_pkcs11::config::PinEntry;
use jpki_pkcs11::messages::doctor::{Finding, Phrase};
use jpki_pkcs11::messages::{DialogText, Message, PinDialog, Request};
use jpki_pkcs11::pinentry::{self, Pinentry};

use crate::context::Context;
use crate::readers::{Notice, token, word};
use crate::terminal::{NoInput, Terminal, say};

/// Where the user is asked.
pub(crate) enum Prompt<'a> {
    /// At the terminal.
    Terminal(&'a Context, Terminal),
    /// In a dialog.
    Dialog(&'a Context, Pinentry),
}

impl From<NoInput> for Notice {
    fn from(none: NoInput) -> Notice {
        let phrase = match none {
            NoInput::NoTerminal => Phrase::NoTerminal,
            NoInput::Stopped => Phrase::Stopped,
        };
        Notice::Phrase(phrase, Vec::new())
    }
}

impl From<pinentry::Error> for Notice {
    fn from(error: pinentry::Error) -> Notice {
        match error {
            pinentry::Error::Cancelled | pinentry::Error::TimedOut | pinentry::Error::Closed => {
                NoInput::Stopped.into()
            }
            pinentry::Error::NotFound | pinentry::Error::Failed(_) => {
                let reason = error.to_string();
                Notice::Message(Message::NoDialog { reason })
            }
        }
    }
}

impl<'a> Prompt<'a> {
    /// The dialog if it is set and there is a screen, else the terminal.
    ///
    /// # Errors
    /// What to tell the user: there is no terminal.
    pub(crate) fn open(context: &'a Context) -> Result<Prompt<'a>, Notice> {
        let screen = ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        let config = &context.config;
        if config.pin_entry == PinEntry::Dialog && screen {
            let program = config.pinentry_program.clone();
            let pinentry = Pinentry::new(program, config.pin_entry_timeout);
            return Ok(Prompt::Dialog(context, pinentry));
        }
        Ok(Prompt::Terminal(context, Terminal::open()?))
    }

    /// Asks for a PIN. `wrong`: what to tell when it has the wrong shape.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn pin(
        &mut self,
        role: Role,
        request: Request,
        wrong: Message,
    ) -> Result<Pin, Notice> {
        let parse = |typed: &[u8]| Pin::parse(role.pin_shape(), typed);
        let parsed = match self {
            Prompt::Dialog(context, pinentry) => {
                let text = dialog(context, role, request);
                pinentry.ask(&text, &|| true, parse)?
            }
            Prompt::Terminal(context, terminal) => {
                let language = context.arguments.language;
                let phrase = match request {
                    Request::NewPin => Phrase::AskNewPin,
                    Request::NewPinAgain => Phrase::AskNewPinAgain,
                    _ => Phrase::AskPin,
                };
                let pin = token(role).pin(language).to_owned();
                parse(&terminal.ask_hidden(&phrase.say(language, &[("pin", pin)]))?)
            }
        };
        parsed.map_err(|_| Notice::Message(wrong))
    }

    /// Asks whether the last try may be used.
    ///
    /// # Errors
    /// What to tell the user: it may not.
    pub(crate) fn may_use_last_try(&mut self, role: Role) -> Result<(), Notice> {
        match self {
            Prompt::Dialog(context, pinentry) => {
                let text = dialog(context, role, Request::LastTry);
                Ok(pinentry.confirm(&text, &|| true)?)
            }
            Prompt::Terminal(context, terminal) => {
                let language = context.arguments.language;
                let fields = vec![
                    ("pin", token(role).pin(language).to_owned()),
                    ("command", format!("jpki-doctor check-pin {}", word(role))),
                ];
                say(&Notice::Finding(Finding::LastTry, fields).text(language));
                match terminal.agrees(&Phrase::AskYes.say(language, &[]))? {
                    true => Ok(()),
                    false => Err(NoInput::Stopped.into()),
                }
            }
        }
    }
}

fn dialog(context: &Context, role: Role, request: Request) -> DialogText {
    let dialog = PinDialog {
        token: token(role),
        request,
        program: "jpki-doctor",
        tries: None,
        remark: None,
    };
    dialog.text(context.arguments.language)
}
