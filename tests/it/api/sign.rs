//! Signatures (PKCS#11 3.2, 5.13 and 5.14; product.md, section 3). What belongs here: every
//! mechanism on both tokens, checked by somebody else, and what never leaves the module.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod common;

use common::proof::{data_for, is_signature, key_of};
use common::{AUTH, Mechanism, PASSWORD, SIGN, Stage, Template};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;
use jpki_pkcs11::config::AlwaysAuthenticate;

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
fn batch() -> Stage {
    Stage::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::No;
    })
}

fn signatures(stage: &Stage) -> u64 {
    let counters = stage.counters();
    counters.auth_signatures + counters.sign_signatures
}

fn certificate(stage: &Stage, session: CK_SESSION_HANDLE, id: u8) -> Vec<u8> {
    let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
    let object = stage.find_one(session, &template);
    stage.attribute(session, object, CKA_VALUE).unwrap()
}

#[test]
fn every_mechanism_of_both_tokens_in_one_part_and_in_many() {
    let stage = batch();
    for (slot, id) in [(AUTH, 1), (SIGN, 2)] {
        let session = stage.logged_in(slot);
        let key = stage.private_key(session);
        let public = key_of(&certificate(&stage, session, id));
        let allowed = stage
            .attribute(session, key, CKA_ALLOWED_MECHANISMS)
            .unwrap();
        assert_eq!(allowed.len(), ALL.len() * size_of::<CK_MECHANISM_TYPE>());
        for kind in ALL {
            let (mechanism, data) = (Mechanism::usual(kind), data_for(kind));
            let signature = stage.sign_once(session, &mechanism, key, &data).unwrap();
            assert!(is_signature(kind, &public, &data, &signature), "{kind:#x}");
            stage.sign_init(session, &mechanism, key).unwrap();
            for part in data.chunks(7) {
                stage.sign_update(session, part).unwrap();
            }
            let signature = stage.sign_final(session).unwrap();
            assert!(is_signature(kind, &public, &data, &signature), "{kind:#x}");
            assert_eq!(
                stage.sign(session, &data),
                Err(CKR_OPERATION_NOT_INITIALIZED)
            );
        }
    }
    assert_eq!(signatures(&stage), 32);
}

#[test]
fn a_question_for_the_length_costs_nothing_and_keeps_the_operation() {
    let stage = Stage::plastic();
    for slot in [AUTH, SIGN] {
        let session = stage.logged_in(slot);
        let key = stage.private_key(session);
        let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
        stage.sign_init(session, &rsa, key).unwrap();
        let small = Err(CKR_BUFFER_TOO_SMALL);
        let ((), apdus) = stage.apdus(|| {
            for _ in 0..3 {
                assert_eq!(stage.sign_length(session, b"data", None), (Ok(()), 256));
                assert_eq!(stage.sign_length(session, b"data", Some(0)), (small, 256));
                assert_eq!(stage.sign_length(session, b"data", Some(255)), (small, 256));
            }
        });
        assert_eq!(apdus, 0);
        let signature = stage.sign(session, b"data").unwrap();
        let id = if slot == AUTH { 1 } else { 2 };
        let public = key_of(&certificate(&stage, session, id));
        // The data are those of the last call, not of all of them.
        assert!(is_signature(rsa.kind, &public, b"data", &signature));
    }
}

#[test]
fn the_same_in_parts() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    stage.sign_init(session, &rsa, key).unwrap();
    stage.sign_update(session, b"da").unwrap();
    stage.sign_update(session, b"ta").unwrap();
    let ((), apdus) = stage.apdus(|| {
        assert_eq!(stage.sign_final_length(session, None), (Ok(()), 256));
        let small = Err(CKR_BUFFER_TOO_SMALL);
        assert_eq!(stage.sign_final_length(session, Some(10)), (small, 256));
    });
    assert_eq!(apdus, 0);
    let signature = stage.sign_final(session).unwrap();
    let public = key_of(&certificate(&stage, session, 1));
    assert!(is_signature(rsa.kind, &public, b"data", &signature));
}

#[test]
fn only_the_cards_own_pss() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    for kind in [CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS] {
        for mechanism in [
            Mechanism::plain(kind),
            Mechanism::pss(kind, CKM_SHA384, CKG_MGF1_SHA384, 48),
            Mechanism::pss(kind, CKM_SHA256, CKG_MGF1_SHA1, 32),
            Mechanism::pss(kind, CKM_SHA256, CKG_MGF1_SHA256, 20),
            Mechanism::pss(kind, CKM_SHA256, CKG_MGF1_SHA256, 0),
        ] {
            let begun = stage.sign_init(session, &mechanism, key);
            assert_eq!(begun, Err(CKR_MECHANISM_PARAM_INVALID));
        }
    }
    assert_eq!(signatures(&stage), 0);
}

