//! What a card answers, and when it leaves: the first byte names the card, the rest is the script of
//! [`jpki_pkcs11_fuzz::Bench`]. Afterwards the tries are whole, and the next work is good.
#![no_main]

use cryptoki_sys::*;
use jpki_pkcs11_fuzz::common::caller::{Answer, Caller};
use jpki_pkcs11_fuzz::common::words::{Mechanism, Template};
use jpki_pkcs11_fuzz::{Bench, Script, once};
use libfuzzer_sys::fuzz_target;

const PINS: [&[u8]; 2] = [b"1234", b"ABC123"];

fuzz_target!(|bytes: &[u8]| {
    once();
    let [first, script @ ..] = bytes else { return };
    let profile = match first % 4 {
        0 => "plastic",
        1 => "android",
        2 => "plastic,no-short-identifiers",
        _ => "plastic,answers=t0",
    };
    let slot = CK_SLOT_ID::from(first / 4 % 2);
    let bench = Bench::new(profile, Script::new(script));
    let caller = bench.initialize();
    for _ in 0..2 {
        let _ = caller.slot_list(true);
        let _ = caller.token_info(slot);
        let _ = work(caller, slot);
        assert!(!bench.is_open(), "left open");
        assert_eq!(bench.tries(), (3, 5), "a try was lost");
    }
    bench.behave();
    caller.finalize().expect("finalized");
    // Again from the start, because a lying card may have said that it is another one.
    let caller = bench.initialize();
    caller.slot_list(true).expect("slots");
    work(caller, slot).expect("works on a good card");
    caller.finalize().expect("finalized");
    assert!(!bench.is_open());
});

fn work(caller: Caller, slot: CK_SLOT_ID) -> Answer<()> {
    let session = caller.open_session(slot, true)?;
    let pin = PINS[usize::try_from(slot % 2).expect("0 or 1")];
    caller.login(session, CKU_USER, pin)?;
    for object in caller.find(session, &Template::new())? {
        for kind in [CKA_CLASS, CKA_VALUE, CKA_MODULUS, CKA_SUBJECT] {
            let _ = caller.attribute(session, object, kind);
        }
    }
    if let [key] = caller.find(session, &Template::class(CKO_PRIVATE_KEY))?[..] {
        let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
        caller.sign_init(session, &mechanism, key)?;
        assert_eq!(caller.sign(session, b"data")?.len(), 256);
    }
    caller.random(session, 32)?;
    caller.logout(session)?;
    caller.close_session(session)
}
