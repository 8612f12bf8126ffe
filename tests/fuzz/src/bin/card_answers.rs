//! What a card answers, and when it leaves: the first byte names the card, the rest is the script of
//! [`jpki_pkcs11_fuzz::Bench`]. Afterwards the tries are whole, and the next work is good.
#![no_main]

use cryptoki_sys::*;
use jpki_pkcs11::config::Config;
use jpki_pkcs11::cryptoki::rv::Result;
use jpki_pkcs11::cryptoki::mechanisms::Mechanism;
use jpki_pkcs11::cryptoki::module::Module;
use jpki_pkcs11::cryptoki::objects::{Attribute, Template};
use jpki_pkcs11::cryptoki::output_buffer::{Output, Room};
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
    let module = Module::new(Config::default(), Box::new(bench.clone()));
    for _ in 0..2 {
        let _ = module.slot_list(true, true);
        let _ = module.token_info(slot);
        let _ = work(&module, slot);
        assert!(!bench.is_open(), "left open");
        assert_eq!(bench.tries(), (3, 5), "a try was lost");
    }
    bench.behave();
    module.close();
    // Anew, because a lying card may have said that it is another one.
    let module = Module::new(Config::default(), Box::new(bench.clone()));
    module.slot_list(true, true).expect("slots");
    work(&module, slot).expect("works on a good card");
    module.close();
    assert!(!bench.is_open());
});

fn work(module: &Module, slot: CK_SLOT_ID) -> Result<()> {
    let session = module.open_session(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)?;
    let pin = PINS[usize::try_from(slot % 2).expect("0 or 1")];
    module.login(session, CKU_USER, Some(pin))?;
    module.find_init(session, Template(Vec::new()))?;
    let objects = module.find(session, 100)?;
    module.find_final(session)?;
    for &object in &objects {
        module.attributes(
            session,
            object,
            &[CKA_CLASS, CKA_VALUE, CKA_MODULUS, CKA_SUBJECT],
        )?;
    }
    let class = Attribute {
        kind: CKA_CLASS,
        value: CKO_PRIVATE_KEY.to_ne_bytes().to_vec(),
    };
    module.find_init(session, Template(vec![class]))?;
    let keys = module.find(session, 1)?;
    module.find_final(session)?;
    let mechanism = Mechanism {
        kind: CKM_SHA256_RSA_PKCS,
        parameter: Vec::new(),
    };
    if let [key] = keys[..] {
        module.sign_init(session, Some(mechanism), key)?;
        if let Output::Bytes(signature) = module.sign(session, b"data", Room::Bytes(512))? {
            assert_eq!(signature.len(), 256);
        }
    }
    module.random(session, 32)?;
    module.logout(session)?;
    module.close_session(session)
}