#[test]
fn data_that_the_card_would_not_take_do_not_reach_it() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
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
        let before = signatures(&stage);
        let signed = stage.sign_once(session, &Mechanism::usual(kind), key, &vec![7; length]);
        assert_eq!(signed.err(), code, "{kind:#x} {length}");
        let made = signatures(&stage) - before;
        assert_eq!(made, u64::from(code.is_none()));
        // The operation is over either way.
        let again = stage.sign(session, b"x");
        assert_eq!(again, Err(CKR_OPERATION_NOT_INITIALIZED));
    }
}

#[test]
fn a_card_that_refuses_pss_has_none_until_it_is_put_in_again() {
    let stage = Stage::with("plastic,raw-scheme-only");
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    let pss = Mechanism::card_pss(CKM_SHA256_RSA_PKCS_PSS);
    assert!(stage.mechanisms(AUTH).unwrap().contains(&pss.kind));
    let signed = stage.sign_once(session, &pss, key, b"data");
    assert_eq!(signed, Err(CKR_MECHANISM_INVALID));
    assert!(!stage.is_open());
    for slot in [AUTH, SIGN] {
        let listed = stage.mechanisms(slot).unwrap();
        assert!(!listed.contains(&CKM_RSA_PKCS_PSS) && !listed.contains(&pss.kind));
        let info = stage.mechanism_info(slot, pss.kind);
        assert_eq!(info.unwrap_err(), CKR_MECHANISM_INVALID);
    }
    let allowed = stage.attribute(session, key, CKA_ALLOWED_MECHANISMS);
    assert_eq!(allowed.unwrap().len(), 6 * size_of::<CK_MECHANISM_TYPE>());
    let (begun, apdus) = stage.apdus(|| stage.sign_init(session, &pss, key));
    assert_eq!((begun, apdus), (Err(CKR_MECHANISM_INVALID), 0));
    // The login is none the worse.
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    stage.sign_once(session, &rsa, key, b"data").unwrap();
    stage.take_out();
    stage.put_back();
    assert!(stage.mechanisms(AUTH).unwrap().contains(&pss.kind));
}

#[test]
fn what_the_configuration_switches_off_is_not_there() {
    let stage = Stage::configured("plastic", |config| {
        (config.pss, config.sha1) = (false, false);
    });
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    for kind in ALL {
        let off = [CKM_SHA1_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS].contains(&kind);
        let signed = stage.sign_once(session, &Mechanism::usual(kind), key, &data_for(kind));
        assert_eq!(
            signed.err(),
            off.then_some(CKR_MECHANISM_INVALID),
            "{kind:#x}"
        );
    }
    assert_eq!(signatures(&stage), 5);
}

#[test]
fn a_pss_salt_of_another_length_never_leaves() {
    for salt in [0, 20, 64] {
        let stage = Stage::with(&format!("plastic,pss-salt={salt}"));
        let session = stage.logged_in(AUTH);
        let key = stage.private_key(session);
        for kind in [CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS] {
            let mechanism = Mechanism::card_pss(kind);
            let signed = stage.sign_once(session, &mechanism, key, &data_for(CKM_RSA_PKCS_PSS));
            assert!(
                matches!(signed, Err(CKR_MECHANISM_INVALID | CKR_DEVICE_ERROR)),
                "{signed:?}"
            );
        }
        let rsa = Mechanism::plain(CKM_RSA_PKCS);
        stage.sign_once(session, &rsa, key, b"data").unwrap();
    }
}

#[test]
fn a_wrong_signature_never_leaves() {
    let stage = Stage::with("plastic,wrong-signatures");
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    for kind in ALL {
        let signed = stage.sign_once(session, &Mechanism::usual(kind), key, &data_for(kind));
        assert_eq!(signed, Err(CKR_DEVICE_ERROR), "{kind:#x}");
    }
    assert_eq!(signatures(&stage), 8);
    assert!(!stage.is_open());
    assert_eq!(stage.tries(), (3, 5));
}

