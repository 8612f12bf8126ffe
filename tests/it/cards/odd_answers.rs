//! Answers that no known card gives, and answers that are lost: what the caller is told, and what the module goes on with.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::module::pcsc::Error;
use crate::common::{AUTH, Failure, Fixture, PASSWORD, PIN, REST, SIGN, Template};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;

/// The answer to the next command that begins so is lost.
fn lose(fixture: &Fixture, command: &[u8]) {
    let lost = Failure::lost(Error::Failed("no answer".to_owned()));
    fixture.pcsc.failures(|it| it.add_command(command, lost));
}

/// The n-th command from now is answered so, and not carried out.
fn answer_instead(fixture: &Fixture, n: u64, answer: &[u8]) {
    let answer = Misbehaviour::AnswerInstead(answer.to_vec());
    fixture.reader().misbehave(n, answer);
}

/// READ BINARY of the signature certificate, by its short identifier (docs/card.md, 3.2).
const READ_SIGNATURE_CERTIFICATE: &[u8] = &[0x00, 0xB0, 0x81];

fn certificate(fixture: &Fixture, session: CK_SESSION_HANDLE, id: u8) -> Result<Vec<u8>, CK_RV> {
    let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
    let found = fixture.find(session, &template)?;
    fixture.attribute(session, found[0], CKA_VALUE)
}

#[test]
fn fewer_random_bytes_than_asked_for_are_none() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    answer_instead(&fixture, 1, &[1, 2, 3, 0x90, 0x00]);
    assert_eq!(fixture.random(session, 32), Err(CKR_DEVICE_ERROR));
    assert_eq!(fixture.random(session, 32).unwrap().len(), 32);
}

#[test]
fn certificate_with_a_hole_is_none() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    // READ of the known certificate, of the start of the other one, of what follows.
    for block in [vec![0x90, 0x00], [&[0x55; 256][..], &[0x90, 0x00]].concat()] {
        answer_instead(&fixture, 3, &block);
        assert_eq!(certificate(&fixture, session, 3), Err(CKR_DEVICE_ERROR));
    }
    assert!(certificate(&fixture, session, 3).is_ok());
}

#[test]
fn file_is_not_absent_because_another_application_is_selected() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let selected = Misbehaviour::OtherApplicationBefore;
    fixture.reader().misbehave(2, selected);
    assert_eq!(certificate(&fixture, session, 3), Err(CKR_DEVICE_ERROR));
    assert!(certificate(&fixture, session, 3).is_ok());
}

#[test]
fn free_certificate_is_read_again_after_a_lost_answer() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    // READ BINARY of whatever it is.
    lose(&fixture, &[0x00, 0xB0]);
    assert!(certificate(&fixture, session, 3).is_ok());
}

#[test]
fn certificate_behind_a_pin_is_not_read_again_by_itself() {
    let fixture = Fixture::plastic();
    let session = fixture.open(SIGN);
    let verifies = || fixture.counters().sign_verifies;
    lose(&fixture, READ_SIGNATURE_CERTIFICATE);
    fixture.login(session, CKU_USER, PASSWORD).unwrap();
    assert_eq!(verifies(), 1);
    lose(&fixture, READ_SIGNATURE_CERTIFICATE);
    assert_eq!(certificate(&fixture, session, 2), Err(CKR_DEVICE_ERROR));
    assert_eq!(verifies(), 2);
    assert!(certificate(&fixture, session, 2).is_ok());
    assert_eq!(verifies(), 3);
}

#[test]
fn known_card_that_refuses_the_application_once_stays_known() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    fixture.other_client().select_other();
    // READ finds another application, SELECT is refused.
    answer_instead(&fixture, 2, &[0x6A, 0x82]);
    assert_eq!(fixture.login(session, CKU_USER, PIN), Err(CKR_DEVICE_ERROR));
    assert_eq!(fixture.login(session, CKU_USER, PIN), Ok(()));
}

