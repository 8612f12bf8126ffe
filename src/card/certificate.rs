//! What we need out of an X.509 certificate, through `x509-cert`, `der` and `rsa`. Public-key arithmetic only.

use der::asn1::{BitStringRef, ObjectIdentifier};
use der::{DateTime, Decode, Encode, Header, Reader, SliceReader};
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, PublicKey};
use sha2::{Digest, Sha256};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::Error;
use super::files::{PSS_SALT, Scheme};

/// `sha256WithRSAEncryption` (RFC 8017, appendix C).
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// A certificate that was read whole from a card and parses to its last byte.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    fields: Fields,
    public_key: PublicKey,
}

impl Certificate {
    /// Parses one.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not a certificate, or has a key of a kind that no card has yet.
    pub fn parse(der: Vec<u8>) -> Result<Certificate, Error> {
        let fields =
            Fields::parse(&der).map_err(|_| Error::Malformed("the certificate does not parse"))?;
        let public_key = PublicKey::from_public_key_der(&fields.public_key_info)
            .map_err(|_| Error::Malformed("the certificate's key is not an RSA key"))?;
        Ok(Certificate {
            der,
            fields,
            public_key,
        })
    }

    /// The whole certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Subject name, DER.
    pub fn subject(&self) -> &[u8] {
        &self.fields.subject
    }

    /// Issuer name, DER.
    pub fn issuer(&self) -> &[u8] {
        &self.fields.issuer
    }

    /// Serial number, a DER INTEGER.
    pub fn serial_number(&self) -> &[u8] {
        &self.fields.serial_number
    }

    /// Start of validity, UTC.
    pub fn not_before(&self) -> DateTime {
        self.fields.not_before
    }

    /// End of validity, UTC.
    pub fn not_after(&self) -> DateTime {
        self.fields.not_after
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn public_key_info(&self) -> &[u8] {
        &self.fields.public_key_info
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Bits of the modulus.
    pub fn key_bits(&self) -> u32 {
        self.public_key.n().bit_width_vartime()
    }

    /// Bytes of a signature with this key.
    pub fn signature_length(&self) -> usize {
        self.public_key.size()
    }

    /// Does it bear the signature of that authority? Of itself, when it is a root. `None`: it is signed by an
    /// algorithm that no JPKI authority has used (docs/card.md, section 6: SHA-256 with RSA).
    pub fn is_signed_by(&self, authority: &Certificate) -> Option<bool> {
        let (content, algorithm, signature) = self.signed_parts().ok()?;
        (algorithm == SHA256_WITH_RSA).then(|| {
            let padding = Pkcs1v15Sign::new::<Sha256>();
            let digest = Sha256::digest(content);
            let verified = authority.public_key.verify(padding, &digest, signature);
            verified.is_ok()
        })
    }

    /// What the authority has signed, with which algorithm, and its signature (RFC 5280, 4.1.1).
    fn signed_parts(&self) -> der::Result<(&[u8], ObjectIdentifier, &[u8])> {
        let mut reader = SliceReader::new(&self.der)?;
        Header::decode(&mut reader)?;
        let content = reader.tlv_bytes()?;
        let algorithm = AlgorithmIdentifierRef::decode(&mut reader)?;
        let signature = BitStringRef::decode(&mut reader)?;
        Ok((content, algorithm.oid, signature.raw_bytes()))
    }

    /// Is this the key's signature over that input of the card, padded in that way?
    ///
    /// # Errors
    /// As [`check`].
    pub fn check(&self, scheme: Scheme, input: &[u8], signature: &[u8]) -> Result<(), Error> {
        check(&self.public_key, scheme, input, signature)
    }
}

/// The fields of a certificate that are needed; names, number and key in DER.
#[derive(Debug, Clone)]
struct Fields {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    serial_number: Vec<u8>,
    not_before: DateTime,
    not_after: DateTime,
    public_key_info: Vec<u8>,
}

impl Fields {
    /// Never inlined: the parsed certificate takes 3.5 KiB of stack, and the arithmetic that follows 10 KiB. A thread of the
    /// host may have 20 KiB in all (`tests/guest`).
    #[inline(never)]
    fn parse(der: &[u8]) -> der::Result<Fields> {
        // `Raw`: serial numbers and dates as they come; whether they are valid is for those who
        // trust the certificate to say.
        let parsed = CertificateInner::<Raw>::from_der(der)?;
        let content = parsed.tbs_certificate();
        Ok(Fields {
            subject: content.subject().to_der()?,
            issuer: content.issuer().to_der()?,
            serial_number: content.serial_number().to_der()?,
            not_before: content.validity().not_before.to_date_time(),
            not_after: content.validity().not_after.to_date_time(),
            public_key_info: content.subject_public_key_info().to_der()?,
        })
    }
}

/// Is this the key's signature over that input of the card, padded in that way?
///
/// # Errors
/// [`Error::SignatureWrong`]; [`Error::SchemeRefused`] for a PSS signature that is good but has
/// a salt of another length, which nobody who asked for 32 bytes accepts.
pub fn check(key: &PublicKey, scheme: Scheme, input: &[u8], signature: &[u8]) -> Result<(), Error> {
    let pss = |salt| key.verify(Pss::<Sha256>::new_with_salt(salt), input, signature);
    match scheme {
        Scheme::Pkcs1 => key
            .verify(Pkcs1v15Sign::new_unprefixed(), input, signature)
            .map_err(|_| Error::SignatureWrong),
        Scheme::Pss if pss(PSS_SALT).is_ok() => Ok(()),
        Scheme::Pss => {
            let longest = key.size().saturating_sub(Sha256::output_size() + 2);
            let another = (0..=longest).any(|salt| pss(salt).is_ok());
            Err(if another {
                Error::SchemeRefused
            } else {
                Error::SignatureWrong
            })
        }
    }
}

/// What was signed with PKCS#1 v1.5, block type 1; `None`: it is no such signature (RFC 8017, 9.2,
/// read backwards: 00 01 FF…FF 00 data, at least eight FF).
pub fn recover(key: &PublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    let number = BoxedUint::from_be_slice(signature, key.n().bits_precision()).ok()?;
    let block = rsa::hazmat::rsa_encrypt(key, &number).ok()?.to_be_bytes();
    let block = block.get(block.len().checked_sub(key.size())?..)?;
    let padded = block.strip_prefix(&[0x00, 0x01])?;
    let length = padded.iter().take_while(|&&byte| byte == 0xFF).count();
    let data = padded.get(length..)?.strip_prefix(&[0x00])?;
    (length >= 8).then(|| data.to_vec())
}
