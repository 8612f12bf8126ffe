//! The verbs: what a program does that makes the module talk to the card, and what stands before it. They go through
//! the C ABI.

use crate::common::config::{Config, LoginState};
use cryptoki_sys::*;

use super::common::caller::Answer;
use super::common::module::pcsc::Error;
use super::common::{AUTH, Failure, Fixture, Mechanism, PASSWORD, PIN, SIGN, Template, proof};

/// What a PIN is changed to.
pub(crate) const NEW_PIN: &[u8] = b"9876";
/// What the signature password is changed to.
pub(crate) const NEW_PASSWORD: &[u8] = b"NEW00PASS";
/// SELECT the JPKI application.
pub(crate) const SELECT_JPKI: [u8; 15] = [
    0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01,
];

/// READ BINARY of the signature certificate's first block, by its short identifier.
const READ_SIGNATURE_CERTIFICATE: [u8; 4] = [0x00, 0xB0, 0x81, 0x00];

/// One of them.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) profile: &'static str,
    pub(crate) configure: fn(&mut Config),
    pub(crate) slot: CK_SLOT_ID,
    pub(crate) prepare: fn(&Fixture) -> Scene,
    pub(crate) act: fn(&Fixture, &Scene) -> Answer<Product>,
    /// It opens the card: there is no session yet.
    pub(crate) opens: bool,
    /// It names a slot and not a session.
    pub(crate) by_slot: bool,
    /// It only reads what the card shows without a PIN.
    pub(crate) reads: bool,
    /// It ends the login, or cannot keep it through every failure.
    pub(crate) may_end_login: bool,
    /// It sends a wrong PIN.
    pub(crate) wrong: bool,
    /// It changes the PIN.
    pub(crate) changes: bool,
    /// The user wants the card left open.
    pub(crate) stays_open: bool,
    /// Each login leaves it open.
    pub(crate) login_opens: bool,
    /// VERIFYs with data that it makes.
    pub(crate) verifies: u64,
    /// Signatures that it makes.
    pub(crate) signatures: u64,
}

/// What stands when the verb begins.
pub(crate) struct Scene {
    pub(crate) session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
}

/// What it gives.
pub(crate) enum Product {
    Nothing,
    /// The authority of this slot's certificate.
    Certificate(CK_SLOT_ID, Vec<u8>),
    /// The certificate of the signature key.
    Own(Vec<u8>),
    /// By this mechanism, of the data that [`proof::data_for`] has for it.
    Signature(CK_MECHANISM_TYPE, Vec<u8>),
    PinChanged,
    Random(Vec<u8>),
}

/// All of them.
pub(crate) fn all() -> Vec<Verb> {
    let mut all = opening();
    all.extend(reading());
    all.extend(logins());
    all.extend(signatures());
    all.extend(pins());
    all.extend(left_open());
    all.extend(other_cards());
    all
}

/// What a program asks again and again. It costs no APDU.
pub(crate) fn polls() -> Vec<Verb> {
    let poll = Verb {
        prepare: |fixture| logged_in(fixture, AUTH),
        ..USUAL
    };
    vec![
        Verb {
            name: "C_GetSlotList",
            act: |fixture, _| match fixture.slot_list(true) {
                // The reader has answered the second question only.
                Err(CKR_BUFFER_TOO_SMALL) => Ok(Product::Nothing),
                slots => done(slots.map(|_| ())),
            },
            ..poll
        },
        Verb {
            name: "C_GetSlotInfo",
            act: |fixture, _| done(fixture.slot_info(AUTH).map(|_| ())),
            ..poll
        },
        Verb {
            name: "C_GetTokenInfo",
            act: |fixture, _| done(fixture.token_info(AUTH).map(|_| ())),
            by_slot: true,
            ..poll
        },
        Verb {
            name: "C_GetSessionInfo",
            act: |fixture, scene| done(fixture.state(scene.session).map(|_| ())),
            ..poll
        },
        Verb {
            name: "C_FindObjects",
            act: |fixture, scene| {
                let found = fixture.find(scene.session, &Template::class(CKO_PRIVATE_KEY))?;
                assert!(found.contains(&scene.key), "the key is not found");
                Ok(Product::Nothing)
            },
            ..poll
        },
        Verb {
            name: "C_Logout",
            act: |fixture, scene| done(fixture.logout(scene.session)),
            may_end_login: true,
            ..poll
        },
    ]
}

