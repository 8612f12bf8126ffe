//! Signatures by every mechanism of both tokens (PKCS#11 3.2, 5.13 and 5.14).

use crate::common::config::AlwaysAuthenticate;
use crate::common::proof::{data_for, is_signature, key_of};
use crate::common::{AUTH, Fixture, Mechanism, SIGN, Template};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;

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

/// For tests that sign often with the signature key.
fn batch() -> Fixture {
    Fixture::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::No;
    })
}

fn signatures(fixture: &Fixture) -> u64 {
    let counters = fixture.counters();
    counters.auth_signatures + counters.sign_signatures
}

fn certificate(fixture: &Fixture, session: CK_SESSION_HANDLE, id: u8) -> Vec<u8> {
    let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
    let object = fixture.find_one(session, &template);
    fixture.attribute(session, object, CKA_VALUE).unwrap()
}

#[test]
fn every_mechanism_signs_in_one_part_and_in_many() {
    let fixture = batch();
    for (slot, id) in [(AUTH, 1), (SIGN, 2)] {
        let session = fixture.logged_in(slot);
        let key = fixture.private_key(session);
        let public = key_of(&certificate(&fixture, session, id));
        let allowed = fixture
            .attribute(session, key, CKA_ALLOWED_MECHANISMS)
            .unwrap();
        assert_eq!(allowed.len(), ALL.len() * size_of::<CK_MECHANISM_TYPE>());
        for kind in ALL {
            let (mechanism, data) = (Mechanism::usual(kind), data_for(kind));
            let signature = fixture.sign_once(session, &mechanism, key, &data).unwrap();
            assert!(is_signature(kind, &public, &data, &signature), "{kind:#x}");
            fixture.sign_init(session, &mechanism, key).unwrap();
            for part in data.chunks(7) {
                fixture.sign_update(session, part).unwrap();
            }
            let signature = fixture.sign_final(session).unwrap();
            assert!(is_signature(kind, &public, &data, &signature), "{kind:#x}");
            assert_eq!(
                fixture.sign(session, &data),
                Err(CKR_OPERATION_NOT_INITIALIZED)
            );
        }
    }
    assert_eq!(signatures(&fixture), 32);
}

#[test]
fn length_query_sends_no_apdu_and_keeps_the_operation() {
    let fixture = Fixture::plastic();
    for slot in [AUTH, SIGN] {
        let session = fixture.logged_in(slot);
        let key = fixture.private_key(session);
        let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
        fixture.sign_init(session, &rsa, key).unwrap();
        let small = Err(CKR_BUFFER_TOO_SMALL);
        let ((), apdus) = fixture.apdus(|| {
            for _ in 0..3 {
                assert_eq!(fixture.sign_length(session, b"data", None), (Ok(()), 256));
                assert_eq!(fixture.sign_length(session, b"data", Some(0)), (small, 256));
                assert_eq!(
                    fixture.sign_length(session, b"data", Some(255)),
                    (small, 256)
                );
            }
        });
        assert_eq!(apdus, 0);
        let signature = fixture.sign(session, b"data").unwrap();
        let id = if slot == AUTH { 1 } else { 2 };
        let public = key_of(&certificate(&fixture, session, id));
        // The data are those of the last call, not of all of them.
        assert!(is_signature(rsa.kind, &public, b"data", &signature));
    }
}

#[test]
fn length_query_of_sign_final_keeps_the_operation() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    fixture.sign_init(session, &rsa, key).unwrap();
    fixture.sign_update(session, b"da").unwrap();
    fixture.sign_update(session, b"ta").unwrap();
    let ((), apdus) = fixture.apdus(|| {
        assert_eq!(fixture.sign_final_length(session, None), (Ok(()), 256));
        let small = Err(CKR_BUFFER_TOO_SMALL);
        assert_eq!(fixture.sign_final_length(session, Some(10)), (small, 256));
    });
    assert_eq!(apdus, 0);
    let signature = fixture.sign_final(session).unwrap();
    let public = key_of(&certificate(&fixture, session, 1));
    assert!(is_signature(rsa.kind, &public, b"data", &signature));
}