#[test]
fn only_a_refusal_makes_a_card_somebody_elses() {
    let fixture = Fixture::plastic();
    fixture.take_out();
    fixture.put_back();
    answer_instead(&fixture, 1, &[0x90, 0x01]);
    let told = fixture.token_info(AUTH).map(|_| ());
    assert_eq!(told, Err(CKR_DEVICE_ERROR));
    let begun = Instant::now();
    while fixture.token_info(AUTH).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn change_that_was_not_carried_out_leaves_the_login() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    thread::sleep(REST);
    // READ, tries, SELECT EF, VERIFY, CHANGE.
    answer_instead(&fixture, 5, &[0x6A, 0x86]);
    let changed = fixture.set_pin(session, PIN, b"5678");
    assert_eq!(changed, Err(CKR_DEVICE_ERROR));
    assert_eq!(fixture.signature(session).map(|it| it.len()), Ok(256));
}

/// Whether leaving the application closes the card is tried once (docs/card.md, 3.1).
#[test]
fn proof_without_an_answer_ends_with_the_power() {
    let resets_of = |prepare: &dyn Fn(&Fixture)| {
        let fixture = Fixture::plastic();
        let session = fixture.open(AUTH);
        let before = fixture.reader().resets();
        prepare(&fixture);
        fixture.login(session, CKU_USER, PIN).unwrap();
        assert_eq!(fixture.signature(session).map(|it| it.len()), Ok(256));
        fixture.reader().resets() - before
    };
    assert_eq!(resets_of(&|_| ()), 0);
    // COMPUTE DIGITAL SIGNATURE.
    assert_ne!(resets_of(&|it| lose(it, &[0x80, 0x2A])), 0);
    // READ, tries, VERIFY, SELECT twice, the signature: a strange answer proves nothing.
    let strange = |it: &Fixture| answer_instead(it, 6, &[0x6F, 0x00]);
    assert_eq!(resets_of(&strange), 0);
}

#[test]
fn card_without_a_name_is_called_by_its_kind() {
    let fixture = Fixture::with("plastic,no-token-information");
    let model = fixture.token_info(AUTH).unwrap().model;
    assert_eq!(&model, b"My Number Card  ");
}

#[test]
fn locked_file_after_the_right_pin_ends_the_login() {
    let fixture = Fixture::plastic();
    let session = fixture.open(SIGN);
    lose(&fixture, READ_SIGNATURE_CERTIFICATE);
    fixture.login(session, CKU_USER, PASSWORD).unwrap();
    thread::sleep(REST);
    // READ, tries, VERIFY, READ.
    answer_instead(&fixture, 4, &[0x69, 0x82]);
    assert!(certificate(&fixture, session, 2).is_err());
    assert_eq!(fixture.state(session), Ok(CKS_RW_PUBLIC_SESSION));
}

#[test]
fn free_file_that_is_locked_is_absent_for_a_moment() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    answer_instead(&fixture, 2, &[0x69, 0x82]);
    let read = certificate(&fixture, session, 3);
    assert_eq!(read, Err(CKR_OBJECT_HANDLE_INVALID));
    assert!(certificate(&fixture, session, 3).is_ok());
}

#[test]
fn short_identifier_that_is_not_found_is_no_absent_file() {
    let fixture = Fixture::plastic();
    fixture.take_out();
    fixture.put_back();
    // SELECT, READ.
    answer_instead(&fixture, 2, &[0x6A, 0x82]);
    let session = fixture.open(AUTH);
    assert!(certificate(&fixture, session, 1).is_ok());
}

#[test]
fn torn_certificate_spoils_one_signature_at_most() {
    let mut spoilt = 0;
    for n in 1..=9 {
        let fixture = Fixture::plastic();
        fixture.reader().misbehave(n, Misbehaviour::LastByteWrong);
        let sign = || {
            let session = fixture.open_session(AUTH, true)?;
            fixture.login(session, CKU_USER, PIN)?;
            fixture.signature(session)
        };
        if sign().is_err() {
            spoilt += 1;
            let _ = fixture.close_all_sessions(AUTH);
            assert_eq!(sign().map(|it| it.len()), Ok(256), "{n}");
        }
    }
    assert!(spoilt > 0);
}
