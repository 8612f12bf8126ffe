//! Slots and tokens before a session is opened (PKCS#11 3.2, 5.5).

use std::thread;
use std::time::{Duration, Instant};

use crate::common::config::{Config, Readers, Slots};
use crate::common::fixture::READER;
use crate::common::{AUTH, Caller, FakePcsc, Fixture, PASSWORD, PIN, SIGN, Template, reader_with};
use cryptoki_sys::*;
use jpki_card_simulator::VirtualReader;
use sha2::{Digest, Sha256};

fn text(field: &[u8]) -> String {
    String::from_utf8(field.to_vec())
        .unwrap()
        .trim_end()
        .to_owned()
}

fn flags(fixture: &Fixture, slot: CK_SLOT_ID) -> CK_FLAGS {
    fixture.token_info(slot).unwrap().flags
}

/// The flags that tell about the PIN.
fn pin_flags(fixture: &Fixture, slot: CK_SLOT_ID) -> CK_FLAGS {
    flags(fixture, slot) & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)
}

#[test]
fn reader_has_two_named_slots() {
    let fixture = Fixture::plastic();
    assert_eq!(fixture.slot_list(true).unwrap(), [AUTH, SIGN]);
    let info = [AUTH, SIGN].map(|slot| fixture.slot_info(slot).unwrap());
    assert_eq!(
        info.map(|info| text(&info.slotDescription)),
        [
            "Reader 00 (User Authentication)",
            "Reader 00 (Digital Signature)"
        ]
    );
    for info in info {
        assert_eq!(
            { info.flags },
            CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE | CKF_HW_SLOT
        );
    }
    assert_eq!(fixture.slot_info(2).unwrap_err(), CKR_SLOT_ID_INVALID);
    assert_eq!(fixture.token_info(2).unwrap_err(), CKR_SLOT_ID_INVALID);
}

#[test]
fn long_reader_name_keeps_the_role() {
    let pcsc = FakePcsc::default();
    let name = "非接触型ＩＣカードリーダーライター 00 00 とても長い名前の製品";
    pcsc.plug(name, VirtualReader::new());
    let fixture = Fixture::on(pcsc, |_| ());
    for (slot, role) in [
        (AUTH, "(User Authentication)"),
        (SIGN, "(Digital Signature)"),
    ] {
        let description = text(&fixture.slot_info(slot).unwrap().slotDescription);
        assert!(description.ends_with(role), "{description}");
        assert!(description.starts_with("非接触型"), "{description}");
    }
}

#[test]
fn configuration_selects_tokens_and_readers() {
    for (slots, shown) in [
        (Slots::Both, vec![0, 1]),
        (Slots::Auth, vec![0]),
        (Slots::Sign, vec![1]),
    ] {
        let fixture = Fixture::configured("plastic", |config| config.slots = slots);
        assert_eq!(fixture.slot_list(true).unwrap(), shown);
    }
    for (program, shown) in [("firefox", 1), ("pkcs11-tool", 2)] {
        let fixture = Fixture::configured("plastic", |config| config.program = program.to_owned());
        assert_eq!(fixture.slot_list(true).unwrap().len(), shown, "{program}");
    }
    let fixture = Fixture::configured("plastic", |config| {
        config.readers = Readers::from_text("!Reader 0*").unwrap();
    });
    assert!(fixture.slot_list(false).unwrap().is_empty());
}

#[test]
fn polling_sends_no_apdu() {
    let fixture = Fixture::plastic();
    let (_, apdus) = fixture.apdus(|| fixture.slot_list(false).unwrap());
    assert_eq!(apdus, 0, "slots are asked for, not tokens");
    fixture.slot_list(true).unwrap();
    let session = fixture.open(AUTH);
    let ((), apdus) = fixture.apdus(|| {
        for _ in 0..10 {
            fixture.slot_list(false).unwrap();
            fixture.slot_list(true).unwrap();
            for slot in [AUTH, SIGN] {
                fixture.slot_info(slot).unwrap();
                fixture.token_info(slot).unwrap();
                fixture.mechanisms(slot).unwrap();
                fixture.mechanism_info(slot, CKM_RSA_PKCS).unwrap();
            }
            fixture.session_info(session).unwrap();
            fixture.info().unwrap();
        }
    });
    assert_eq!(apdus, 0);
}

