//! COMPUTE DIGITAL SIGNATURE, checked with the public key (section 3.5; point 9).

use jpki_card_simulator::pki::Identity;
use rsa::{Pkcs1v15Sign, Pss, PublicKey};
use sha2::{Digest, Sha256};

use crate::{Desk, PASSWORD, PIN, hex};

fn auth_key(desk: &Desk) -> PublicKey {
    public(&desk.card.credentials().auth)
}

fn sign_key(desk: &Desk) -> PublicKey {
    public(&desk.card.credentials().sign)
}

fn public(identity: &Option<Identity>) -> PublicKey {
    identity.as_ref().unwrap().key.to_public_key()
}

/// The 256 bytes of a signature.
#[track_caller]
fn signature(desk: &mut Desk, p1: u8, p2: u8, input: &[u8]) -> Vec<u8> {
    let answer = desk.send(&command(p1, p2, input));
    let (signature, status) = answer.split_last_chunk::<2>().unwrap();
    assert_eq!((signature.len(), hex(status).as_str()), (256, "9000"));
    signature.to_vec()
}

fn command(p1: u8, p2: u8, input: &[u8]) -> String {
    format!("802A{p1:02X}{p2:02X}{:02X}{}00", input.len(), hex(input))
}

#[test]
fn raw_over_anything() {
    let mut desk = Desk::open("plastic");
    let key = auth_key(&desk);
    for input in [
        &b"six by"[..],
        &[0x30],
        &[0xA5; 245],
        b"no DigestInfo at all",
    ] {
        let signature = signature(&mut desk, 0, 0x97, input);
        key.verify(Pkcs1v15Sign::new_unprefixed(), input, &signature)
            .unwrap();
    }
}

#[test]
fn the_other_schemes() {
    let mut desk = Desk::open("plastic");
    let key = sign_key(&desk);
    let message = [0x5A; 255];
    let hash = Sha256::digest(message);
    let unprefixed = Pkcs1v15Sign::new_unprefixed;
    let prefixed = Pkcs1v15Sign::new::<Sha256>;
    let pss = Pss::<Sha256>::new;
    key.verify(
        unprefixed(),
        &hash,
        &signature(&mut desk, 1, 0x9A, &message),
    )
    .unwrap();
    key.verify(prefixed(), &hash, &signature(&mut desk, 2, 0x9A, &hash))
        .unwrap();
    key.verify(prefixed(), &hash, &signature(&mut desk, 3, 0x9A, &message))
        .unwrap();
    key.verify(pss(), &hash, &signature(&mut desk, 4, 0x9A, &hash))
        .unwrap();
    key.verify(pss(), &hash, &signature(&mut desk, 5, 0x9A, &message))
        .unwrap();
}

#[test]
fn pss_salt_is_random_and_32_long() {
    let mut desk = Desk::open("plastic");
    let key = auth_key(&desk);
    let first = signature(&mut desk, 4, 0x97, &[7; 32]);
    assert_ne!(first, signature(&mut desk, 4, 0x97, &[7; 32]));
    key.verify(Pss::<Sha256>::new_with_salt(32), &[7; 32], &first)
        .unwrap();
    key.verify(Pss::<Sha256>::new_with_salt(20), &[7; 32], &first)
        .unwrap_err();

    let mut desk = Desk::open("plastic,pss-salt=20");
    let key = auth_key(&desk);
    let short = signature(&mut desk, 4, 0x97, &[7; 32]);
    key.verify(Pss::<Sha256>::new_with_salt(20), &[7; 32], &short)
        .unwrap();
    key.verify(Pss::<Sha256>::new_with_salt(32), &[7; 32], &short)
        .unwrap_err();
}

#[test]
fn by_current_file_and_by_short_identifier_alike() {
    let mut desk = Desk::open("plastic");
    for (file, short) in [("0017", 0x97), ("001A", 0x9A)] {
        assert_eq!(desk.ask(&format!("00A4020C02 {file}")), "9000");
        let by_file = signature(&mut desk, 0, 0x80, b"same");
        assert_eq!(by_file, signature(&mut desk, 0, short, b"same"));
    }
}

#[test]
fn each_key_wants_its_own_pin() {
    let mut desk = Desk::jpki("plastic");
    let (auth, sign) = (command(0, 0x97, b"x"), command(0, 0x9A, b"x"));
    desk.says(&[
        (&auth, "6982"),
        (&sign, "6982"),
        (PIN, "9000"),
        (&sign, "6982"),
    ]);
    assert!(desk.ask(&auth).ends_with("9000"));
    desk.says(&[(PASSWORD, "9000")]);
    assert!(desk.ask(&sign).ends_with("9000"));
}

#[test]
fn many_signatures_after_one_verify() {
    let mut desk = Desk::open("plastic");
    for _ in 0..5 {
        signature(&mut desk, 0, 0x9A, b"again");
    }
    assert_eq!(desk.card.counters().sign_signatures, 5);
    assert_eq!(desk.card.counters().sign_verifies, 1);
}

#[test]
fn lengths() {
    let mut desk = Desk::open("plastic");
    for (p1, length, status) in [
        (0, 246, "6985"),
        (0, 255, "6985"),
        (2, 31, "6985"),
        (2, 33, "6985"),
        (4, 31, "6985"),
        (4, 51, "6985"),
    ] {
        assert_eq!(
            desk.ask(&command(p1, 0x97, &vec![1; length])),
            status,
            "{p1} {length}"
        );
    }
    for (p1, length) in [
        (0, 1),
        (0, 245),
        (1, 1),
        (1, 255),
        (3, 1),
        (3, 255),
        (5, 1),
        (5, 255),
    ] {
        signature(&mut desk, p1, 0x97, &vec![1; length]);
    }
    let mut desk = Desk::open("plastic,sign-length-6700");
    assert_eq!(desk.ask(&command(4, 0x97, &[1; 20])), "6700");
}

#[test]
fn forms() {
    let mut desk = Desk::open("plastic");
    desk.says(&[
        // The current EF is the password, named last.
        ("802A008001 01 00", "6981"),
        ("802A009701 01", "6700"),
        ("802A009701 01 80", "6700"),
        ("802A009700", "6700"),
        ("802A0097", "6700"),
        ("802A0097 000001 01 0000", "6700"),
        ("802A009801 01 00", "6981"),
        ("802A008301 01 00", "6A82"),
        ("802A001701 01 00", "6A86"),
    ]);
    for p1 in 6..=0xFF {
        assert_eq!(desk.ask(&command(p1, 0x97, &[1; 32])), "6A86", "{p1:02X}");
    }
    assert_eq!(desk.card.counters().auth_signatures, 0);
}

#[test]
fn no_current_file() {
    let mut desk = Desk::jpki("plastic");
    assert_eq!(desk.ask("802A008001 01 00"), "6986");
}

#[test]
fn an_old_card_knows_one_scheme() {
    let mut desk = Desk::open("plastic,raw-scheme-only");
    for p1 in 1..=5 {
        assert_eq!(desk.ask(&command(p1, 0x97, &[1; 32])), "6A86");
    }
    signature(&mut desk, 0, 0x97, &[1; 32]);
}

#[test]
fn wrong_signatures() {
    let mut desk = Desk::open("plastic,wrong-signatures");
    let key = auth_key(&desk);
    let wrong = signature(&mut desk, 0, 0x97, b"text");
    key.verify(Pkcs1v15Sign::new_unprefixed(), b"text", &wrong)
        .unwrap_err();
}
