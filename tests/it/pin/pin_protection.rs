//! No try is ever wasted. What belongs here: which PINs reach the card, judged by the card's own counters,
//! and what `C_Login` and `C_SetPIN` answer. docs/login.md has the same as a table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod common;

use common::{AUTH, PASSWORD, PIN, SIGN, Stage};
use cryptoki_sys::*;
use jpki_pkcs11::config::LastTry;

/// Values that the authentication PIN cannot have.
fn no_pins() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "", "123", "12345", "ABC123", "12a4", "-123", " 1234", "1234\n", "12 4",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    all.extend(shapes_of_neither());
    all
}

/// Values that the signature password cannot have.
fn no_passwords() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "",
        "1234",
        "ABC12",
        "ABC1234567890ABCD",
        "ABC-123",
        "ABC 123",
        "ABC123\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    all.extend(shapes_of_neither());
    all
}

fn shapes_of_neither() -> Vec<Vec<u8>> {
    let text = [
        "１２３４",
        "ＡＢＣ１２３",
        "暗証番号",
        "ABCé12",
        "12\u{0}4",
        "1234\u{0}",
        "ABC123\u{0}",
        "\u{0}\u{0}\u{0}\u{0}",
    ];
    let mut all: Vec<Vec<u8>> = text.map(|text| text.as_bytes().to_vec()).to_vec();
    all.push(vec![b'1'; 300]);
    all.push(vec![0xFF; 4]);
    all.push(vec![0x80; 8]);
    all
}

/// VERIFYs with a PIN so far, both keys.
fn verifies(stage: &Stage) -> u64 {
    let counters = stage.counters();
    counters.auth_verifies + counters.sign_verifies
}

fn flags(stage: &Stage, slot: CK_SLOT_ID) -> CK_FLAGS {
    let all = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
    stage.token_info(slot).unwrap().flags & all
}

#[test]
fn a_pin_of_the_wrong_shape_never_reaches_the_card() {
    let stage = Stage::plastic();
    for (slot, wrong) in [(AUTH, no_pins()), (SIGN, no_passwords())] {
        let session = stage.open(slot);
        let (_, sent) = stage.apdus(|| {
            for pin in &wrong {
                assert_eq!(
                    stage.login(session, CKU_USER, pin),
                    Err(CKR_PIN_INCORRECT),
                    "{pin:?}"
                );
            }
            assert_eq!(
                stage.login_without_pin(session, CKU_USER),
                Err(CKR_ARGUMENTS_BAD)
            );
        });
        assert_eq!(sent, 0, "slot {slot}");
    }
    assert_eq!((stage.tries(), verifies(&stage)), ((3, 5), 0));
    // The other token's PIN, as `ssh-add -s` sends it, and then the right one.
    let session = stage.open(SIGN);
    assert_eq!(stage.login(session, CKU_USER, PIN), Err(CKR_PIN_INCORRECT));
    assert_eq!(stage.login(session, CKU_USER, PASSWORD), Ok(()));
    assert_eq!((stage.tries(), verifies(&stage)), ((3, 5), 1));
}

/// poppler's pdfsig without `-kpw` made NSS ask for ever.
#[test]
fn a_program_that_repeats_a_wrong_pin_for_ever_is_stopped() {
    let stage = Stage::plastic();
    let session = stage.open(SIGN);
    let (_, sent) = stage.apdus(|| {
        let answers: Vec<_> = (0..60)
            .map(|_| stage.login(session, CKU_USER, b""))
            .collect();
        assert_eq!(answers.get(28), Some(&Err(CKR_PIN_INCORRECT)));
        assert_eq!(answers.get(29), Some(&Err(CKR_FUNCTION_FAILED)));
        assert_eq!(answers.get(30), Some(&Err(CKR_PIN_INCORRECT)));
        assert_eq!(answers.get(59), Some(&Err(CKR_FUNCTION_FAILED)));
    });
    assert_eq!(sent, 0);
    assert_eq!(stage.login(session, CKU_USER, PASSWORD), Ok(()));
}

#[test]
fn letters_are_raised() {
    let stage = Stage::plastic();
    let session = stage.open(SIGN);
    assert_eq!(stage.login(session, CKU_USER, b"abC123"), Ok(()));
    assert_eq!((stage.tries(), verifies(&stage)), ((3, 5), 1));
}

#[test]
fn a_refused_value_is_not_sent_again() {
    let stage = Stage::plastic();
    let (auth, sign) = (stage.open(AUTH), stage.open(SIGN));
    for _ in 0..10 {
        assert_eq!(stage.login(auth, CKU_USER, b"9999"), Err(CKR_PIN_INCORRECT));
        assert_eq!(
            stage.login(sign, CKU_USER, b"WRONG1"),
            Err(CKR_PIN_INCORRECT)
        );
        assert_eq!(
            stage.login(sign, CKU_USER, b"wrong1"),
            Err(CKR_PIN_INCORRECT)
        );
        assert_eq!(
            stage.set_pin(sign, b"WRONG1", b"NEW1234"),
            Err(CKR_PIN_INCORRECT)
        );
    }
    assert_eq!((stage.tries(), verifies(&stage)), ((2, 4), 2));
    // A second session, and another one after all are closed, belong to the same process.
    stage.close_all_sessions(AUTH).unwrap();
    let auth = stage.open(AUTH);
    assert_eq!(stage.login(auth, CKU_USER, b"9999"), Err(CKR_PIN_INCORRECT));
    assert_eq!(stage.tries(), (2, 4));
}

