//! READ BINARY and the files (sections 2, 3.2; points 7, 8, 11, 12).

use crate::{Desk, JPKI, hex};

/// Reads a file through its short identifier and READ BINARY of the current one, until 6B00.
fn whole(desk: &mut Desk, short: u8) -> Vec<u8> {
    assert!(
        desk.ask(&format!("00B0{:02X}0000", 0x80 | short))
            .ends_with("9000")
    );
    let mut read = Vec::new();
    loop {
        let answer = desk.send(&format!("00B0{:04X}00", read.len()));
        match answer.split_last_chunk::<2>() {
            Some((data, [0x90, 0x00])) => read.extend(data),
            Some(([], [0x6B, 0x00])) => return read,
            _ => panic!("{}", hex(&answer)),
        }
    }
}

#[test]
fn every_certificate() {
    let mut desk = Desk::open("plastic");
    let credentials = desk.card.credentials().clone();
    assert_eq!(
        whole(&mut desk, 0x01),
        credentials.sign.unwrap().certificate
    );
    assert_eq!(whole(&mut desk, 0x02), credentials.sign_ca);
    assert_eq!(
        whole(&mut desk, 0x0A),
        credentials.auth.unwrap().certificate
    );
    assert_eq!(whole(&mut desk, 0x0B), credentials.auth_ca);
}

#[test]
fn offsets_and_lengths() {
    let mut desk = Desk::jpki("plastic");
    let certificate = desk.card.credentials().auth.clone().unwrap().certificate;
    let length = certificate.len();
    let at = |from: usize, to: usize| format!("{}9000", hex(&certificate[from..to]));
    assert_eq!(desk.ask("00A4020C02 000A"), "9000");
    assert_eq!(desk.ask("00B0000004"), at(0, 4));
    assert_eq!(desk.ask("00B00000FF"), at(0, 255));
    assert_eq!(desk.ask("00B0000000"), at(0, 256));
    assert_eq!(desk.ask("00B0012000"), at(0x120, 0x220));
    // Short at the end, with 9000.
    assert_eq!(
        desk.ask(&format!("00B0{:04X}00", length - 3)),
        at(length - 3, length)
    );
    assert_eq!(
        desk.ask(&format!("00B0{:04X}01", length - 1)),
        at(length - 1, length)
    );
    assert_eq!(desk.ask(&format!("00B0{length:04X}01")), "6B00");
    assert_eq!(desk.ask("00B07FFF00"), "6B00");
    // No Le, with data.
    desk.says(&[("00B00000", "6700"), ("00B0000001 01", "6700")]);
    // An extended Le gives the whole file at once.
    assert_eq!(desk.ask("00B0000000 0000"), at(0, length));
    assert_eq!(desk.ask("00B0000000 0100"), at(0, 256));
    let mut short = Desk::jpki("plastic,no-extended-reads");
    short.ask("00A4020C02 000A");
    assert_eq!(short.ask("00B0000000 0100"), "6700");
    let mut within = Desk::jpki("plastic,refuses-crossing");
    within.ask("00A4020C02 000A");
    assert_eq!(within.ask("00B0000000 0000"), "6B00");
    assert_eq!(within.ask("00B0000000 0100"), at(0, 256));
}

#[test]
fn short_identifier_makes_current() {
    let mut desk = Desk::jpki("plastic");
    let certificate = desk.card.credentials().auth_ca.clone();
    assert_eq!(desk.ask("00B0000004"), "6986", "no current EF yet");
    assert_eq!(
        desk.ask("00B08BFF02"),
        format!("{}9000", hex(&certificate[255..257]))
    );
    assert_eq!(desk.ask("00B0000002"), "30829000");
    assert_eq!(desk.ask(JPKI), "9000");
    assert_eq!(
        desk.ask("00B0000002"),
        "6986",
        "a SELECT of the application leaves no current EF"
    );
    desk.says(&[
        ("00B0800000", "6A86"),
        ("00B09F0000", "6A86"),
        ("00B0AA0000", "6A86"),
        ("00B0830000", "6A82"),
    ]);
}

