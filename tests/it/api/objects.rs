//! The objects of each kind of card, and searches for them (PKCS#11 3.2, 4 and 5.7).

use crate::common::config::CaCertificates;
use crate::common::module::vendor;
use crate::common::{AUTH, Fixture, PASSWORD, PIN, SIGN, Template};
use cryptoki_sys::*;

/// Class, ID and label of what is found, in the order of the alphabet, without the profiles.
fn shown(fixture: &Fixture, session: CK_SESSION_HANDLE) -> Vec<String> {
    let found = fixture.find(session, &Template::new()).unwrap();
    let objects = found.into_iter().filter_map(|object| {
        let class = match fixture.number(session, object, CKA_CLASS).unwrap() {
            CKO_CERTIFICATE => "certificate",
            CKO_PUBLIC_KEY => "public key",
            CKO_PRIVATE_KEY => "private key",
            CKO_PROFILE => return None,
            other => panic!("class {other}"),
        };
        let id = fixture.attribute(session, object, CKA_ID).unwrap();
        let label = fixture.text(session, object, CKA_LABEL).unwrap();
        Some(format!("{class} {id:02x?} {label}"))
    });
    let mut objects: Vec<String> = objects.collect();
    objects.sort();
    objects
}

/// The profiles that a token announces.
fn profiles(fixture: &Fixture, session: CK_SESSION_HANDLE) -> Vec<CK_PROFILE_ID> {
    let found = fixture
        .find(session, &Template::class(CKO_PROFILE))
        .unwrap();
    let id = |object| fixture.number(session, object, CKA_PROFILE_ID).unwrap();
    found.into_iter().map(id).collect()
}

const AUTH_CERTIFICATE: &str = "certificate [01] User Authentication Certificate";
const AUTH_PUBLIC: &str = "public key [01] User Authentication Public Key";
const AUTH_PRIVATE: &str = "private key [01] User Authentication Key";
const SIGN_CERTIFICATE: &str = "certificate [02] Digital Signature Certificate";
const SIGN_PUBLIC: &str = "public key [02] Digital Signature Public Key";
const SIGN_PRIVATE: &str = "private key [02] Digital Signature Key";
const AUTH_CA: &str = "certificate [03] User Authentication Certificate CA";
const SIGN_CA: &str = "certificate [04] Digital Signature Certificate CA";

#[test]
fn objects_before_and_after_the_login() {
    let auth = [
        AUTH_CERTIFICATE,
        AUTH_CA,
        SIGN_CA,
        AUTH_PRIVATE,
        AUTH_PUBLIC,
    ];
    let sign = [SIGN_CERTIFICATE, SIGN_CA, SIGN_PRIVATE, SIGN_PUBLIC];
    let open = [AUTH_CERTIFICATE, AUTH_CA, SIGN_CA, AUTH_PUBLIC];
    for profile in ["plastic", "iphone", "juki", "expired"] {
        let fixture = Fixture::with(profile);
        let session = fixture.open(AUTH);
        assert_eq!(shown(&fixture, session), open, "{profile}");
        fixture.login(session, CKU_USER, PIN).unwrap();
        assert_eq!(shown(&fixture, session), auth, "{profile}");
        fixture.logout(session).unwrap();
        assert_eq!(shown(&fixture, session), open, "{profile}");

        assert_eq!(shown(&fixture, fixture.open(SIGN)), [SIGN_CA], "{profile}");
        assert_eq!(shown(&fixture, fixture.logged_in(SIGN)), sign, "{profile}");
    }
}

