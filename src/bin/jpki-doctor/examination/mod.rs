//! `jpki-doctor report`: examines the card in the reader and makes a file that a holder can publish. It sends commands
//! that read, and with the holder's consent the right PIN once; what the file can hold is in `record`.

mod apdu;
mod course;
mod probe;
mod public;
mod record;
mod with_pin;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use jpki_pkcs11::card::files::Role;
use jpki_pkcs11::card::{Error, PcscError};
use jpki_pkcs11::messages::doctor::Phrase;
use jpki_pkcs11::messages::{Language, Request};
use jpki_pkcs11::pcsc::{Disposition, Transport};

use crate::context::{Context, Outcome};
use crate::pins;
use crate::pins::prompt::Prompt;
use crate::readers::{self, Notice, explain};
use crate::service;
use crate::terminal::{Terminal, complain, is_screen, say};
use course::Course;
use public::Public;
use record::Record;

/// Examines the card, shows the report and saves it where the user wants it.
pub(crate) fn run(context: &Context, with_pin: bool, output: Option<&Path>) -> Outcome {
    let language = context.arguments.language;
    let tell = |phrase: Phrase| complain(&phrase.say(language, &[]));
    let record = match examine(context, with_pin) {
        Ok(record) => record,
        Err(told) => {
            complain(&told.text(language));
            return Outcome::Todo;
        }
    };
    let text = record.text();
    say(&text);
    let url = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues").to_owned();
    complain(&Phrase::ReportShown.say(language, &[("url", url)]));
    let Some(path) = output else {
        return Outcome::Fine;
    };
    if is_screen() && !agrees(Phrase::ReportAskSave, language) {
        tell(Phrase::ReportNotSaved);
        return Outcome::Fine;
    }
    let fields = |reason: String| [("path", path.display().to_string()), ("reason", reason)];
    // A file that is there already is not replaced.
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    match file.and_then(|mut file| writeln!(file, "{text}")) {
        Ok(()) => {
            complain(&Phrase::ReportSaved.say(language, &fields(String::new())));
            Outcome::Fine
        }
        Err(error) => {
            complain(&Phrase::FileTrouble.say(language, &fields(error.to_string())));
            Outcome::Todo
        }
    }
}

fn examine(context: &Context, with_pin: bool) -> Result<Record, Notice> {
    let language = context.arguments.language;
    let tell = |phrase: Phrase| complain(&phrase.say(language, &[]));
    let service = service::open();
    // A card that the module does not understand is the one to learn from.
    let is_jpki = |error: &Error| !matches!(error, Error::NotJpki | Error::Pcsc(_));
    let (state, opened) = readers::one_reader(context, &service, is_jpki)?;
    let (reader, atr) = (state.name, state.atr);
    let pcsc = |error: PcscError| explain(&Error::Pcsc(error), &reader, None);
    tell(Phrase::ReportStart);

    let mut channel = service.connect(&reader).map_err(pcsc)?;
    let abilities = channel.abilities();
    let mut record = Record::new(Public::reader(&reader), Public::atr(&atr), abilities);
    // Whatever other programs have left open or selected is over.
    channel
        .begin(course::PATIENCE)
        .and_then(|exchange| exchange.end(Disposition::PowerDown))
        .map_err(pcsc)?;
    channel.power_up().map_err(pcsc)?;
    let mut exchange = channel.begin(course::PATIENCE).map_err(pcsc)?;
    let mut course = Course::new(exchange.as_mut(), &mut record, &tell);
    course.run(abilities.max_apdu_data);
    let full = course.has_all_tries;
    let short_identifiers = course.short_identifiers;
    exchange.end(Disposition::PowerDown).map_err(pcsc)?;
    channel.disconnect(Disposition::Leave);

    let mut opened = match opened {
        Ok(opened) if with_pin => opened,
        Ok(_) => {
            record.skip("verify", "not-wanted");
            return Ok(record);
        }
        Err(error) => {
            complain(&explain(&error, &reader, None).text(language));
            record.skip("verify", "not-understood");
            return Ok(record);
        }
    };
    if !full {
        tell(Phrase::ReportTryMissing);
        record.skip("verify", "try-missing");
    } else if !agrees(Phrase::ReportAskPin, language) {
        tell(Phrase::ReportWithoutPin);
        record.skip("verify", "not-wanted");
    } else {
        let role = Role::Authentication;
        let pin = pins::ask(&mut Prompt::open(context)?, role, Request::Login)?;
        tell(Phrase::ReportWithPin);
        let known = with_pin::Known {
            contactless: public::is_contactless(&atr),
            short_identifiers,
            shown: &opened.face.certificate,
        };
        opened
            .card
            .examine(role, &pin, |exchange| {
                with_pin::run(exchange, &mut record, &known);
            })
            .map_err(|error| explain(&error, &reader, Some(role)))?;
        record.closed(opened.card.closing());
    }
    Ok(record)
}

/// Asks a question of yes or no at the terminal; without one the answer is no.
fn agrees(question: Phrase, language: Language) -> bool {
    let asked =
        Terminal::open().and_then(|mut terminal| terminal.agrees(&question.say(language, &[])));
    asked.unwrap_or(false)
}
