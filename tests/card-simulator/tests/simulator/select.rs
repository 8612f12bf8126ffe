//! SELECT and what it forgets (sections 1.2, 3.1, 5; points 1 to 4).

use jpki_card_simulator::Role;

use crate::{COMMON, DOMAIN, Desk, JPKI};

#[test]
fn application_with_and_without_fci() {
    let mut desk = Desk::powered("plastic");
    desk.says(&[
        (JPKI, "9000"),
        (
            "00A404000A D392F000260100000001 00",
            "6F0C840AD392F0002601000000019000",
        ),
        ("00A404000A D392F000260100000001", "9000"),
        ("00A404020A D392F000260100000001", "6A86"),
    ]);
}

#[test]
fn a_prefix_is_a_name() {
    let mut desk = Desk::powered("plastic");
    desk.says(&[("00A4040C03 D392F0", "9000"), ("00200098", "63C3")]);
    // The same prefix cut one byte shorter means another application.
    desk.says(&[("00A4040C02 D392", "9000"), ("00200098", "6A82")]);
    // Longer than the name is another name.
    desk.says(&[("00A4040C0B D392F00026010000000100", "6A82")]);
}

#[test]
fn unknown_names_change_nothing() {
    let mut desk = Desk::open("plastic");
    desk.says(&[("00A4040C05 A000000003", "6A82"), ("00200098", "63C3")]);
    assert!(desk.card.is_verified(Role::Auth) && desk.card.is_verified(Role::Sign));
}

#[test]
fn the_other_applications_of_the_plastic_card() {
    for last in ["0100", "0401", "0402", "0408"] {
        let select = format!("00A4040C0A D39210003100 0101{last}");
        assert_eq!(Desk::powered("plastic").ask(&select), "9000");
        assert_eq!(Desk::powered("android").ask(&select), "6A82");
        assert_eq!(Desk::powered("iphone").ask(&select), "6A82");
    }
}

#[test]
fn another_application_logs_out_and_the_same_does_not() {
    for other in [COMMON, DOMAIN, "00A4040C02 A000"] {
        let mut desk = Desk::open("plastic");
        assert_eq!(desk.ask(JPKI), "9000");
        assert!(desk.card.is_verified(Role::Auth) && desk.card.is_verified(Role::Sign));
        desk.says(&[(other, "9000"), (JPKI, "9000")]);
        assert!(!desk.card.is_verified(Role::Auth), "{other}");
        assert!(!desk.card.is_verified(Role::Sign), "{other}");
    }
}

#[test]
fn select_file_keeps_what_is_verified() {
    let mut desk = Desk::open("plastic");
    desk.says(&[
        ("00A4020C02 0018", "9000"),
        ("00A4020C02 0017", "9000"),
        ("00A4020C02 0001", "9000"),
    ]);
    assert!(desk.card.is_verified(Role::Auth) && desk.card.is_verified(Role::Sign));
}

#[test]
fn a_security_domain_that_cannot_be_selected() {
    let mut desk = Desk::open("android,no-security-domain");
    desk.says(&[(DOMAIN, "6A82")]);
    assert!(desk.card.is_verified(Role::Auth), "only power helps here");
    desk.card.power_on();
    assert!(!desk.card.is_verified(Role::Auth));
}

#[test]
fn select_file_forms() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        ("00A4020C02 000A", "9000"),
        ("00A4020C02 0003", "6A82"),
        ("00A4020002 000A 00", "6F048302000A9000"),
        ("00A4020C01 0A", "6700"),
        ("00A4020C", "6700"),
        ("00A4090C02 000A", "6A86"),
        ("00A4080C02 000A", "6A86"),
    ]);
}

#[test]
fn the_files_of_the_survey_are_there() {
    let mut desk = Desk::jpki("plastic");
    for id in 0..=0x20 {
        let there = matches!(id, 1 | 2 | 5 | 6 | 8..=0xB | 0x10 | 0x16..=0x1C | 0x1E);
        let expected = if there { "9000" } else { "6A82" };
        assert_eq!(
            desk.ask(&format!("00A4020C02 {id:04X}")),
            expected,
            "{id:04X}"
        );
    }
}

#[test]
fn the_master_file() {
    let mut desk = Desk::powered("plastic");
    desk.says(&[
        ("00A40000", "6A86"),
        ("00A4000C02 3F00", "6A82"),
        (JPKI, "9000"),
        ("00A40000", "9000"),
        ("00A4000C02 3F00", "6A82"),
        ("00200098", "63C3"),
    ]);
}

#[test]
fn classes_and_instructions() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        ("01B0000000", "6881"),
        ("41B0000000", "6881"),
        ("08B0000000", "69FC"),
        ("0CB0000000", "69FC"),
        ("10B0000000", "6E00"),
        ("FFCA000000", "6E00"),
        ("00FF0000", "6D00"),
        ("002A9E9A01 01 00", "6D00"),
        ("80A4040C0A D392F000260100000001", "6D00"),
        ("0088000001 01 00", "6982"),
        ("80A2000001 01", "6982"),
        ("80AE000001 01", "6982"),
        ("00C0000000", "6D00"),
        ("80FC0000", "6700"),
    ]);
}
