//! The steps as a stranger's PKCS#11 client does them, with any module.

use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::MechanismType;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use sha2::{Digest, Sha256};

use crate::Result;
use crate::card::{PASSWORD, PIN};
use crate::meter::{Cost, Meter};
use crate::step::{DOCUMENTS, LOOKS, Step, WARM};

/// One of the two tokens, by the label that both modules give it.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    label: &'static str,
    pin: &'static str,
    id: u8,
}

/// 利用者証明用.
pub const AUTHENTICATION: Token = Token {
    label: "JPKI (User Authentication PIN)",
    pin: PIN,
    id: 1,
};

/// 署名用.
pub const SIGNATURE: Token = Token {
    label: "JPKI (Digital Signature PIN)",
    pin: PASSWORD,
    id: 2,
};

/// Does a step once, from the loading of the module to its end, and says what it cost.
///
/// # Errors
/// Whatever the module says, and when it does not give what the step is about.
pub fn run(step: Step, module: &Path) -> Result<Cost> {
    let meter = Meter::start()?;
    let client = load(module)?;
    match step {
        Step::Load => meter.stop(1),
        Step::Tokens => {
            for slot in client.get_slots_with_token()? {
                client.get_slot_info(slot)?;
                client.get_token_info(slot)?;
            }
            meter.stop(1)
        }
        Step::PublicObjects => {
            list_public(&client)?;
            meter.stop(1)
        }
        Step::Certificate => {
            let (session, _) = session(&client, AUTHENTICATION)?;
            certificate(&session)?;
            meter.stop(1)
        }
        Step::LoginAuthentication => {
            let (session, key) = login(&client, AUTHENTICATION)?;
            session.sign(&Mechanism::RsaPkcs, key, &digest_info(0))?;
            meter.stop(1)
        }
        Step::LoginSignature => {
            let (session, key) = login(&client, SIGNATURE)?;
            session.sign(&Mechanism::RsaPkcs, key, &digest_info(0))?;
            meter.stop(1)
        }
        Step::FirstTls | Step::FirstTlsOneToken => {
            let (session, slot) = session(&client, AUTHENTICATION)?;
            certificate(&session)?;
            let mechanism = tls_mechanism(&client, slot)?;
            session.login(UserType::User, Some(&pin(AUTHENTICATION)))?;
            let key = key(&session, AUTHENTICATION)?;
            session.sign(&mechanism, key, &input_for(&mechanism))?;
            meter.stop(1)
        }
        Step::WarmSignature | Step::WarmSignatureOnCard => {
            let (session, key) = login(&client, AUTHENTICATION)?;
            session.sign(&Mechanism::RsaPkcs, key, &digest_info(0))?;
            let meter = Meter::start()?;
            for number in 0..WARM {
                session.sign(&Mechanism::RsaPkcs, key, &digest_info(number))?;
            }
            meter.stop(WARM)
        }
        Step::Documents => {
            let (session, key) = login(&client, SIGNATURE)?;
            let meter = Meter::start()?;
            for number in 0..DOCUMENTS {
                session.sign(&Mechanism::RsaPkcs, key, &digest_info(number))?;
            }
            meter.stop(1)
        }
        Step::Polling => {
            let sessions = sessions(&client)?;
            let meter = Meter::start()?;
            for _ in 0..LOOKS {
                look(&client, &sessions)?;
            }
            meter.stop(1)
        }
        Step::ForeignCard => {
            for _ in 0..3 {
                for slot in client.get_slots_with_token()? {
                    if client.get_token_info(slot).is_ok() {
                        return Err("a foreign card was taken for a token".into());
                    }
                }
            }
            meter.stop(1)
        }
    }
}

/// Loads a module and initialises it.
///
/// # Errors
/// Whatever it says.
pub fn load(module: &Path) -> Result<Pkcs11> {
    let client = Pkcs11::new(module)?;
    client.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    Ok(client)
}

/// Every slot with this token.
///
/// # Errors
/// Whatever the module says.
pub fn slots_of(client: &Pkcs11, token: Token) -> Result<Vec<Slot>> {
    let mut found = Vec::new();
    // All of them are asked, as clients do that look for a label.
    for slot in client.get_slots_with_token()? {
        if client.get_token_info(slot)?.label() == token.label {
            found.push(slot);
        }
    }
    Ok(found)
}

