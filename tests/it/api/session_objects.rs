//! Objects that a program creates, copies, changes and destroys (PKCS#11 3.2, 5.7).

use crate::common::{AUTH, Fixture, Mechanism, PIN, SIGN, Template};
use cryptoki_sys::*;

fn data(label: &str) -> Template {
    Template::class(CKO_DATA)
        .text(CKA_LABEL, label)
        .bytes(CKA_VALUE, b"value")
}

fn public_key(fixture: &Fixture) -> Template {
    let session = fixture.open(AUTH);
    let key = fixture.public_key(session);
    let value = |kind| fixture.attribute(session, key, kind).unwrap();
    Template::class(CKO_PUBLIC_KEY)
        .number(CKA_KEY_TYPE, CKK_RSA)
        .bytes(CKA_MODULUS, &value(CKA_MODULUS))
        .bytes(CKA_PUBLIC_EXPONENT, &value(CKA_PUBLIC_EXPONENT))
}

#[test]
fn session_object_is_created_changed_and_destroyed() {
    let fixture = Fixture::plastic();
    let session = fixture.open_session(AUTH, false).unwrap();
    let ((), apdus) = fixture.apdus(|| {
        let object = fixture.create_object(session, &data("one")).unwrap();
        assert_eq!(fixture.flag(session, object, CKA_TOKEN), Ok(false));
        assert_eq!(fixture.flag(session, object, CKA_PRIVATE), Ok(false));
        let search = Template::new().text(CKA_LABEL, "one");
        assert_eq!(fixture.find(session, &search), Ok(vec![object]));
        let label = Template::new().text(CKA_LABEL, "two");
        fixture.set_attributes(session, object, &label).unwrap();
        assert_eq!(fixture.find(session, &search), Ok(vec![]));
        assert_eq!(fixture.find(session, &label), Ok(vec![object]));
        assert!(fixture.object_size(session, object).unwrap() >= 8);
        fixture.destroy_object(session, object).unwrap();
        let gone = fixture.destroy_object(session, object);
        assert_eq!(gone, Err(CKR_OBJECT_HANDLE_INVALID));
    });
    assert_eq!(apdus, 0);
}

#[test]
fn session_objects_end_with_their_session() {
    let fixture = Fixture::plastic();
    let (maker, witness) = (fixture.open(AUTH), fixture.open(AUTH));
    let object = fixture.create_object(maker, &data("one")).unwrap();
    let told = fixture.attribute(witness, object, CKA_VALUE);
    assert_eq!(told, Ok(b"value".to_vec()), "others see it while it lives");
    let elsewhere = fixture.open(SIGN);
    let told = fixture.attribute(elsewhere, object, CKA_VALUE);
    assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID));
    fixture.close_session(maker).unwrap();
    let told = fixture.attribute(witness, object, CKA_VALUE);
    assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID));
}

#[test]
fn private_session_objects_need_a_login() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let private = data("private").flag(CKA_PRIVATE, true);
    let made = fixture.create_object(session, &private);
    assert_eq!(made, Err(CKR_USER_NOT_LOGGED_IN));
    fixture.login(session, CKU_USER, PIN).unwrap();
    let object = fixture.create_object(session, &private).unwrap();
    fixture.logout(session).unwrap();
    fixture.login(session, CKU_USER, PIN).unwrap();
    let told = fixture.attribute(session, object, CKA_VALUE);
    assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID), "gone with the logout");
}

#[test]
fn session_objects_end_with_their_own_token_alone() {
    let fixture = Fixture::plastic();
    let (auth, sign) = (fixture.logged_in(AUTH), fixture.logged_in(SIGN));
    let private = data("private").flag(CKA_PRIVATE, true);
    let templates = [private, data("public")];
    let make = |session, template| fixture.create_object(session, template).unwrap();
    let [of_auth, of_sign] =
        [auth, sign].map(|session| templates.each_ref().map(|it| make(session, it)));
    let live = |session, objects: [CK_OBJECT_HANDLE; 2]| {
        objects.map(|object| fixture.attribute(session, object, CKA_VALUE).is_ok())
    };
    fixture.logout(auth).unwrap();
    fixture.login(auth, CKU_USER, PIN).unwrap();
    assert_eq!(live(auth, of_auth), [false, true], "after C_Logout");
    assert_eq!(live(sign, of_sign), [true, true]);
    fixture.close_all_sessions(AUTH).unwrap();
    let auth = fixture.logged_in(AUTH);
    assert_eq!(live(auth, of_auth), [false, false]);
    assert_eq!(live(sign, of_sign), [true, true]);
}

