//! The certificates of a test card: two self-signed authorities and the two leaves of one holder. Uses `x509-cert`,
//! `der` and `rsa`; every key is made fresh at run time.
//!
//! The shapes follow the project's card sheet, sections 6.1 (auth leaf), 6.2 (sign leaf) and 6.4 (authorities), which
//! decodes the published test certificates and the J-LIS authority files. Two things differ on purpose: the
//! organisation is `JPKI-SIM`, and the OCSP address lies under `.invalid`, so that no test can ever reach the real
//! responder.

mod authorities;
mod certificate;
mod error;
mod extensions;
mod holder;
mod issue;
mod name;
mod storage;
#[cfg(test)]
mod tests;
mod validity;

pub use authorities::{Authorities, Generation};
pub use error::Error;
pub use holder::{BirthDate, Era, Holder, Sex};
pub use issue::{IssueOptions, issue};
pub use validity::Validity;

/// One key with its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The RSA private key, which a real card never gives away.
    pub key: rsa::PrivateKey,
    /// The X.509 certificate, DER.
    pub certificate: Vec<u8>,
}

/// What the JPKI application of one card holds: EF 0001, 0002, 000A, 000B and the two keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User authentication (利用者証明用); `None` when the holder did not ask for it.
    pub auth: Option<Identity>,
    /// Digital signature (署名用); `None` on the card of a child, for instance.
    pub sign: Option<Identity>,
    /// The authority above `auth`, DER; present on the card even without `auth`.
    pub auth_ca: Vec<u8>,
    /// The authority above `sign`, DER; present on the card even without `sign`.
    pub sign_ca: Vec<u8>,
}

/// Which of the two services of JPKI a certificate belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// 利用者証明用.
    Authentication,
    /// 署名用.
    Signature,
}