#[test]
fn other_pss_parameters_are_refused() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    for kind in [CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS] {
        for mechanism in [
            Mechanism::plain(kind),
            Mechanism::pss(kind, CKM_SHA384, CKG_MGF1_SHA384, 48),
            Mechanism::pss(kind, CKM_SHA256, CKG_MGF1_SHA1, 32),
            Mechanism::pss(kind, CKM_SHA256, CKG_MGF1_SHA256, 20),
            Mechanism::pss(kind, CKM_SHA256, CKG_MGF1_SHA256, 0),
        ] {
            let begun = fixture.sign_init(session, &mechanism, key);
            assert_eq!(begun, Err(CKR_MECHANISM_PARAM_INVALID));
        }
    }
    assert_eq!(signatures(&fixture), 0);
}

#[test]
fn data_of_the_wrong_length_does_not_reach_the_card() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    for (kind, length, code) in [
        (CKM_RSA_PKCS, 0, Some(CKR_DATA_LEN_RANGE)),
        (CKM_RSA_PKCS, 1, None),
        (CKM_RSA_PKCS, 245, None),
        (CKM_RSA_PKCS, 246, Some(CKR_DATA_LEN_RANGE)),
        (CKM_RSA_PKCS, 70_000, Some(CKR_DATA_LEN_RANGE)),
        (CKM_RSA_PKCS_PSS, 31, Some(CKR_DATA_LEN_RANGE)),
        (CKM_RSA_PKCS_PSS, 33, Some(CKR_DATA_LEN_RANGE)),
        (CKM_SHA256_RSA_PKCS, 0, None),
    ] {
        let before = signatures(&fixture);
        let signed = fixture.sign_once(session, &Mechanism::usual(kind), key, &vec![7; length]);
        assert_eq!(signed.err(), code, "{kind:#x} {length}");
        let made = signatures(&fixture) - before;
        assert_eq!(made, u64::from(code.is_none()));
        // The operation is over either way.
        let again = fixture.sign(session, b"x");
        assert_eq!(again, Err(CKR_OPERATION_NOT_INITIALIZED));
    }
}

#[test]
fn refused_pss_is_withdrawn_until_the_next_insertion() {
    let fixture = Fixture::with("plastic,raw-scheme-only");
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let pss = Mechanism::card_pss(CKM_SHA256_RSA_PKCS_PSS);
    assert!(fixture.mechanisms(AUTH).unwrap().contains(&pss.kind));
    let signed = fixture.sign_once(session, &pss, key, b"data");
    // For C_Sign the standard has no CKR_MECHANISM_INVALID.
    assert_eq!(signed, Err(CKR_FUNCTION_FAILED));
    assert!(!fixture.is_open());
    for slot in [AUTH, SIGN] {
        let listed = fixture.mechanisms(slot).unwrap();
        assert!(!listed.contains(&CKM_RSA_PKCS_PSS) && !listed.contains(&pss.kind));
        let info = fixture.mechanism_info(slot, pss.kind);
        assert_eq!(info.unwrap_err(), CKR_MECHANISM_INVALID);
    }
    let allowed = fixture.attribute(session, key, CKA_ALLOWED_MECHANISMS);
    assert_eq!(allowed.unwrap().len(), 6 * size_of::<CK_MECHANISM_TYPE>());
    let (begun, apdus) = fixture.apdus(|| fixture.sign_init(session, &pss, key));
    assert_eq!((begun, apdus), (Err(CKR_MECHANISM_INVALID), 0));
    // The login is still valid.
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    fixture.sign_once(session, &rsa, key, b"data").unwrap();
    fixture.take_out();
    fixture.put_back();
    assert!(fixture.mechanisms(AUTH).unwrap().contains(&pss.kind));
}