#[test]
fn a_torn_signature_never_leaves_and_is_not_repeated() {
    for misbehaviour in [
        Misbehaviour::Truncated,
        Misbehaviour::Random,
        Misbehaviour::OneByte,
        Misbehaviour::Empty,
        Misbehaviour::Oversized,
    ] {
        let stage = Stage::plastic();
        let session = stage.logged_in(AUTH);
        let key = stage.private_key(session);
        let rsa = Mechanism::plain(CKM_RSA_PKCS);
        // SELECT, VERIFY, and then the signature.
        stage.reader().misbehave(3, misbehaviour.clone());
        let signed = stage.sign_once(session, &rsa, key, b"data");
        assert_eq!(signed, Err(CKR_DEVICE_ERROR), "{misbehaviour:?}");
        assert_eq!(signatures(&stage), 1);
        assert!(!stage.is_open());
        stage.sign_once(session, &rsa, key, b"data").unwrap();
        assert_eq!(stage.tries(), (3, 5));
    }
}

#[test]
fn keys_that_do_not_sign() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    let certificate = stage.find_one(
        session,
        &Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]),
    );
    let public = stage.public_key(session);
    let private = stage.private_key(session);
    for (key, code) in [
        (0, CKR_KEY_HANDLE_INVALID),
        (9999, CKR_KEY_HANDLE_INVALID),
        (certificate, CKR_KEY_HANDLE_INVALID),
        (public, CKR_KEY_FUNCTION_NOT_PERMITTED),
    ] {
        assert_eq!(stage.sign_init(session, &rsa, key), Err(code));
    }
    let other_token = stage.logged_in(SIGN);
    let strange = stage.sign_init(other_token, &rsa, private);
    assert_eq!(strange, Err(CKR_KEY_HANDLE_INVALID));
    for kind in [CKM_SHA256, CKM_RSA_X_509, CKM_ECDSA, 0x7777_7777] {
        let begun = stage.sign_init(session, &Mechanism::plain(kind), private);
        assert_eq!(begun, Err(CKR_MECHANISM_INVALID));
    }
}

#[test]
fn one_part_and_many_do_not_mix() {
    let stage = Stage::plastic();
    let session = stage.logged_in(AUTH);
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    stage.sign_init(session, &rsa, key).unwrap();
    stage.sign_update(session, b"data").unwrap();
    assert_eq!(stage.sign(session, b"data"), Err(CKR_OPERATION_ACTIVE));
    stage.sign_cancel(session).unwrap();
    let over = stage.sign_final(session);
    assert_eq!(over, Err(CKR_OPERATION_NOT_INITIALIZED));
    stage.sign_init(session, &rsa, key).unwrap();
    stage.sign(session, b"data").unwrap();
}

#[test]
fn message_after_message() {
    let stage = Stage::configured("plastic", |config| {
        config.always_authenticate = AlwaysAuthenticate::No;
    });
    for (slot, id) in [(AUTH, 1), (SIGN, 2)] {
        let session = stage.logged_in(slot);
        let key = stage.private_key(session);
        let public = key_of(&certificate(&stage, session, id));
        for kind in ALL {
            let (mechanism, data) = (Mechanism::usual(kind), data_for(kind));
            stage.message_sign_init(session, &mechanism, key).unwrap();
            for _ in 0..2 {
                let signature = stage.sign_message(session, &data).unwrap();
                assert!(is_signature(kind, &public, &data, &signature));
            }
            stage.sign_message_begin(session).unwrap();
            let early = stage.message_sign_final(session);
            assert_eq!(early, Err(CKR_OPERATION_ACTIVE));
            let (start, end) = data.split_at(data.len() / 2);
            stage.sign_message_next(session, start).unwrap();
            let signature = stage.sign_message_last(session, end).unwrap();
            assert!(is_signature(kind, &public, &data, &signature));
            stage.message_sign_final(session).unwrap();
            let over = stage.sign_message(session, &data);
            assert_eq!(over, Err(CKR_OPERATION_NOT_INITIALIZED));
        }
    }
}

#[test]
fn messages_of_a_key_that_asks_each_time() {
    let stage = Stage::plastic();
    let session = stage.logged_in(SIGN);
    let key = stage.private_key(session);
    let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    stage.message_sign_init(session, &rsa, key).unwrap();
    stage.sign_message(session, b"one").unwrap();
    let second = stage.sign_message(session, b"two");
    assert_eq!(second, Err(CKR_USER_NOT_LOGGED_IN));
    stage
        .login(session, CKU_CONTEXT_SPECIFIC, PASSWORD)
        .unwrap();
    stage.sign_message(session, b"two").unwrap();
}
