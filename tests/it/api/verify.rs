//! Verification, digests and random numbers (PKCS#11 3.2, 5.12, 5.15, 5.16 and 5.19).

use crate::common::proof::data_for;
use crate::common::{AUTH, Fixture, Mechanism, SIGN, Template};
use cryptoki_sys::*;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

const ALL: [CK_MECHANISM_TYPE; 8] = [
    CKM_RSA_PKCS,
    CKM_SHA1_RSA_PKCS,
    CKM_SHA224_RSA_PKCS,
    CKM_SHA256_RSA_PKCS,
    CKM_SHA384_RSA_PKCS,
    CKM_SHA512_RSA_PKCS,
    CKM_RSA_PKCS_PSS,
    CKM_SHA256_RSA_PKCS_PSS,
];

/// A session of the authentication token with the card's public key and the same one as a session
/// object.
fn keys(fixture: &Fixture) -> (CK_SESSION_HANDLE, CK_OBJECT_HANDLE, [CK_OBJECT_HANDLE; 2]) {
    let session = fixture.logged_in(AUTH);
    let (private, public) = (fixture.private_key(session), fixture.public_key(session));
    let value = |kind| fixture.attribute(session, public, kind).unwrap();
    let template = Template::class(CKO_PUBLIC_KEY)
        .number(CKA_KEY_TYPE, CKK_RSA)
        .bytes(CKA_MODULUS, &value(CKA_MODULUS))
        .bytes(CKA_PUBLIC_EXPONENT, &value(CKA_PUBLIC_EXPONENT));
    let own = fixture.create_object(session, &template).unwrap();
    (session, private, [public, own])
}

#[test]
fn good_and_bad_signatures_by_every_function() {
    let fixture = Fixture::plastic();
    let (session, private, publics) = keys(&fixture);
    for kind in ALL {
        let (mechanism, data) = (Mechanism::usual(kind), data_for(kind));
        let good = fixture
            .sign_once(session, &mechanism, private, &data)
            .unwrap();
        let mut bad = good.clone();
        bad[200] ^= 1;
        let ((), apdus) = fixture.apdus(|| {
            for key in publics {
                for (signature, expected) in [
                    (&good[..], Ok(())),
                    (&bad, Err(CKR_SIGNATURE_INVALID)),
                    (&good[..255], Err(CKR_SIGNATURE_LEN_RANGE)),
                    (&[], Err(CKR_SIGNATURE_LEN_RANGE)),
                ] {
                    fixture.verify_init(session, &mechanism, key).unwrap();
                    assert_eq!(fixture.verify(session, &data, signature), expected);

                    fixture.verify_init(session, &mechanism, key).unwrap();
                    for part in data.chunks(9) {
                        fixture.verify_update(session, part).unwrap();
                    }
                    assert_eq!(fixture.verify_final(session, signature), expected);

                    let begin =
                        || fixture.verify_signature_init(session, &mechanism, key, signature);
                    // A signature that is given first is refused first, if its length is wrong.
                    let whole = begin().and_then(|()| fixture.verify_signature(session, &data));
                    assert_eq!(whole, expected);
                    let parts = begin().and_then(|()| {
                        for part in data.chunks(9) {
                            fixture.verify_signature_update(session, part)?;
                        }
                        fixture.verify_signature_final(session)
                    });
                    assert_eq!(parts, expected);

                    fixture
                        .message_verify_init(session, &mechanism, key)
                        .unwrap();
                    assert_eq!(fixture.verify_message(session, &data, signature), expected);
                    fixture.verify_message_begin(session).unwrap();
                    let (start, end) = data.split_at(5);
                    fixture.verify_message_next(session, start, None).unwrap();
                    let told = fixture.verify_message_next(session, end, Some(signature));
                    // An empty signature is none: more parts follow.
                    if !signature.is_empty() {
                        assert_eq!(told, expected);
                    }
                    fixture.session_cancel(session, CKF_MESSAGE_VERIFY).unwrap();
                }
            }
        });
        assert_eq!(apdus, 0);
    }
}

#[test]
fn verify_needs_no_login() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    let private = fixture.private_key(session);
    let signature = fixture
        .sign_once(session, &mechanism, private, b"data")
        .unwrap();
    fixture.logout(session).unwrap();
    let key = fixture.public_key(session);
    fixture.verify_init(session, &mechanism, key).unwrap();
    assert_eq!(fixture.verify(session, b"data", &signature), Ok(()));
    fixture.verify_init(session, &mechanism, key).unwrap();
    assert_eq!(
        fixture.verify(session, b"other", &signature),
        Err(CKR_SIGNATURE_INVALID)
    );
}

