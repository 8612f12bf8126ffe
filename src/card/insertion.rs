//! A My Number card from its insertion to its removal, and what is known of it without asking it.
//! It holds what `reader` has read. It never talks to a card.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::backoff::Backoff;
use super::jpki_card::{CardInfo, JpkiCard, Shown};
use crate::card::certificate::Certificate;
use crate::card::files::{CertificateFile, Kind, Role};
use crate::pcsc::InsertionId;

/// A My Number card in a reader, from its insertion to its removal.
pub struct Insertion {
    /// Ours alone, never used again: tells this insertion from every other one.
    pub(super) number: u64,
    pub(super) insertion: InsertionId,
    /// Card or phone.
    pub kind: Kind,
    /// Model from EF 0006; may be empty.
    pub model: String,
    /// Serial number of both tokens: 16 hexadecimal digits.
    pub serial: String,
    /// The authentication certificate can be read without a PIN.
    pub public_certificate: bool,
    /// The card has refused PSS.
    pub pss_refused: AtomicBool,
    certificates: Mutex<Files>,
    tries: Mutex<[Option<u8>; 2]>,
    /// The card does not tell the tries left.
    pub(super) silent: Mutex<Backoff>,
}

/// What is known of a certificate file.
#[derive(Clone, Default)]
enum File {
    #[default]
    Unread,
    Absent,
    Read(Arc<Certificate>),
}

/// All four.
#[derive(Default)]
struct Files {
    authentication: File,
    signature: File,
    authentication_authority: File,
    signature_authority: File,
}

impl Files {
    fn of(&mut self, file: CertificateFile) -> &mut File {
        match file {
            CertificateFile::Authentication => &mut self.authentication,
            CertificateFile::Signature => &mut self.signature,
            CertificateFile::AuthenticationAuthority => &mut self.authentication_authority,
            CertificateFile::SignatureAuthority => &mut self.signature_authority,
        }
    }
}

impl Insertion {
    pub(super) fn new(number: u64, insertion: InsertionId, face: CardInfo) -> Insertion {
        let serial = serial_number(&face);
        let public_certificate = matches!(face.certificate, Shown::Open(_));
        let inserted = Insertion {
            number,
            insertion,
            kind: face.kind,
            model: face.model,
            serial,
            public_certificate,
            pss_refused: AtomicBool::new(false),
            certificates: Mutex::default(),
            tries: Mutex::default(),
            silent: Mutex::default(),
        };
        match face.certificate {
            Shown::Open(certificate) => {
                inserted.note_certificate(CertificateFile::Authentication, Some(*certificate));
            }
            Shown::Absent => {
                inserted.note_certificate(CertificateFile::Authentication, None);
            }
            Shown::Locked => {}
        }
        inserted
    }

    /// Ours alone, never used again.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What is known of a certificate: `None`, nothing yet; `Some(None)`, that the card has none.
    pub fn certificate(&self, file: CertificateFile) -> Option<Option<Arc<Certificate>>> {
        match self.certificates.lock().of(file) {
            File::Unread => None,
            File::Absent => Some(None),
            File::Read(certificate) => Some(Some(Arc::clone(certificate))),
        }
    }

    /// Keeps a certificate, or that there is none, until the card is taken out.
    pub fn note_certificate(
        &self,
        file: CertificateFile,
        certificate: Option<Certificate>,
    ) -> Option<Arc<Certificate>> {
        let certificate = certificate.map(Arc::new);
        *self.certificates.lock().of(file) = match &certificate {
            Some(certificate) => File::Read(Arc::clone(certificate)),
            None => File::Absent,
        };
        certificate
    }

    /// Tries left of a PIN as the card told them last.
    pub fn tries(&self, role: Role) -> Option<u8> {
        let [authentication, signature] = *self.tries.lock();
        match role {
            Role::Authentication => authentication,
            Role::Signature => signature,
        }
    }

    pub(super) fn note_tries(&self, card: &mut JpkiCard) {
        *self.tries.lock() = Role::ALL.map(|role| card.known_tries(role));
    }
}

/// 16 hexadecimal digits of the SHA-256 of the authentication certificate's public key: unique, the
/// same each time, not personal. A card that hides its certificate has nothing else of its own that
/// can be read: its token information must do, and may be the same on two phones.
fn serial_number(face: &CardInfo) -> String {
    let hash = match &face.certificate {
        Shown::Open(certificate) => Sha256::digest(certificate.public_key_info()),
        Shown::Locked | Shown::Absent => Sha256::digest(&face.token_information),
    };
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02X}"))
        .collect()
}
