//! Bytes that a card may hold where a certificate should be. Whatever parses must be whole and of use.
#![no_main]

use jpki_pkcs11::card::certificate::{Certificate, recover};
use jpki_pkcs11::card::files::Scheme;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(certificate) = Certificate::parse(bytes.to_vec()) else {
        return;
    };
    assert_eq!(certificate.der(), bytes);
    assert!(certificate.signature_length() * 8 >= certificate.key_bits() as usize);
    assert!(!certificate.subject().is_empty() && !certificate.issuer().is_empty());
    assert!(!certificate.serial_number().is_empty());
    let _ = (certificate.not_before(), certificate.not_after());
    let signature = vec![1; certificate.signature_length()];
    let _ = recover(certificate.public_key(), &signature);
    // A forged signature is good under no key.
    assert!(
        certificate
            .check(Scheme::Pkcs1, b"data", &signature)
            .is_err()
    );
});
