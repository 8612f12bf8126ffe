//! Keys and certificates as bytes, for a state directory that outlives the process. Writes DER, so that `openssl
//! asn1parse` can show it; keys are PKCS#8 inside.

use der::{Decode, Encode, Sequence, asn1::OctetString};
use rsa::{
    PrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey},
};

use super::{Authorities, Credentials, Error, Generation, Identity};

impl Identity {
    /// The key as PKCS#8 and the certificate, in one piece.
    ///
    /// # Errors
    /// When the key cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        Ok(StoredIdentity::try_from(self)?.to_der()?)
    }

    /// Reads what [`Identity::to_bytes`] wrote.
    ///
    /// # Errors
    /// When `bytes` is something else, or cut short.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        StoredIdentity::from_der(bytes)?.try_into()
    }

    /// The private key as PKCS#8 DER, for tools like `openssl pkey -inform DER`.
    ///
    /// # Errors
    /// When the key cannot be encoded.
    pub fn key_pkcs8(&self) -> Result<Vec<u8>, Error> {
        Ok(self.key.to_pkcs8_der()?.as_bytes().to_vec())
    }
}

impl Credentials {
    /// Everything in one piece.
    ///
    /// # Errors
    /// When a key cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let identity = |identity: &Option<Identity>| {
            identity.as_ref().map(StoredIdentity::try_from).transpose()
        };
        let stored = StoredCredentials {
            auth: identity(&self.auth)?,
            sign: identity(&self.sign)?,
            auth_ca: OctetString::new(self.auth_ca.as_slice())?,
            sign_ca: OctetString::new(self.sign_ca.as_slice())?,
        };
        Ok(stored.to_der()?)
    }

    /// Reads what [`Credentials::to_bytes`] wrote.
    ///
    /// # Errors
    /// When `bytes` is something else, or cut short.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let stored = StoredCredentials::from_der(bytes)?;
        Ok(Self {
            auth: stored.auth.map(Identity::try_from).transpose()?,
            sign: stored.sign.map(Identity::try_from).transpose()?,
            auth_ca: stored.auth_ca.into_bytes().into_vec(),
            sign_ca: stored.sign_ca.into_bytes().into_vec(),
        })
    }
}

impl Authorities {
    /// Both authorities with their keys, in one piece.
    ///
    /// # Errors
    /// When a key cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let stored = StoredAuthorities {
            generation: match self.generation {
                Generation::First => 1,
                Generation::Second => 2,
                Generation::Third => 3,
            },
            auth: StoredIdentity::try_from(&self.auth)?,
            sign: StoredIdentity::try_from(&self.sign)?,
        };
        Ok(stored.to_der()?)
    }

    /// Reads what [`Authorities::to_bytes`] wrote.
    ///
    /// # Errors
    /// When `bytes` is something else, or cut short.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let stored = StoredAuthorities::from_der(bytes)?;
        Ok(Self {
            generation: match stored.generation {
                1 => Generation::First,
                2 => Generation::Second,
                3 => Generation::Third,
                other => return Err(Error::UnknownGeneration(other)),
            },
            auth: stored.auth.try_into()?,
            sign: stored.sign.try_into()?,
        })
    }
}

#[derive(Sequence)]
struct StoredIdentity {
    key: OctetString,
    certificate: OctetString,
}

#[derive(Sequence)]
struct StoredCredentials {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    auth: Option<StoredIdentity>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    sign: Option<StoredIdentity>,
    auth_ca: OctetString,
    sign_ca: OctetString,
}

#[derive(Sequence)]
struct StoredAuthorities {
    generation: u8,
    auth: StoredIdentity,
    sign: StoredIdentity,
}

impl TryFrom<&Identity> for StoredIdentity {
    type Error = Error;

    fn try_from(identity: &Identity) -> Result<Self, Error> {
        Ok(Self {
            key: OctetString::new(identity.key_pkcs8()?)?,
            certificate: OctetString::new(identity.certificate.as_slice())?,
        })
    }
}

impl TryFrom<StoredIdentity> for Identity {
    type Error = Error;

    fn try_from(stored: StoredIdentity) -> Result<Self, Error> {
        Ok(Self {
            key: PrivateKey::from_pkcs8_der(stored.key.as_bytes())?,
            certificate: stored.certificate.into_bytes().into_vec(),
        })
    }
}
