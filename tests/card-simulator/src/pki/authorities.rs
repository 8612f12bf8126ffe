//! The two self-signed authorities of one generation. Makes their keys and certificates in the shape of card sheet
//! 6.4.

use der::DateTime;
use rsa::PrivateKey;
use x509_cert::ext::pkix::KeyUsages;

use super::{
    Error, Identity, Purpose,
    certificate::{Statement, fresh_key, key_identifier},
    extensions, name,
    validity::{Period, last_second},
};

/// A generation of the authorities. All three carry the same names; key, serial and validity
/// differ (card sheet 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// 2015 to 2025: expired by now.
    First,
    /// 2019 to 2029.
    Second,
    /// 2023 to 2033.
    Third,
}

/// The authority for user authentication and the one for digital signatures, with their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    pub(super) generation: Generation,
    pub(super) auth: Identity,
    pub(super) sign: Identity,
}

impl Authorities {
    /// Makes both authorities with fresh RSA-2048 keys, which takes a moment.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate(generation: Generation) -> Result<Self, Error> {
        Ok(Self {
            generation,
            auth: self_signed(generation, Purpose::Authentication)?,
            sign: self_signed(generation, Purpose::Signature)?,
        })
    }

    /// Which generation these are.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The certificate of the authority for user authentication (EF 000B), DER.
    #[must_use]
    pub fn auth_ca(&self) -> &[u8] {
        &self.auth.certificate
    }

    /// The certificate of the authority for digital signatures (EF 0002), DER.
    #[must_use]
    pub fn sign_ca(&self) -> &[u8] {
        &self.sign.certificate
    }

    /// The key that signs leaves of this purpose.
    pub(super) fn key(&self, purpose: Purpose) -> &PrivateKey {
        match purpose {
            Purpose::Authentication => &self.auth.key,
            Purpose::Signature => &self.sign.key,
        }
    }
}

impl Generation {
    /// The serial numbers of the real authorities.
    pub(super) fn serial(self, purpose: Purpose) -> u32 {
        match (self, purpose) {
            (Self::First, _) => 0x01,
            (Self::Second, Purpose::Authentication) => 0x0133_C349,
            (Self::Second, Purpose::Signature) => 0x0132_C4AB,
            (Self::Third, Purpose::Authentication) => 0x06D1_8006,
            (Self::Third, Purpose::Signature) => 0x067C_6A21,
        }
    }

    /// The days of the real auth authorities. Of the sign authorities only the years are known,
    /// so both share them; the hour of notBefore is invented.
    fn period(self) -> Result<Period, Error> {
        let (from, until) = match self {
            Self::First => ((2015, 10, 20), (2025, 10, 19)),
            Self::Second => ((2019, 9, 14), (2029, 9, 14)),
            Self::Third => ((2023, 7, 16), (2033, 7, 15)),
        };
        Ok(Period {
            not_before: DateTime::new(from.0, from.1, from.2, 1, 0, 0)?,
            not_after: last_second(until.0, until.1, until.2)?,
        })
    }
}

fn self_signed(generation: Generation, purpose: Purpose) -> Result<Identity, Error> {
    let key = fresh_key(2048)?;
    let name = name::authority(purpose)?;
    let statement = Statement {
        serial: generation.serial(purpose),
        issuer: name.clone(),
        period: generation.period()?,
        subject: name.clone(),
        extensions: vec![
            extensions::key_usage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)?,
            extensions::authority_alt_name(name::authority_in_japanese(purpose)?)?,
            extensions::authority_constraints()?,
            extensions::distribution_point(name)?,
            extensions::subject_key(&key_identifier(key.as_public_key())?)?,
        ],
    };
    let certificate = statement.sign(key.as_public_key(), &key)?;
    Ok(Identity { key, certificate })
}
