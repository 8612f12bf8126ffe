//! 100,000 calls in a random order, half of them with a card that fails: every code is one that the standard lists
//! for the function. `src/ffi/return_codes.txt` is made from its text by `tests/tools/return-codes`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::module::Rv;
use crate::common::{AUTH, Caller, Fixture, Mechanism, PASSWORD, PIN, SIGN, Template};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;

const CALLS: usize = 100_000;

/// A linear congruential generator: the same calls each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())].clone()
    }
}

/// What a call may be made with.
struct Hand {
    slot: CK_SLOT_ID,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    mechanism: Mechanism,
    pin: &'static [u8],
    data: &'static [u8],
}

type Call = fn(&Caller, &Hand, &mut Vec<CK_ULONG>) -> Result<(), CK_RV>;

fn keep(handles: &mut Vec<CK_ULONG>, made: Result<CK_ULONG, CK_RV>) -> Result<(), CK_RV> {
    made.map(|handle| handles.push(handle))
}

const TEMPLATE: fn() -> Template = || Template::class(CKO_DATA).flag(CKA_PRIVATE, true);

const ALL: &[(&str, Call)] = &[
    ("C_GetSlotInfo", |it, hand, _| {
        it.slot_info(hand.slot).map(|_| ())
    }),
    ("C_GetSlotList", |it, _, _| it.slot_list(true).map(|_| ())),
    ("C_GetTokenInfo", |it, hand, _| {
        it.token_info(hand.slot).map(|_| ())
    }),
    ("C_GetMechanismList", |it, hand, _| {
        it.mechanisms(hand.slot).map(|_| ())
    }),
    ("C_GetMechanismInfo", |it, hand, _| {
        it.mechanism_info(hand.slot, hand.mechanism.kind)
            .map(|_| ())
    }),
    ("C_WaitForSlotEvent", |it, _, _| {
        it.wait_for_slot_event(CKF_DONT_BLOCK).map(|_| ())
    }),
    ("C_InitToken", |it, hand, _| {
        it.init_token(hand.slot, hand.pin)
    }),
    ("C_InitPIN", |it, hand, _| {
        it.init_pin(hand.session, hand.pin)
    }),
    ("C_SetPIN", |it, hand, _| {
        it.set_pin(hand.session, hand.pin, hand.pin)
    }),
    ("C_OpenSession", |it, hand, all| {
        keep(all, it.open_session(hand.slot, hand.data.is_empty()))
    }),
    ("C_OpenSession", |it, hand, all| {
        keep(all, it.open_session(hand.slot, true))
    }),
    ("C_CloseSession", |it, hand, _| {
        it.close_session(hand.session)
    }),
    ("C_GetSessionInfo", |it, hand, _| {
        it.session_info(hand.session).map(|_| ())
    }),
    ("C_GetSessionValidationFlags", |it, hand, _| {
        it.validation_flags(hand.session, hand.object).map(|_| ())
    }),
    ("C_SessionCancel", |it, hand, _| {
        it.session_cancel(hand.session, CKF_SIGN | CKF_DIGEST)
    }),
    ("C_GetOperationState", |it, hand, _| {
        it.operation_state(hand.session).map(|_| ())
    }),
    ("C_SetOperationState", |it, hand, _| {
        it.set_operation_state(hand.session, hand.data)
    }),
    ("C_Login", |it, hand, _| {
        it.login(hand.session, CKU_USER, hand.pin)
    }),
    ("C_Login", |it, hand, _| {
        it.login(hand.session, CKU_USER, hand.pin)
    }),
    ("C_Login", |it, hand, _| {
        it.login(hand.session, CKU_CONTEXT_SPECIFIC, hand.pin)
    }),
    ("C_Login", |it, hand, _| {
        it.login(hand.session, CKU_SO, hand.pin)
    }),
    ("C_LoginUser", |it, hand, _| {
        it.login_user(hand.session, CKU_USER, hand.pin, hand.data)
    }),
    ("C_Logout", |it, hand, _| it.logout(hand.session)),
    ("C_FindObjectsInit", |it, hand, _| {
        it.find_init(hand.session, &Template::new())
    }),
    ("C_FindObjects", |it, hand, all| {
        it.find_next(hand.session, 9).map(|found| all.extend(found))
    }),
    ("C_FindObjectsFinal", |it, hand, _| {
        it.find_final(hand.session)
    }),
    ("C_GetAttributeValue", |it, hand, _| {
        it.attribute(hand.session, hand.object, CKA_SUBJECT)
            .map(|_| ())
    }),
    ("C_GetAttributeValue", |it, hand, _| {
        it.attribute(hand.session, hand.object, CKA_VALUE)
            .map(|_| ())
    }),
    ("C_SetAttributeValue", |it, hand, _| {
        it.set_attributes(
            hand.session,
            hand.object,
            &Template::new().text(CKA_LABEL, "x"),
        )
    }),
    ("C_CreateObject", |it, hand, all| {
        keep(all, it.create_object(hand.session, &TEMPLATE()))
    }),
    ("C_CreateObject", |it, hand, all| {
        keep(
            all,
            it.create_object(hand.session, &TEMPLATE().flag(CKA_TOKEN, true)),
        )
    }),
    ("C_CopyObject", |it, hand, all| {
        keep(
            all,
            it.copy_object(hand.session, hand.object, &Template::new()),
        )
    }),
    ("C_DestroyObject", |it, hand, _| {
        it.destroy_object(hand.session, hand.object)
    }),
    ("C_GetObjectSize", |it, hand, _| {
        it.object_size(hand.session, hand.object).map(|_| ())
    }),
    ("C_DigestInit", |it, hand, _| {
        it.digest_init(hand.session, &hand.mechanism)
    }),
    ("C_DigestUpdate", |it, hand, _| {
        it.digest_update(hand.session, hand.data)
    }),
    ("C_Digest", |it, hand, _| {
        it.digest(hand.session, hand.data).map(|_| ())
    }),
    ("C_DigestFinal", |it, hand, _| {
        it.digest_final(hand.session).map(|_| ())
    }),
    ("C_DigestKey", |it, hand, _| {
        it.digest_key(hand.session, hand.object)
    }),
    ("C_SignInit", |it, hand, _| {
        it.sign_init(hand.session, &hand.mechanism, hand.object)
    }),
    ("C_SignUpdate", |it, hand, _| {
        it.sign_update(hand.session, hand.data)
    }),
    ("C_Sign", |it, hand, _| {
        it.sign(hand.session, hand.data).map(|_| ())
    }),
    ("C_SignFinal", |it, hand, _| {
        it.sign_final(hand.session).map(|_| ())
    }),
    ("C_MessageSignInit", |it, hand, _| {
        it.message_sign_init(hand.session, &hand.mechanism, hand.object)
    }),
    ("C_SignMessage", |it, hand, _| {
        it.sign_message(hand.session, hand.data).map(|_| ())
    }),
    ("C_SignMessageBegin", |it, hand, _| {
        it.sign_message_begin(hand.session)
    }),
    ("C_SignMessageNext", |it, hand, _| {
        it.sign_message_next(hand.session, hand.data)
    }),
    ("C_SignMessageNext", |it, hand, _| {
        it.sign_message_last(hand.session, hand.data).map(|_| ())
    }),
    ("C_MessageSignFinal", |it, hand, _| {
        it.message_sign_final(hand.session)
    }),
    ("C_VerifyInit", |it, hand, _| {
        it.verify_init(hand.session, &hand.mechanism, hand.object)
    }),
    ("C_VerifyUpdate", |it, hand, _| {
        it.verify_update(hand.session, hand.data)
    }),
    ("C_Verify", |it, hand, _| {
        it.verify(hand.session, hand.data, &[0; 256])
    }),
    ("C_VerifyFinal", |it, hand, _| {
        it.verify_final(hand.session, &[0; 256])
    }),
    ("C_VerifyRecover", |it, hand, _| {
        it.verify_recover(hand.session, &[0; 256]).map(|_| ())
    }),
    ("C_VerifySignatureInit", |it, hand, _| {
        it.verify_signature_init(hand.session, &hand.mechanism, hand.object, &[0; 256])
    }),
    ("C_VerifySignature", |it, hand, _| {
        it.verify_signature(hand.session, hand.data)
    }),
    ("C_VerifySignatureUpdate", |it, hand, _| {
        it.verify_signature_update(hand.session, hand.data)
    }),
    ("C_VerifySignatureFinal", |it, hand, _| {
        it.verify_signature_final(hand.session)
    }),
    ("C_VerifyMessage", |it, hand, _| {
        it.verify_message(hand.session, hand.data, &[0; 256])
    }),
    ("C_VerifyMessageNext", |it, hand, _| {
        it.verify_message_next(hand.session, hand.data, Some(&[0; 256]))
    }),
    ("C_GenerateRandom", |it, hand, _| {
        it.random(hand.session, 8).map(|_| ())
    }),
];

