//! Kinds of cards (sections 5, 6.4, 7; points 2, 11, 14).

use std::time::{SystemTime, UNIX_EPOCH};

use der::{Decode, Encode};
use jpki_card_simulator::{Card, Profile, issue::issuer, pki::Generation};
use x509_cert::Certificate;

use crate::{Desk, JPKI, PASSWORD, PIN};

#[test]
fn a_child_has_one_key() {
    let mut desk = Desk::jpki("child");
    desk.says(&[
        ("00A4020C02 0001", "6A82"),
        ("00A4020C02 001A", "6A82"),
        ("0020009B", "63C0"),
        (PASSWORD, "6984"),
        (PIN, "9000"),
    ]);
    assert!(desk.ask("802A009702 0102 00").ends_with("9000"));
    assert!(
        desk.ask("00B0820000").starts_with("3082"),
        "the CA is there"
    );
}

#[test]
fn a_card_without_pins() {
    let mut desk = Desk::jpki("pinless");
    desk.says(&[
        ("00200098", "63C0"),
        (PIN, "6984"),
        ("0020009B", "63C0"),
        (PASSWORD, "6984"),
    ]);
    desk.says(&[("00B0810000", "6982"), ("802A009702 0102 00", "6982")]);
    assert!(desk.ask("00B08A0004").starts_with("3082"));
}

#[test]
fn only_the_iphone_knows_the_end_marker() {
    assert_eq!(Desk::jpki("iphone").ask("80FC0000"), "9000");
    assert_eq!(Desk::jpki("plastic").ask("80FC0000"), "6700");
    assert_eq!(Desk::jpki("android").ask("80FC0000"), "6700");
}

#[test]
fn strangers() {
    let mut desk = Desk::powered("foreign");
    desk.says(&[
        (JPKI, "6A82"),
        ("00A4040C03 D39210", "6A82"),
        (PIN, "6A82"),
        ("00B0000000", "6986"),
    ]);
    let mut desk = Desk::powered("fido");
    desk.says(&[
        (JPKI, "6D00"),
        (PIN, "6D00"),
        ("00A4040008 A0000006472F0001 00", "5532465F56329000"),
    ]);
    assert!(desk.card.credentials().auth.is_none());
}

#[test]
fn own_pins_and_tries() {
    let mut desk =
        Desk::jpki("plastic,auth-pin=0000,sign-password=SECRET99,auth-tries=1,sign-tries=2");
    desk.says(&[
        ("00200098", "63C1"),
        ("0020009B", "63C2"),
        ("0020009804 30303030", "9000"),
        ("00200098", "63C3"),
        ("0020009B08 5345435245543939", "9000"),
    ]);
}

#[test]
fn certificates_that_are_over_or_not_begun() {
    for (profile, begun, over) in [
        ("plastic", true, false),
        ("expired", true, true),
        ("plastic,not-yet-valid", false, false),
    ] {
        let desk = Desk::powered(profile);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        for identity in [&desk.card.credentials().auth, &desk.card.credentials().sign] {
            let certificate =
                Certificate::from_der(&identity.as_ref().unwrap().certificate).unwrap();
            let validity = certificate.tbs_certificate().validity();
            assert_eq!(
                validity.not_before.to_unix_duration() <= now,
                begun,
                "{profile}"
            );
            assert_eq!(
                validity.not_after.to_unix_duration() < now,
                over,
                "{profile}"
            );
        }
    }
}

#[test]
fn three_generations_of_authorities_under_one_name() {
    let [first, second, third] = ["generation=1", "generation=2", "generation=3"].map(|option| {
        let desk = Desk::powered(&format!("plastic,{option}"));
        desk.card.credentials().auth_ca.clone()
    });
    assert!(first != second && second != third && first != third);
    let subject = |der: &[u8]| {
        let certificate = Certificate::from_der(der).unwrap();
        certificate.tbs_certificate().subject().to_der().unwrap()
    };
    assert_eq!(subject(&first), subject(&second));
    assert_eq!(subject(&second), subject(&third));
}

#[test]
fn cards_of_one_process_share_their_authorities() {
    let one = Card::issue(Profile::plastic()).unwrap();
    let two = Card::issue(Profile::plastic()).unwrap();
    assert_eq!(one.credentials().auth_ca, two.credentials().auth_ca);
    assert_ne!(one.credentials().auth, two.credentials().auth);
    let authorities = issuer().authorities(Generation::Third).unwrap();
    assert_eq!(authorities.sign_ca(), one.credentials().sign_ca);

    let sample = Card::sample(Profile::plastic()).unwrap();
    let child = Card::sample(Profile::child()).unwrap();
    let phone = Card::sample(Profile::android()).unwrap();
    assert_eq!(sample.credentials().auth, child.credentials().auth);
    assert_ne!(sample.credentials().auth, phone.credentials().auth);
    assert!(child.credentials().sign.is_none());
}