#[test]
fn slot_number_works_as_the_first_call() {
    type Call = fn(&Caller) -> bool;
    let calls: [(&str, Call); 5] = [
        ("C_GetSlotInfo", |it| it.slot_info(AUTH).is_ok()),
        ("C_GetTokenInfo", |it| it.token_info(AUTH).is_ok()),
        ("C_OpenSession", |it| it.open_session(SIGN, false).is_ok()),
        ("C_GetMechanismList", |it| it.mechanisms(SIGN).is_ok()),
        ("C_GetMechanismInfo", |it| {
            it.mechanism_info(AUTH, CKM_RSA_PKCS).is_ok()
        }),
    ];
    let fixture = Fixture::plastic();
    for (name, call) in calls {
        fixture.finalize().unwrap();
        fixture.initialize(Config::default()).unwrap();
        assert!(call(&fixture), "{name}");
        // The reader comes after C_Initialize.
        let reader = fixture.reader();
        fixture.finalize().unwrap();
        fixture.pcsc.unplug(READER);
        fixture.initialize(Config::default()).unwrap();
        assert!(!call(&fixture), "{name}");
        fixture.pcsc.plug(READER, reader);
        assert!(call(&fixture), "{name}");
    }
}

#[test]
fn card_in_the_second_reader_is_found_behind_another_kind_of_card() {
    let fixture = Fixture::with_two("foreign", "plastic");
    assert_eq!(fixture.slot_list(true), Ok(vec![2, 3]));
    assert!(fixture.token_info(2).is_ok());
}

#[test]
fn card_that_comes_between_query_and_list_does_not_outgrow_the_buffer() {
    let pcsc = FakePcsc::default();
    let second = reader_with("plastic");
    second.remove();
    pcsc.plug("Reader 00", reader_with("plastic"));
    pcsc.plug("Reader 01", second);
    let fixture = Fixture::on(pcsc, |_| ());
    assert_eq!(fixture.slot_count(true), Ok(2));
    fixture.pcsc.reader("Reader 01").insert_again().unwrap();
    assert_eq!(fixture.slots_in(true, 1), Err(CKR_BUFFER_TOO_SMALL));
    assert_eq!(
        fixture.slots_in(true, 2),
        Ok(vec![0, 1]),
        "as it was counted"
    );
    assert_eq!(
        fixture.slots_in(true, 4),
        Ok(vec![0, 1, 2, 3]),
        "with room for the new token"
    );
    assert_eq!(fixture.slot_count(true), Ok(4));
    fixture.pcsc.plug("Reader 02", reader_with("plastic"));
    assert_eq!(fixture.slot_count(true), Ok(6), "a query finds new readers");
    fixture.pcsc.plug("Reader 03", reader_with("plastic"));
    let list = fixture.slots_in(true, 9).unwrap();
    assert_eq!(list.len(), 6, "a list is the one of its query");
}

#[test]
fn card_of_another_program_is_waited_for_once() {
    let fixture = Fixture::plastic();
    fixture.pcsc.occupy(Duration::from_millis(700));
    assert_eq!(
        fixture.slot_list(true),
        Ok(vec![AUTH, SIGN]),
        "soon free again"
    );

    fixture.take_out();
    fixture.put_back();
    fixture.pcsc.occupy(Duration::from_secs(3));
    let begun = Instant::now();
    assert_eq!(fixture.slot_list(true), Ok(vec![]));
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "it was waited for"
    );
    let waited = Instant::now();
    for _ in 0..20 {
        assert_eq!(fixture.slot_list(true), Ok(vec![]));
        assert_eq!(
            fixture.slot_info(AUTH).unwrap().flags & CKF_TOKEN_PRESENT,
            0
        );
        assert_eq!(fixture.token_info(AUTH).unwrap_err(), CKR_TOKEN_NOT_PRESENT);
        assert_eq!(fixture.open_session(SIGN, true), Err(CKR_TOKEN_NOT_PRESENT));
    }
    assert!(
        waited.elapsed() < Duration::from_millis(500),
        "and not again"
    );
    while fixture.token_info(AUTH).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(15), "free since 3 s");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn foreign_card_is_probed_once_per_insertion() {
    for profile in ["foreign", "fido"] {
        let fixture = Fixture::with(profile);
        for insertion in 1..=2 {
            let ((), apdus) = fixture.apdus(|| {
                for _ in 0..5 {
                    for slot in [AUTH, SIGN] {
                        let refused = Err(CKR_TOKEN_NOT_RECOGNIZED);
                        assert_eq!(fixture.token_info(slot).map(|_| ()), refused);
                        assert_eq!(fixture.open_session(slot, true).map(|_| ()), refused);
                        assert_eq!(fixture.mechanisms(slot).map(|_| ()), refused);
                    }
                    let present = fixture.slot_info(AUTH).unwrap().flags & CKF_TOKEN_PRESENT;
                    assert_eq!(present, 0);
                    assert_eq!(fixture.slot_list(true), Ok(vec![]));
                }
            });
            assert_eq!(apdus, 1, "{profile}, insertion {insertion}");
            fixture.take_out();
            assert_eq!(fixture.token_info(AUTH).unwrap_err(), CKR_TOKEN_NOT_PRESENT);
            fixture.put_back();
        }
    }
}