/// Logs a session in to a token and finds its key.
///
/// # Errors
/// Whatever the module says.
pub fn login(client: &Pkcs11, token: Token) -> Result<(Session, ObjectHandle)> {
    let (session, _) = session(client, token)?;
    session.login(UserType::User, Some(&pin(token)))?;
    let key = key(&session, token)?;
    Ok((session, key))
}

/// The private key of a token that the session is logged in to.
///
/// # Errors
/// When there is none.
pub fn key(session: &Session, token: Token) -> Result<ObjectHandle> {
    let wanted = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Id(vec![token.id]),
    ];
    let found = session.find_objects(&wanted)?;
    found
        .first()
        .copied()
        .ok_or_else(|| "no private key".into())
}

/// The PIN of a token.
pub fn pin(token: Token) -> AuthPin {
    AuthPin::new(token.pin.into())
}

/// A DigestInfo of SHA-256, another one for each number.
pub fn digest_info(number: usize) -> Vec<u8> {
    const SHA256: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    let mut input = SHA256.to_vec();
    input.extend_from_slice(&Sha256::digest(number.to_be_bytes()));
    input
}

fn session(client: &Pkcs11, token: Token) -> Result<(Session, Slot)> {
    let slot = *slots_of(client, token)?
        .first()
        .ok_or_else(|| format!("no token {}", token.label))?;
    Ok((client.open_ro_session(slot)?, slot))
}

fn sessions(client: &Pkcs11) -> Result<Vec<(Slot, Session)>> {
    let mut sessions = Vec::new();
    for slot in client.get_slots_with_token()? {
        client.get_token_info(slot)?;
        sessions.push((slot, client.open_ro_session(slot)?));
    }
    Ok(sessions)
}

/// What NSS asks for each token that it watches.
fn look(client: &Pkcs11, sessions: &[(Slot, Session)]) -> Result<()> {
    client.get_all_slots()?;
    for (slot, session) in sessions {
        client.get_slot_info(*slot)?;
        session.get_session_info()?;
    }
    Ok(())
}

fn list_public(client: &Pkcs11) -> Result<()> {
    let mut certificates = 0;
    for (_, session) in sessions(client)? {
        for object in session.find_objects(&[])? {
            let wanted = [
                AttributeType::Class,
                AttributeType::Label,
                AttributeType::Id,
            ];
            let attributes = session.get_attributes(object, &wanted)?;
            if attributes.contains(&Attribute::Class(ObjectClass::CERTIFICATE)) {
                session.get_attributes(object, &[AttributeType::Value])?;
                certificates += 1;
            }
        }
    }
    // The holder's, and both authorities': one of them stands on both of our tokens.
    match certificates {
        3.. => Ok(()),
        other => Err(format!("{other} public certificates instead of 3").into()),
    }
}

fn certificate(session: &Session) -> Result<()> {
    let wanted = [
        Attribute::Class(ObjectClass::CERTIFICATE),
        Attribute::Id(vec![AUTHENTICATION.id]),
    ];
    let found = session.find_objects(&wanted)?;
    let object = *found.first().ok_or("no authentication certificate")?;
    match session
        .get_attributes(object, &[AttributeType::Value])?
        .first()
    {
        Some(Attribute::Value(der)) if der.len() > 1000 => Ok(()),
        _ => Err("the authentication certificate has no value".into()),
    }
}

/// TLS 1.3 wants RSA-PSS; a module without it gets the PKCS#1 signature of TLS 1.2.
fn tls_mechanism(client: &Pkcs11, slot: Slot) -> Result<Mechanism<'static>> {
    let pss = MechanismType::RSA_PKCS_PSS;
    let offered = client.get_mechanism_list(slot)?.contains(&pss);
    Ok(match offered {
        true => Mechanism::RsaPkcsPss(PkcsPssParams {
            hash_alg: MechanismType::SHA256,
            mgf: PkcsMgfType::MGF1_SHA256,
            s_len: 32.into(),
        }),
        false => Mechanism::RsaPkcs,
    })
}

fn input_for(mechanism: &Mechanism<'_>) -> Vec<u8> {
    match mechanism {
        Mechanism::RsaPkcsPss(_) => Sha256::digest(b"handshake").to_vec(),
        _ => digest_info(0),
    }
}