#[test]
fn android_certificate_is_private() {
    let fixture = Fixture::with("android");
    let session = fixture.open(AUTH);
    assert_eq!(shown(&fixture, session), [AUTH_CA, SIGN_CA]);
    assert!(!profiles(&fixture, session).contains(&CKP_PUBLIC_CERTIFICATES_TOKEN));
    fixture.login(session, CKU_USER, PIN).unwrap();
    assert_eq!(
        shown(&fixture, session),
        [
            AUTH_CERTIFICATE,
            AUTH_CA,
            SIGN_CA,
            AUTH_PRIVATE,
            AUTH_PUBLIC
        ]
    );
    for class in [CKO_CERTIFICATE, CKO_PUBLIC_KEY] {
        let object = fixture.find_one(session, &Template::class(class).bytes(CKA_ID, &[1]));
        assert_eq!(fixture.flag(session, object, CKA_PRIVATE), Ok(true));
    }
    fixture.logout(session).unwrap();
    assert_eq!(shown(&fixture, session), [AUTH_CA, SIGN_CA]);
}

#[test]
fn child_card_has_no_signature_token_objects() {
    for absent in ["nofile", "empty", "blank"] {
        // A real child card has its password locked; the token is empty even if it is not.
        let fixture = Fixture::with(&format!("child,sign-tries=5,absent={absent}"));
        let session = fixture.logged_in(SIGN);
        assert_eq!(shown(&fixture, session), [SIGN_CA], "{absent}");
    }
    let fixture = Fixture::with("child");
    assert_eq!(shown(&fixture, fixture.open(SIGN)), [SIGN_CA]);
    let session = fixture.open(AUTH);
    assert!(shown(&fixture, session).contains(&AUTH_CERTIFICATE.to_owned()));
}

#[test]
fn public_certificates_profile_only_where_it_holds() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    assert!(profiles(&fixture, session).contains(&CKP_PUBLIC_CERTIFICATES_TOKEN));
    let claim = Template::class(CKO_PROFILE)
        .number(CKA_PROFILE_ID, CKP_PUBLIC_CERTIFICATES_TOKEN)
        .flag(CKA_TOKEN, true);
    fixture.find_one(session, &claim);
    // NSS matches keys to certificates by this.
    let key = fixture.public_key(session);
    assert_eq!(fixture.attribute(session, key, CKA_ID), Ok(vec![1]));
    let sign = fixture.logged_in(SIGN);
    assert!(!profiles(&fixture, sign).contains(&CKP_PUBLIC_CERTIFICATES_TOKEN));
}

#[test]
fn object_is_found_by_each_of_its_attributes() {
    let kinds = [
        CKA_CLASS,
        CKA_TOKEN,
        CKA_PRIVATE,
        CKA_LABEL,
        CKA_ID,
        CKA_UNIQUE_ID,
        CKA_SUBJECT,
        CKA_ISSUER,
        CKA_SERIAL_NUMBER,
        CKA_VALUE,
        CKA_KEY_TYPE,
        CKA_MODULUS,
        CKA_PUBLIC_EXPONENT,
        CKA_MODULUS_BITS,
        CKA_CERTIFICATE_TYPE,
        CKA_CERTIFICATE_CATEGORY,
        CKA_START_DATE,
        CKA_END_DATE,
        CKA_PUBLIC_KEY_INFO,
        CKA_SIGN,
        CKA_VERIFY,
        CKA_DECRYPT,
        CKA_EXTRACTABLE,
        CKA_SENSITIVE,
        CKA_ALWAYS_AUTHENTICATE,
        CKA_ALLOWED_MECHANISMS,
        CKA_TRUSTED,
        CKA_CHECK_VALUE,
        CKA_MODIFIABLE,
        CKA_LOCAL,
        CKA_PROFILE_ID,
    ];
    let fixture = Fixture::plastic();
    for slot in [AUTH, SIGN] {
        let session = fixture.logged_in(slot);
        for object in fixture.find(session, &Template::new()).unwrap() {
            let mut all = Template::new();
            for kind in kinds {
                let Ok(value) = fixture.attribute(session, object, kind) else {
                    continue;
                };
                let one = Template::new().bytes(kind, &value);
                let found = fixture.find(session, &one).unwrap();
                assert!(found.contains(&object), "{kind:#x}");
                let mut other = value.clone();
                other.push(0);
                let other = Template::new().bytes(kind, &other);
                let found = fixture.find(session, &other).unwrap();
                assert!(!found.contains(&object), "{kind:#x}");
                all = all.bytes(kind, &value);
            }
            assert_eq!(fixture.find(session, &all), Ok(vec![object]));
        }
    }
}

