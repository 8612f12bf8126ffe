//! Slots and tokens (PKCS#11 3.2, 5.5; product.md, sections 2 and 5). What belongs here: what a
//! program sees before it opens a session, and what that costs the card.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::stage::{READER, reader_with};
use common::{AUTH, Desk, PASSWORD, PIN, SIGN, Service, Stage};
use cryptoki_sys::*;
use jpki_card_simulator::VirtualReader;
use jpki_pkcs11::config::{LastTry, Readers, Slots};

fn text(field: &[u8]) -> String {
    String::from_utf8(field.to_vec())
        .unwrap()
        .trim_end()
        .to_owned()
}

fn flags(stage: &Stage, slot: CK_SLOT_ID) -> CK_FLAGS {
    stage.token_info(slot).unwrap().flags
}

/// The flags that tell about the PIN.
fn pin_flags(stage: &Stage, slot: CK_SLOT_ID) -> CK_FLAGS {
    flags(stage, slot) & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)
}

#[test]
fn two_slots_for_each_reader_that_can_be_told_apart() {
    let stage = Stage::plastic();
    assert_eq!(stage.slot_list(true).unwrap(), [AUTH, SIGN]);
    let info = [AUTH, SIGN].map(|slot| stage.slot_info(slot).unwrap());
    assert_eq!(
        info.map(|info| text(&info.slotDescription)),
        [
            "Reader 00 (User Authentication)",
            "Reader 00 (Digital Signature)"
        ]
    );
    for info in info {
        assert_eq!(
            info.flags,
            CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE | CKF_HW_SLOT
        );
    }
    assert_eq!(stage.slot_info(2).unwrap_err(), CKR_SLOT_ID_INVALID);
    assert_eq!(stage.token_info(2).unwrap_err(), CKR_SLOT_ID_INVALID);
}

#[test]
fn a_long_reader_name_leaves_the_role_whole() {
    let desk = Desk::default();
    let name = "非接触型ＩＣカードリーダーライター 00 00 とても長い名前の製品";
    desk.plug(name, VirtualReader::new());
    let stage = Stage::on(desk, |_| ());
    for (slot, role) in [
        (AUTH, "(User Authentication)"),
        (SIGN, "(Digital Signature)"),
    ] {
        let description = text(&stage.slot_info(slot).unwrap().slotDescription);
        assert!(description.ends_with(role), "{description}");
        assert!(description.starts_with("非接触型"), "{description}");
    }
}

#[test]
fn a_reader_keeps_its_numbers_and_a_new_one_is_appended() {
    let stage = Stage::plastic();
    stage.desk.plug("Reader 01", reader_with("plastic"));
    assert_eq!(stage.slot_list(false).unwrap(), [0, 1, 2, 3]);
    stage.desk.unplug(READER);
    assert_eq!(stage.slot_list(false).unwrap(), [0, 1, 2, 3], "never less");
    assert_eq!(stage.slot_list(true).unwrap(), [2, 3]);
    assert_eq!(stage.slot_info(0).unwrap().flags & CKF_TOKEN_PRESENT, 0);
    assert_eq!(stage.token_info(0).unwrap_err(), CKR_TOKEN_NOT_PRESENT);
    stage.desk.plug(READER, reader_with("child"));
    assert_eq!(stage.slot_list(true).unwrap(), [0, 1, 2, 3]);
    assert!(text(&stage.slot_info(0).unwrap().slotDescription).starts_with(READER));
}

#[test]
fn the_configuration_chooses_tokens_and_readers() {
    for (slots, shown) in [
        (Slots::Both, vec![0, 1]),
        (Slots::Auth, vec![0]),
        (Slots::Sign, vec![1]),
    ] {
        let stage = Stage::configured("plastic", |config| config.slots = slots);
        assert_eq!(stage.slot_list(true).unwrap(), shown);
    }
    for (program, shown) in [("firefox", 1), ("pkcs11-tool", 2)] {
        let stage = Stage::configured("plastic", |config| config.program = program.to_owned());
        assert_eq!(stage.slot_list(true).unwrap().len(), shown, "{program}");
    }
    let stage = Stage::configured("plastic", |config| {
        config.readers = Readers::from_text("!Reader 0*").unwrap();
    });
    assert!(stage.slot_list(false).unwrap().is_empty());
}

