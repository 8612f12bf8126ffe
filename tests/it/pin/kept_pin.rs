//! What becomes of a login when another client enters or changes the PIN, or when the login ends while a call waits.

use std::thread;
use std::time::Duration;

use crate::common::config::LoginState;
use crate::common::{AUTH, Fixture, Mechanism, PIN, SIGN};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;

/// Longer than the module relies on its own last VERIFY.
const PAUSE: Duration = Duration::from_millis(80);

/// Another client changes the authentication PIN by the published commands.
fn change_pin(fixture: &Fixture, old: &[u8], new: &[u8]) {
    let mut client = fixture.other_client();
    client.select_jpki();
    assert_eq!(client.status(b"\x00\xA4\x02\x0C\x02\x00\x18"), 0x9000);
    for (header, pin) in [
        (b"\x00\x20\x00\x80\x04", old),
        (b"\x00\x24\x01\x80\x04", new),
    ] {
        assert_eq!(client.status(&[&header[..], pin].concat()), 0x9000);
    }
    client.select_other();
}

fn enter_wrong_pin(fixture: &Fixture, times: usize) {
    let mut client = fixture.other_client();
    client.select_jpki();
    for _ in 0..times {
        client.verify_auth(b"0000");
    }
    client.select_other();
}

#[test]
fn changed_pin_costs_one_try_in_all() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    change_pin(&fixture, PIN, b"4711");
    thread::sleep(PAUSE);
    let key = fixture.private_key(session);
    let sign = || {
        fixture.sign_once(
            session,
            &Mechanism::plain(CKM_SHA256_RSA_PKCS),
            key,
            b"data",
        )
    };
    // The counter is full after the change, so the kept PIN is sent once.
    assert_eq!(sign(), Err(CKR_USER_NOT_LOGGED_IN));
    assert_eq!(fixture.tries(), (2, 5));
    for _ in 0..5 {
        assert!(sign().is_err());
    }
    assert_eq!(fixture.tries(), (2, 5));
    // Another program's login with the old PIN, as one that is logged in would send it.
    assert_eq!(
        fixture.login(session, CKU_USER, PIN),
        Err(CKR_PIN_INCORRECT)
    );
    assert_eq!(fixture.tries(), (2, 5), "the value was refused before");
    fixture.login(session, CKU_USER, b"4711").unwrap();
    fixture.signature(session).unwrap();
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn kept_pin_is_not_sent_when_somebody_failed_meanwhile() {
    for wrong in 1..=3 {
        let fixture = Fixture::plastic();
        let session = fixture.logged_in(AUTH);
        let key = fixture.private_key(session);
        let before = fixture.counters().auth_verifies;
        enter_wrong_pin(&fixture, wrong);
        thread::sleep(PAUSE);
        let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
        let signed = fixture.sign_once(session, &rsa, key, b"data");
        assert_eq!(signed, Err(CKR_USER_NOT_LOGGED_IN), "{wrong}");
        let counters = fixture.counters();
        let tries = 3 - u8::try_from(wrong).unwrap();
        assert_eq!(counters.auth_verifies, before + wrong as u64, "{wrong}");
        assert_eq!(counters.auth_tries, tries, "{wrong}");
        assert_eq!(
            { fixture.session_info(session).unwrap().state },
            CKS_RW_PUBLIC_SESSION
        );
        assert!(!fixture.is_open());
    }
}