/// What PKCS#11, 5.1.1 to 5.1.3, allows everywhere, and each function's own codes.
fn listed() -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi/return_codes.txt");
    let text = fs::read_to_string(path).unwrap();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let lines = text.lines().map(words);
    lines
        .map(|words| (words[0].clone(), words[1..].to_vec()))
        .collect()
}

const EVERYWHERE: [CK_RV; 8] = [
    CKR_GENERAL_ERROR,
    CKR_HOST_MEMORY,
    CKR_FUNCTION_FAILED,
    CKR_FUNCTION_NOT_SUPPORTED,
    CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_SESSION_HANDLE_INVALID,
    CKR_DEVICE_REMOVED,
    CKR_DEVICE_ERROR,
];

#[test]
fn every_code_is_listed_for_its_function() {
    let listed = listed();
    let mut seen: BTreeMap<(&str, CK_RV), usize> = BTreeMap::new();
    let mut dice = Dice(1);
    for round in 0..40 {
        let profile = dice.one_of(&["plastic", "android", "child", "plastic,pss-salt=20"]);
        let fixture = Fixture::with(profile);
        let mut begun = "C_";
        let (mut sessions, mut objects): (Vec<CK_ULONG>, Vec<CK_ULONG>) = (vec![0], vec![0]);
        for _ in 0..CALLS / 40 {
            let slot = dice.one_of(&[AUTH, SIGN, AUTH, SIGN, 7]);
            let hand = Hand {
                slot,
                session: dice.one_of(&sessions),
                object: dice.one_of(&objects),
                mechanism: Mechanism::usual(dice.one_of(&[
                    CKM_SHA256_RSA_PKCS,
                    CKM_RSA_PKCS,
                    CKM_RSA_PKCS_PSS,
                    CKM_SHA256,
                    CKM_AES_CBC,
                ])),
                pin: dice.one_of(&[PIN, PASSWORD, b"12"]),
                data: dice.one_of(&[&b""[..], b"data", &[0x55; 300]]),
            };
            if round % 2 == 1 && dice.roll(10) == 0 {
                let fault = dice.one_of(&[
                    Misbehaviour::AnswerInstead(vec![0x69, 0x82]),
                    Misbehaviour::AnswerInstead(vec![0x6A, 0x86]),
                    Misbehaviour::AnswerAfter(vec![0x6F, 0x00]),
                    Misbehaviour::Truncated,
                    Misbehaviour::ResetBefore,
                    Misbehaviour::PowerLostBefore,
                ]);
                fixture.reader().misbehave(1 + dice.roll(5) as u64, fault);
            }
            if dice.roll(500) == 0 {
                fixture.take_out();
                fixture.put_back();
            }
            if dice.roll(20) == 0 {
                // Not counted: what is there to work with.
                let session = fixture.open_session(slot, true).unwrap_or(0);
                let _ = fixture.login(session, CKU_USER, [PIN, PASSWORD][slot as usize % 2]);
                sessions.push(session);
                objects.extend(fixture.find(session, &Template::new()).unwrap_or_default());
            }
            // An operation that has begun goes on more often than not.
            let next: Vec<_> = ALL
                .iter()
                .filter(|(name, _)| name.starts_with(begun))
                .collect();
            let (name, call) = *dice.one_of(&next);
            let made = match name {
                "C_OpenSession" => &mut sessions,
                _ => &mut objects,
            };
            let answer = call(&fixture, &hand, made);
            let code = answer.err().unwrap_or(CKR_OK);
            begun = match (name, code) {
                ("C_SignInit" | "C_VerifyInit" | "C_DigestInit" | "C_FindObjectsInit", CKR_OK) => {
                    name.trim_end_matches("Init")
                }
                ("C_MessageSignInit", CKR_OK) => "C_SignMessage",
                _ => "C_",
            };
            *seen.entry((name, code)).or_default() += 1;
            // The newest are good more often than not.
            for (handles, most) in [(&mut sessions, 2), (&mut objects, 30)] {
                let surplus = handles.len().saturating_sub(most);
                handles.drain(..surplus);
            }
        }
    }
    let wrong: Vec<_> = seen
        .keys()
        .filter(|(name, code)| {
            let codes = &listed[*name];
            !EVERYWHERE.contains(code) && !codes.iter().any(|it| number(it) == Some(*code))
        })
        .map(|(name, code)| format!("{name}: {code:#x}"))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert!(seen.len() > 220, "only {} answers", seen.len());
}

/// The number of a code that this module knows; no other one can come out of it.
fn number(name: &str) -> Option<CK_RV> {
    let found = Rv::ALL.iter().find(|rv| rv.name() == name);
    match name {
        "CKR_OK" => Some(CKR_OK),
        _ => found.map(|rv| rv.code()),
    }
}
