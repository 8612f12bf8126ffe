//! The exact APDUs of each function, as golden files.

use crate::common::golden::{self, Script};
use crate::common::{AUTH, Fixture, Mechanism, PASSWORD, PIN, REST, SIGN, Template};
use cryptoki_sys::*;

/// Reads a certificate as a program does: search by ID, then the value.
fn read_certificate(fixture: &Fixture, session: CK_SESSION_HANDLE, id: u8) {
    let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
    let object = fixture.find_one(session, &template);
    fixture.attribute(session, object, CKA_VALUE).unwrap();
}

fn sign(fixture: &Fixture, session: CK_SESSION_HANDLE, kind: CK_MECHANISM_TYPE) {
    let key = fixture.private_key(session);
    let mechanism = Mechanism::usual(kind);
    fixture
        .sign_once(session, &mechanism, key, b"data")
        .unwrap();
}

/// Every verb in turn, on the authentication token and then on the signature token.
fn verbs(profile: &str) -> Script {
    let fixture = Fixture::with(profile);
    let mut script = Script::new(&fixture);
    script.step("C_Initialize, C_GetSlotList, C_GetSlotInfo", || {
        fixture.slot_list(true).unwrap();
        fixture.slot_info(AUTH).unwrap();
    });
    script.step("C_GetTokenInfo of both tokens", || {
        fixture.token_info(AUTH).unwrap();
        fixture.token_info(SIGN).unwrap();
    });
    let auth = fixture.open(AUTH);
    script.step("C_Login, authentication", || {
        fixture.login(auth, CKU_USER, PIN).unwrap();
    });
    script.step("the authentication certificate", || {
        read_certificate(&fixture, auth, 1);
    });
    script.step("its CA certificate", || read_certificate(&fixture, auth, 3));
    script.step("a signature, SHA-256 with PKCS #1 v1.5", || {
        sign(&fixture, auth, CKM_SHA256_RSA_PKCS);
    });
    script.step("a signature, PSS", || {
        sign(&fixture, auth, CKM_SHA256_RSA_PKCS_PSS);
    });
    script.step("random bytes", || {
        fixture.random(auth, 32).unwrap();
    });
    script.step("C_SetPIN, authentication", || {
        fixture.set_pin(auth, PIN, b"4711").unwrap();
    });
    script.step("C_Logout", || fixture.logout(auth).unwrap());
    let signature = fixture.open(SIGN);
    script.step("C_Login, signature", || {
        fixture.login(signature, CKU_USER, PASSWORD).unwrap();
    });
    script.step("the signature certificate", || {
        read_certificate(&fixture, signature, 2);
    });
    script.step("a signature of the signature key", || {
        sign(&fixture, signature, CKM_SHA256_RSA_PKCS);
    });
    let key = fixture.private_key(signature);
    let rsa = Mechanism::plain(CKM_RSA_PKCS);
    fixture.sign_init(signature, &rsa, key).unwrap();
    script.step("C_Login, for one more signature", || {
        fixture
            .login(signature, CKU_CONTEXT_SPECIFIC, PASSWORD)
            .unwrap();
    });
    script.step("that signature", || {
        fixture.sign(signature, b"data").unwrap();
    });
    script.step("C_SetPIN, signature", || {
        fixture.set_pin(signature, PASSWORD, b"NEWPASS1").unwrap();
    });
    script.step("C_CloseAllSessions, C_Finalize", || {
        fixture.close_all_sessions(SIGN).unwrap();
        fixture.finalize().unwrap();
    });
    script
}

#[test]
fn plastic_card() {
    check("plastic.txt", || verbs("plastic"));
}

#[test]
fn card_without_short_identifiers() {
    check("no-short-identifiers.txt", || {
        verbs("plastic,no-short-identifiers")
    });
}

#[test]
fn android_phone_is_powered_down() {
    check("android.txt", || verbs("android"));
}

#[test]
fn iphone() {
    check("iphone.txt", || verbs("iphone"));
}

#[test]
fn card_with_get_response() {
    check("t0.txt", || verbs("plastic,answers=t0"));
}

#[test]
fn signature_after_a_signature_is_five_apdus() {
    for slot in [AUTH, SIGN] {
        let apdus = (0..3).map(|_| {
            let fixture = Fixture::plastic();
            let session = fixture.logged_in(slot);
            let key = fixture.private_key(session);
            let rsa = Mechanism::plain(CKM_SHA256_RSA_PKCS);
            let (signed, apdus) = fixture.apdus(|| fixture.sign_once(session, &rsa, key, b"data"));
            assert!(signed.is_ok());
            apdus
        });
        // The least of three: a machine that pauses between login and signature makes it six.
        assert_eq!(apdus.min(), Some(5));
    }
}

