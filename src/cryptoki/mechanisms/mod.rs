//! The mechanism table, and how an application's data become what the card signs.

mod hash;

use cryptoki_sys::*;

use crate::card::files::{PKCS1_OVERHEAD, PSS_INPUT, PSS_SALT, Scheme};
use crate::cryptoki::rv::{Result, Rv};
pub(crate) use hash::{Hash, Hasher, signed_hash};

/// A mechanism as the application gave it, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mechanism {
    /// `CKM_…`.
    pub(crate) kind: CK_MECHANISM_TYPE,
    /// The parameter's bytes; empty when there is none.
    pub(crate) parameter: Vec<u8>,
}

/// What a signature mechanism does with the data before the key sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// `CKM_RSA_PKCS`: the data as they are.
    Pkcs1,
    /// `CKM_SHAn_RSA_PKCS`: the DigestInfo of their hash.
    HashedPkcs1(Hash),
    /// `CKM_RSA_PKCS_PSS`: the data are a SHA-256 value.
    Pss,
    /// `CKM_SHA256_RSA_PKCS_PSS`: their SHA-256 value.
    HashedPss,
}

/// What a mechanism of the table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// To sign and to verify.
    Sign(Padding),
    /// To hash.
    Digest(Hash),
}

/// Everything this module can offer, in the order in which it is listed.
pub(crate) const TABLE: &[(CK_MECHANISM_TYPE, Use)] = &[
    (CKM_RSA_PKCS, Use::Sign(Padding::Pkcs1)),
    (
        CKM_SHA1_RSA_PKCS,
        Use::Sign(Padding::HashedPkcs1(Hash::Sha1)),
    ),
    (
        CKM_SHA224_RSA_PKCS,
        Use::Sign(Padding::HashedPkcs1(Hash::Sha224)),
    ),
    (
        CKM_SHA256_RSA_PKCS,
        Use::Sign(Padding::HashedPkcs1(Hash::Sha256)),
    ),
    (
        CKM_SHA384_RSA_PKCS,
        Use::Sign(Padding::HashedPkcs1(Hash::Sha384)),
    ),
    (
        CKM_SHA512_RSA_PKCS,
        Use::Sign(Padding::HashedPkcs1(Hash::Sha512)),
    ),
    (CKM_RSA_PKCS_PSS, Use::Sign(Padding::Pss)),
    (CKM_SHA256_RSA_PKCS_PSS, Use::Sign(Padding::HashedPss)),
    (CKM_SHA_1, Use::Digest(Hash::Sha1)),
    (CKM_SHA224, Use::Digest(Hash::Sha224)),
    (CKM_SHA256, Use::Digest(Hash::Sha256)),
    (CKM_SHA384, Use::Digest(Hash::Sha384)),
    (CKM_SHA512, Use::Digest(Hash::Sha512)),
];

/// Which mechanisms a token offers at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MechanismSet {
    /// The card's own PSS: the configuration wants it and this card has not refused it.
    pub(crate) pss: bool,
    /// Signatures over SHA-1.
    pub sha1: bool,
}

impl MechanismSet {
    fn includes(self, purpose: Use) -> bool {
        match purpose {
            Use::Sign(Padding::Pss | Padding::HashedPss) => self.pss,
            Use::Sign(Padding::HashedPkcs1(Hash::Sha1)) => self.sha1,
            Use::Sign(_) | Use::Digest(_) => true,
        }
    }

    /// The mechanisms, in the table's order.
    pub(crate) fn mechanisms(self) -> impl Iterator<Item = (CK_MECHANISM_TYPE, Use)> {
        TABLE
            .iter()
            .copied()
            .filter(move |&(_, purpose)| self.includes(purpose))
    }

    /// What a mechanism is for, if it is offered.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID`.
    pub(crate) fn find(self, kind: CK_MECHANISM_TYPE) -> Result<Use> {
        let found = self.mechanisms().find(|&(offered, _)| offered == kind);
        Ok(found.ok_or(Rv::MechanismInvalid)?.1)
    }

