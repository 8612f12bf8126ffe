//! `tls HOST`: what certificate a server asks for, in TLS 1.3 and in TLS 1.2. It uses `rustls` as the
//! client. It sends no certificate, and does not judge the server's: nothing secret is told to it.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use der::Decode;
use jpki_pkcs11::card::Shown;
use jpki_pkcs11::messages::doctor::Finding;
use jpki_pkcs11::transport::Transport;
use jpki_pkcs11::transport::pcsc::Pcsc;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, PeerIncompatible, SignatureScheme,
    SupportedProtocolVersion,
};
use serde_json::json;
use x509_cert::name::Name;

use crate::report::{Mark, Report};
use crate::{Doctor, readers};

const PATIENCE: Duration = Duration::from_secs(10);

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

/// A CertificateRequest.
#[derive(Debug, Clone, Default)]
struct Request {
    authorities: Vec<Vec<u8>>,
    schemes: Vec<SignatureScheme>,
}

/// How one connection went.
enum Answer {
    Asked(Request),
    AsksNothing,
    /// The server does not speak this version with us.
    Refused(String),
    Unreachable(String),
}

/// Asks the server in each version.
pub(crate) fn check(doctor: &Doctor, host: &str, port: u16, report: &mut Report) {
    let site = if port == 443 {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    };
    let answers = VERSIONS
        .each_ref()
        .map(|version| connect(host, port, version));
    let accepted = VERSIONS.iter().zip(&answers).any(|(version, answer)| {
        matches!(answer, Answer::Asked(request) if version.chosen(request).is_some())
    });
    // What fails beside a version that works is only worth knowing.
    let bad = if accepted { Mark::Note } else { Mark::Todo };
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
        authorities(doctor, &site, &request, report);
    }
}

impl Version {
    fn chosen(&self, request: &Request) -> Option<SignatureScheme> {
        let fit = self.fit.iter().copied();
        fit.into_iter()
            .find(|scheme| request.schemes.contains(scheme))
    }
}

fn tell(site: &str, version: &Version, answer: &Answer, bad: Mark, report: &mut Report) {
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
    let (mark, finding) = match answer {
        Answer::Asked(request) => match version.chosen(request) {
            Some(scheme) => {
                fields.push(("scheme", name(scheme)));
                (Mark::Ok, Finding::TlsAccepts)
            }
            None => (bad, Finding::TlsRefuses),
        },
        Answer::AsksNothing => (bad, Finding::TlsAsksNothing),
        Answer::Refused(reason) => {
            fields.push(("reason", reason.clone()));
            (Mark::Note, Finding::TlsVersionRefused)
        }
        Answer::Unreachable(reason) => {
            fields.push(("reason", reason.clone()));
            (Mark::Fail, Finding::TlsUnreachable)
        }
    };
    report.add("tls", mark, finding, &fields, facts);
}

/// As the TLS registry calls it.
fn name(scheme: SignatureScheme) -> String {
    match scheme {
        SignatureScheme::RSA_PSS_SHA256 => "rsa_pss_rsae_sha256".to_owned(),
        SignatureScheme::RSA_PSS_SHA384 => "rsa_pss_rsae_sha384".to_owned(),
        SignatureScheme::RSA_PSS_SHA512 => "rsa_pss_rsae_sha512".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn authorities(doctor: &Doctor, site: &str, request: &Request, report: &mut Report) {
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
            Mark::Note,
            Finding::TlsAnyAuthority,
            &fields,
            facts,
        );
        return;
    }
    report.add(
        "authorities",
        Mark::Note,
        Finding::TlsAuthorities,
        &fields,
        facts,
    );
    // Without a card that shows its certificate there is nothing to compare.
    if let Some(issuer) = issuer_on_card(doctor) {
        let (mark, finding) = if request.authorities.contains(&issuer) {
            (Mark::Ok, Finding::TlsAuthorityMatches)
        } else {
            (Mark::Todo, Finding::TlsAuthorityMissing)
        };
        report.add("authorities", mark, finding, &[], json!({}));
    }
}

fn readable(name: &[u8]) -> String {
    Name::from_der(name).map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

/// Issuer of the authentication certificate of a card that happens to be there.
fn issuer_on_card(doctor: &Doctor) -> Option<Vec<u8>> {
    let pcsc = Pcsc::new();
    let states = pcsc.survey().ok()?;
    let mut cards = states
        .iter()
        .filter(|state| state.insertion.is_some() && readers::is_meant(doctor, &state.name))
        .filter_map(|state| readers::open(&pcsc, &state.name).ok());
    cards.find_map(|opened| match opened.face.certificate {
        Shown::Open(certificate) => Some(certificate.issuer().to_owned()),
        Shown::Locked | Shown::Absent => None,
    })
}

fn connect(host: &str, port: u16, version: &Version) -> Answer {
    let unreachable = |error: io::Error| Answer::Unreachable(error.to_string());
    let mut stream = match reach(host, port) {
        Ok(stream) => stream,
        Err(error) => return unreachable(error),
    };
    let Ok(server) = ServerName::try_from(host.to_owned()) else {
        return unreachable(io::ErrorKind::InvalidInput.into());
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let heard = Arc::new(Listener {
        provider: Arc::clone(&provider),
        request: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version.protocol])
        .map(|builder| {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(&heard) as Arc<dyn ServerCertVerifier>)
                .with_client_cert_resolver(Arc::clone(&heard) as Arc<dyn ResolvesClientCert>)
        });
    let connection = config.and_then(|config| ClientConnection::new(Arc::new(config), server));
    let mut connection = match connection {
        Ok(connection) => connection,
        Err(error) => return Answer::Refused(error.to_string()),
    };
    let mut ended = Ok(());
    while connection.is_handshaking() && ended.is_ok() {
        ended = connection.complete_io(&mut stream).map(|_| ());
    }
    let request = heard
        .request
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    match (request, ended) {
        // Without our certificate the server may well hang up; it has said what we wanted to know.
        (Some(request), _) => Answer::Asked(request),
        (None, Ok(())) => Answer::AsksNothing,
        (None, Err(error)) if asks_for_what_nobody_has(&error) => Answer::Asked(Request::default()),
        (None, Err(error)) => Answer::Refused(error.to_string()),
    }
}

/// rustls gives up on a request that it has no scheme for, without showing it.
fn asks_for_what_nobody_has(error: &io::Error) -> bool {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(rustls::Error::PeerIncompatible(
            PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
        ))
    )
}

fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::NotFound.into();
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Hears what the server asks for, and has nothing to answer.
#[derive(Debug)]
struct Listener {
    provider: Arc<CryptoProvider>,
    request: Mutex<Option<Request>>,
}

impl ResolvesClientCert for Listener {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let request = Request {
            authorities: hints.iter().map(|name| name.to_vec()).collect(),
            schemes: schemes.to_vec(),
        };
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Any server will do: nothing is sent to it, and what it says is only shown. Its signature is
/// checked all the same, as the protocol wants it.
impl ServerCertVerifier for Listener {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