#[test]
fn polling_costs_nothing_once_the_card_is_known() {
    let stage = Stage::plastic();
    let ((), apdus) = stage.apdus(|| {
        stage.slot_list(true).unwrap();
        stage.slot_info(AUTH).unwrap();
    });
    assert_eq!(apdus, 0, "not even the first look asks the card");
    stage.token_info(AUTH).unwrap();
    let session = stage.open(AUTH);
    let ((), apdus) = stage.apdus(|| {
        for _ in 0..10 {
            stage.slot_list(false).unwrap();
            stage.slot_list(true).unwrap();
            for slot in [AUTH, SIGN] {
                stage.slot_info(slot).unwrap();
                stage.token_info(slot).unwrap();
                stage.mechanisms(slot).unwrap();
                stage.mechanism_info(slot, CKM_RSA_PKCS).unwrap();
            }
            stage.session_info(session).unwrap();
            stage.info().unwrap();
        }
    });
    assert_eq!(apdus, 0);
}

#[test]
fn a_foreign_card_is_asked_once_for_each_insertion() {
    for profile in ["foreign", "fido"] {
        let stage = Stage::with(profile);
        for insertion in 1..=2 {
            let ((), apdus) = stage.apdus(|| {
                for _ in 0..5 {
                    for slot in [AUTH, SIGN] {
                        let refused = Err(CKR_TOKEN_NOT_RECOGNIZED);
                        assert_eq!(stage.token_info(slot).map(|_| ()), refused);
                        assert_eq!(stage.open_session(slot, true).map(|_| ()), refused);
                        assert_eq!(stage.mechanisms(slot).map(|_| ()), refused);
                    }
                    let present = stage.slot_info(AUTH).unwrap().flags & CKF_TOKEN_PRESENT;
                    assert_eq!(present, CKF_TOKEN_PRESENT);
                }
            });
            assert_eq!(apdus, 1, "{profile}, insertion {insertion}");
            stage.take_out();
            assert_eq!(stage.token_info(AUTH).unwrap_err(), CKR_TOKEN_NOT_PRESENT);
            stage.put_back();
        }
    }
}

#[test]
fn every_kind_of_card_says_what_it_is() {
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
        let stage = Stage::with(profile);
        let infos = [AUTH, SIGN].map(|slot| stage.token_info(slot).unwrap());
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
    // The same keys (samples of one kind share them), the same number; others, another.
    assert_eq!(serials[0], serials[5], "pinless has plastic's keys");
    assert_ne!(serials[0], serials[3]);
    assert_ne!(serials[0], serials[6]);
}

#[test]
fn the_serial_number_is_the_keys() {
    let before = Stage::plastic().token_info(AUTH).unwrap().serialNumber;
    let stage = Stage::plastic();
    assert_eq!(stage.token_info(AUTH).unwrap().serialNumber, before);
    stage.take_out();
    stage.put_back();
    assert_eq!(stage.token_info(SIGN).unwrap().serialNumber, before);
}

#[test]
fn the_flags_tell_the_truth_about_the_tries() {
    let stage = Stage::configured("plastic", |config| config.last_try = LastTry::Allow);
    let session = stage.open(AUTH);
    assert_eq!(pin_flags(&stage, AUTH), 0);
    for (pin, expected) in [
        (b"0000", CKF_USER_PIN_COUNT_LOW),
        (b"0001", CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY),
        (b"0002", CKF_USER_PIN_LOCKED),
    ] {
        stage.login(session, CKU_USER, pin).unwrap_err();
        assert_eq!(pin_flags(&stage, AUTH), expected);
        assert_eq!(pin_flags(&stage, SIGN), 0, "the other PIN has its own");
    }
    drop(stage);
    let stage = Stage::with("plastic,auth-tries=2");
    assert_eq!(pin_flags(&stage, AUTH), CKF_USER_PIN_COUNT_LOW);
    stage.logged_in(AUTH);
    assert_eq!(pin_flags(&stage, AUTH), 0, "a right PIN restores them");
}

#[test]
fn locked_pins_are_shown_locked() {
    for locked_query in ["63c0", "6984", "6983"] {
        let stage = Stage::with(&format!("pinless,locked-query={locked_query}"));
        for slot in [AUTH, SIGN] {
            assert_eq!(pin_flags(&stage, slot), CKF_USER_PIN_LOCKED);
        }
    }
    let stage = Stage::with("child");
    assert_eq!(pin_flags(&stage, AUTH), 0);
    assert_eq!(pin_flags(&stage, SIGN), CKF_USER_PIN_LOCKED);
}

#[test]
fn a_hidden_token_is_not_asked_about() {
    let stage = Stage::configured("plastic", |config| config.slots = Slots::Auth);
    stage.token_info(AUTH).unwrap();
    let asks = |reference: u8| {
        let exchanges = stage.reader().exchanges();
        exchanges
            .iter()
            .any(|(command, _)| command.starts_with(&[0x00, 0x20, 0x00, reference]))
    };
    assert!(asks(0x98));
    assert!(!asks(0x9B));
}

