//! The floor: a bare PC/SC program that sends only what the card demands for each step. It checks no signature, keeps
//! no login apart, leaves the card open.

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::card::{PASSWORD, PIN};
use crate::client::digest_info;
use crate::meter::{Cost, Meter};
use crate::step::{DOCUMENTS, LOOKS, Step, WARM};

const SELECT: [u8; 15] = [
    0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01,
];

/// Short identifiers of the files, keys and PINs, as they stand in P1 and P2.
const AUTHENTICATION_CERTIFICATE: u8 = 0x8A;
const AUTHENTICATION_AUTHORITY: u8 = 0x8B;
const SIGNATURE_AUTHORITY: u8 = 0x82;
const AUTHENTICATION_KEY: u8 = 0x97;
const SIGNATURE_KEY: u8 = 0x9A;
const AUTHENTICATION_PIN: u8 = 0x98;
const SIGNATURE_PIN: u8 = 0x9B;

/// Does a step once and says what it cost.
///
/// # Errors
/// Whatever PC/SC says, and an answer of the card that is not what the step wants.
pub fn run(step: Step) -> Result<Cost> {
    let meter = Meter::start()?;
    let context = Context::establish(Scope::User)?;
    if step == Step::Load {
        return meter.stop(1);
    }
    let names = context.list_readers_owned()?;
    let name = names.first().ok_or("no reader")?;
    let mut card = context.connect(name, ShareMode::Shared, Protocols::ANY)?;
    let cost = step_on(step, meter, &context, &mut card)?;
    let _ = card.disconnect(Disposition::LeaveCard);
    Ok(cost)
}

fn step_on(step: Step, meter: Meter, context: &Context, card: &mut Card) -> Result<Cost> {
    let card = card.transaction()?;
    match step {
        Step::Load => {}
        Step::Tokens => {
            // Is it ours, and how many tries are left?
            send(&card, &SELECT)?;
            for pin in [AUTHENTICATION_PIN, SIGNATURE_PIN] {
                transmit(&card, &[0x00, 0x20, 0x00, pin])?;
            }
        }
        Step::PublicObjects => {
            send(&card, &SELECT)?;
            read(&card, AUTHENTICATION_CERTIFICATE)?;
            read(&card, AUTHENTICATION_AUTHORITY)?;
            read(&card, SIGNATURE_AUTHORITY)?;
        }
        Step::Certificate => {
            send(&card, &SELECT)?;
            read(&card, AUTHENTICATION_CERTIFICATE)?;
        }
        Step::LoginAuthentication => {
            send(&card, &SELECT)?;
            verify(&card, AUTHENTICATION_PIN, PIN)?;
            sign(&card, 0x00, AUTHENTICATION_KEY, &digest_info(0))?;
        }
        Step::LoginSignature => {
            send(&card, &SELECT)?;
            verify(&card, SIGNATURE_PIN, PASSWORD)?;
            sign(&card, 0x00, SIGNATURE_KEY, &digest_info(0))?;
        }
        Step::FirstTls | Step::FirstTlsOneToken => {
            send(&card, &SELECT)?;
            read(&card, AUTHENTICATION_CERTIFICATE)?;
            verify(&card, AUTHENTICATION_PIN, PIN)?;
            sign(
                &card,
                0x04,
                AUTHENTICATION_KEY,
                &Sha256::digest(b"handshake"),
            )?;
        }
        Step::WarmSignature | Step::WarmSignatureOnCard => {
            send(&card, &SELECT)?;
            verify(&card, AUTHENTICATION_PIN, PIN)?;
            let meter = Meter::start()?;
            for number in 0..WARM {
                sign(&card, 0x00, AUTHENTICATION_KEY, &digest_info(number))?;
            }
            return meter.stop(WARM);
        }
        Step::Documents => {
            send(&card, &SELECT)?;
            verify(&card, SIGNATURE_PIN, PASSWORD)?;
            let meter = Meter::start()?;
            for number in 0..DOCUMENTS {
                sign(&card, 0x00, SIGNATURE_KEY, &digest_info(number))?;
            }
            return meter.stop(1);
        }
        Step::Polling => {
            let meter = Meter::start()?;
            for _ in 0..LOOKS {
                context.list_readers_owned()?;
            }
            return meter.stop(1);
        }
        Step::ForeignCard => {
            if transmit(&card, &SELECT)? == [0x90, 0x00] {
                return Err("the foreign card is a My Number card".into());
            }
        }
    }
    meter.stop(1)
}

fn transmit(card: &Card, command: &[u8]) -> Result<Vec<u8>> {
    let mut room = [0; 258];
    Ok(card.transmit(command, &mut room)?.to_vec())
}

/// A command that must succeed; its answer without the status word.
fn send(card: &Card, command: &[u8]) -> Result<Vec<u8>> {
    let mut answer = transmit(card, command)?;
    match answer.split_off(answer.len().saturating_sub(2))[..] {
        [0x90, 0x00] => Ok(answer),
        ref status => Err(format!("{:02X?} was answered {status:02X?}", command.get(..4)).into()),
    }
}

/// A certificate, to the end that its header tells.
fn read(card: &Card, file: u8) -> Result<Vec<u8>> {
    let mut bytes = send(card, &[0x00, 0xB0, file, 0x00, 0x00])?;
    let [0x30, 0x82, high, low, ..] = bytes[..] else {
        return Err("the file holds no certificate".into());
    };
    let length = 4 + usize::from(u16::from_be_bytes([high, low]));
    while bytes.len() < length {
        let [high, low] = u16::try_from(bytes.len())?.to_be_bytes();
        let wanted = u8::try_from((length - bytes.len()).min(256) % 256)?;
        bytes.extend(send(card, &[0x00, 0xB0, high, low, wanted])?);
    }
    Ok(bytes)
}

fn verify(card: &Card, pin: u8, value: &str) -> Result<()> {
    let mut command = vec![0x00, 0x20, 0x00, pin, u8::try_from(value.len())?];
    command.extend_from_slice(value.as_bytes());
    send(card, &command).map(|_| ())
}

fn sign(card: &Card, scheme: u8, key: u8, input: &[u8]) -> Result<()> {
    let mut command = vec![0x80, 0x2A, scheme, key, u8::try_from(input.len())?];
    command.extend_from_slice(input);
    command.push(0x00);
    match send(card, &command)?.len() {
        256 => Ok(()),
        other => Err(format!("a signature of {other} bytes").into()),
    }
}