#[test]
fn refusals_are_forgotten_on_success_removal_and_finalize() {
    let stage = Stage::plastic();
    let auth = stage.open(AUTH);
    let wrong = |session| {
        assert_eq!(
            stage.login(session, CKU_USER, b"9999"),
            Err(CKR_PIN_INCORRECT)
        )
    };
    wrong(auth);
    assert_eq!(stage.login(auth, CKU_USER, PIN), Ok(()));
    stage.logout(auth).unwrap();
    wrong(auth);
    assert_eq!((stage.tries(), verifies(&stage)), ((2, 5), 3));

    stage.take_out();
    stage.put_back();
    let auth = stage.open(AUTH);
    assert_eq!(stage.login(auth, CKU_USER, PIN), Ok(()));
    stage.logout(auth).unwrap();
    wrong(auth);
    stage.take_out();
    stage.put_back();
    let auth = stage.open(AUTH);
    // Sent again, to what may be another card: the guard keeps the last try.
    wrong(auth);
    assert_eq!((stage.tries(), verifies(&stage)), ((1, 5), 6));
    assert_eq!(stage.login(auth, CKU_USER, PIN), Err(CKR_PIN_LOCKED));
    assert_eq!((stage.tries(), verifies(&stage)), ((1, 5), 6));
}

#[test]
fn the_last_try_is_kept() {
    let stage = Stage::with("plastic,auth-tries=1,sign-tries=1");
    assert_eq!(
        flags(&stage, AUTH),
        CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY
    );
    for (slot, right, wrong) in [(AUTH, PIN, &b"9999"[..]), (SIGN, PASSWORD, b"WRONG1")] {
        let session = stage.open(slot);
        for pin in [wrong, right, wrong] {
            assert_eq!(stage.login(session, CKU_USER, pin), Err(CKR_PIN_LOCKED));
            assert_eq!(stage.set_pin(session, pin, right), Err(CKR_PIN_LOCKED));
        }
    }
    assert_eq!((stage.tries(), verifies(&stage)), ((1, 1), 0));
}

#[test]
fn the_last_try_is_spent_by_whoever_allows_it() {
    let allow = |profile| Stage::configured(profile, |config| config.last_try = LastTry::Allow);
    let stage = allow("plastic,auth-tries=1,sign-tries=1");
    let (auth, sign) = (stage.open(AUTH), stage.open(SIGN));
    assert_eq!(stage.login(auth, CKU_USER, PIN), Ok(()));
    assert_eq!(stage.login(sign, CKU_USER, b"WRONG1"), Err(CKR_PIN_LOCKED));
    assert_eq!((stage.tries(), verifies(&stage)), ((3, 0), 2));
    assert_eq!(
        (flags(&stage, AUTH), flags(&stage, SIGN)),
        (0, CKF_USER_PIN_LOCKED)
    );
}

#[test]
fn the_flags_tell_the_truth_and_cost_nothing() {
    let stage = Stage::configured("plastic", |config| config.last_try = LastTry::Allow);
    let auth = stage.open(AUTH);
    let truth = [
        (&b"9999"[..], CKR_PIN_INCORRECT, CKF_USER_PIN_COUNT_LOW),
        (
            b"8888",
            CKR_PIN_INCORRECT,
            CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
        ),
        (PIN, CKR_OK, 0),
        (b"9999", CKR_PIN_INCORRECT, CKF_USER_PIN_COUNT_LOW),
        (
            b"8888",
            CKR_PIN_INCORRECT,
            CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
        ),
        (b"7777", CKR_PIN_LOCKED, CKF_USER_PIN_LOCKED),
        (PIN, CKR_PIN_LOCKED, CKF_USER_PIN_LOCKED),
    ];
    for (pin, code, expected) in truth {
        assert_eq!(
            stage.login(auth, CKU_USER, pin).err().unwrap_or(CKR_OK),
            code
        );
        let (seen, sent) = stage.apdus(|| flags(&stage, AUTH));
        assert_eq!((seen, sent), (expected, 0), "after {pin:?}");
        let _ = stage.logout(auth);
    }
    assert_eq!(flags(&stage, SIGN), 0);
}