#[test]
fn card_is_proved_again_after_a_pause() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let mut script = Script::new(&fixture);
    std::thread::sleep(REST);
    script.step("a signature after a rest", || {
        sign(&fixture, session, CKM_RSA_PKCS);
    });
    golden::check("wire/rest.txt", &script.to_string());
}

/// Compares what a script said with its golden file; up to three times, because a machine that pauses
/// between two steps makes a rest, after which the card is proved once more.
fn check(file: &str, script: impl Fn() -> Script) -> Script {
    let file = format!("wire/{file}");
    for _ in 0..2 {
        let seen = script();
        if golden::is(&file, &seen.to_string()) {
            return seen;
        }
    }
    let seen = script();
    golden::check(&file, &seen.to_string());
    seen
}

/// Looks at every slot, reads the certificate, logs in, signs: a TLS client that has just started.
fn cold_start(program: &str) -> Script {
    let fixture = Fixture::configured("plastic", |config| config.program = program.to_owned());
    let mut script = Script::new(&fixture);
    script.step("cold start, certificate, login, first signature", || {
        for slot in fixture.slot_list(true).unwrap() {
            fixture.slot_info(slot).unwrap();
            fixture.token_info(slot).unwrap();
        }
        let session = fixture.open(AUTH);
        read_certificate(&fixture, session, 1);
        fixture.login(session, CKU_USER, PIN).unwrap();
        sign(&fixture, session, CKM_SHA256_RSA_PKCS_PSS);
    });
    script
}

#[test]
fn cold_start_to_the_first_tls_signature() {
    let browser = check("cold-start-browser.txt", || cold_start("firefox"));
    assert_eq!(browser.apdus(), 21);
    // One more: a program that sees both tokens is told the tries of both PINs.
    let both = check("cold-start.txt", || cold_start("curl"));
    assert_eq!(both.apdus(), 22);
}

#[test]
fn after_other_clients() {
    check("other-client.txt", after_other_clients_script);
}

fn after_other_clients_script() -> Script {
    let fixture = Fixture::plastic();
    let auth = fixture.logged_in(AUTH);
    let mut client = fixture.other_client();
    let mut script = Script::new(&fixture);
    client.select_other();
    script.step("a signature after another program's SELECT", || {
        sign(&fixture, auth, CKM_RSA_PKCS);
    });
    client.reset();
    script.step("a signature after another program's reset", || {
        sign(&fixture, auth, CKM_RSA_PKCS);
    });
    script.step("and the next one", || sign(&fixture, auth, CKM_RSA_PKCS));
    client.reset();
    script.step("C_Login of the other token after a reset", || {
        fixture.logged_in(SIGN);
    });
    script
}

#[test]
fn refused_calls() {
    check("refused.txt", what_is_refused_script);
}

fn what_is_refused_script() -> Script {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let mut script = Script::new(&fixture);
    let mut login = |what: &str, pin: &[u8]| {
        script.step(what, || {
            fixture.login(session, CKU_USER, pin).unwrap_err();
        });
    };
    login("C_Login with a wrong shape", b"ABC123");
    login("C_Login with a wrong PIN", b"0000");
    login("the same again", b"0000");
    login("another wrong PIN", b"0001");
    login("with one try left", PIN);
    script.step("C_SetPIN with one try left", || {
        fixture.set_pin(session, PIN, b"4711").unwrap_err();
    });
    script.step("questions for a length", || {
        let digest = Mechanism::plain(CKM_SHA256);
        fixture.digest_init(session, &digest).unwrap();
        fixture.digest(session, b"data").unwrap();
    });
    script
}

#[test]
fn foreign_cards() {
    for profile in ["foreign", "fido"] {
        let fixture = Fixture::with(profile);
        let mut script = Script::new(&fixture);
        script.step("C_GetTokenInfo", || {
            fixture.token_info(AUTH).unwrap_err();
        });
        script.step("everything else", || {
            fixture.token_info(SIGN).unwrap_err();
            fixture.open_session(AUTH, true).unwrap_err();
        });
        golden::check(&format!("wire/{profile}.txt"), &script.to_string());
    }
}