#[test]
fn session_objects_end_with_their_own_card_alone() {
    let fixture = Fixture::with_two("plastic", "plastic");
    let [a, b] = [0, 2].map(|slot| fixture.open(slot));
    fixture.create_object(a, &data("a")).unwrap();
    let object = fixture.create_object(b, &data("b")).unwrap();
    fixture.pcsc.reader("Reader A").remove();
    while fixture.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
    fixture.state(a).unwrap_err();
    let told = fixture.attribute(b, object, CKA_VALUE);
    assert_eq!(told, Ok(b"value".to_vec()));
}

#[test]
fn invalid_templates_are_refused() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let key = public_key(&fixture);
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
        (
            key.clone().text(CKA_START_DATE, "2026"),
            CKR_ATTRIBUTE_VALUE_INVALID,
        ),
        (
            key.clone().text(CKA_START_DATE, "November"),
            CKR_ATTRIBUTE_VALUE_INVALID,
        ),
    ] {
        assert_eq!(
            fixture.create_object(session, &template),
            Err(code),
            "{template:?}"
        );
    }
    let read_only = fixture.open_session(AUTH, false).unwrap();
    let made = fixture.create_object(read_only, &data("x").flag(CKA_TOKEN, true));
    // PKCS#11, 5.1.6: before CKR_SESSION_READ_ONLY.
    assert_eq!(made, Err(CKR_TOKEN_WRITE_PROTECTED));
    fixture.create_object(session, &key).unwrap();
}

#[test]
fn session_object_is_copied() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]);
    let on_card = fixture.find_one(session, &template);
    // What is on the token stays there without a word of another kind.
    let label = Template::new().text(CKA_LABEL, "copy");
    let made = fixture.copy_object(session, on_card, &label);
    assert_eq!(made, Err(CKR_TOKEN_WRITE_PROTECTED));
    let label = label.flag(CKA_TOKEN, false);
    let copy = fixture.copy_object(session, on_card, &label).unwrap();
    assert_eq!(fixture.text(session, copy, CKA_LABEL).unwrap(), "copy");
    assert_eq!(fixture.flag(session, copy, CKA_TOKEN), Ok(false));
    for kind in [
        CKA_VALUE,
        CKA_SUBJECT,
        CKA_ISSUER,
        CKA_SERIAL_NUMBER,
        CKA_ID,
        CKA_PUBLIC_KEY_INFO,
    ] {
        assert_eq!(
            fixture.attribute(session, copy, kind),
            fixture.attribute(session, on_card, kind)
        );
    }
    assert_ne!(
        fixture.attribute(session, copy, CKA_UNIQUE_ID),
        fixture.attribute(session, on_card, CKA_UNIQUE_ID)
    );
    // What is said once more is no change.
    let value = fixture.attribute(session, copy, CKA_VALUE).unwrap();
    let same = Template::new().bytes(CKA_VALUE, &value);
    let again = fixture.copy_object(session, copy, &same).unwrap();
    assert_ne!(
        fixture.attribute(session, again, CKA_UNIQUE_ID),
        fixture.attribute(session, copy, CKA_UNIQUE_ID)
    );
    let to_token = Template::new().flag(CKA_TOKEN, true);
    let made = fixture.copy_object(session, copy, &to_token);
    assert_eq!(made, Err(CKR_TOKEN_WRITE_PROTECTED));

    for change in [
        Template::new().bytes(CKA_VALUE, b"another certificate"),
        Template::new().bytes(CKA_SUBJECT, b"somebody else"),
        Template::new().number(CKA_CLASS, CKO_DATA),
    ] {
        let made = fixture.copy_object(session, copy, &change);
        assert_eq!(made, Err(CKR_ATTRIBUTE_READ_ONLY), "{change:?}");
    }
    let key = fixture.public_key(session);
    let here = Template::new().flag(CKA_TOKEN, false);
    let copy = fixture.copy_object(session, key, &here).unwrap();
    for kind in [CKA_PUBLIC_KEY_INFO, CKA_ALLOWED_MECHANISMS, CKA_MODULUS] {
        assert_eq!(
            fixture.attribute(session, copy, kind),
            fixture.attribute(session, key, kind)
        );
    }

    let once = data("once").flag(CKA_COPYABLE, false);
    let once = fixture.create_object(session, &once).unwrap();
    let made = fixture.copy_object(session, once, &Template::new());
    assert_eq!(made, Err(CKR_ACTION_PROHIBITED));
}

