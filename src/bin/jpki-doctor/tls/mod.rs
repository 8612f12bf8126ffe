//! `tls HOST`: what certificate a server asks for, in TLS 1.3 and in TLS 1.2, and whether this card can answer. It
//! tells what `handshake` hears.

mod handshake;

use der::Decode;
use jpki_pkcs11::card::Shown;
use jpki_pkcs11::messages::doctor::Finding;
use jpki_pkcs11::pcsc::Transport;
use rustls::version::{TLS12, TLS13};
use rustls::{SignatureScheme, SupportedProtocolVersion};
use serde_json::json;
use x509_cert::name::Name;

use crate::context::Context;
use crate::report::{Report, Severity};
use crate::{readers, service};
use handshake::{Answer, Request, connect};

/// So many authorities are told by name.
const MOST_NAMES: usize = 8;

/// A version, its name, and the schemes with which the card can answer in it, the best first.
struct Version {
    protocol: &'static SupportedProtocolVersion,
    name: &'static str,
    fit: &'static [SignatureScheme],
}

const VERSIONS: [Version; 2] = [
    Version {
        protocol: &TLS13,
        name: "TLS 1.3",
        fit: &[SignatureScheme::RSA_PSS_SHA256],
    },
    Version {
        protocol: &TLS12,
        name: "TLS 1.2",
        fit: &[
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::RSA_PKCS1_SHA1,
        ],
    },
];

/// Asks the server in each version.
pub(crate) fn check(context: &Context, host: &str, port: u16, report: &mut Report) {
    let site = if port == 443 {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    };
    let answers = VERSIONS
        .each_ref()
        .map(|version| connect(host, port, version.protocol));
    let accepted = VERSIONS.iter().zip(&answers).any(|(version, answer)| {
        matches!(answer, Answer::Asked(request) if version.chosen(request).is_some())
    });
    // What fails beside a version that works is only worth knowing.
    let bad = if accepted {
        Severity::Note
    } else {
        Severity::Todo
    };
    for (version, answer) in VERSIONS.iter().zip(&answers) {
        let unreachable = matches!(answer, Answer::Unreachable(_));
        tell(&site, version, answer, bad, report);
        if unreachable {
            return;
        }
    }
    let asked = answers.into_iter().find_map(|answer| match answer {
        Answer::Asked(request) => Some(request),
        _ => None,
    });
    if let Some(request) = asked {
        authorities(context, &site, &request, report);
    }
}

impl Version {
    fn chosen(&self, request: &Request) -> Option<SignatureScheme> {
        let fit = self.fit.iter().copied();
        fit.into_iter()
            .find(|scheme| request.schemes.contains(scheme))
    }
}

fn tell(site: &str, version: &Version, answer: &Answer, bad: Severity, report: &mut Report) {
    let schemes = match answer {
        Answer::Asked(request) => request.schemes.iter().map(|&scheme| name(scheme)).collect(),
        _ => Vec::new(),
    };
    let facts = json!({
        "version": version.name,
        "asks": matches!(answer, Answer::Asked(_)),
        "schemes": schemes,
    });
    let mut fields = vec![
        ("host", site.to_owned()),
        ("version", version.name.to_owned()),
        ("schemes", schemes.join(", ")),
        (
            "wanted",
            version
                .fit
                .first()
                .map(|&scheme| name(scheme))
                .unwrap_or_default(),
        ),
    ];
    let (severity, finding) = match answer {
        Answer::Asked(request) => match version.chosen(request) {
            Some(scheme) => {
                fields.push(("scheme", name(scheme)));
                (Severity::Ok, Finding::TlsAccepts)
            }
            None => (bad, Finding::TlsRefuses),
        },
        Answer::AsksNothing => (bad, Finding::TlsAsksNothing),
        Answer::Refused(reason) => {
            fields.push(("reason", reason.clone()));
            (Severity::Note, Finding::TlsVersionRefused)
        }
        Answer::Unreachable(reason) => {
            fields.push(("reason", reason.clone()));
            (Severity::Fail, Finding::TlsUnreachable)
        }
    };
    report.add("tls", severity, finding, &fields, facts);
}

/// As the TLS registry calls it.
fn name(scheme: SignatureScheme) -> String {
    match scheme {
        SignatureScheme::RSA_PSS_SHA256 => "rsa_pss_rsae_sha256".to_owned(),
        SignatureScheme::RSA_PSS_SHA384 => "rsa_pss_rsae_sha384".to_owned(),
        SignatureScheme::RSA_PSS_SHA512 => "rsa_pss_rsae_sha512".to_owned(),
        SignatureScheme::RSA_PKCS1_SHA1 => "rsa_pkcs1_sha1".to_owned(),
        SignatureScheme::RSA_PKCS1_SHA256 => "rsa_pkcs1_sha256".to_owned(),
        SignatureScheme::RSA_PKCS1_SHA384 => "rsa_pkcs1_sha384".to_owned(),
        SignatureScheme::RSA_PKCS1_SHA512 => "rsa_pkcs1_sha512".to_owned(),
        SignatureScheme::ECDSA_NISTP256_SHA256 => "ecdsa_secp256r1_sha256".to_owned(),
        SignatureScheme::ECDSA_NISTP384_SHA384 => "ecdsa_secp384r1_sha384".to_owned(),
        SignatureScheme::ECDSA_NISTP521_SHA512 => "ecdsa_secp521r1_sha512".to_owned(),
        SignatureScheme::ECDSA_SHA1_Legacy => "ecdsa_sha1".to_owned(),
        SignatureScheme::ED25519 => "ed25519".to_owned(),
        SignatureScheme::ED448 => "ed448".to_owned(),
        other => format!("{:#06x}", u16::from(other)),
    }
}

fn authorities(context: &Context, site: &str, request: &Request, report: &mut Report) {
    let names: Vec<String> = request
        .authorities
        .iter()
        .map(|name| readable(name))
        .collect();
    let facts = json!({ "authorities": names });
    let mut shown = names
        .iter()
        .take(MOST_NAMES)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if names.len() > MOST_NAMES {
        shown.push_str(&format!("; ... ({})", names.len()));
    }
    let fields = [("host", site.to_owned()), ("names", shown)];
    if names.is_empty() {
        report.add(
            "authorities",
            Severity::Note,
            Finding::TlsAnyAuthority,
            &fields,
            facts,
        );
        return;
    }
    report.add(
        "authorities",
        Severity::Note,
        Finding::TlsAuthorities,
        &fields,
        facts,
    );
    // Without a card that shows its certificate there is nothing to compare.
    if let Some(issuer) = issuer_on_card(context) {
        let (severity, finding) = if request.authorities.contains(&issuer) {
            (Severity::Ok, Finding::TlsAuthorityMatches)
        } else {
            (Severity::Todo, Finding::TlsAuthorityMissing)
        };
        report.add("authorities", severity, finding, &[], json!({}));
    }
}

fn readable(name: &[u8]) -> String {
    Name::from_der(name).map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

/// Issuer of the authentication certificate of a card that happens to be there.
fn issuer_on_card(context: &Context) -> Option<Vec<u8>> {
    let pcsc = service::open();
    let states = pcsc.survey().ok()?;
    let mut cards = states
        .iter()
        .filter(|state| state.insertion.is_some() && readers::is_meant(context, &state.name))
        .filter_map(|state| readers::open(&pcsc, &state.name).ok());
    cards.find_map(|opened| match opened.face.certificate {
        Shown::Open(certificate) => Some(certificate.issuer().to_owned()),
        Shown::Locked | Shown::Absent => None,
    })
}