const USUAL: Verb = Verb {
    name: "",
    profile: "plastic",
    configure: |_| (),
    slot: AUTH,
    prepare: |fixture| session(fixture, AUTH),
    act: |_, _| Ok(Product::Nothing),
    opens: false,
    by_slot: false,
    reads: false,
    may_end_login: false,
    wrong: false,
    changes: false,
    stays_open: false,
    login_opens: false,
    verifies: 0,
    signatures: 0,
};

fn nothing(_: &Fixture) -> Scene {
    Scene { session: 0, key: 0 }
}

fn session(fixture: &Fixture, slot: CK_SLOT_ID) -> Scene {
    let session = fixture.open(slot);
    Scene { session, key: 0 }
}

fn logged_in(fixture: &Fixture, slot: CK_SLOT_ID) -> Scene {
    let session = fixture.logged_in(slot);
    let key = fixture.private_key(session);
    Scene { session, key }
}

fn done(answer: Answer<()>) -> Answer<Product> {
    answer.map(|()| Product::Nothing)
}

fn sign(fixture: &Fixture, scene: &Scene, kind: CK_MECHANISM_TYPE) -> Answer<Product> {
    let mechanism = Mechanism::usual(kind);
    let data = proof::data_for(kind);
    let signature = fixture.sign_once(scene.session, &mechanism, scene.key, &data)?;
    Ok(Product::Signature(kind, signature))
}

fn authority(fixture: &Fixture, scene: &Scene, slot: CK_SLOT_ID, id: u8) -> Answer<Product> {
    let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[id]);
    let value = value_of(fixture, scene, &template)?;
    Ok(Product::Certificate(slot, value))
}

/// The value of the only object that fits. One that could not be read is not found.
fn value_of(fixture: &Fixture, scene: &Scene, template: &Template) -> Answer<Vec<u8>> {
    let found = fixture.find(scene.session, template)?;
    let [object] = found[..] else {
        return Err(CKR_DEVICE_ERROR);
    };
    fixture.attribute(scene.session, object, CKA_VALUE)
}

fn opening() -> Vec<Verb> {
    vec![
        Verb {
            name: "C_GetTokenInfo (open)",
            prepare: nothing,
            act: |fixture, _| done(fixture.token_info(AUTH).map(|_| ())),
            opens: true,
            by_slot: true,
            reads: true,
            ..USUAL
        },
        Verb {
            name: "C_OpenSession (open)",
            slot: SIGN,
            prepare: nothing,
            act: |fixture, _| done(fixture.open_session(SIGN, true).map(|_| ())),
            opens: true,
            by_slot: true,
            reads: true,
            ..USUAL
        },
    ]
}

fn reading() -> Vec<Verb> {
    vec![
        Verb {
            name: "CKA_VALUE of the auth CA",
            act: |fixture, scene| authority(fixture, scene, AUTH, 3),
            reads: true,
            ..USUAL
        },
        Verb {
            name: "CKA_VALUE of the sign CA",
            slot: SIGN,
            prepare: |fixture| session(fixture, SIGN),
            act: |fixture, scene| authority(fixture, scene, SIGN, 4),
            reads: true,
            ..USUAL
        },
        Verb {
            name: "CKA_VALUE behind the password",
            slot: SIGN,
            prepare: |fixture| {
                let session = fixture.open(SIGN);
                // The login is good, and the certificate that comes with it is lost.
                let failure = Failure::of(Error::Failed("injected".to_owned()));
                fixture.pcsc.failures(|failures| {
                    failures.add_command(&READ_SIGNATURE_CERTIFICATE, failure)
                });
                fixture.login(session, CKU_USER, PASSWORD).unwrap();
                let scene = Scene { session, key: 0 };
                // A leaf alone proves nothing of a torn one.
                authority(fixture, &scene, SIGN, 4).unwrap();
                scene
            },
            act: |fixture, scene| {
                let template = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[2]);
                let value = value_of(fixture, scene, &template)?;
                Ok(Product::Own(value))
            },
            verifies: 1,
            ..USUAL
        },
        Verb {
            name: "C_GenerateRandom",
            act: |fixture, scene| fixture.random(scene.session, 40).map(Product::Random),
            ..USUAL
        },
    ]
}