#[test]
fn disabled_mechanisms_are_refused() {
    let fixture = Fixture::configured("plastic", |config| {
        (config.pss, config.sha1) = (false, false);
    });
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    for kind in ALL {
        let off = [CKM_SHA1_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS].contains(&kind);
        let signed = fixture.sign_once(session, &Mechanism::usual(kind), key, &data_for(kind));
        assert_eq!(
            signed.err(),
            off.then_some(CKR_MECHANISM_INVALID),
            "{kind:#x}"
        );
    }
    assert_eq!(signatures(&fixture), 5);
}

#[test]
fn pss_signature_with_another_salt_length_is_rejected() {
    for salt in [0, 20, 64] {
        let fixture = Fixture::with(&format!("plastic,pss-salt={salt}"));
        let session = fixture.logged_in(AUTH);
        let key = fixture.private_key(session);
        for kind in [CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS] {
            let mechanism = Mechanism::card_pss(kind);
            let signed = fixture.sign_once(session, &mechanism, key, &data_for(CKM_RSA_PKCS_PSS));
            assert!(
                matches!(
                    signed,
                    Err(CKR_MECHANISM_INVALID | CKR_FUNCTION_FAILED | CKR_DEVICE_ERROR)
                ),
                "{signed:?}"
            );
        }
        assert!(
            !fixture
                .mechanisms(AUTH)
                .unwrap()
                .contains(&CKM_RSA_PKCS_PSS)
        );
        let rsa = Mechanism::plain(CKM_RSA_PKCS);
        fixture.sign_once(session, &rsa, key, b"data").unwrap();
    }
}

#[test]
fn wrong_signature_is_rejected() {
    let fixture = Fixture::with("plastic,wrong-signatures");
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    for kind in ALL {
        let signed = fixture.sign_once(session, &Mechanism::usual(kind), key, &data_for(kind));
        assert_eq!(signed, Err(CKR_DEVICE_ERROR), "{kind:#x}");
    }
    let sign = fixture.logged_in(SIGN);
    let key = fixture.private_key(sign);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    assert_eq!(
        fixture.sign_once(sign, &rsa, key, b"data"),
        Err(CKR_DEVICE_ERROR)
    );
    assert_eq!(signatures(&fixture), 9);
    assert!(!fixture.is_open());
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn incomplete_signature_is_rejected_and_not_repeated() {
    for misbehaviour in [
        Misbehaviour::Truncated,
        Misbehaviour::Random,
        Misbehaviour::OneByte,
        Misbehaviour::Empty,
        Misbehaviour::Oversized,
    ] {
        let fixture = Fixture::plastic();
        let session = fixture.logged_in(AUTH);
        let key = fixture.private_key(session);
        let rsa = Mechanism::plain(CKM_RSA_PKCS);
        // SELECT, VERIFY, and then the signature.
        fixture.reader().misbehave(3, misbehaviour.clone());
        let signed = fixture.sign_once(session, &rsa, key, b"data");
        assert_eq!(signed, Err(CKR_DEVICE_ERROR), "{misbehaviour:?}");
        assert_eq!(signatures(&fixture), 1);
        assert!(!fixture.is_open());
        fixture.sign_once(session, &rsa, key, b"data").unwrap();
        assert_eq!(fixture.tries(), (3, 5));
    }
}

#[test]
fn other_keys_do_not_sign() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    let certificate = fixture.find_one(
        session,
        &Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]),
    );
    let public = fixture.public_key(session);
    let private = fixture.private_key(session);
    for (key, code) in [
        (0, CKR_KEY_HANDLE_INVALID),
        (9999, CKR_KEY_HANDLE_INVALID),
        (certificate, CKR_KEY_HANDLE_INVALID),
        (public, CKR_KEY_FUNCTION_NOT_PERMITTED),
    ] {
        assert_eq!(fixture.sign_init(session, &rsa, key), Err(code));
    }
    let other_token = fixture.logged_in(SIGN);
    let strange = fixture.sign_init(other_token, &rsa, private);
    assert_eq!(strange, Err(CKR_KEY_HANDLE_INVALID));
    for kind in [CKM_SHA256, CKM_RSA_X_509, CKM_ECDSA, 0x7777_7777] {
        let begun = fixture.sign_init(session, &Mechanism::plain(kind), private);
        assert_eq!(begun, Err(CKR_MECHANISM_INVALID));
    }
}

