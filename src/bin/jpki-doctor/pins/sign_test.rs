//! `--sign-test`: one signature of each scheme over fresh random bytes. It asks for a PIN and keeps
//! it for the test alone.

use std::time::Instant;

use jpki_pkcs11::card::Access;
use jpki_pkcs11::card::files::{PSS_INPUT, Role, Scheme};
use jpki_pkcs11::config::LastTry;
use jpki_pkcs11::messages::Request;
use jpki_pkcs11::messages::doctor::Finding;
use serde_json::json;

use crate::checks::cards;
use crate::context::Context;
use crate::pins;
use crate::pins::prompt::Prompt;
use crate::readers::{self, Notice, explain, token, word};
use crate::report::{Report, Severity};

/// `DigestInfo` of a SHA-256 value without the value (RFC 8017, 9.2, note 1).
pub(crate) const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// Signs, and tells.
pub(crate) fn run(context: &Context, role: Role, report: &mut Report) {
    if let Err(told) = attempt(context, role, report) {
        told.report(
            report,
            "sign-test",
            Severity::Todo,
            json!({ "token": word(role) }),
        );
    }
}

fn attempt(context: &Context, role: Role, report: &mut Report) -> Result<(), Notice> {
    let mut prompt = Prompt::open(context)?;
    let mut opened = readers::only_card(context)?;
    let reader = opened.reader.clone();
    let explain = |error| explain(&error, &reader, Some(role));
    let pin = pins::ask(&mut prompt, role, Request::Login)?;
    let certificate = opened
        .card
        .login(role, &pin, LastTry::Guard, Some(role.certificate()), false)
        .map_err(explain)?
        .ok_or(jpki_pkcs11::card::Error::FileAbsent)
        .and_then(|read| read)
        .map_err(explain)?;
    if role == Role::Signature {
        // The check-up could not see it.
        cards::validity(role, &certificate, report);
    }
    let mut digest = [0; PSS_INPUT];
    if getrandom::fill(&mut digest).is_err() {
        // What is signed means nothing either way.
        digest.fill(0x5A);
    }
    let pkcs1 = [&SHA256_PREFIX[..], &digest].concat();
    for (scheme, input, name) in [
        (Scheme::Pkcs1, pkcs1.as_slice(), "RSA PKCS#1 v1.5"),
        (Scheme::Pss, &digest, "RSA-PSS"),
    ] {
        let started = Instant::now();
        // It comes back only if it verifies with the certificate.
        let signed = opened
            .card
            .sign(role, scheme, input, Access::Pin(&pin), &certificate);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let facts = json!({ "token": word(role), "scheme": name, "milliseconds": milliseconds });
        match signed {
            Ok(_) => {
                let fields = [
                    ("scheme", name.to_owned()),
                    ("milliseconds", milliseconds.to_string()),
                    (
                        "certificate",
                        token(role).certificate(report.language()).to_owned(),
                    ),
                ];
                report.add(
                    "sign-test",
                    Severity::Ok,
                    Finding::SignatureMade,
                    &fields,
                    facts,
                );
            }
            Err(error) => explain(error).report(report, "sign-test", Severity::Todo, facts),
        }
    }
    cards::fallbacks(&opened.card, report);
    Ok(())
}
