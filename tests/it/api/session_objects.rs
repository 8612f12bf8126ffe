//! Objects that programs make (PKCS#11 3.2, 5.7). What belongs here: to create, copy, change and
//! destroy them, and that none of it reaches the card.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod common;

use common::{AUTH, PIN, SIGN, Stage, Template};
use cryptoki_sys::*;

fn data(label: &str) -> Template {
    Template::class(CKO_DATA)
        .text(CKA_LABEL, label)
        .bytes(CKA_VALUE, b"value")
}

fn public_key(stage: &Stage) -> Template {
    let session = stage.open(AUTH);
    let key = stage.public_key(session);
    let value = |kind| stage.attribute(session, key, kind).unwrap();
    Template::class(CKO_PUBLIC_KEY)
        .number(CKA_KEY_TYPE, CKK_RSA)
        .bytes(CKA_MODULUS, &value(CKA_MODULUS))
        .bytes(CKA_PUBLIC_EXPONENT, &value(CKA_PUBLIC_EXPONENT))
}

#[test]
fn create_change_and_destroy() {
    let stage = Stage::plastic();
    let session = stage.open_session(AUTH, false).unwrap();
    let ((), apdus) = stage.apdus(|| {
        let object = stage.create_object(session, &data("one")).unwrap();
        assert_eq!(stage.flag(session, object, CKA_TOKEN), Ok(false));
        assert_eq!(stage.flag(session, object, CKA_PRIVATE), Ok(false));
        let search = Template::new().text(CKA_LABEL, "one");
        assert_eq!(stage.find(session, &search), Ok(vec![object]));
        let label = Template::new().text(CKA_LABEL, "two");
        stage.set_attributes(session, object, &label).unwrap();
        assert_eq!(stage.find(session, &search), Ok(vec![]));
        assert_eq!(stage.find(session, &label), Ok(vec![object]));
        assert!(stage.object_size(session, object).unwrap() > 0);
        stage.destroy_object(session, object).unwrap();
        let gone = stage.destroy_object(session, object);
        assert_eq!(gone, Err(CKR_OBJECT_HANDLE_INVALID));
    });
    assert_eq!(apdus, 0);
}

#[test]
fn they_die_with_their_session() {
    let stage = Stage::plastic();
    let (maker, witness) = (stage.open(AUTH), stage.open(AUTH));
    let object = stage.create_object(maker, &data("one")).unwrap();
    let told = stage.attribute(witness, object, CKA_VALUE);
    assert_eq!(told, Ok(b"value".to_vec()), "others see it while it lives");
    let elsewhere = stage.open(SIGN);
    let told = stage.attribute(elsewhere, object, CKA_VALUE);
    assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID));
    stage.close_session(maker).unwrap();
    let told = stage.attribute(witness, object, CKA_VALUE);
    assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID));
}

#[test]
fn private_ones_are_the_users() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    let private = data("private").flag(CKA_PRIVATE, true);
    let made = stage.create_object(session, &private);
    assert_eq!(made, Err(CKR_USER_NOT_LOGGED_IN));
    stage.login(session, CKU_USER, PIN).unwrap();
    let object = stage.create_object(session, &private).unwrap();
    stage.logout(session).unwrap();
    stage.login(session, CKU_USER, PIN).unwrap();
    let told = stage.attribute(session, object, CKA_VALUE);
    assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID), "gone with the logout");
}

