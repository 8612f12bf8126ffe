//! What is in each reader, the tries left of its PINs, and its certificates.

use jpki_pkcs11::card;
use jpki_pkcs11::card::certificate::Certificate;
use jpki_pkcs11::card::files::{CertificateFile, Kind, Role};
use jpki_pkcs11::card::{Fallback, JpkiCard, Shown};
use jpki_pkcs11::messages::Message;
use jpki_pkcs11::messages::doctor::{Finding, Phrase};
use jpki_pkcs11::pcsc::Error::NoCard;
use serde_json::json;

use super::dates::{self, Standing};
use crate::context::Context;
use crate::readers::{self, Opened, explain, token, word};
use crate::report::{Report, Severity};
use crate::service::Readers;

/// Warn of an end of validity so many days before: it can be renewed from then on.
const QUARTER: u32 = 90;

/// Urge so many days before.
const MONTH: u32 = 30;

/// Checks every reader.
pub(crate) fn check(context: &Context, readers: &Readers, report: &mut Report) {
    let meant = |reader: &str| {
        let named = context.arguments.reader.is_some();
        !named || readers::is_meant(context, reader)
    };
    if !readers.states.iter().any(|state| meant(&state.name)) {
        let none = readers::none(context, &readers.states);
        none.report(report, "reader", Severity::Todo, json!({}));
        return;
    }
    let mut opened = Vec::new();
    for state in readers.states.iter().filter(|state| meant(&state.name)) {
        let card = match &state.insertion {
            None => Err(card::Error::Pcsc(NoCard)),
            Some(_) if readers::is_meant(context, &state.name) => {
                readers::open(&readers.pcsc, &state.name)
            }
            Some(_) => {
                let reader = state.name.clone();
                let facts = json!({ "reader": reader });
                report.add(
                    "reader",
                    Severity::Note,
                    Finding::ReaderIgnored,
                    &[("reader", reader)],
                    facts,
                );
                continue;
            }
        };
        opened.push((state.name.as_str(), card));
    }
    let any = opened.iter().any(|(_, card)| card.is_ok());
    let inserted = opened
        .iter()
        .any(|(_, card)| !matches!(card, Err(card::Error::Pcsc(NoCard))));
    for (reader, card) in opened {
        match card {
            Ok(opened) => tell(opened, report),
            Err(error) => {
                // An empty reader beside one in use, a bank card beside the card, are nothing to act on.
                let severity = match error {
                    card::Error::Pcsc(NoCard) if inserted => Severity::Note,
                    card::Error::NotJpki if any => Severity::Note,
                    _ => Severity::Todo,
                };
                explain(&error, reader, None).report(
                    report,
                    "reader",
                    severity,
                    json!({ "reader": reader }),
                );
            }
        }
    }
    if any {
        report.add(
            "revocation",
            Severity::Note,
            Finding::RevocationNotAsked,
            &[],
            json!({}),
        );
    }
}

/// What this card made us do otherwise than usual, worth a report to those who keep the table of cards.
pub(crate) fn fallbacks(card: &JpkiCard, report: &mut Report) {
    for fallback in card.fallbacks() {
        let phrase = match fallback {
            Fallback::SelectAgain => Phrase::FallbackSelectAgain,
            Fallback::FilesSelected => Phrase::FallbackFilesSelected,
            Fallback::PinsSelected => Phrase::FallbackPinsSelected,
            Fallback::KeysSelected => Phrase::FallbackKeysSelected,
            Fallback::ShortReads => Phrase::FallbackShortReads,
            Fallback::PowerDown => Phrase::FallbackPowerDown,
            Fallback::NeverClosed => Phrase::FallbackNeverClosed,
            Fallback::NoPss => Phrase::FallbackNoPss,
        };
        // The sign test opens the card anew and learns the rest.
        if !report.has(phrase.id()) {
            report.phrase("fallback", Severity::Note, phrase, &[], json!({}));
        }
    }
}

fn tell(mut opened: Opened, report: &mut Report) {
    let language = report.language();
    let kind = readers::kind(opened.face.kind);
    let fields = [
        ("reader", opened.reader.clone()),
        ("kind", kind.name(language).to_owned()),
    ];
    let facts = json!({
        "reader": opened.reader,
        "kind": kind_id(opened.face.kind),
        "model": opened.face.model,
    });
    report.add("card", Severity::Ok, Finding::CardFound, &fields, facts);
    if readers::is_phone(&opened.reader) {
        let fields = [("reader", opened.reader.clone())];
        let facts = json!({ "reader": opened.reader });
        report.add(
            "phone",
            Severity::Note,
            Finding::ReaderIsPhone,
            &fields,
            facts,
        );
    }

    let signature = opened
        .card
        .read_certificate(CertificateFile::Signature, None);
    let signs = !matches!(signature, Err(card::Error::FileAbsent));
    pins(&mut opened, signs, report);
    match &opened.face.certificate {
        Shown::Open(certificate) => validity(Role::Authentication, certificate, report),
        Shown::Locked => locked(Role::Authentication, report),
        Shown::Absent => absent(Role::Authentication, report),
    }
    match signature {
        Ok(certificate) => validity(Role::Signature, &certificate, report),
        Err(card::Error::NotVerified) => locked(Role::Signature, report),
        Err(card::Error::FileAbsent) => {
            let facts = json!({ "token": word(Role::Signature), "present": false });
            report.message(
                "certificate",
                Severity::Note,
                &Message::NoSignatureCertificate,
                facts,
            );
        }
        Err(error) => explain(&error, &opened.reader, Some(Role::Signature)).report(
            report,
            "certificate",
            Severity::Todo,
            json!({ "token": word(Role::Signature) }),
        ),
    }
    fallbacks(&opened.card, report);
    if signs {
        let message = Message::SignatureCertificateMayBeVoid;
        report.message("revocation", Severity::Note, &message, json!({}));
    }
}