#[test]
fn key_verifies_by_its_allowed_mechanisms_alone() {
    let fixture = Fixture::plastic();
    let allowed = CKM_SHA256_RSA_PKCS.to_ne_bytes();
    let template = public_key(&fixture).bytes(CKA_ALLOWED_MECHANISMS, &allowed);
    let session = fixture.open(AUTH);
    let key = fixture.create_object(session, &template).unwrap();
    for (kind, begun) in [
        (CKM_RSA_PKCS, Err(CKR_MECHANISM_INVALID)),
        (CKM_SHA512_RSA_PKCS, Err(CKR_MECHANISM_INVALID)),
        (CKM_SHA256_RSA_PKCS, Ok(())),
    ] {
        assert_eq!(
            fixture.verify_init(session, &Mechanism::plain(kind), key),
            begun
        );
    }
}

#[test]
fn attributes_forbid_change_copy_and_destruction() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let fixed = data("fixed").flag(CKA_MODIFIABLE, false);
    let object = fixture.create_object(session, &fixed).unwrap();
    let label = Template::new().text(CKA_LABEL, "other");
    assert_eq!(
        fixture.set_attributes(session, object, &label),
        Err(CKR_ACTION_PROHIBITED)
    );
    let kept = data("kept").flag(CKA_DESTROYABLE, false);
    let object = fixture.create_object(session, &kept).unwrap();
    assert_eq!(
        fixture.destroy_object(session, object),
        Err(CKR_ACTION_PROHIBITED)
    );
    let object = fixture.create_object(session, &data("data")).unwrap();
    for kind in [CKA_APPLICATION, CKA_OBJECT_ID, CKA_VALUE] {
        let change = Template::new().bytes(kind, b"new");
        fixture.set_attributes(session, object, &change).unwrap();
        assert_eq!(
            fixture.attribute(session, object, kind),
            Ok(b"new".to_vec())
        );
    }
    let key = public_key(&fixture);
    let key = fixture.create_object(session, &key).unwrap();
    for kind in [CKA_DERIVE, CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP] {
        let change = Template::new().flag(kind, false);
        fixture.set_attributes(session, key, &change).unwrap();
        assert_eq!(fixture.flag(session, key, kind), Ok(false));
    }
    for template in [
        Template::new().flag(CKA_TOKEN, true),
        Template::new().number(CKA_CLASS, CKO_DATA),
    ] {
        assert_eq!(
            fixture.set_attributes(session, object, &template),
            Err(CKR_ATTRIBUTE_READ_ONLY)
        );
    }
}

#[test]
fn public_key_has_derived_attributes() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let object = fixture
        .create_object(session, &public_key(&fixture))
        .unwrap();
    assert_eq!(fixture.number(session, object, CKA_MODULUS_BITS), Ok(2048));
    let on_card = fixture.public_key(session);
    assert_eq!(
        fixture.attribute(session, object, CKA_PUBLIC_KEY_INFO),
        fixture.attribute(session, on_card, CKA_PUBLIC_KEY_INFO)
    );
    assert_eq!(fixture.flag(session, object, CKA_LOCAL), Ok(false));
    let modulus = fixture.attribute(session, object, CKA_MODULUS).unwrap();
    for key in [object, on_card] {
        let crc = fixture.attribute(session, key, CKA_PUBLIC_CRC64_VALUE);
        assert_eq!(crc, Ok(crc64(&modulus).to_be_bytes().to_vec()));
        let validated = fixture.number(session, key, CKA_OBJECT_VALIDATION_FLAGS);
        assert_eq!(validated, Ok(0));
        for template in [CKA_WRAP_TEMPLATE, CKA_ENCAPSULATE_TEMPLATE] {
            assert_eq!(fixture.attribute(session, key, template), Ok(vec![]));
        }
    }
}

/// CRC-64/ECMA-182, bit by bit: polynomial 42F0E1EBA9EA3693, nothing reflected, nothing inverted.
fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u64::from(byte) << 56, |crc, _| {
            crc << 1
                ^ if crc >> 63 == 1 {
                    0x42F0_E1EB_A9EA_3693
                } else {
                    0
                }
        })
    })
}

#[test]
fn crc_of_the_tests_has_the_published_check_value() {
    assert_eq!(crc64(b"123456789"), 0x6C40_DF5F_0B49_7347);
}

