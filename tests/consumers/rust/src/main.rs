//! Signs twice in one login through the crate `cryptoki`, and verifies with the module. MODULE TOKEN PIN DOCUMENT
//! OUT.. ; AGAIN=1: the context login before each signature.

use std::error::Error;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [module, label, pin, document, outs @ ..] = words.as_slice() else {
        return Err("MODULE TOKEN PIN DOCUMENT OUT..".into());
    };
    let data = std::fs::read(document)?;
    let again = std::env::var_os("AGAIN").is_some();
    let pin = AuthPin::new(pin.clone().into_boxed_str());
    let module = Pkcs11::new(module)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let slots = module.get_slots_with_token()?;
    let slot = slots
        .into_iter()
        .find(|&slot| {
            module
                .get_token_info(slot)
                .is_ok_and(|token| token.label() == label)
        })
        .ok_or("no such token")?;
    println!("{:?}", module.get_mechanism_list(slot)?);
    let session = module.open_ro_session(slot)?;
    session.login(UserType::User, Some(&pin))?;
    let find = |class| session.find_objects(&[Attribute::Class(class)]);
    let keys = find(ObjectClass::PRIVATE_KEY)?;
    let opens = find(ObjectClass::PUBLIC_KEY)?;
    let (key, open) = (
        *keys.first().ok_or("no key")?,
        *opens.first().ok_or("no public key")?,
    );
    println!(
        "{:?}",
        session.get_attributes(key, &[AttributeType::Label, AttributeType::AlwaysAuthenticate])?
    );
    for out in outs {
        let mechanism = if out.ends_with("pss") {
            Mechanism::Sha256RsaPkcsPss(PkcsPssParams {
                hash_alg: MechanismType::SHA256,
                mgf: PkcsMgfType::MGF1_SHA256,
                s_len: 32.into(),
            })
        } else {
            Mechanism::Sha256RsaPkcs
        };
        session.sign_init(&mechanism, key)?;
        if again {
            session.login(UserType::ContextSpecific, Some(&pin))?;
        }
        for part in data.chunks(100) {
            session.sign_update(part)?;
        }
        let signature = session.sign_final()?;
        session.verify(&mechanism, open, &data, &signature)?;
        println!("verified by the module: true");
        std::fs::write(out, signature)?;
    }
    session.logout()?;
    module.finalize()?;
    Ok(())
}