#[test]
fn a_locked_pin_hides_nothing_of_the_other_token() {
    for profile in [
        "plastic,auth-tries=0",
        "plastic,auth-tries=0,locked-query=6984",
        "plastic,auth-tries=0,locked-query=6983,locked=6983",
    ] {
        let stage = Stage::with(profile);
        assert_eq!(stage.slot_list(true).unwrap(), [AUTH, SIGN], "{profile}");
        assert_eq!(flags(&stage, AUTH), CKF_USER_PIN_LOCKED);
        let auth = stage.open(AUTH);
        assert_eq!(stage.login(auth, CKU_USER, PIN), Err(CKR_PIN_LOCKED));
        let sign = stage.logged_in(SIGN);
        let key = stage.private_key(sign);
        let usual = common::Mechanism::usual(CKM_SHA256_RSA_PKCS);
        assert!(stage.sign_once(sign, &usual, key, b"data").is_ok());
        assert_eq!((stage.tries(), verifies(&stage)), ((0, 5), 2), "{profile}");
    }
}

#[test]
fn a_counter_that_is_hidden_by_a_verified_pin_is_asked_for_again() {
    // Somebody else has verified the PIN, and somebody then spent tries: 9000 says nothing of them.
    let stage = Stage::with("plastic,query-tells-verified");
    let auth = stage.open(AUTH);
    let mut neighbour = stage.neighbour();
    neighbour.select_jpki();
    neighbour.verify_auth(b"1234");
    neighbour.verify_auth(b"9999");
    neighbour.verify_auth(b"9999");
    assert_eq!(stage.tries().0, 1);
    assert_eq!(stage.login(auth, CKU_USER, b"8888"), Err(CKR_PIN_LOCKED));
    assert_eq!(stage.tries().0, 1);
    assert!(!stage.is_open());
}

#[test]
fn a_pin_is_changed_under_the_same_rules() {
    let stage = Stage::plastic();
    let (auth, sign) = (stage.open(AUTH), stage.open(SIGN));
    for (session, old, wrong_new) in [(auth, PIN, no_pins()), (sign, PASSWORD, no_passwords())] {
        for new in &wrong_new {
            let code = stage.set_pin(session, old, new).unwrap_err();
            assert!(
                [CKR_PIN_LEN_RANGE, CKR_PIN_INVALID].contains(&code),
                "{new:?}: {code:#x}"
            );
        }
    }
    for old in no_pins() {
        assert_eq!(
            stage.set_pin(auth, &old, b"5678"),
            Err(CKR_PIN_INCORRECT),
            "{old:?}"
        );
    }
    assert_eq!((stage.tries(), verifies(&stage)), ((3, 5), 0));
    assert_eq!(
        stage.set_pin(auth, b"9999", b"5678"),
        Err(CKR_PIN_INCORRECT)
    );
    assert_eq!(stage.set_pin(auth, PIN, b"5678"), Ok(()));
    assert_eq!(stage.set_pin(sign, b"abc123", b"new1234"), Ok(()));
    assert_eq!(stage.tries(), (3, 5));
    assert!(!stage.is_open());
    assert_eq!(stage.login(auth, CKU_USER, b"5678"), Ok(()));
    assert_eq!(stage.login(sign, CKU_USER, b"NEW1234"), Ok(()));
    // A login goes on with the new PIN.
    assert_eq!(stage.set_pin(auth, b"5678", PIN), Ok(()));
    let key = stage.private_key(auth);
    let usual = common::Mechanism::usual(CKM_SHA256_RSA_PKCS);
    assert!(stage.sign_once(auth, &usual, key, b"data").is_ok());
    assert_eq!(stage.tries(), (3, 5));
}

#[test]
fn after_a_torn_change_the_kept_pin_is_not_tried() {
    let stage = Stage::plastic();
    let auth = stage.logged_in(AUTH);
    let key = stage.private_key(auth);
    // READ, query, VERIFY, CHANGE: the last one is executed, and its answer lost.
    stage.reader().misbehave(
        4,
        jpki_card_simulator::Misbehaviour::AnswerAfter(vec![0x6F, 0x00]),
    );
    assert_eq!(stage.set_pin(auth, PIN, b"5678"), Err(CKR_DEVICE_ERROR));
    let usual = common::Mechanism::usual(CKM_SHA256_RSA_PKCS);
    assert_eq!(
        stage.sign_once(auth, &usual, key, b"data"),
        Err(CKR_USER_NOT_LOGGED_IN)
    );
    assert_eq!(stage.tries(), (3, 5));
}

#[test]
fn a_kept_pin_that_somebody_changed_costs_one_try_and_ends_the_login() {
    let stage = Stage::plastic();
    let auth = stage.logged_in(AUTH);
    let key = stage.private_key(auth);
    let mut neighbour = stage.neighbour();
    neighbour.select_jpki();
    neighbour.verify_auth(b"1234");
    assert_eq!(neighbour.status(b"\x00\x24\x01\x98\x045678"), 0x9000);
    let usual = common::Mechanism::usual(CKM_SHA256_RSA_PKCS);
    for _ in 0..3 {
        assert_eq!(
            stage.sign_once(auth, &usual, key, b"data"),
            Err(CKR_USER_NOT_LOGGED_IN)
        );
        assert_eq!(
            stage.login(auth, CKU_USER, PIN),
            Err(CKR_PIN_INCORRECT),
            "refused before"
        );
    }
    assert_eq!(stage.tries(), (2, 5));
    assert_eq!(stage.login(auth, CKU_USER, b"5678"), Ok(()));
}