    /// The padding of a signature mechanism, its parameter checked.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn padding(self, mechanism: &Mechanism) -> Result<Padding> {
        let Use::Sign(padding) = self.find(mechanism.kind)? else {
            return Err(Rv::MechanismInvalid.into());
        };
        let expected = match padding {
            Padding::Pss | Padding::HashedPss => pss_parameter(),
            Padding::Pkcs1 | Padding::HashedPkcs1(_) => Vec::new(),
        };
        if mechanism.parameter != expected {
            return Err(Rv::MechanismParamInvalid.into());
        }
        Ok(padding)
    }

    /// The hash of a digest mechanism, its parameter checked.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn hash(self, mechanism: &Mechanism) -> Result<Hash> {
        let Use::Digest(hash) = self.find(mechanism.kind)? else {
            return Err(Rv::MechanismInvalid.into());
        };
        if !mechanism.parameter.is_empty() {
            return Err(Rv::MechanismParamInvalid.into());
        }
        Ok(hash)
    }
}

/// `CK_RSA_PKCS_PSS_PARAMS` of the only PSS that the card does, in the host's byte order
/// (PKCS#11 3.2, 6.1.9; docs/card.md, 3.5).
fn pss_parameter() -> Vec<u8> {
    let salt = PSS_SALT as CK_ULONG;
    [CKM_SHA256, CKG_MGF1_SHA256, salt]
        .into_iter()
        .flat_map(CK_ULONG::to_ne_bytes)
        .collect()
}

impl Use {
    /// `CK_MECHANISM_INFO` (PKCS#11 3.2, 3.4). The sizes, in bits, are those of all keys that it takes: the card's, and
    /// the public keys of sessions.
    pub(crate) fn info(self) -> CK_MECHANISM_INFO {
        match self {
            Use::Sign(padding) => CK_MECHANISM_INFO {
                ulMinKeySize: rsa::PublicKey::MIN_SIZE as CK_ULONG,
                ulMaxKeySize: rsa::PublicKey::MAX_SIZE as CK_ULONG,
                flags: CKF_HW
                    | CKF_SIGN
                    | CKF_VERIFY
                    | CKF_MESSAGE_SIGN
                    | CKF_MESSAGE_VERIFY
                    | CKF_MULTI_MESSAGE
                    | if padding == Padding::Pkcs1 {
                        CKF_VERIFY_RECOVER
                    } else {
                        0
                    },
            },
            Use::Digest(_) => CK_MECHANISM_INFO {
                ulMinKeySize: 0,
                ulMaxKeySize: 0,
                flags: CKF_DIGEST,
            },
        }
    }
}

/// The data of one signature as they come in, part by part: kept, or hashed on the way.
#[derive(Clone)]
pub(crate) struct SignInput {
    padding: Padding,
    content: Content,
    /// Most bytes that the key can sign as they are.
    most: usize,
}

#[derive(Clone)]
enum Content {
    /// Kept as they are, up to one byte more than can be signed.
    Kept(Vec<u8>),
    Hashed(Hasher),
}

impl SignInput {
    /// An empty one. `modulus`: bytes of the key's modulus.
    pub(crate) fn new(padding: Padding, modulus: usize) -> SignInput {
        let content = match padding {
            Padding::Pkcs1 | Padding::Pss => Content::Kept(Vec::new()),
            Padding::HashedPkcs1(hash) => Content::Hashed(hash.start()),
            Padding::HashedPss => Content::Hashed(Hash::Sha256.start()),
        };
        let most = modulus.saturating_sub(PKCS1_OVERHEAD);
        SignInput {
            padding,
            content,
            most,
        }
    }

    /// The next part of the data.
    pub(crate) fn update(&mut self, part: &[u8]) {
        match &mut self.content {
            // What is too long stays too long; it is not kept.
            Content::Kept(bytes) => {
                let room = (self.most + 1).saturating_sub(bytes.len());
                bytes.extend_from_slice(part.get(..room).unwrap_or(part));
            }
            Content::Hashed(hasher) => hasher.update(part),
        }
    }

