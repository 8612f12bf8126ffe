//! READ BINARY with an extended Le, on a reader that carries it: the exact APDUs, and what is read by them.
//! `tests/reader-driver/run` shows it behind a real pcscd.

use crate::common::config::{Config, ExtendedReads};
use crate::common::golden::{self, Script};
use crate::common::{AUTH, FakePcsc, Fixture, READER, SIGN, Template, reader_with};
use cryptoki_sys::*;
use jpki_card_simulator::Card;

fn configured(profile: &str, most: usize, change: impl FnOnce(&mut Config)) -> Fixture {
    let pcsc = FakePcsc::default();
    pcsc.plug(READER, reader_with(profile));
    pcsc.carry(READER, most);
    Fixture::on(pcsc, change)
}

/// Reads all four certificates, and signs with both keys.
fn reads(fixture: &Fixture) -> Script {
    let issued = |card: &mut Card| card.credentials().clone();
    let issued = fixture.reader().inserted_card(issued).unwrap();
    let own = [issued.auth.unwrap(), issued.sign.unwrap()].map(|it| it.certificate);
    let authorities = [issued.auth_ca, issued.sign_ca];
    let mut script = Script::new(fixture);
    script.step("C_GetTokenInfo", || {
        fixture.token_info(AUTH).unwrap();
    });
    for (token, slot) in [AUTH, SIGN].into_iter().enumerate() {
        let session = fixture.open(slot);
        script.step("C_Login, a signature", || {
            fixture.signature(fixture.logged_in(slot)).unwrap();
        });
        script.step("the certificates", || {
            let id = u8::try_from(slot).unwrap() + 1;
            for (id, expected) in [(id, &own[token]), (id + 2, &authorities[token])] {
                let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
                let object = fixture.find_one(session, &template);
                let read = fixture.attribute(session, object, CKA_VALUE).unwrap();
                assert_eq!(read, *expected, "{id}");
            }
        });
    }
    script
}

#[test]
fn apdus_are_as_long_as_reader_and_card_carry() {
    for (name, profile, most) in [
        ("usual", "plastic", 65536),
        ("1000-bytes", "plastic", 1000),
        ("257-bytes", "plastic", 257),
        ("refused", "plastic,no-extended-reads", 65536),
        ("refused-beyond-the-end", "plastic,refuses-crossing", 65536),
        (
            "no-short-identifiers",
            "plastic,no-short-identifiers",
            65536,
        ),
        ("android", "android", 65536),
    ] {
        let fixture = configured(profile, most, |_| ());
        golden::check(
            &format!("wire/extended/{name}.txt"),
            &reads(&fixture).to_string(),
        );
    }
}

#[test]
fn short_apdus_where_no_more_is_carried_or_wanted() {
    let short = reads(&Fixture::plastic()).to_string();
    assert!(!short.contains("up to its end"), "{short}");
    for most in [0, 255, 256] {
        assert_eq!(
            reads(&configured("plastic", most, |_| ())).to_string(),
            short
        );
    }
    let off = |config: &mut Config| config.extended_reads = ExtendedReads::Off;
    assert_eq!(reads(&configured("plastic", 65536, off)).to_string(), short);
}

#[test]
fn absent_file_does_not_end_long_reads() {
    let apdus_of = |profile: &str| {
        let fixture = configured(profile, 65536, |_| ());
        let session = fixture.logged_in(SIGN);
        let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[4]);
        let authority = fixture.find_one(session, &template);
        let (read, apdus) = fixture.apdus(|| fixture.attribute(session, authority, CKA_VALUE));
        assert!(read.is_ok());
        apdus
    };
    assert_eq!(apdus_of("plastic,no-sign-certificate"), apdus_of("plastic"));
}
