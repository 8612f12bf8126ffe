//! What is read from the card, and when.

use crate::common::{AUTH, Fixture, PASSWORD, SIGN, Template};
use cryptoki_sys::*;
use der::{Decode, Encode};
use jpki_card_simulator::{Card, Misbehaviour};
use x509_cert::Certificate;

#[test]
fn searches_send_no_apdu() {
    let fixture = Fixture::plastic();
    let sessions = [AUTH, SIGN].map(|slot| fixture.open(slot));
    let ((), apdus) = fixture.apdus(|| {
        for session in sessions {
            for template in [
                Template::new(),
                Template::class(CKO_CERTIFICATE),
                Template::class(CKO_PRIVATE_KEY),
                Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]),
                Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[4]),
                Template::class(CKO_SECRET_KEY).bytes(CKA_VALUE, b"x"),
                Template::new().text(CKA_LABEL, "Digital Signature Certificate CA"),
                Template::new()
                    .flag(CKA_TOKEN, true)
                    .flag(CKA_PRIVATE, false),
            ] {
                for object in fixture.find(session, &template).unwrap() {
                    let (answer, _) = fixture.attribute_lengths(
                        session,
                        object,
                        &[CKA_CLASS, CKA_TOKEN, CKA_LABEL, CKA_PRIVATE, CKA_UNIQUE_ID],
                    );
                    assert_eq!(answer, Ok(()));
                }
            }
        }
    });
    assert_eq!(apdus, 0);
    // The authentication certificate was read when the card was opened; its key is in it.
    let session = sessions[0];
    let ((), apdus) = fixture.apdus(|| {
        for class in [CKO_CERTIFICATE, CKO_PUBLIC_KEY] {
            let template = Template::class(class).bytes(CKA_ID, &[1]);
            let object = fixture.find_one(session, &template);
            fixture.attribute(session, object, CKA_SUBJECT).unwrap();
        }
    });
    assert_eq!(apdus, 0);
}

#[test]
fn certificate_is_read_once_per_insertion() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let ca = fixture.find_one(session, &Template::new().bytes(CKA_ID, &[3]));
    let (value, first) = fixture.apdus(|| fixture.attribute(session, ca, CKA_VALUE).unwrap());
    assert!(first > 0);
    let (again, second) = fixture.apdus(|| fixture.attribute(session, ca, CKA_VALUE).unwrap());
    assert_eq!((value, second), (again, 0));
}

#[test]
fn card_that_is_put_back_is_not_read_whole_again() {
    let fixture = Fixture::plastic();
    let ((), first) = fixture.apdus(|| {
        fixture
            .signature(fixture.logged_in(AUTH))
            .map(|_| ())
            .unwrap()
    });
    let serial = fixture.token_info(AUTH).unwrap().serialNumber;
    fixture.take_out();
    fixture.put_back();
    let ((), again) = fixture.apdus(|| {
        fixture
            .signature(fixture.logged_in(AUTH))
            .map(|_| ())
            .unwrap()
    });
    assert!(again <= first - 6, "{again} after {first}");
    assert_eq!(fixture.token_info(AUTH).unwrap().serialNumber, serial);
    // Another card is read whole.
    let reader = fixture.reader();
    reader.add(
        "other",
        crate::common::card("plastic,label=JPKIAPICCTOKEN3"),
    );
    reader.insert("other").unwrap();
    fixture.signature(fixture.logged_in(AUTH)).unwrap();
    assert_ne!(fixture.token_info(AUTH).unwrap().serialNumber, serial);
}

#[test]
fn torn_answer_while_opening_changes_no_token() {
    let whole = Fixture::plastic();
    let (expected, opening) = whole.apdus(|| whole.token_info(AUTH).unwrap());
    let objects = |fixture: &Fixture| {
        let session = fixture.logged_in(AUTH);
        fixture.signature(session).unwrap();
        fixture.find(session, &Template::new()).unwrap().len()
    };
    let all = objects(&whole);
    drop(whole);
    for position in 1..=opening {
        let fixture = Fixture::plastic();
        fixture
            .reader()
            .misbehave(position, Misbehaviour::AnswerAfter(vec![0x90, 0x00]));
        // A torn answer in the middle of a certificate is told; the next look is good.
        let info = fixture
            .token_info(AUTH)
            .or_else(|_| fixture.token_info(AUTH));
        let info = info.unwrap();
        assert_eq!(info.serialNumber, expected.serialNumber, "at {position}");
        assert_eq!(info.model, expected.model, "at {position}");
        assert_eq!(objects(&fixture), all, "at {position}");
    }
}

#[test]
fn card_that_lost_its_power_unseen_is_reset_once() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    fixture.signature(session).unwrap();
    // Another program keeps pcscd from taking the power of a card that nobody uses.
    let _other = fixture.other_client();
    fixture.reader().misbehave(1, Misbehaviour::PowerLostBefore);
    let key = fixture.private_key(session);
    let data = Fixture::signature(&fixture, session);
    assert_eq!(
        data.unwrap_err(),
        CKR_DEVICE_ERROR,
        "a signature is not repeated"
    );
    assert_eq!(fixture.signature(session).unwrap().len(), 256);
    assert_eq!(fixture.private_key(session), key);
    assert_eq!(fixture.tries(), (3, 5));

    // While it is opened, nothing is seen of it.
    fixture.take_out();
    fixture.put_back();
    fixture.reader().misbehave(2, Misbehaviour::PowerLostBefore);
    fixture.signature(fixture.logged_in(AUTH)).unwrap();
}