    /// What the key is to sign, and how.
    ///
    /// # Errors
    /// `CKR_DATA_LEN_RANGE`: too long for the key (PKCS#11 3.2, 6.1.6: k-11 bytes), or not a SHA-256 value.
    pub(crate) fn finish(self) -> Result<(Scheme, Vec<u8>)> {
        let (scheme, input) = match (self.padding, self.content) {
            (Padding::Pkcs1, Content::Kept(bytes)) => (Scheme::Pkcs1, bytes),
            (Padding::Pss, Content::Kept(bytes)) => (Scheme::Pss, bytes),
            (Padding::HashedPkcs1(hash), Content::Hashed(hasher)) => {
                (Scheme::Pkcs1, hash.digest_info(&hasher.finish()))
            }
            (_, Content::Hashed(hasher)) => (Scheme::Pss, hasher.finish()),
            // `new` makes no such pair.
            (_, Content::Kept(_)) => return Err(Rv::GeneralError.into()),
        };
        let fits = match scheme {
            Scheme::Pkcs1 => (1..=self.most).contains(&input.len()),
            Scheme::Pss => input.len() == PSS_INPUT,
        };
        if !fits {
            return Err(Rv::DataLenRange.into());
        }
        Ok((scheme, input))
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::cryptoki::rv::Error;

    const ALL: MechanismSet = MechanismSet {
        pss: true,
        sha1: true,
    };

    fn rv<T: std::fmt::Debug>(result: Result<T>) -> Rv {
        match result.unwrap_err() {
            Error::Rv(rv) => rv,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn digest_info_is_what_rfc_8017_prints() {
        // RFC 8017, 9.2, note 1.
        let prefix = [
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
            0x01, 0x05, 0x00, 0x04, 0x20,
        ];
        let mut message = SignInput::new(Padding::HashedPkcs1(Hash::Sha256), 256);
        message.update(b"a");
        message.update(b"bc");
        let (scheme, input) = message.finish().unwrap();
        assert_eq!(scheme, Scheme::Pkcs1);
        assert_eq!(input, [&prefix[..], &Sha256::digest(b"abc")].concat());
        let sha1 = Hash::Sha1.digest_info(&[0; 20]);
        assert_eq!(
            sha1[..15],
            [
                0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04,
                0x14
            ]
        );
    }

    #[test]
    fn lengths_are_checked_before_the_card() {
        for (padding, length, good) in [
            (Padding::Pkcs1, 0, false),
            (Padding::Pkcs1, 1, true),
            (Padding::Pkcs1, 245, true),
            (Padding::Pkcs1, 246, false),
            (Padding::Pkcs1, 100_000, false),
            (Padding::Pss, 31, false),
            (Padding::Pss, 32, true),
            (Padding::Pss, 33, false),
            (Padding::HashedPss, 100_000, true),
        ] {
            let mut message = SignInput::new(padding, 256);
            for part in vec![7; length].chunks(100) {
                message.update(part);
            }
            let result = message.finish();
            assert_eq!(result.is_ok(), good, "{padding:?} {length}");
            if !good {
                assert_eq!(rv(result), Rv::DataLenRange);
            }
        }
    }

    #[test]
    fn only_the_cards_own_pss() {
        let mechanism = |kind, words: &[CK_ULONG]| Mechanism {
            kind,
            parameter: words
                .iter()
                .copied()
                .flat_map(CK_ULONG::to_ne_bytes)
                .collect(),
        };
        let good = [CKM_SHA256, CKG_MGF1_SHA256, 32];
        assert_eq!(
            ALL.padding(&mechanism(CKM_RSA_PKCS_PSS, &good)).unwrap(),
            Padding::Pss
        );
        assert_eq!(
            ALL.padding(&mechanism(CKM_SHA256_RSA_PKCS_PSS, &good))
                .unwrap(),
            Padding::HashedPss
        );
        for bad in [
            &[][..],
            &[CKM_SHA384, CKG_MGF1_SHA256, 32],
            &[CKM_SHA256, CKG_MGF1_SHA1, 32],
            &[CKM_SHA256, CKG_MGF1_SHA256, 20],
            &[CKM_SHA256, CKG_MGF1_SHA256],
        ] {
            assert_eq!(
                rv(ALL.padding(&mechanism(CKM_RSA_PKCS_PSS, bad))),
                Rv::MechanismParamInvalid
            );
        }
        let withdrawn = MechanismSet {
            pss: false,
            sha1: true,
        };
        assert_eq!(
            rv(withdrawn.padding(&mechanism(CKM_RSA_PKCS_PSS, &good))),
            Rv::MechanismInvalid
        );
        assert_eq!(
            rv(ALL.padding(&mechanism(CKM_RSA_X_509, &[]))),
            Rv::MechanismInvalid
        );
        assert_eq!(
            rv(ALL.padding(&mechanism(CKM_SHA256, &[]))),
            Rv::MechanismInvalid
        );
        assert_eq!(
            rv(ALL.padding(&mechanism(CKM_RSA_PKCS, &[1]))),
            Rv::MechanismParamInvalid
        );
    }
}
