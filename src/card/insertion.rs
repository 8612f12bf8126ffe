//! A My Number card from its insertion to its removal, and what is known of it without asking it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use once_cell::sync::OnceCell;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::backoff::Backoff;
use super::error::Error;
use super::jpki_card::{CardInfo, JpkiCard, Shown};
use super::permit::Permit;
use super::state::Closing;
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
    /// The reader has a PIN pad.
    pub has_pad: bool,
    /// The card has refused PSS.
    pub pss_refused: AtomicBool,
    /// The card has refused GET CHALLENGE.
    pub no_challenge: AtomicBool,
    /// Ends what a transaction that waits may still do.
    pub(super) permit: Permit,
    /// How the card is closed, as far as it has shown.
    closing: Mutex<Closing>,
    certificates: [Cell; CertificateFile::ALL.len()],
    tries: Mutex<[Option<u8>; 2]>,
    /// The card does not tell the tries left.
    pub(super) silent: Mutex<Backoff>,
}

/// What is read once in an insertion: a certificate, or that the card has none.
type Cell = OnceCell<Option<Arc<Certificate>>>;

impl Insertion {
    pub(super) fn new(
        number: u64,
        insertion: InsertionId,
        permit: Permit,
        face: CardInfo,
    ) -> Insertion {
        let serial = serial_number(&face);
        let public_certificate = matches!(face.certificate, Shown::Open(_));
        let inserted = Insertion {
            number,
            insertion,
            kind: face.kind,
            model: face.model,
            serial,
            public_certificate,
            has_pad: face.has_pad,
            pss_refused: AtomicBool::new(false),
            no_challenge: AtomicBool::new(false),
            permit,
            closing: Mutex::default(),
            certificates: Default::default(),
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
        self.cell(file).get().cloned()
    }

    /// Keeps a certificate, or that there is none, until the card is removed. The first one stays.
    pub fn note_certificate(&self, file: CertificateFile, certificate: Option<Certificate>) {
        self.cell(file).get_or_init(|| certificate.map(Arc::new));
    }

    /// A certificate, read by `read` unless it was read before.
    ///
    /// # Errors
    /// Those of `read`; nothing is kept then.
    pub(super) fn certificate_or_read(
        &self,
        file: CertificateFile,
        read: impl FnOnce() -> Result<Option<Certificate>, Error>,
    ) -> Result<Option<Arc<Certificate>>, Error> {
        let cell = self.cell(file);
        let kept = cell.get_or_try_init(|| read().map(|found| found.map(Arc::new)))?;
        Ok(kept.clone())
    }

    fn cell(&self, file: CertificateFile) -> &Cell {
        let [
            authentication,
            signature,
            authentication_authority,
            signature_authority,
        ] = &self.certificates;
        match file {
            CertificateFile::Authentication => authentication,
            CertificateFile::Signature => signature,
            CertificateFile::AuthenticationAuthority => authentication_authority,
            CertificateFile::SignatureAuthority => signature_authority,
        }
    }

    /// Tries left of a PIN as the card told them last.
    pub fn tries(&self, role: Role) -> Option<u8> {
        let [authentication, signature] = *self.tries.lock();
        match role {
            Role::Authentication => authentication,
            Role::Signature => signature,
        }
    }

    /// How the card is closed, as far as it has shown.
    pub fn closing(&self) -> Closing {
        *self.closing.lock()
    }

    /// Takes over what the card has shown in a transaction.
    pub(super) fn note(&self, card: &mut JpkiCard) {
        *self.closing.lock() = card.closing();
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