#[test]
fn refused_value_may_be_sent_once_the_counter_has_risen() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    assert_eq!(
        fixture.login(session, CKU_USER, b"4711"),
        Err(CKR_PIN_INCORRECT)
    );
    assert_eq!(
        fixture.login(session, CKU_USER, b"4711"),
        Err(CKR_PIN_INCORRECT)
    );
    assert_eq!(fixture.counters().auth_verifies, 1);
    change_pin(&fixture, PIN, b"4711");
    fixture.login(session, CKU_USER, b"4711").unwrap();
    fixture.signature(session).unwrap();
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn counter_query_is_repeated_by_select_ef_whatever_refuses_it() {
    for status in [
        0x6A82, 0x6A88, 0x6985, 0x6981, 0x6700, 0x6D00, 0x6F00, 0x9001_u16,
    ] {
        let fixture = Fixture::plastic();
        let session = fixture.open(AUTH);
        thread::sleep(PAUSE);
        // READ, then the query by its short identifier.
        let refusal = Misbehaviour::AnswerInstead(status.to_be_bytes().to_vec());
        fixture.reader().misbehave(2, refusal);
        assert_eq!(
            fixture.login(session, CKU_USER, PIN),
            Ok(()),
            "{status:04X}"
        );
        assert_eq!(fixture.tries(), (3, 5));
    }
}

/// The user's thread waits for another program's transaction when C_Finalize or a removal comes.
#[test]
fn nothing_is_sent_after_finalize_returned() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let verifies = fixture.counters().auth_verifies;
    let mut other = fixture.other_client();
    let held = other.hold();
    thread::scope(|scope| {
        let caller = fixture.caller();
        let waiting = scope.spawn(move || {
            let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
            caller.sign_once(session, &rsa, key, b"data")
        });
        thread::sleep(Duration::from_millis(200));
        fixture.finalize().unwrap();
        let apdus = fixture.reader().apdus();
        held.leave();
        assert!(waiting.join().unwrap().is_err());
        assert_eq!(fixture.reader().apdus(), apdus, "an APDU after C_Finalize");
    });
    assert_eq!(fixture.counters().auth_verifies, verifies);
}

#[test]
fn card_left_open_by_setting_is_closed_by_every_way_out() {
    let card = || {
        Fixture::configured("plastic", |config| {
            config.login_state = LoginState::Card;
        })
    };
    type WayOut = (&'static str, fn(&Fixture, CK_SESSION_HANDLE));
    let ways: [WayOut; 4] = [
        ("C_Logout", |fixture, session| {
            fixture.logout(session).unwrap()
        }),
        ("C_CloseSession", |fixture, session| {
            fixture.close_session(session).unwrap();
        }),
        ("C_Finalize", |fixture, _| fixture.finalize().unwrap()),
        ("an error, then C_Finalize", |fixture, session| {
            // READ and the signature: half an answer.
            fixture.reader().misbehave(1, Misbehaviour::Truncated);
            let _ = fixture.signature(session);
            fixture.finalize().unwrap();
        }),
    ];
    for (way, leave) in ways {
        let fixture = card();
        let session = fixture.logged_in(AUTH);
        assert!(fixture.is_open(), "{way}");
        fixture.signature(session).unwrap();
        assert!(fixture.is_open(), "{way}: a signature keeps it open");
        leave(&fixture, session);
        assert!(!fixture.is_open(), "{way}");
    }
}

#[test]
fn one_refused_select_makes_one_power_down() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(SIGN);
    fixture.logout(session).unwrap();
    let session = fixture.logged_in(AUTH);
    let resets = fixture.reader().resets();
    // READ, VERIFY, SIGN, then the SELECT of the issuer's domain.
    fixture
        .reader()
        .misbehave(4, Misbehaviour::AnswerInstead(vec![0x6A, 0x82]));
    fixture.signature(session).unwrap();
    assert!(!fixture.is_open());
    let once = fixture.reader().resets();
    assert!(once > resets, "the card was powered down");
    fixture.signature(session).unwrap();
    let after_reconnect = fixture.reader().resets();
    for _ in 0..3 {
        fixture.signature(session).unwrap();
        assert!(!fixture.is_open());
    }
    assert_eq!(
        fixture.reader().resets(),
        after_reconnect,
        "SELECT closes it again"
    );
}

#[test]
fn own_wrong_entry_does_not_end_the_login() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    assert_eq!(
        fixture.set_pin(session, b"0000", b"4711"),
        Err(CKR_PIN_INCORRECT)
    );
    thread::sleep(PAUSE);
    fixture.signature(session).unwrap();
    assert_eq!(fixture.tries(), (3, 5));
}