#[test]
fn no_short_identifiers() {
    let mut desk = Desk::jpki("plastic,no-short-identifiers");
    desk.says(&[
        ("00B08A0000", "6A86"),
        ("00200098", "6A86"),
        ("00A4020C02 0018", "9000"),
        ("0020008004 31323334", "9000"),
        ("802A009702 0102 00", "6A86"),
        ("00A4020C02 0017", "9000"),
    ]);
    assert!(desk.ask("802A008002 0102 00").ends_with("9000"));
}

#[test]
fn internal_files() {
    let mut desk = Desk::open("plastic");
    for sfi in [0x05, 0x10, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1E] {
        assert_eq!(
            desk.ask(&format!("00B0{:02X}0000", 0x80 | sfi)),
            "6981",
            "{sfi:02X}"
        );
    }
    assert_eq!(desk.ask("00B0890000"), "6982", "no PIN opens 0009");
}

#[test]
fn gates() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        ("00B0810004", "6982"),
        ("0020009804 31323334", "9000"),
        ("00B0810004", "6982"),
    ]);
    assert_eq!(desk.ask("0020009B06 414243313233"), "9000");
    assert!(desk.ask("00B0810004").starts_with("3082"));

    let mut desk = Desk::jpki("android");
    desk.says(&[
        ("00B08A0004", "6982"),
        ("0020009B06 414243313233", "9000"),
        ("00B08A0004", "6982"),
    ]);
    assert_eq!(desk.ask("0020009804 31323334"), "9000");
    assert!(desk.ask("00B08A0004").starts_with("3082"));

    assert!(Desk::jpki("iphone").ask("00B08A0004").starts_with("3082"));
}

#[test]
fn token_information() {
    for (profile, label) in [
        ("plastic", "JPKIAPICCTOKEN2"),
        ("android", "JPKIAPGPSETOKEN"),
        ("iphone", "JPKIAPIOSTOKEN"),
        ("juki", "JPKIAPICCTOKEN"),
        ("plastic,label=SOMETHING NEW", "SOMETHING NEW"),
    ] {
        let information = whole(&mut Desk::jpki(profile), 0x06);
        assert_eq!(information.len(), 160);
        assert_eq!(information[..32], format!("{label:<32}").into_bytes());
        assert_eq!(
            hex(&information[96..124]),
            "0000040D000000010000000000000001000000000000001000000006"
        );
        assert_eq!(information[124..140], [0xFF; 16]);
        assert_eq!(information[140..144], *b"0301");
        assert_eq!(information[144..], [b'9'; 16]);
    }
}

#[test]
fn presence() {
    assert_eq!(whole(&mut Desk::jpki("plastic"), 0x08), [0x8F, 0x8F, 0x00]);
    assert_eq!(whole(&mut Desk::jpki("child"), 0x08), [0x00, 0x8F, 0x00]);
    assert_eq!(
        Desk::jpki("plastic,no-presence-file").ask("00B0880000"),
        "6A82"
    );
}

#[test]
fn filler() {
    for (option, value) in [("ff", 0xFF), ("00", 0x00)] {
        let mut desk = Desk::jpki(&format!("plastic,filler={option}:2000"));
        let certificate = desk.card.credentials().auth_ca.clone();
        let read = whole(&mut desk, 0x0B);
        assert_eq!(read.len(), 2000);
        assert!(read.starts_with(&certificate));
        assert!(read[certificate.len()..].iter().all(|byte| *byte == value));
        // Not these two (section 2.2).
        assert_eq!(whole(&mut desk, 0x06).len(), 160);
        assert_eq!(whole(&mut desk, 0x08).len(), 3);
    }
    let mut desk = Desk::jpki("plastic,filler=ff:10");
    let certificate = desk.card.credentials().auth_ca.clone();
    assert_eq!(whole(&mut desk, 0x0B), certificate, "never cut");
}