#[test]
fn private_values_are_sensitive() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    for kind in [
        CKA_PRIVATE_EXPONENT,
        CKA_PRIME_1,
        CKA_PRIME_2,
        CKA_EXPONENT_1,
        CKA_EXPONENT_2,
        CKA_COEFFICIENT,
    ] {
        let told = fixture.attribute(session, key, kind);
        assert_eq!(told, Err(CKR_ATTRIBUTE_SENSITIVE), "{kind:#x}");
    }
    let told = fixture.attribute(session, key, CKA_VALUE);
    assert_eq!(told, Err(CKR_ATTRIBUTE_TYPE_INVALID));
    let (answer, lengths) =
        fixture.attribute_lengths(session, key, &[CKA_PRIME_1, CKA_ID, 0x7777, CKA_MODULUS]);
    assert_eq!(answer, Err(CKR_ATTRIBUTE_SENSITIVE));
    let none = CK_UNAVAILABLE_INFORMATION;
    assert_eq!(lengths, [none, 1, none, 256]);
}

#[test]
fn object_handles_end_with_the_insertion() {
    let fixture = Fixture::plastic();
    let (one, two) = (fixture.open(AUTH), fixture.open(AUTH));
    let everything = |session| fixture.find(session, &Template::new()).unwrap();
    let before = everything(one);
    assert_eq!(before, everything(two));
    let other_token = fixture.open(SIGN);
    let strange = fixture.attribute(other_token, before[0], CKA_CLASS);
    assert_eq!(strange, Err(CKR_OBJECT_HANDLE_INVALID));
    fixture.take_out();
    fixture.put_back();
    let session = fixture.open(AUTH);
    let after = everything(session);
    assert_eq!(after.len(), before.len());
    for old in before {
        assert!(!after.contains(&old));
        let dead = fixture.attribute(session, old, CKA_CLASS);
        assert_eq!(dead, Err(CKR_OBJECT_HANDLE_INVALID));
    }
}

#[test]
fn private_handles_are_invalid_after_logout() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(SIGN);
    let certificate = fixture.find_one(
        session,
        &Template::new().text(CKA_LABEL, &SIGN_CERTIFICATE[17..]),
    );
    let key = fixture.private_key(session);
    fixture.logout(session).unwrap();
    for object in [certificate, key] {
        let told = fixture.attribute(session, object, CKA_SUBJECT);
        assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID));
    }
    // Nor does a new login make them valid (PKCS#11, 5.6.9), with the last session closed in between or not.
    fixture.login(session, CKU_USER, PASSWORD).unwrap();
    let again = fixture.private_key(session);
    assert_ne!(again, key);
    for object in [certificate, key] {
        let told = fixture.attribute(session, object, CKA_CLASS);
        assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID));
    }
    fixture.close_session(session).unwrap();
    let session = fixture.logged_in(SIGN);
    let told = fixture.attribute(session, again, CKA_CLASS);
    assert_eq!(told, Err(CKR_OBJECT_HANDLE_INVALID));
    fixture.logout(session).unwrap();
    // The certificate holds name and address: it is not found after the logout.
    let found = fixture.find(
        session,
        &Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[2]),
    );
    assert_eq!(found, Ok(vec![]));
}