/// The tries left. `signs`: is there anything behind the sign password?
fn pins(opened: &mut Opened, signs: bool, report: &mut Report) {
    let tries = Role::ALL.map(|role| opened.card.known_tries(role));
    if signs && tries == [Some(0), Some(0)] {
        let facts = json!({ "auth": 0, "sign": 0 });
        report.message("pin", Severity::Todo, &Message::PinsNotSet, facts);
        return;
    }
    for (role, left) in Role::ALL.into_iter().zip(tries) {
        if role == Role::Authentication || signs {
            pin(role, left, report);
        }
    }
}

fn pin(role: Role, left: Option<u8>, report: &mut Report) {
    let language = report.language();
    let facts = json!({ "token": word(role), "tries_left": left, "tries_max": role.max_tries() });
    let (severity, finding) = match left {
        Some(0) => {
            let message = Message::PinLocked { token: token(role) };
            report.message("pin", Severity::Todo, &message, facts);
            return;
        }
        None => (Severity::Todo, Finding::TriesUnknown),
        Some(1) => (Severity::Todo, Finding::LastTry),
        Some(left) if left < role.max_tries() => (Severity::Note, Finding::TriesFewer),
        Some(_) => (Severity::Ok, Finding::TriesLeft),
    };
    let fields = [
        ("pin", token(role).pin(language).to_owned()),
        ("tries", language.tries(left.unwrap_or_default())),
        ("all", role.max_tries().to_string()),
        ("command", format!("jpki-doctor check-pin {}", word(role))),
    ];
    report.add("pin", severity, finding, &fields, facts);
}

/// Says where the certificate's validity stands.
pub(crate) fn validity(role: Role, certificate: &Certificate, report: &mut Report) {
    let language = report.language();
    let token = token(role);
    let (from, until) = (certificate.not_before(), certificate.not_after());
    let standing = dates::standing(from, until);
    let date = dates::day(until, language);
    let facts = json!({
        "token": word(role),
        "present": true,
        "not_before": from.to_string(),
        "not_after": until.to_string(),
        "days_left": match standing {
            Standing::Valid(days) => Some(days),
            Standing::NotYet => None,
            Standing::Over => Some(0),
        },
    });
    let days = match standing {
        Standing::Valid(days) => days,
        Standing::NotYet => {
            let from = dates::day(from, language);
            let message = Message::CertificateNotYetValid { token, from };
            return report.message("certificate", Severity::Todo, &message, facts);
        }
        Standing::Over => {
            let message = Message::CertificateExpired { token, until: date };
            return report.message("certificate", Severity::Todo, &message, facts);
        }
    };
    if days <= MONTH {
        let message = Message::CertificateExpiresSoon {
            token,
            until: date,
            days,
        };
        return report.message("certificate", Severity::Todo, &message, facts);
    }
    let fields = [
        ("certificate", token.certificate(language).to_owned()),
        ("date", date),
        ("days", language.days(days)),
    ];
    let (severity, finding) = if days <= QUARTER {
        (Severity::Note, Finding::CertificateEndsWithinQuarter)
    } else {
        (Severity::Ok, Finding::CertificateFine)
    };
    report.add("certificate", severity, finding, &fields, facts);
}

fn locked(role: Role, report: &mut Report) {
    let fields = [
        (
            "certificate",
            token(role).certificate(report.language()).to_owned(),
        ),
        ("command", format!("jpki-doctor --sign-test={}", word(role))),
    ];
    let facts = json!({ "token": word(role), "present": true });
    report.add(
        "certificate",
        Severity::Note,
        Finding::CertificateLocked,
        &fields,
        facts,
    );
}

fn absent(role: Role, report: &mut Report) {
    let certificate = token(role).certificate(report.language()).to_owned();
    let facts = json!({ "token": word(role), "present": false });
    let fields = [("certificate", certificate)];
    report.add(
        "certificate",
        Severity::Todo,
        Finding::CertificateAbsent,
        &fields,
        facts,
    );
}

/// The kind of card in JSON.
fn kind_id(kind: Kind) -> &'static str {
    match kind {
        Kind::Plastic => "plastic",
        Kind::Android => "android",
        Kind::Iphone => "iphone",
        Kind::Juki => "juki",
    }
}
