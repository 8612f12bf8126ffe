//! An X.509 v3 certificate signed with SHA-256 and RSA (card sheet 6, "Common"). Uses `der` for the frame and `rsa`
//! for key and signature.

use der::{
    Encode, Sequence,
    asn1::{Any, BitString, ObjectIdentifier},
};
use getrandom::SysRng;
use rsa::{Pkcs1v15Sign, PrivateKey, PublicKey, pkcs1::EncodeRsaPublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_cert::{
    AlgorithmIdentifier, SubjectPublicKeyInfo, Version,
    ext::{Extension, Extensions},
    name::Name,
    serial_number::SerialNumber,
    time::{Time, Validity},
};

use super::{Error, validity::Period};

/// The SHA-1 of a PKCS#1 public key, as in RFC 5280 section 4.2.1.2, method 1.
pub(super) type KeyIdentifier = [u8; 20];

/// What is said about a key before an authority signs it.
pub(super) struct Statement {
    pub(super) serial: u32,
    pub(super) issuer: Name,
    pub(super) period: Period,
    pub(super) subject: Name,
    pub(super) extensions: Vec<Extension>,
}

impl Statement {
    /// The certificate of `key`, signed by `authority`, DER.
    pub(super) fn sign(self, key: &PublicKey, authority: &PrivateKey) -> Result<Vec<u8>, Error> {
        let to_be_signed = ToBeSigned {
            version: Version::V3,
            serial: SerialNumber::from(self.serial),
            algorithm: sha256_with_rsa(),
            issuer: self.issuer,
            validity: Validity::new(
                Time::from(self.period.not_before),
                Time::from(self.period.not_after),
            ),
            subject: self.subject,
            key: public_key_info(key)?,
            extensions: self.extensions,
        };
        let digest = Sha256::digest(to_be_signed.to_der()?);
        let padding = Pkcs1v15Sign::new::<Sha256>();
        let signature = authority.sign_with_rng(&mut SysRng, padding, &digest)?;
        let signed = Signed {
            to_be_signed,
            algorithm: sha256_with_rsa(),
            signature: BitString::from_bytes(&signature)?,
        };
        Ok(signed.to_der()?)
    }
}

/// The identifier under which authorities and leaves name a key.
pub(super) fn key_identifier(key: &PublicKey) -> Result<KeyIdentifier, Error> {
    let encoded = key.to_pkcs1_der().map_err(rsa::Error::from)?;
    Ok(Sha1::digest(encoded.as_bytes()).into())
}

/// A fresh RSA key with the exponent 65537.
pub(super) fn fresh_key(bits: usize) -> Result<PrivateKey, Error> {
    Ok(PrivateKey::new(&mut SysRng, bits)?)
}

/// `TBSCertificate` of RFC 5280 section 4.1; the type in `x509_cert` cannot be filled in from
/// outside that crate.
#[derive(Sequence)]
struct ToBeSigned {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial: SerialNumber,
    algorithm: AlgorithmIdentifier,
    issuer: Name,
    validity: Validity,
    subject: Name,
    key: SubjectPublicKeyInfo,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

/// `Certificate` of RFC 5280 section 4.1.
#[derive(Sequence)]
struct Signed {
    to_be_signed: ToBeSigned,
    algorithm: AlgorithmIdentifier,
    signature: BitString,
}

fn public_key_info(key: &PublicKey) -> Result<SubjectPublicKeyInfo, Error> {
    let encoded = key.to_pkcs1_der().map_err(rsa::Error::from)?;
    Ok(SubjectPublicKeyInfo {
        algorithm: AlgorithmIdentifier {
            oid: RSA_ENCRYPTION,
            parameters: Some(Any::null()),
        },
        subject_public_key: BitString::from_bytes(encoded.as_bytes())?,
    })
}

fn sha256_with_rsa() -> AlgorithmIdentifier {
    AlgorithmIdentifier {
        oid: SHA256_WITH_RSA,
        parameters: Some(Any::null()),
    }
}

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
