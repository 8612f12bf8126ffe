//! The part of the examination with the authentication PIN verified: which signatures the card makes, and what takes the
//! PIN away. What is signed is random; no signature is kept.

use jpki_pkcs11::card::Shown;
use jpki_pkcs11::card::certificate::Certificate;
use jpki_pkcs11::card::files::{ISSUER_SECURITY_DOMAIN_AID, JPKI_AID, PSS_INPUT, Role};
use jpki_pkcs11::pcsc::Exchange;
use rsa::{Pkcs1v15Sign, Pss, PublicKey};
use sha2::{Digest, Sha256};

use super::apdu;
use super::course::NOT_VERIFIED;
use super::probe::{OK, Probe};
use super::record::{Answer, Record};
use crate::pins::sign_test::SHA256_PREFIX;

/// What the part without a PIN has found.
pub(super) struct Known<'a> {
    pub(super) contactless: bool,
    pub(super) short_identifiers: bool,
    pub(super) shown: &'a Shown,
}

/// The longest salt that a signature of 2048 bits over SHA-256 has room for, in bytes (RFC 8017, 9.1.1).
const MAX_SALT: usize = 222;

/// So often the plain signature is made, for the median of its time.
const SIGNATURES: usize = 3;

/// P1 of 80 2A, each with its step (docs/card.md, 3.5).
const SCHEMES: [(u8, &str); 6] = [
    (0x00, "sign-00"),
    (0x01, "sign-01"),
    (0x02, "sign-02"),
    (0x03, "sign-03"),
    (0x04, "sign-04"),
    (0x05, "sign-05"),
];

/// All steps. The PIN is verified when it begins.
pub(super) fn run(exchange: &mut dyn Exchange, record: &mut Record, known: &Known<'_>) {
    let verified = Answer {
        status: OK,
        first: None,
        length: 0,
    };
    record.answer("verify", &Ok(verified), None);
    let mut probe = Probe::new(exchange, record);
    let pin = Role::Authentication.pin();
    if probe.select_file(apdu::number(pin)) {
        probe.ask("query-auth-verified", &apdu::query(apdu::CURRENT));
    }
    let key = certificate(&mut probe, known.shown).map(|read| read.public_key().clone());
    let mut keys = Keys {
        probe,
        short: known.short_identifiers,
    };
    for (scheme, step) in SCHEMES {
        keys.try_scheme(scheme, step, key.as_ref());
    }

    keys.select_jpki();
    let mut open = keys.sign("sign-after-select-jpki");
    match (open, known.contactless) {
        (false, _) => keys.probe.record.skip("sign-after-reset", "closed-before"),
        // The reader switches the field off: that is a loss of power.
        (true, true) => keys.probe.record.skip("sign-after-reset", "contactless"),
        (true, false) => {
            if keys.probe.reset() {
                keys.select_jpki();
                open = keys.sign("sign-after-reset");
            } else {
                keys.probe.record.skip("sign-after-reset", "reader");
            }
        }
    }
    if !open {
        return keys
            .probe
            .record
            .skip("sign-after-issuer-domain", "closed-before");
    }
    let left = keys
        .probe
        .send(&apdu::select(&ISSUER_SECURITY_DOMAIN_AID))
        .is_ok_and(|reply| reply.status == OK);
    if !left {
        return keys
            .probe
            .record
            .skip("sign-after-issuer-domain", "refused");
    }
    keys.select_jpki();
    keys.sign("sign-after-issuer-domain");
}

/// The certificate that the signatures are verified with.
fn certificate(probe: &mut Probe<'_>, shown: &Shown) -> Option<Certificate> {
    match shown {
        Shown::Open(certificate) => Some(Certificate::clone(certificate)),
        Shown::Absent => None,
        Shown::Locked => {
            let file = Role::Authentication.certificate().id();
            probe.ask(
                "select-000A-verified",
                &apdu::select_file(apdu::number(file)),
            );
            probe.ask("read-000A-verified", &apdu::read(0, 4));
            let mut der = probe.read_to_end(0);
            if let Some(&[0x30, 0x82, high, low]) = der.get(..4) {
                der.truncate(4 + usize::from(u16::from_be_bytes([high, low])));
                probe.record.number("certificate-length", der.len());
            }
            Certificate::parse(der).ok()
        }
    }
}

/// The authentication key in use.
struct Keys<'a> {
    probe: Probe<'a>,
    short: bool,
}

impl Keys<'_> {
    fn select_jpki(&mut self) {
        // Whatever comes of it, the signature after it tells.
        let _ = self.probe.send(&apdu::select(&JPKI_AID));
    }

    /// P2 for the key, which is selected first where the card wants that.
    fn reference(&mut self) -> u8 {
        let key = Role::Authentication.key();
        match self.short {
            true => key.short(),
            false => {
                // Whatever comes of it, the signature after it tells.
                self.probe.select_file(apdu::number(key));
                apdu::CURRENT
            }
        }
    }

    /// One signature of the plain scheme: false if the PIN is asked for again.
    fn sign(&mut self, step: &'static str) -> bool {
        let reference = self.reference();
        let input = plain_input(&random());
        let reply = self.probe.once(step, &apdu::sign(0, reference, &input));
        reply.is_some_and(|reply| reply.status != NOT_VERIFIED)
    }

    /// A scheme, and whether its signature is what the scheme says, by calculation.
    fn try_scheme(&mut self, scheme: u8, step: &'static str, key: Option<&PublicKey>) {
        let reference = self.reference();
        let random = random();
        let input = match scheme {
            0x00 => plain_input(&random),
            _ => random.to_vec(),
        };
        let times = if scheme == 0x00 { SIGNATURES } else { 1 };
        let command = apdu::sign(scheme, reference, &input);
        let Some(reply) = self.probe.times(step, times, &command) else {
            return;
        };
        let Some(key) = key.filter(|_| reply.has_data()) else {
            return;
        };
        let hash = Sha256::digest(random);
        let pkcs1 = |padding: Pkcs1v15Sign, input: &[u8]| {
            key.verify(padding, input, &reply.data)
                .is_ok()
                .then_some(None)
        };
        let pss = |input: &[u8]| {
            let has = |salt: &usize| {
                let scheme = Pss::<Sha256>::new_with_salt(*salt);
                key.verify(scheme, input, &reply.data).is_ok()
            };
            (0..=MAX_SALT).find(has).map(Some)
        };
        let found = match scheme {
            0x00 => pkcs1(Pkcs1v15Sign::new_unprefixed(), &input),
            0x01 => pkcs1(Pkcs1v15Sign::new_unprefixed(), &hash),
            0x02 => pkcs1(Pkcs1v15Sign::new::<Sha256>(), &random),
            0x03 => pkcs1(Pkcs1v15Sign::new::<Sha256>(), &hash),
            0x04 => pss(&random),
            _ => pss(&hash),
        };
        let record = &mut self.probe.record;
        record.word("verifies", if found.is_some() { "yes" } else { "no" });
        if let Some(Some(salt)) = found {
            record.number("salt", salt);
        }
    }
}

/// What is signed must mean nothing.
fn random() -> [u8; PSS_INPUT] {
    let mut bytes = [0; PSS_INPUT];
    if getrandom::fill(&mut bytes).is_err() {
        bytes.fill(0x5A);
    }
    bytes
}

/// A SHA-256 value as PKCS#1 v1.5 has it signed.
fn plain_input(hash: &[u8]) -> Vec<u8> {
    [&SHA256_PREFIX[..], hash].concat()
}
