//! Why a test certificate could not be made or read back. Wraps the errors of `der` and `rsa`.

use std::fmt;

/// Why a test certificate could not be made or read back.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A value does not fit its ASN.1 type, or stored bytes are not what [`Credentials::to_bytes`]
    /// writes.
    ///
    /// [`Credentials::to_bytes`]: super::Credentials::to_bytes
    Der(der::Error),
    /// Key generation, signing or key decoding failed.
    Rsa(rsa::Error),
    /// Stored bytes name a generation of authorities that does not exist.
    UnknownGeneration(u8),
    /// The system clock stands before 1970.
    Clock,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Der(error) => write!(f, "certificate encoding: {error}"),
            Self::Rsa(error) => write!(f, "RSA key: {error}"),
            Self::UnknownGeneration(number) => write!(f, "no authority generation {number}"),
            Self::Clock => write!(f, "the system clock stands before 1970"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Der(error) => Some(error),
            Self::Rsa(error) => Some(error),
            Self::UnknownGeneration(_) | Self::Clock => None,
        }
    }
}

impl From<der::Error> for Error {
    fn from(error: der::Error) -> Self {
        Self::Der(error)
    }
}

impl From<rsa::Error> for Error {
    fn from(error: rsa::Error) -> Self {
        Self::Rsa(error)
    }
}

impl From<rsa::pkcs8::Error> for Error {
    fn from(error: rsa::pkcs8::Error) -> Self {
        Self::Rsa(error.into())
    }
}
