//! Signatures checked with the rsa crate and the key of a certificate, without the module.

use cryptoki_sys::*;
use rsa::PublicKey;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::DecodePublicKey;

/// The public key in a certificate.
pub fn key_of(certificate: &[u8]) -> PublicKey {
    let certificate = Certificate::from_der(certificate).unwrap();
    let info = certificate.tbs_certificate().subject_public_key_info();
    PublicKey::from_public_key_der(&info.to_der().unwrap()).unwrap()
}

/// Is this the signature of the data by this mechanism?
pub fn is_signature(
    kind: CK_MECHANISM_TYPE,
    key: &PublicKey,
    data: &[u8],
    signature: &[u8],
) -> bool {
    let checked = match kind {
        CKM_RSA_PKCS => key.verify(Pkcs1v15Sign::new_unprefixed(), data, signature),
        CKM_SHA1_RSA_PKCS => {
            key.verify(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(data), signature)
        }
        CKM_SHA224_RSA_PKCS => key.verify(
            Pkcs1v15Sign::new::<Sha224>(),
            &Sha224::digest(data),
            signature,
        ),
        CKM_SHA256_RSA_PKCS => key.verify(
            Pkcs1v15Sign::new::<Sha256>(),
            &Sha256::digest(data),
            signature,
        ),
        CKM_SHA384_RSA_PKCS => key.verify(
            Pkcs1v15Sign::new::<Sha384>(),
            &Sha384::digest(data),
            signature,
        ),
        CKM_SHA512_RSA_PKCS => key.verify(
            Pkcs1v15Sign::new::<Sha512>(),
            &Sha512::digest(data),
            signature,
        ),
        CKM_RSA_PKCS_PSS => key.verify(Pss::<Sha256>::new_with_salt(32), data, signature),
        CKM_SHA256_RSA_PKCS_PSS => key.verify(
            Pss::<Sha256>::new_with_salt(32),
            &Sha256::digest(data),
            signature,
        ),
        other => panic!("no signature mechanism: {other:#x}"),
    };
    checked.is_ok()
}

/// Data that a mechanism can sign.
pub fn data_for(kind: CK_MECHANISM_TYPE) -> Vec<u8> {
    match kind {
        CKM_RSA_PKCS_PSS => Sha256::digest(b"what was hashed before").to_vec(),
        CKM_RSA_PKCS => b"any bytes, up to 245".to_vec(),
        _ => (0..=255).cycle().take(10_000).collect(),
    }
}