#[test]
fn absent_certificates() {
    let password = "child,sign-tries=5";
    let mut desk = Desk::open(password);
    desk.says(&[("00A4020C02 0001", "6A82"), ("00A4020C02 001A", "6A82")]);
    let mut desk = Desk::open(&format!("{password},absent=empty"));
    assert_eq!(desk.ask("00B0810004"), "6B00");
    let mut desk = Desk::open(&format!("{password},absent=blank,filler=ff"));
    assert_eq!(desk.ask("00B0810004"), "FFFFFFFF9000");
    let mut desk = Desk::jpki("child,absent=empty");
    assert_eq!(desk.ask("00B0810004"), "6982", "locked");
}

#[test]
fn warning_at_the_end() {
    let mut desk = Desk::jpki("plastic,warns-at-end");
    desk.says(&[
        ("00B0880004", "8F8F006282"),
        ("00B0880003", "8F8F009000"),
        ("00B0880300", "6B00"),
    ]);
}

#[test]
fn readers_with_small_buffers() {
    let mut desk = Desk::jpki("plastic,read-cap=200");
    assert_eq!(desk.send("00B08A0000").len(), 202);
    assert_eq!(desk.send("00B08A0010").len(), 18);
    let certificate = desk.card.credentials().auth.clone().unwrap().certificate;
    assert_eq!(whole(&mut desk, 0x0A), certificate);

    let mut desk = Desk::jpki("plastic,read-refuses-above=224");
    assert_eq!(desk.ask("00B08A0000"), "6700");
    assert_eq!(desk.ask("00B08A00E1"), "6700");
    assert_eq!(desk.send("00B08A00E0").len(), 226);
}

#[test]
fn get_response_mode() {
    let mut desk = Desk::jpki("plastic,answers=61");
    let ca = desk.card.credentials().auth_ca.clone();
    assert_eq!(desk.ask("00B08B0000"), "6100");
    assert_eq!(desk.ask("00C0000000"), format!("{}9000", hex(&ca[..256])));
    assert_eq!(desk.ask("00C0000000"), "6985", "given once");
    desk.says(&[
        ("00B0880000", "6103"),
        ("00C0000004", "6C03"),
        ("00C0000001", "8F6102"),
        ("00C0000002", "8F009000"),
        ("00B0880000", "6103"),
        (JPKI, "9000"),
        ("00C0000003", "6985"),
        ("00200098", "63C3"),
    ]);
}

#[test]
fn exact_length_mode() {
    let mut desk = Desk::jpki("plastic,answers=6c");
    desk.says(&[
        ("00B0880000", "6C03"),
        ("00B0880003", "8F8F009000"),
        ("00C0000003", "6D00"),
    ]);
    assert_eq!(desk.send("00B08B0000").len(), 258);
}

#[test]
fn t0_mode() {
    let mut desk = Desk::open("plastic,answers=t0");
    desk.says(&[("00B0880000", "6C03"), ("00B0880003", "8F8F009000")]);
    assert_eq!(desk.ask("802A009702 0102 00"), "6100");
    assert_eq!(desk.send("00C0000000").len(), 258);
    assert_eq!(desk.card.counters().auth_signatures, 1);
}

#[test]
fn challenge() {
    let mut desk = Desk::powered("plastic");
    for (le, length) in [("01", 1), ("10", 16), ("FF", 255), ("00", 256)] {
        assert_eq!(desk.send(&format!("00840000{le}")).len(), length + 2);
    }
    assert_ne!(desk.ask("0084000010"), desk.ask("0084000010"));
    desk.says(&[
        ("00840000", "6700"),
        ("00840000 000100", "6985"),
        ("0084010008", "6A86"),
        (JPKI, "9000"),
    ]);
    assert_eq!(desk.send("0084000020").len(), 34);
}