#[test]
fn token_info_of_each_kind_of_card() {
    let mut serials = Vec::new();
    for (profile, model) in [
        ("plastic", None),
        ("android", Some("Android")),
        ("iphone", Some("iPhone")),
        ("juki", None),
        ("child", None),
        ("pinless", None),
        ("expired", None),
    ] {
        let fixture = Fixture::with(profile);
        let infos = [AUTH, SIGN].map(|slot| fixture.token_info(slot).unwrap());
        assert_eq!(
            infos.map(|info| text(&info.label)),
            [
                "JPKI (User Authentication PIN)",
                "JPKI (Digital Signature PIN)"
            ]
        );
        assert_eq!(infos[0].serialNumber, infos[1].serialNumber);
        let serial = text(&infos[0].serialNumber);
        assert!(serial.len() == 16 && serial.chars().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(serial, "0000000000000000");
        for info in infos {
            assert_eq!(text(&info.manufacturerID), "JPKI");
            let shown = text(&info.model);
            match model {
                Some(model) => assert_eq!(shown, model),
                None => assert!(!shown.is_empty() && shown != "Android" && shown != "iPhone"),
            }
            assert_ne!(info.flags & CKF_LOGIN_REQUIRED, 0);
            assert_ne!(info.flags & CKF_TOKEN_INITIALIZED, 0);
            assert_ne!(info.flags & CKF_USER_PIN_INITIALIZED, 0);
            assert_ne!(info.flags & CKF_RNG, 0);
            assert_eq!(info.flags & CKF_PROTECTED_AUTHENTICATION_PATH, 0);
        }
        let lengths = infos.map(|info| (info.ulMinPinLen, info.ulMaxPinLen));
        assert_eq!(lengths, [(4, 4), (6, 16)]);
        serials.push(serial);
    }
    // Samples of one kind share their keys, and so the serial number.
    assert_eq!(serials[0], serials[5], "pinless has plastic's keys");
    assert_ne!(serials[0], serials[3]);
    assert_ne!(serials[0], serials[6]);
}

#[test]
fn serial_number_is_the_start_of_the_public_keys_hash() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let key = fixture.public_key(session);
    let info = fixture
        .attribute(session, key, CKA_PUBLIC_KEY_INFO)
        .unwrap();
    let hash = Sha256::digest(info);
    let expected: String = hash[..8].iter().map(|byte| format!("{byte:02X}")).collect();
    for slot in [AUTH, SIGN] {
        assert_eq!(
            text(&fixture.token_info(slot).unwrap().serialNumber),
            expected
        );
    }
}

#[test]
fn flags_show_locked_pins() {
    for locked_query in ["63c0", "6984", "6983"] {
        let fixture = Fixture::with(&format!("pinless,locked-query={locked_query}"));
        for slot in [AUTH, SIGN] {
            assert_eq!(pin_flags(&fixture, slot), CKF_USER_PIN_LOCKED);
        }
    }
    let fixture = Fixture::with("plastic,auth-tries=2");
    assert_eq!(pin_flags(&fixture, AUTH), CKF_USER_PIN_COUNT_LOW);
    drop(fixture);
    let fixture = Fixture::with("child");
    assert_eq!(pin_flags(&fixture, AUTH), 0);
    assert_eq!(pin_flags(&fixture, SIGN), CKF_USER_PIN_LOCKED);
}