/// "Always terminates": no signature of another message than the program's can follow.
#[test]
fn single_part_call_after_an_update_ends_the_operation() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let public = fixture.public_key(session);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    let active = Err(CKR_OPERATION_ACTIVE);
    let over = Err(CKR_OPERATION_NOT_INITIALIZED);
    let before = fixture.counters().auth_signatures;

    fixture.sign_init(session, &rsa, key).unwrap();
    fixture.sign_update(session, b"data").unwrap();
    assert_eq!(fixture.sign_length(session, b"", None).0, active);
    assert_eq!(fixture.sign_final(session).map(|_| ()), over);
    fixture.sign_init(session, &rsa, key).unwrap();
    fixture.sign_update(session, b"data").unwrap();
    assert_eq!(fixture.sign(session, b"data").map(|_| ()), active);
    assert_eq!(fixture.sign_final(session).map(|_| ()), over);
    assert_eq!(fixture.counters().auth_signatures, before);

    let sha = Mechanism::plain(CKM_SHA256);
    fixture.digest_init(session, &sha).unwrap();
    fixture.digest_update(session, b"data").unwrap();
    assert_eq!(fixture.digest(session, b"data").map(|_| ()), active);
    assert_eq!(fixture.digest_final(session).map(|_| ()), over);

    let signature = fixture.signature(session).unwrap();
    fixture.verify_init(session, &rsa, public).unwrap();
    fixture.verify_update(session, b"data").unwrap();
    assert_eq!(fixture.verify(session, b"data", &signature), active);
    assert_eq!(fixture.verify_final(session, &signature), over);
    fixture.sign_once(session, &rsa, key, b"data").unwrap();
}

/// The final function would sign, or hash, the empty message.
#[test]
fn final_call_after_a_length_query_in_one_part_ends_the_operation() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    let active = Err(CKR_OPERATION_ACTIVE);
    let over = Err(CKR_OPERATION_NOT_INITIALIZED);
    fixture.sign_init(session, &rsa, key).unwrap();
    assert_eq!(fixture.sign_length(session, b"data", None), (Ok(()), 256));
    assert_eq!(fixture.sign_final(session).map(|_| ()), active);
    assert_eq!(fixture.sign_final(session).map(|_| ()), over);
    assert_eq!(fixture.counters().auth_signatures, 0);
    // Who only wanted to know the length may go on in parts.
    fixture.sign_init(session, &rsa, key).unwrap();
    assert_eq!(fixture.sign_length(session, b"", None), (Ok(()), 256));
    fixture.sign_update(session, b"data").unwrap();
    fixture.sign_final(session).unwrap();

    let sha = Mechanism::plain(CKM_SHA256);
    fixture.digest_init(session, &sha).unwrap();
    assert_eq!(fixture.digest_length(session, b"data"), Ok(32));
    assert_eq!(fixture.digest_final(session).map(|_| ()), active);
    assert_eq!(fixture.digest_final(session).map(|_| ()), over);
    fixture.digest_init(session, &sha).unwrap();
    assert_eq!(fixture.digest_length(session, b""), Ok(32));
    fixture.digest_update(session, b"data").unwrap();
    fixture.digest_final(session).unwrap();
}

