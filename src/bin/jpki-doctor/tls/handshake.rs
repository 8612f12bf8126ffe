//! One handshake as a client without a certificate, to hear what the server asks for. It sends no certificate, and
//! does not judge the server's: nothing secret is told to it.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, PeerIncompatible, SignatureScheme,
    SupportedProtocolVersion,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A CertificateRequest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) schemes: Vec<SignatureScheme>,
}

/// How one connection went.
pub(crate) enum Answer {
    Asked(Request),
    AsksNothing,
    /// The server does not speak this version with us.
    Refused(String),
    Unreachable(String),
}

/// Connects in one version of TLS and hears what the server asks for.
pub(crate) fn connect(
    host: &str,
    port: u16,
    protocol: &'static SupportedProtocolVersion,
) -> Answer {
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
        .with_protocol_versions(&[protocol])
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
