//! Every kind of card, from the login to the signature.

use crate::common::{AUTH, Fixture, Mechanism, PASSWORD, READER, SIGN, Template, proof};
use cryptoki_sys::*;

/// What a slot shows of a class.
fn count(fixture: &Fixture, session: CK_SESSION_HANDLE, class: CK_OBJECT_CLASS) -> usize {
    fixture
        .find(session, &Template::class(class))
        .unwrap()
        .len()
}

/// The token's own certificate.
fn own_certificate(fixture: &Fixture, session: CK_SESSION_HANDLE, slot: CK_SLOT_ID) -> Vec<u8> {
    let id = [slot as u8 + 1];
    let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &id);
    let object = fixture.find_one(session, &template);
    fixture.attribute(session, object, CKA_VALUE).unwrap()
}

/// Logs in, signs and checks the signature with the rsa crate.
fn signs(fixture: &Fixture, slot: CK_SLOT_ID, mechanism: CK_MECHANISM_TYPE) {
    let session = fixture.logged_in(slot);
    let key = fixture.private_key(session);
    let data = proof::data_for(mechanism);
    let signature = fixture
        .sign_once(session, &Mechanism::usual(mechanism), key, &data)
        .unwrap();
    let key = proof::key_of(&own_certificate(fixture, session, slot));
    assert!(proof::is_signature(mechanism, &key, &data, &signature));
    fixture.close_all_sessions(slot).unwrap();
}

#[test]
fn every_kind_of_card_signs() {
    for profile in [
        "plastic",
        "iphone",
        "juki",
        "android",
        "expired",
        "plastic,not-yet-valid",
        "plastic,no-short-identifiers",
        "plastic,filler=00",
        "plastic,no-token-information",
        "plastic,read-cap=100,warns-at-end",
        "plastic,read-refuses-above=256,answers=t0",
        "plastic,refuses-crossing",
        "plastic,first-command-fails",
        "plastic,failed-verify-clears",
        "plastic,query-tells-verified",
        "plastic,warm-reset-clears,no-security-domain",
        "plastic,locked=6983,locked-query=6983",
    ] {
        let fixture = Fixture::with(profile);
        for slot in [AUTH, SIGN] {
            for mechanism in [CKM_SHA256_RSA_PKCS, CKM_RSA_PKCS_PSS] {
                eprintln!("{profile}, slot {slot}, {mechanism:#x}");
                signs(&fixture, slot, mechanism);
            }
        }
        assert_eq!(fixture.tries(), (3, 5), "{profile}");
    }
}

/// A card that hides its certificate is told from others by EF 0006 alone.
#[test]
fn card_that_shows_nothing_of_itself_is_not_used() {
    let fixture = Fixture::with("android,no-token-information");
    for slot in [AUTH, SIGN] {
        let session = fixture.open_session(slot, true);
        assert_eq!(session, Err(CKR_DEVICE_ERROR));
    }
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn child_card_has_no_signature_key() {
    for profile in [
        "child",
        "child,absent=empty",
        "child,absent=blank",
        "plastic,no-sign-certificate",
    ] {
        let fixture = Fixture::with(profile);
        assert_eq!(fixture.slot_list(true).unwrap(), [AUTH, SIGN]);
        signs(&fixture, AUTH, CKM_SHA256_RSA_PKCS);
        let session = fixture.open(SIGN);
        let login = fixture.login(session, CKU_USER, PASSWORD);
        let expected = if profile.starts_with("child") {
            Err(CKR_PIN_LOCKED)
        } else {
            Ok(())
        };
        assert_eq!(login, expected, "{profile}");
        assert_eq!(count(&fixture, session, CKO_PRIVATE_KEY), 0, "{profile}");
    }
}

#[test]
fn renewed_certificate_is_seen_at_the_next_insertion() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let before = own_certificate(&fixture, session, AUTH);
    fixture.take_out();
    fixture
        .pcsc
        .reader(READER)
        .add("card", crate::common::card("plastic,generation=2"));
    fixture.put_back();
    let session = fixture.open(AUTH);
    let after = own_certificate(&fixture, session, AUTH);
    assert_ne!(before, after);
    signs(&fixture, AUTH, CKM_SHA256_RSA_PKCS);
}