#[test]
fn search_begun_before_the_logout_finds_no_private_object() {
    let fixture = Fixture::plastic();
    for slot in [AUTH, SIGN] {
        let session = fixture.logged_in(slot);
        let other = fixture.open(slot);
        for searching in [session, other] {
            fixture
                .find_init(searching, &Template::class(CKO_PRIVATE_KEY))
                .unwrap();
        }
        fixture.logout(session).unwrap();
        for searching in [session, other] {
            let found = fixture.find_next(searching, 10);
            assert_eq!(found, Err(CKR_OPERATION_NOT_INITIALIZED), "slot {slot}");
        }
    }
}

#[test]
fn objects_are_found_in_portions() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let all = fixture.find(session, &Template::new()).unwrap();
    fixture.find_init(session, &Template::new()).unwrap();
    let mut found = fixture.find_next(session, 0).unwrap();
    assert!(found.is_empty());
    while found.len() < all.len() {
        let next = fixture.find_next(session, 2).unwrap();
        assert!((1..=2).contains(&next.len()));
        found.extend(next);
    }
    assert_eq!(fixture.find_next(session, 2), Ok(vec![]));
    assert_eq!(found, all);
    fixture.find_final(session).unwrap();
    assert_eq!(
        fixture.find_final(session),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
}

#[test]
fn card_objects_are_read_only() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    for object in fixture.find(session, &Template::new()).unwrap() {
        let label = Template::new().text(CKA_LABEL, "mine");
        let set = fixture.set_attributes(session, object, &label);
        assert_eq!(set, Err(CKR_ACTION_PROHIBITED));
        let destroyed = fixture.destroy_object(session, object);
        assert_eq!(destroyed, Err(CKR_ACTION_PROHIBITED));
    }
    let key = fixture.private_key(session);
    let copy = fixture.copy_object(session, key, &Template::new());
    assert_eq!(copy, Err(CKR_ACTION_PROHIBITED));
}

#[test]
fn ca_certificates_can_be_hidden() {
    let fixture = Fixture::configured("plastic", |config| {
        config.ca_certificates = CaCertificates::Off;
    });
    assert_eq!(
        shown(&fixture, fixture.open(AUTH)),
        [AUTH_CERTIFICATE, AUTH_PUBLIC]
    );
    drop(fixture);
    let fixture = Fixture::configured("plastic", |config| config.program = "ssh-agent".to_owned());
    assert_eq!(
        shown(&fixture, fixture.open(AUTH)),
        [AUTH_CERTIFICATE, AUTH_PUBLIC]
    );
}

#[test]
fn hardware_feature_describes_the_card() {
    for (profile, kind) in [
        ("plastic", vendor::JPKI_CARD_PLASTIC),
        ("android", vendor::JPKI_CARD_ANDROID),
        ("iphone", vendor::JPKI_CARD_IPHONE),
        ("juki", vendor::JPKI_CARD_JUKI),
    ] {
        let fixture = Fixture::with(profile);
        let session = fixture.open(SIGN);
        fixture.login(session, CKU_USER, b"WRONG1").unwrap_err();
        let object = fixture.find_one(session, &Template::class(CKO_HW_FEATURE));
        let number = |kind| fixture.number(session, object, kind).unwrap();
        assert_eq!(number(CKA_HW_FEATURE_TYPE), vendor::CKH_JPKI_CARD);
        assert_eq!(number(vendor::CKA_JPKI_CARD_KIND), kind);
        assert_eq!(number(vendor::CKA_JPKI_PIN_TRIES_LEFT), 4);
        assert_eq!(number(vendor::CKA_JPKI_PIN_TRIES_MAX), 5);
        let end = vendor::CKA_JPKI_CERTIFICATE_END_DATE;
        assert_eq!(fixture.attribute(session, object, end), Ok(vec![]));
        fixture.login(session, CKU_USER, PASSWORD).unwrap();
        let date = fixture.text(session, object, end).unwrap();
        assert!(date.len() == 8 && date.starts_with("20"), "{date}");
        // Only for those who ask for the class.
        let all = fixture.find(session, &Template::new()).unwrap();
        assert!(!all.contains(&object));
    }
}