#[test]
fn templates_that_make_nothing() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    let key = public_key(&stage);
    for (template, code) in [
        (Template::new(), CKR_TEMPLATE_INCOMPLETE),
        (Template::class(CKO_PUBLIC_KEY), CKR_TEMPLATE_INCOMPLETE),
        (
            Template::class(CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, CKK_RSA),
            CKR_TEMPLATE_INCOMPLETE,
        ),
        (
            Template::class(CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, CKK_EC),
            CKR_ATTRIBUTE_VALUE_INVALID,
        ),
        (
            Template::class(CKO_PRIVATE_KEY),
            CKR_ATTRIBUTE_VALUE_INVALID,
        ),
        (Template::class(0x7777), CKR_ATTRIBUTE_VALUE_INVALID),
        (data("x").flag(CKA_TOKEN, true), CKR_TOKEN_WRITE_PROTECTED),
        (
            data("x").bytes(CKA_MODULUS, &[1]),
            CKR_ATTRIBUTE_TYPE_INVALID,
        ),
        (
            data("x").bytes(CKA_PRIVATE, &[2]),
            CKR_ATTRIBUTE_VALUE_INVALID,
        ),
        (
            data("x").bytes(CKA_PRIVATE, &[]),
            CKR_ATTRIBUTE_VALUE_INVALID,
        ),
        (data("x").text(CKA_LABEL, "y"), CKR_TEMPLATE_INCONSISTENT),
        (data("x").text(CKA_UNIQUE_ID, "y"), CKR_ATTRIBUTE_READ_ONLY),
        (key.clone().flag(CKA_TRUSTED, true), CKR_ATTRIBUTE_READ_ONLY),
    ] {
        assert_eq!(
            stage.create_object(session, &template),
            Err(code),
            "{template:?}"
        );
    }
    let read_only = stage.open_session(AUTH, false).unwrap();
    let made = stage.create_object(read_only, &data("x").flag(CKA_TOKEN, true));
    assert_eq!(made, Err(CKR_SESSION_READ_ONLY));
    stage.create_object(session, &key).unwrap();
}

#[test]
fn copies() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]);
    let on_card = stage.find_one(session, &template);
    let label = Template::new().text(CKA_LABEL, "copy");
    let copy = stage.copy_object(session, on_card, &label).unwrap();
    assert_eq!(stage.text(session, copy, CKA_LABEL).unwrap(), "copy");
    assert_eq!(stage.flag(session, copy, CKA_TOKEN), Ok(false));
    for kind in [
        CKA_VALUE,
        CKA_SUBJECT,
        CKA_ISSUER,
        CKA_SERIAL_NUMBER,
        CKA_ID,
    ] {
        assert_eq!(
            stage.attribute(session, copy, kind),
            stage.attribute(session, on_card, kind)
        );
    }
    assert_ne!(
        stage.attribute(session, copy, CKA_UNIQUE_ID),
        stage.attribute(session, on_card, CKA_UNIQUE_ID)
    );
    let to_token = Template::new().flag(CKA_TOKEN, true);
    let made = stage.copy_object(session, copy, &to_token);
    assert_eq!(made, Err(CKR_TOKEN_WRITE_PROTECTED));

    let once = data("once").flag(CKA_COPYABLE, false);
    let once = stage.create_object(session, &once).unwrap();
    let made = stage.copy_object(session, once, &Template::new());
    assert_eq!(made, Err(CKR_ACTION_PROHIBITED));
}

#[test]
fn what_the_attributes_forbid() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    let fixed = data("fixed").flag(CKA_MODIFIABLE, false);
    let object = stage.create_object(session, &fixed).unwrap();
    let label = Template::new().text(CKA_LABEL, "other");
    assert_eq!(
        stage.set_attributes(session, object, &label),
        Err(CKR_ACTION_PROHIBITED)
    );
    let kept = data("kept").flag(CKA_DESTROYABLE, false);
    let object = stage.create_object(session, &kept).unwrap();
    assert_eq!(
        stage.destroy_object(session, object),
        Err(CKR_ACTION_PROHIBITED)
    );
    let object = stage.create_object(session, &data("data")).unwrap();
    for template in [
        Template::new().flag(CKA_TOKEN, true),
        Template::new().number(CKA_CLASS, CKO_DATA),
    ] {
        assert_eq!(
            stage.set_attributes(session, object, &template),
            Err(CKR_ATTRIBUTE_READ_ONLY)
        );
    }
}

#[test]
fn a_public_key_has_what_follows_from_it() {
    let stage = Stage::plastic();
    let session = stage.open(AUTH);
    let object = stage.create_object(session, &public_key(&stage)).unwrap();
    assert_eq!(stage.number(session, object, CKA_MODULUS_BITS), Ok(2048));
    let on_card = stage.public_key(session);
    assert_eq!(
        stage.attribute(session, object, CKA_PUBLIC_KEY_INFO),
        stage.attribute(session, on_card, CKA_PUBLIC_KEY_INFO)
    );
    assert_eq!(stage.flag(session, object, CKA_LOCAL), Ok(false));
}