fn logins() -> Vec<Verb> {
    vec![
        Verb {
            name: "C_Login auth",
            act: |fixture, scene| done(fixture.login(scene.session, CKU_USER, PIN)),
            verifies: 1,
            ..USUAL
        },
        Verb {
            name: "C_Login sign",
            slot: SIGN,
            prepare: |fixture| session(fixture, SIGN),
            act: |fixture, scene| done(fixture.login(scene.session, CKU_USER, PASSWORD)),
            verifies: 1,
            ..USUAL
        },
        Verb {
            name: "C_Login auth, wrong PIN",
            act: |fixture, scene| done(fixture.login(scene.session, CKU_USER, b"0000")),
            wrong: true,
            verifies: 1,
            ..USUAL
        },
        Verb {
            name: "C_Login sign, wrong password",
            slot: SIGN,
            prepare: |fixture| session(fixture, SIGN),
            act: |fixture, scene| done(fixture.login(scene.session, CKU_USER, b"WRONG1")),
            wrong: true,
            verifies: 1,
            ..USUAL
        },
        Verb {
            name: "C_Login CKU_CONTEXT_SPECIFIC",
            slot: SIGN,
            prepare: |fixture| {
                let scene = logged_in(fixture, SIGN);
                let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
                fixture
                    .sign_init(scene.session, &mechanism, scene.key)
                    .unwrap();
                scene
            },
            act: |fixture, scene| {
                done(fixture.login(scene.session, CKU_CONTEXT_SPECIFIC, PASSWORD))
            },
            verifies: 1,
            ..USUAL
        },
    ]
}

fn signatures() -> Vec<Verb> {
    let auth = Verb {
        prepare: |fixture| logged_in(fixture, AUTH),
        verifies: 1,
        signatures: 1,
        ..USUAL
    };
    vec![
        Verb {
            name: "first signature, auth, PSS",
            act: |fixture, scene| sign(fixture, scene, CKM_SHA256_RSA_PKCS_PSS),
            ..auth
        },
        Verb {
            name: "second signature, auth, PKCS#1",
            prepare: |fixture| {
                let scene = logged_in(fixture, AUTH);
                sign(fixture, &scene, CKM_SHA256_RSA_PKCS).unwrap();
                scene
            },
            act: |fixture, scene| sign(fixture, scene, CKM_SHA256_RSA_PKCS),
            ..auth
        },
        Verb {
            name: "signature after another program's reset",
            prepare: |fixture| {
                let scene = logged_in(fixture, AUTH);
                fixture.other_client().reset();
                scene
            },
            act: |fixture, scene| sign(fixture, scene, CKM_RSA_PKCS),
            ..auth
        },
        Verb {
            name: "signature over a new connection",
            prepare: |fixture| {
                let scene = logged_in(fixture, AUTH);
                fixture
                    .reader()
                    .misbehave(1, jpki_card_simulator::Misbehaviour::OneByte);
                assert_eq!(fixture.random(scene.session, 8), Err(CKR_DEVICE_ERROR));
                scene
            },
            act: |fixture, scene| sign(fixture, scene, CKM_SHA512_RSA_PKCS),
            ..auth
        },
        Verb {
            name: "first signature, sign",
            slot: SIGN,
            prepare: |fixture| logged_in(fixture, SIGN),
            act: |fixture, scene| sign(fixture, scene, CKM_SHA256_RSA_PKCS),
            ..auth
        },
        Verb {
            name: "signature, then logout",
            act: |fixture, scene| {
                let product = sign(fixture, scene, CKM_SHA256_RSA_PKCS)?;
                fixture.logout(scene.session).map(|()| product)
            },
            may_end_login: true,
            ..auth
        },
    ]
}