#[test]
fn derived_attributes_may_be_given_if_they_are_right() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let key = public_key(&fixture);
    let made = fixture.create_object(session, &key).unwrap();
    for kind in [CKA_PUBLIC_KEY_INFO, CKA_PUBLIC_CRC64_VALUE] {
        let mut right = fixture.attribute(session, made, kind).unwrap();
        let given = |value: &[u8]| fixture.create_object(session, &key.clone().bytes(kind, value));
        assert!(given(&right).is_ok() && given(b"").is_ok());
        right[3] ^= 1;
        assert_eq!(given(&right), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    }
    let flags = key.clone().number(CKA_OBJECT_VALIDATION_FLAGS, 0);
    let made = fixture.create_object(session, &flags);
    assert_eq!(made, Err(CKR_ATTRIBUTE_READ_ONLY));
    let template = key.clone().bytes(CKA_WRAP_TEMPLATE, &[0; 24]);
    let made = fixture.create_object(session, &template);
    assert_eq!(made, Err(CKR_ATTRIBUTE_VALUE_INVALID));
}

#[test]
fn certificates_keep_to_their_own_rules() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let base = || {
        Template::class(CKO_CERTIFICATE)
            .number(CKA_CERTIFICATE_TYPE, CKC_X_509)
            .bytes(CKA_SUBJECT, b"subject")
    };
    let hashed = || {
        base()
            .bytes(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, &[1; 20])
            .bytes(CKA_HASH_OF_ISSUER_PUBLIC_KEY, &[2; 20])
    };
    let url = |template: Template| template.text(CKA_URL, "https://example.jp/c.cer");
    let value = |template: Template| template.bytes(CKA_VALUE, b"abc");
    // SHA-1 of "abc" begins so (FIPS 180-4).
    let check = [0xA9, 0x99, 0x3E];
    for (template, result) in [
        (value(base()), None),
        (value(base()).bytes(CKA_CHECK_VALUE, &check), None),
        (value(base()).bytes(CKA_CHECK_VALUE, b""), None),
        (url(hashed()).bytes(CKA_VALUE, b""), None),
        (url(value(hashed())), None),
        (
            value(base()).bytes(CKA_CHECK_VALUE, &[1, 2, 3]),
            Some(CKR_ATTRIBUTE_VALUE_INVALID),
        ),
        (base(), Some(CKR_TEMPLATE_INCOMPLETE)),
        (base().bytes(CKA_VALUE, b""), Some(CKR_TEMPLATE_INCOMPLETE)),
        (url(value(base())), Some(CKR_TEMPLATE_INCOMPLETE)),
        (
            url(value(base()).bytes(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, &[1; 20])),
            Some(CKR_TEMPLATE_INCOMPLETE),
        ),
        (url(hashed()), Some(CKR_TEMPLATE_INCOMPLETE)),
    ] {
        let made = fixture.create_object(session, &template);
        assert_eq!(made.err(), result, "{template:?}");
    }
    let object = fixture.create_object(session, &value(base())).unwrap();
    let hash = fixture.number(session, object, CKA_NAME_HASH_ALGORITHM);
    assert_eq!(hash, Ok(CKM_SHA_1));
    let category = fixture.number(session, object, CKA_CERTIFICATE_CATEGORY);
    assert_eq!(category, Ok(CK_CERTIFICATE_CATEGORY_UNSPECIFIED));
    let told = fixture.attribute(session, object, CKA_CHECK_VALUE);
    assert_eq!(told, Ok(check.to_vec()));
    let by_url = url(hashed()).bytes(CKA_VALUE, b"");
    let by_url = fixture.create_object(session, &by_url).unwrap();
    assert_eq!(
        fixture.attribute(session, by_url, CKA_CHECK_VALUE),
        Ok(vec![])
    );
    for kind in [CKA_SUBJECT, CKA_VALUE, CKA_URL, CKA_CHECK_VALUE] {
        let change = Template::new().bytes(kind, &check);
        let set = fixture.set_attributes(session, object, &change);
        assert_eq!(set, Err(CKR_ATTRIBUTE_READ_ONLY));
    }
    for kind in [CKA_ID, CKA_ISSUER, CKA_SERIAL_NUMBER] {
        let change = Template::new().bytes(kind, b"new");
        fixture.set_attributes(session, object, &change).unwrap();
    }
}

#[test]
fn data_of_a_mebibyte_are_kept() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let value: Vec<u8> = (0..1 << 20).map(|number: u32| number as u8).collect();
    let template = Template::class(CKO_DATA).bytes(CKA_VALUE, &value);
    let object = fixture.create_object(session, &template).unwrap();
    assert_eq!(fixture.attribute(session, object, CKA_VALUE), Ok(value));
}