#[test]
fn error_in_a_part_of_a_message_ends_the_message() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    let (key, public) = (fixture.private_key(session), fixture.public_key(session));
    let list = fixture.list;
    fixture.message_sign_init(session, &rsa, key).unwrap();
    fixture.message_verify_init(session, &rsa, public).unwrap();
    for parameter in [false, true] {
        let mut byte = 0;
        // NULL with a length for the part; or a parameter, which our mechanisms do not have.
        let given = match parameter {
            true => (std::ptr::from_mut(&mut byte), 1, 0),
            false => (std::ptr::null_mut(), 0, 4),
        };
        let (pointer, length, part) = given;
        let code = match parameter {
            true => CKR_MECHANISM_PARAM_INVALID,
            false => CKR_ARGUMENTS_BAD,
        };
        let null: *mut CK_BYTE = std::ptr::null_mut();
        fixture.sign_message_begin(session).unwrap();
        fixture.verify_message_begin(session).unwrap();
        // SAFETY: every pointer is NULL or good for its length, but for the part, which is never read.
        let rv = unsafe {
            list.C_SignMessageNext.unwrap()(
                session,
                pointer.cast(),
                length,
                null,
                part,
                null,
                null.cast(),
            )
        };
        assert_eq!(rv, code);
        let next = fixture.sign_message_next(session, b"data");
        assert_eq!(next, Err(CKR_OPERATION_NOT_INITIALIZED));

        // The other message goes on until its own error.
        fixture.verify_message_next(session, b"data", None).unwrap();
        fixture.sign_message_begin(session).unwrap();
        // SAFETY: as above.
        let rv = unsafe {
            list.C_VerifyMessageNext.unwrap()(session, pointer.cast(), length, null, part, null, 0)
        };
        assert_eq!(rv, code);
        let next = fixture.verify_message_next(session, b"data", None);
        assert_eq!(next, Err(CKR_OPERATION_NOT_INITIALIZED));
        fixture.sign_message_last(session, b"data").unwrap();
    }
    // A signature that is NULL means that more parts follow, whatever the length beside it.
    let signature = fixture.sign_message(session, b"data").unwrap();
    fixture.verify_message_begin(session).unwrap();
    let mut part = *b"data";
    let null: *mut CK_BYTE = std::ptr::null_mut();
    // SAFETY: as above.
    let rv = unsafe {
        list.C_VerifyMessageNext.unwrap()(session, null.cast(), 0, part.as_mut_ptr(), 4, null, 256)
    };
    assert_eq!(rv, CKR_OK);
    assert_eq!(
        fixture.verify_message_next(session, b"", Some(&signature)),
        Ok(())
    );
}

#[test]
fn one_message_operation_signs_many_messages() {
    let fixture = Fixture::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::No;
    });
    for (slot, id) in [(AUTH, 1), (SIGN, 2)] {
        let session = fixture.logged_in(slot);
        let key = fixture.private_key(session);
        let public = key_of(&certificate(&fixture, session, id));
        for kind in ALL {
            let (mechanism, data) = (Mechanism::usual(kind), data_for(kind));
            fixture.message_sign_init(session, &mechanism, key).unwrap();
            for _ in 0..2 {
                let signature = fixture.sign_message(session, &data).unwrap();
                assert!(is_signature(kind, &public, &data, &signature));
            }
            fixture.sign_message_begin(session).unwrap();
            let early = fixture.message_sign_final(session);
            assert_eq!(early, Err(CKR_OPERATION_ACTIVE));
            let (start, end) = data.split_at(data.len() / 2);
            fixture.sign_message_next(session, start).unwrap();
            let signature = fixture.sign_message_last(session, end).unwrap();
            assert!(is_signature(kind, &public, &data, &signature));
            fixture.message_sign_final(session).unwrap();
            let over = fixture.sign_message(session, &data);
            assert_eq!(over, Err(CKR_OPERATION_NOT_INITIALIZED));
        }
    }
}

#[test]
fn handles_of_other_objects_sign_nothing() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let certificate = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]);
    let certificate = fixture.find_one(session, &certificate);
    let data = Template::class(CKO_DATA).bytes(CKA_VALUE, b"x");
    let data = fixture.create_object(session, &data).unwrap();
    let on_card = fixture.public_key(session);
    let here = Template::new().flag(CKA_TOKEN, false);
    let copied = fixture.copy_object(session, on_card, &here).unwrap();
    for (object, code) in [
        (certificate, CKR_KEY_HANDLE_INVALID),
        (data, CKR_KEY_HANDLE_INVALID),
        (on_card, CKR_KEY_FUNCTION_NOT_PERMITTED),
        (copied, CKR_KEY_FUNCTION_NOT_PERMITTED),
    ] {
        let begun = fixture.sign_init(session, &Mechanism::plain(CKM_RSA_PKCS), object);
        assert_eq!(begun, Err(code));
    }
}