#[test]
fn private_key_does_not_verify() {
    let fixture = Fixture::plastic();
    let (session, private, _) = keys(&fixture);
    let begun = fixture.verify_init(session, &Mechanism::plain(CKM_RSA_PKCS), private);
    assert_eq!(begun, Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
}

#[test]
fn verify_recover_returns_the_data() {
    let fixture = Fixture::plastic();
    let (session, private, publics) = keys(&fixture);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    let signature = fixture.sign_once(session, &rsa, private, b"data").unwrap();
    for key in publics {
        fixture.verify_recover_init(session, &rsa, key).unwrap();
        assert_eq!(
            fixture.verify_recover(session, &signature),
            Ok(b"data".to_vec())
        );
        fixture.verify_recover_init(session, &rsa, key).unwrap();
        let wrong = fixture.verify_recover(session, &[0x55; 256]);
        assert_eq!(wrong, Err(CKR_SIGNATURE_INVALID));
    }
}

#[test]
fn digests_are_correct() {
    let fixture = Fixture::plastic();
    let session = fixture.open(SIGN);
    let data: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let ((), apdus) = fixture.apdus(|| {
        for (kind, expected) in [
            (CKM_SHA_1, Sha1::digest(&data).to_vec()),
            (CKM_SHA224, Sha224::digest(&data).to_vec()),
            (CKM_SHA256, Sha256::digest(&data).to_vec()),
            (CKM_SHA384, Sha384::digest(&data).to_vec()),
            (CKM_SHA512, Sha512::digest(&data).to_vec()),
        ] {
            let mechanism = Mechanism::plain(kind);
            fixture.digest_init(session, &mechanism).unwrap();
            // The helper asks for the length first: the operation must survive that.
            assert_eq!(fixture.digest(session, &data).unwrap(), expected);
            fixture.digest_init(session, &mechanism).unwrap();
            for part in data.chunks(77) {
                fixture.digest_update(session, part).unwrap();
            }
            assert_eq!(fixture.digest_final(session).unwrap(), expected);
            let over = fixture.digest_final(session);
            assert_eq!(over, Err(CKR_OPERATION_NOT_INITIALIZED));
        }
    });
    assert_eq!(apdus, 0);
    for kind in [CKM_MD5, CKM_RSA_PKCS, 0x7777_7777] {
        let begun = fixture.digest_init(session, &Mechanism::plain(kind));
        assert_eq!(begun, Err(CKR_MECHANISM_INVALID));
    }
}

#[test]
fn digest_key_is_refused() {
    let fixture = Fixture::plastic();
    let (session, private, publics) = keys(&fixture);
    fixture
        .digest_init(session, &Mechanism::plain(CKM_SHA256))
        .unwrap();
    for (key, code) in [
        (private, CKR_KEY_INDIGESTIBLE),
        (publics[0], CKR_KEY_INDIGESTIBLE),
        (9999, CKR_KEY_HANDLE_INVALID),
    ] {
        assert_eq!(fixture.digest_key(session, key), Err(code));
    }
}

#[test]
fn random_bytes_come_from_the_card() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    for (length, apdus) in [(0, 0), (1, 1), (32, 1), (256, 1), (257, 2), (1000, 4)] {
        let (bytes, sent) = fixture.apdus(|| fixture.random(session, length).unwrap());
        assert_eq!((bytes.len(), sent), (length, apdus));
    }
    let (last, _) = fixture.reader().exchanges().pop().unwrap();
    assert_eq!(last, [0x00, 0x84, 0x00, 0x00, 0xE8], "1000 - 3 * 256");
    assert_ne!(fixture.random(session, 32), fixture.random(session, 32));
    let mut bytes = fixture.random(session, 4096).unwrap();
    bytes.sort_unstable();
    bytes.dedup();
    assert!(bytes.len() > 200, "{} values", bytes.len());
    assert_eq!(
        fixture.seed_random(session, b"seed"),
        Err(CKR_RANDOM_SEED_NOT_SUPPORTED)
    );
}

#[test]
fn longer_keys_of_a_session_take_longer_data() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    for bytes in [128, 256, 512] {
        let key = Template::class(CKO_PUBLIC_KEY)
            .number(CKA_KEY_TYPE, CKK_RSA)
            .bytes(CKA_MODULUS, &vec![0xFF; bytes])
            .bytes(CKA_PUBLIC_EXPONENT, &[1, 0, 1]);
        let key = fixture.create_object(session, &key).unwrap();
        let plain = Mechanism::plain(CKM_RSA_PKCS);
        let verify = |length: usize| {
            fixture.verify_init(session, &plain, key).unwrap();
            fixture.verify(session, &vec![7; length], &vec![1; bytes])
        };
        // PKCS#11, 6.1.6: k-11 bytes.
        assert_eq!(verify(bytes - 11), Err(CKR_SIGNATURE_INVALID), "{bytes}");
        assert_eq!(verify(bytes - 10), Err(CKR_DATA_LEN_RANGE), "{bytes}");
    }
}

#[test]
fn families_of_functions_do_not_mix() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let key = fixture.public_key(session);
    let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    let none = Err(CKR_OPERATION_NOT_INITIALIZED);
    let signature = [0; 256];
    type Call = fn(&Fixture, CK_SESSION_HANDLE) -> Result<(), CK_RV>;
    let of_signature: [Call; 3] = [
        |it, session| it.verify_signature(session, b"data"),
        |it, session| it.verify_signature_update(session, b"data"),
        |it, session| it.verify_signature_final(session),
    ];
    for call in of_signature {
        fixture.verify_init(session, &mechanism, key).unwrap();
        assert_eq!(call(&fixture, session), none);
        let _ = fixture.session_cancel(session, CKF_VERIFY);
    }
    let usual: [Call; 3] = [
        |it, session| it.verify(session, b"data", &[0; 256]),
        |it, session| it.verify_update(session, b"data"),
        |it, session| it.verify_final(session, &[0; 256]),
    ];
    for call in usual {
        fixture
            .verify_signature_init(session, &mechanism, key, &signature)
            .unwrap();
        assert_eq!(call(&fixture, session), none);
        let _ = fixture.session_cancel(session, CKF_VERIFY);
    }
}
