//! pcscd: installed, running, allowed, and what readers it has. It asks PC/SC and looks for the
//! program. It sends nothing to a card.

use std::path::Path;
use std::time::Duration;

use jpki_pkcs11::messages::Message;
use jpki_pkcs11::messages::doctor::Finding;
use jpki_pkcs11::pcsc::service::Pcsc;
use jpki_pkcs11::pcsc::{Bounded, Error, ReaderState, Transport};
use serde_json::json;

use crate::commands::output;
use crate::report::{Report, Severity};

/// The service and what it has.
pub(crate) struct Readers {
    pub(crate) pcsc: Bounded,
    pub(crate) states: Vec<ReaderState>,
}

/// The service, which answers in time whatever a reader does.
pub(crate) fn open() -> Bounded {
    Bounded::new(Pcsc::new())
}

/// Checks the service. `None`: it does not answer.
pub(crate) fn check(report: &mut Report) -> Option<Readers> {
    let pcsc = open();
    let error = match pcsc.survey() {
        Ok(states) => {
            let version = version();
            let shown = version.clone().unwrap_or_default();
            let facts = json!({ "version": version, "readers": states.len() });
            report.add(
                "pcscd",
                Severity::Ok,
                Finding::PcscdFine,
                &[("version", shown)],
                facts,
            );
            return Some(Readers { pcsc, states });
        }
        Err(error) => error,
    };
    match error {
        Error::Failed(reason) => {
            let facts = json!({ "reason": reason });
            report.add(
                "pcscd",
                Severity::Fail,
                Finding::PcscFailed,
                &[("reason", reason)],
                facts,
            );
        }
        other => report.message("pcscd", Severity::Fail, &message(&other), json!({})),
    }
    None
}

/// What to say of a service that does not answer.
pub(crate) fn message(error: &Error) -> Message {
    match error {
        Error::NotAuthorised => Message::NotAuthorised,
        Error::NoDescriptor => Message::NoDescriptor,
        _ if program().is_none() => Message::PcscdNotInstalled,
        Error::NoService(reason) => Message::PcscdNotRunning {
            reason: reason.clone(),
        },
        other => Message::PcscdNotRunning {
            reason: other.to_string(),
        },
    }
}

/// Where distributions put pcscd.
fn program() -> Option<&'static Path> {
    [
        "/usr/sbin/pcscd",
        "/usr/bin/pcscd",
        "/sbin/pcscd",
        "/usr/local/sbin/pcscd",
    ]
    .map(Path::new)
    .into_iter()
    .find(|path| path.exists())
}

/// In pcscd's own words, `pcsc-lite version 1.9.9.`
fn version() -> Option<String> {
    let text = output(program()?.to_str()?, &["--version"], Duration::from_secs(3))?;
    let words = text.lines().next()?.split_whitespace();
    let number = words.skip_while(|word| *word != "version").nth(1)?;
    Some(number.trim_end_matches(['.', ',']).to_owned())
}