#[test]
fn without_the_service_there_are_no_slots_and_it_recovers_by_itself() {
    for service in [Service::Stopped, Service::Forbidden] {
        let desk = Desk::default();
        desk.plug(READER, reader_with("plastic"));
        desk.set_service(service);
        let stage = Stage::on(desk, |_| ());
        assert!(stage.slot_list(false).unwrap().is_empty());
        assert_eq!(stage.slot_info(0).unwrap_err(), CKR_SLOT_ID_INVALID);
        stage.desk.set_service(Service::Running);
        assert_eq!(stage.slot_list(true).unwrap(), [0, 1]);
        let session = stage.logged_in(AUTH);
        stage.desk.set_service(service);
        assert_eq!(stage.slot_list(false).unwrap(), [0, 1], "never less");
        assert!(stage.slot_list(true).unwrap().is_empty());
        assert_eq!(stage.token_info(0).unwrap_err(), CKR_DEVICE_ERROR);
        stage.desk.set_service(Service::Running);
        assert_eq!(stage.slot_list(true).unwrap(), [0, 1]);
        assert_eq!(
            stage.state(session),
            Err(CKR_SESSION_HANDLE_INVALID),
            "nobody knows what happened to the card meanwhile"
        );
        stage.logged_in(AUTH);
    }
}

#[test]
fn events_of_both_slots_and_of_new_readers() {
    let stage = Stage::plastic();
    let event = || stage.wait_for_slot_event(CKF_DONT_BLOCK);
    assert_eq!(event(), Err(CKR_NO_EVENT), "what was there is no news");
    stage.take_out();
    assert_eq!(
        [event(), event(), event()],
        [Ok(0), Ok(1), Err(CKR_NO_EVENT)]
    );
    stage.put_back();
    assert_eq!(
        [event(), event(), event()],
        [Ok(0), Ok(1), Err(CKR_NO_EVENT)]
    );
    stage.desk.plug("Reader 01", reader_with("plastic"));
    assert_eq!(
        [event(), event(), event()],
        [Ok(2), Ok(3), Err(CKR_NO_EVENT)]
    );
}

#[test]
fn a_blocking_wait_ends_with_the_event() {
    let stage = Stage::plastic();
    let caller = stage.caller();
    let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
    thread::sleep(Duration::from_millis(50));
    assert!(!waiter.is_finished());
    stage.take_out();
    assert_eq!(waiter.join().unwrap(), Ok(AUTH));
}

#[test]
fn a_blocking_wait_ends_with_finalize() {
    let stage = Stage::plastic();
    let caller = stage.caller();
    let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
    thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    stage.finalize().unwrap();
    assert_eq!(waiter.join().unwrap(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn mechanisms_of_a_token() {
    let stage = Stage::plastic();
    for slot in [AUTH, SIGN] {
        let listed = stage.mechanisms(slot).unwrap();
        for absent in [CKM_RSA_X_509, CKM_RSA_PKCS_OAEP, CKM_SHA384_RSA_PKCS_PSS] {
            assert!(!listed.contains(&absent));
            let info = stage.mechanism_info(slot, absent);
            assert_eq!(info.unwrap_err(), CKR_MECHANISM_INVALID);
        }
        for kind in listed {
            let info = stage.mechanism_info(slot, kind).unwrap();
            let signs = info.flags & CKF_SIGN != 0;
            assert_eq!(signs, info.flags & CKF_DIGEST == 0);
            assert_eq!(
                signs,
                info.ulMinKeySize == 2048 && info.ulMaxKeySize == 2048
            );
            assert_eq!(info.flags & (CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP), 0);
        }
    }
    drop(stage);
    let stage = Stage::configured("plastic", |config| {
        (config.pss, config.sha1) = (false, false);
    });
    let listed = stage.mechanisms(AUTH).unwrap();
    for off in [CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS, CKM_SHA1_RSA_PKCS] {
        assert!(!listed.contains(&off));
    }
    assert!(listed.contains(&CKM_SHA_1), "to hash is not to sign");
}

#[test]
fn a_card_is_not_initialised_by_its_holder() {
    let stage = Stage::plastic();
    assert_eq!(stage.init_token(7, PIN), Err(CKR_SLOT_ID_INVALID));
    assert_eq!(stage.init_token(AUTH, PIN), Err(CKR_TOKEN_WRITE_PROTECTED));
    let session = stage.open(SIGN);
    assert_eq!(stage.init_token(SIGN, PASSWORD), Err(CKR_SESSION_EXISTS));
    assert_eq!(
        stage.init_pin(session, PASSWORD),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(stage.tries(), (3, 5));
    let verifies = stage.counters();
    assert_eq!((verifies.auth_verifies, verifies.sign_verifies), (0, 0));
}