#[test]
fn hidden_token_is_not_queried() {
    let fixture = Fixture::configured("plastic", |config| config.slots = Slots::Auth);
    fixture.token_info(AUTH).unwrap();
    let asks = |reference: u8| {
        let exchanges = fixture.reader().exchanges();
        exchanges
            .iter()
            .any(|(command, _)| command.starts_with(&[0x00, 0x20, 0x00, reference]))
    };
    assert!(asks(0x98));
    assert!(!asks(0x9B));
}

#[test]
fn mechanisms_of_a_token() {
    let fixture = Fixture::plastic();
    for slot in [AUTH, SIGN] {
        let listed = fixture.mechanisms(slot).unwrap();
        for absent in [CKM_RSA_X_509, CKM_RSA_PKCS_OAEP, CKM_SHA384_RSA_PKCS_PSS] {
            assert!(!listed.contains(&absent));
            let info = fixture.mechanism_info(slot, absent);
            assert_eq!(info.unwrap_err(), CKR_MECHANISM_INVALID);
        }
        for kind in listed {
            let info = fixture.mechanism_info(slot, kind).unwrap();
            let signs = info.flags & CKF_SIGN != 0;
            assert_eq!(signs, info.flags & CKF_DIGEST == 0);
            // The card's key, and the public keys of sessions that verify.
            let sizes = info.ulMinKeySize..=info.ulMaxKeySize;
            assert_eq!(signs, sizes == (1024..=8192));
            assert_eq!(info.flags & (CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP), 0);
        }
    }
    drop(fixture);
    let fixture = Fixture::configured("plastic", |config| {
        (config.pss, config.sha1) = (false, false);
    });
    let listed = fixture.mechanisms(AUTH).unwrap();
    for off in [CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS, CKM_SHA1_RSA_PKCS] {
        assert!(!listed.contains(&off));
    }
    assert!(listed.contains(&CKM_SHA_1), "digests stay");
}

#[test]
fn init_token_and_init_pin_are_refused() {
    let fixture = Fixture::plastic();
    assert_eq!(fixture.init_token(7, PIN), Err(CKR_SLOT_ID_INVALID));
    assert_eq!(
        fixture.init_token(AUTH, PIN),
        Err(CKR_TOKEN_WRITE_PROTECTED)
    );
    let session = fixture.open(SIGN);
    assert_eq!(fixture.init_token(SIGN, PASSWORD), Err(CKR_SESSION_EXISTS));
    assert_eq!(
        fixture.init_pin(session, PASSWORD),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(fixture.tries(), (3, 5));
    let verifies = fixture.counters();
    assert_eq!((verifies.auth_verifies, verifies.sign_verifies), (0, 0));
}

#[test]
fn card_without_random_numbers_says_so() {
    let fixture = Fixture::with("plastic,no-challenge");
    let session = fixture.open(AUTH);
    assert_eq!(fixture.random(session, 16), Err(CKR_RANDOM_NO_RNG));
    // Known from now on.
    let flags = fixture.token_info(AUTH).unwrap().flags;
    assert_eq!(flags & CKF_RNG, 0);
    assert_eq!(
        fixture.seed_random(session, b"seed"),
        Err(CKR_RANDOM_NO_RNG)
    );
    fixture.login(session, CKU_USER, b"1234").unwrap();
    fixture.signature(session).unwrap();
}

#[test]
fn token_without_a_key_announces_no_authentication() {
    for (profile, slot, announced) in [
        ("plastic", AUTH, 1),
        ("plastic", SIGN, 1),
        ("plastic,no-sign-certificate", AUTH, 1),
        ("plastic,no-sign-certificate", SIGN, 0),
    ] {
        let fixture = Fixture::with(profile);
        // Without its password nobody can tell whether the signature token has a certificate.
        let session = fixture.logged_in(slot);
        let template =
            Template::class(CKO_PROFILE).number(CKA_PROFILE_ID, CKP_AUTHENTICATION_TOKEN);
        let found = fixture.find(session, &template).unwrap();
        assert_eq!(found.len(), announced, "{profile} {slot}");
    }
}