fn pins() -> Vec<Verb> {
    let auth = Verb {
        prepare: |fixture| logged_in(fixture, AUTH),
        // A change without a clear end does.
        may_end_login: true,
        changes: true,
        verifies: 1,
        ..USUAL
    };
    vec![
        Verb {
            name: "C_SetPIN auth, logged in",
            act: |fixture, scene| {
                let changed = fixture.set_pin(scene.session, PIN, NEW_PIN);
                changed.map(|()| Product::PinChanged)
            },
            ..auth
        },
        Verb {
            name: "C_SetPIN sign",
            slot: SIGN,
            prepare: |fixture| session(fixture, SIGN),
            act: |fixture, scene| {
                let changed = fixture.set_pin(scene.session, PASSWORD, NEW_PASSWORD);
                changed.map(|()| Product::PinChanged)
            },
            ..auth
        },
        Verb {
            name: "C_SetPIN auth, wrong old PIN",
            prepare: |fixture| session(fixture, AUTH),
            act: |fixture, scene| done(fixture.set_pin(scene.session, b"0000", NEW_PIN)),
            wrong: true,
            changes: false,
            ..auth
        },
    ]
}

fn left_open() -> Vec<Verb> {
    let open = Verb {
        configure: |config| config.login_state = LoginState::Card,
        login_opens: true,
        prepare: |fixture| logged_in(fixture, AUTH),
        // A card that is reset has forgotten it.
        may_end_login: true,
        ..USUAL
    };
    vec![
        Verb {
            name: "login_state = card: C_Login",
            prepare: |fixture| session(fixture, AUTH),
            act: |fixture, scene| done(fixture.login(scene.session, CKU_USER, PIN)),
            stays_open: true,
            verifies: 1,
            ..open
        },
        Verb {
            name: "login_state = card: signature",
            act: |fixture, scene| sign(fixture, scene, CKM_SHA256_RSA_PKCS),
            stays_open: true,
            signatures: 1,
            ..open
        },
        Verb {
            name: "login_state = card: C_Logout",
            act: |fixture, scene| done(fixture.logout(scene.session)),
            ..open
        },
    ]
}

fn other_cards() -> Vec<Verb> {
    let phone = Verb {
        profile: "android",
        ..USUAL
    };
    let long = Verb {
        profile: "plastic,no-short-identifiers",
        ..USUAL
    };
    vec![
        Verb {
            name: "Android: open",
            prepare: nothing,
            act: |fixture, _| done(fixture.token_info(AUTH).map(|_| ())),
            opens: true,
            by_slot: true,
            reads: true,
            ..phone
        },
        Verb {
            name: "Android: C_Login auth",
            act: |fixture, scene| done(fixture.login(scene.session, CKU_USER, PIN)),
            verifies: 1,
            ..phone
        },
        Verb {
            name: "Android: signature",
            prepare: |fixture| logged_in(fixture, AUTH),
            // After a reset nothing but a PIN proves it.
            may_end_login: true,
            act: |fixture, scene| sign(fixture, scene, CKM_SHA256_RSA_PKCS),
            verifies: 1,
            signatures: 1,
            ..phone
        },
        Verb {
            name: "SELECT EF only: open",
            prepare: nothing,
            act: |fixture, _| done(fixture.token_info(AUTH).map(|_| ())),
            opens: true,
            by_slot: true,
            reads: true,
            ..long
        },
        Verb {
            name: "SELECT EF only: C_Login sign",
            slot: SIGN,
            prepare: |fixture| session(fixture, SIGN),
            act: |fixture, scene| done(fixture.login(scene.session, CKU_USER, PASSWORD)),
            verifies: 1,
            ..long
        },
        Verb {
            name: "SELECT EF only: first signature",
            prepare: |fixture| logged_in(fixture, AUTH),
            act: |fixture, scene| sign(fixture, scene, CKM_SHA256_RSA_PKCS),
            verifies: 1,
            signatures: 1,
            ..long
        },
        Verb {
            name: "T=0: C_Login sign",
            profile: "plastic,answers=t0",
            slot: SIGN,
            prepare: |fixture| session(fixture, SIGN),
            act: |fixture, scene| done(fixture.login(scene.session, CKU_USER, PASSWORD)),
            verifies: 1,
            ..USUAL
        },
        Verb {
            name: "T=0: signature",
            profile: "plastic,answers=t0",
            prepare: |fixture| logged_in(fixture, AUTH),
            act: |fixture, scene| sign(fixture, scene, CKM_SHA256_RSA_PKCS),
            verifies: 1,
            signatures: 1,
            ..USUAL
        },
    ]
}
