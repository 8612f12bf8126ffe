//! Hash functions, computed here and not by the card, and the DigestInfo that is signed.

use der::oid::AssociatedOid;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// A hash function, computed here and not by the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    /// 20 bytes. Can be switched off for signatures.
    Sha1,
    /// 28 bytes.
    Sha224,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

/// The hash function and the value of a DigestInfo, as `digest_info` makes it; `None`: these are other data.
pub(crate) fn signed_hash(input: &[u8]) -> Option<(Hash, &[u8])> {
    Hash::ALL.into_iter().find_map(|hash| {
        let value = input.get(input.len().checked_sub(hash.length())?..)?;
        (hash.digest_info(value) == input).then_some((hash, value))
    })
}

impl Hash {
    const ALL: [Hash; 5] = [
        Hash::Sha1,
        Hash::Sha224,
        Hash::Sha256,
        Hash::Sha384,
        Hash::Sha512,
    ];

    /// Its name (FIPS 180-4).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Hash::Sha1 => "SHA-1",
            Hash::Sha224 => "SHA-224",
            Hash::Sha256 => "SHA-256",
            Hash::Sha384 => "SHA-384",
            Hash::Sha512 => "SHA-512",
        }
    }

    /// Bytes of its value.
    pub(crate) fn length(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha224 => 28,
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }

    /// Starts one.
    pub(crate) fn start(self) -> Hasher {
        match self {
            Hash::Sha1 => Hasher::Sha1(Sha1::new()),
            Hash::Sha224 => Hasher::Sha224(Sha224::new()),
            Hash::Sha256 => Hasher::Sha256(Sha256::new()),
            Hash::Sha384 => Hasher::Sha384(Sha384::new()),
            Hash::Sha512 => Hasher::Sha512(Sha512::new()),
        }
    }

    /// DER of DigestInfo: the algorithm with its NULL, then the value (RFC 8017, 9.2).
    pub(super) fn digest_info(self, value: &[u8]) -> Vec<u8> {
        let oid = match self {
            Hash::Sha1 => Sha1::OID,
            Hash::Sha224 => Sha224::OID,
            Hash::Sha256 => Sha256::OID,
            Hash::Sha384 => Sha384::OID,
            Hash::Sha512 => Sha512::OID,
        };
        let algorithm = sequence(&[&element(0x06, oid.as_bytes()), &[0x05, 0x00]]);
        sequence(&[&algorithm, &element(0x04, value)])
    }
}

/// A DER element of less than 128 bytes, which all of DigestInfo's are.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    debug_assert!(content.len() < 128);
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    [&[tag, length], content].concat()
}

fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(0x30, &elements.concat())
}

/// A hash under way.
#[derive(Clone)]
pub(crate) enum Hasher {
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-224.
    Sha224(Sha224),
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// The next part of the data.
    pub(crate) fn update(&mut self, part: &[u8]) {
        match self {
            Hasher::Sha1(hash) => hash.update(part),
            Hasher::Sha224(hash) => hash.update(part),
            Hasher::Sha256(hash) => hash.update(part),
            Hasher::Sha384(hash) => hash.update(part),
            Hasher::Sha512(hash) => hash.update(part),
        }
    }

    /// The value.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Hasher::Sha1(hash) => hash.finalize().to_vec(),
            Hasher::Sha224(hash) => hash.finalize().to_vec(),
            Hasher::Sha256(hash) => hash.finalize().to_vec(),
            Hasher::Sha384(hash) => hash.finalize().to_vec(),
            Hasher::Sha512(hash) => hash.finalize().to_vec(),
        }
    }
}