#[test]
fn certificates_are_those_of_the_card() {
    for profile in [
        "plastic",
        "plastic,filler=ff",
        // As a real card answers (docs/card.md, 2.2).
        "plastic,filler=ff:3808",
        "plastic,filler=00:3808",
        "plastic,warns-at-end,read-cap=100",
    ] {
        let fixture = Fixture::with(profile);
        let issued = |card: &mut Card| card.credentials().clone();
        let issued = fixture.reader().inserted_card(issued).unwrap();
        let value = |slot, id: u8| {
            let session = fixture.logged_in(slot);
            let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
            let object = fixture.find_one(session, &template);
            let value = fixture.attribute(session, object, CKA_VALUE).unwrap();
            let size = fixture.object_size(session, object).unwrap();
            assert_eq!(size, value.len() as CK_ULONG);
            let read = Certificate::from_der(&value).unwrap();
            let read = read.tbs_certificate();
            for (kind, expected) in [
                (CKA_SERIAL_NUMBER, read.serial_number().to_der()),
                (CKA_ISSUER, read.issuer().to_der()),
                (CKA_SUBJECT, read.subject().to_der()),
            ] {
                let told = fixture.attribute(session, object, kind).unwrap();
                assert_eq!(told, expected.unwrap(), "{kind:#x}");
            }
            fixture.close_all_sessions(slot).unwrap();
            value
        };
        assert_eq!(value(AUTH, 1), issued.auth.as_ref().unwrap().certificate);
        assert_eq!(value(AUTH, 3), issued.auth_ca);
        assert_eq!(value(AUTH, 4), issued.sign_ca);
        assert_eq!(value(SIGN, 4), issued.sign_ca);
        assert_eq!(value(SIGN, 2), issued.sign.as_ref().unwrap().certificate);
    }
}

/// Reads the certificates in that order, the n-th answer of the reader damaged. False: the caller was told.
fn reads_well_with_damage(order: &[(CK_SLOT_ID, u8)], n: u64) -> bool {
    let fixture = Fixture::plastic();
    let issued = |card: &mut Card| card.credentials().clone();
    let issued = fixture.reader().inserted_card(issued).unwrap();
    fixture.reader().misbehave(n, Misbehaviour::LastByteWrong);
    let mut told = false;
    for _ in 0..3 {
        let read = || -> Result<(), CK_RV> {
            for &(slot, id) in order {
                let session = fixture.open_session(slot, true)?;
                if id == 2 && fixture.state(session)? == CKS_RW_PUBLIC_SESSION {
                    fixture.login(session, CKU_USER, PASSWORD)?;
                }
                let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
                for object in fixture.find(session, &template)? {
                    fixture.attribute(session, object, CKA_VALUE)?;
                }
            }
            Ok(())
        };
        told |= read().is_err();
    }
    let value = |slot, id: u8| {
        let session = fixture.open(slot);
        let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
        let object = fixture.find_one(session, &template);
        fixture.attribute(session, object, CKA_VALUE).unwrap()
    };
    for &(slot, id) in order {
        let expected = match id {
            1 => &issued.auth.as_ref().unwrap().certificate,
            2 => &issued.sign.as_ref().unwrap().certificate,
            3 => &issued.auth_ca,
            _ => &issued.sign_ca,
        };
        assert!(
            value(slot, id) == *expected,
            "certificate {id}, damage at {n}"
        );
    }
    assert_eq!(fixture.tries(), (3, 5));
    !told
}

#[test]
fn damaged_certificate_is_read_again() {
    // The authority after the certificate that it signed, and before. A certificate behind a PIN that was read
    // before its authority is not compared: that would send the PIN again.
    for order in [[(AUTH, 1), (AUTH, 3)].as_slice(), &[(SIGN, 4), (SIGN, 2)]] {
        let whole = (1..=40).filter(|&n| reads_well_with_damage(order, n));
        assert!(whole.count() >= 20);
    }
}

#[test]
fn certificate_that_cannot_be_read_does_not_end_a_search() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let own = fixture.find_one(
        session,
        &Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]),
    );
    let value = fixture.attribute(session, own, CKA_VALUE).unwrap();
    let search = Template::class(CKO_CERTIFICATE).bytes(CKA_VALUE, &value);
    let refused = Misbehaviour::AnswerInstead(vec![0x6F, 0x00]);
    fixture.reader().misbehave(2, refused);
    assert_eq!(fixture.find(session, &search), Ok(vec![own]));
    fixture.reader().misbehave(2, Misbehaviour::RemovedBefore);
    assert_eq!(fixture.find(session, &search), Err(CKR_DEVICE_REMOVED));
}
