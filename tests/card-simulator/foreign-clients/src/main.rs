//! Other people's code, proved on a real card by its author, on the card in the first
//! reader: `foreign-clients CLIENT`. Prints what each step said, without any data.

use std::error::Error;
use std::fmt::Display;
use std::rc::Rc;

use sha2::{Digest, Sha256};

const PIN: &str = "1234";
const PASSWORD: &str = "ABC123";
const MESSAGE: &[u8] = b"what is signed";

/// `DigestInfo` of a SHA-256 value without the value (RFC 8017, 9.2, note 1).
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("myna-card") => myna_card(),
        Some("jpki") => jpki(),
        Some("myna") => myna(),
        _ => Err("foreign-clients myna-card|jpki|myna".into()),
    }
}

fn say<T, E: Display>(step: &str, result: Result<T, E>, show: impl Fn(&T) -> String) -> Option<T> {
    match result {
        Ok(value) => {
            println!("{step}: {}", show(&value));
            Some(value)
        }
        Err(error) => {
            println!("{step}: error: {error}");
            None
        }
    }
}

fn bytes(value: &Vec<u8>) -> String {
    format!("{} bytes", value.len())
}

fn digest_info() -> Vec<u8> {
    [&SHA256_PREFIX[..], &Sha256::digest(MESSAGE)].concat()
}

fn is_signed(certificate: &[u8], signature: &[u8]) -> Result<(), myna_card::Error> {
    let key = myna_card::Certificate::parse(certificate)?.public_key()?;
    key.verify_pkcs1_sha256(MESSAGE, signature)
}

/// The crate myna-card, by the author of the deepest survey of the card.
fn myna_card() -> Result<(), Box<dyn Error>> {
    use myna_card::Pin;
    use myna_card::ap::jpki::{JpkiAp, SignatureScheme as Scheme};
    use myna_card::transport::pcsc::{Sharing, connect_any};

    let mut card = connect_any(Sharing::Shared)?;
    let mut ap = JpkiAp::select(&mut card)?;
    say("token type", ap.read_token_type(), |it| format!("{it:?}"));
    say("token information", ap.read_token_info(), |it| {
        it.model.clone()
    });
    say(
        "certificates there",
        ap.read_certificate_availability(),
        |it| {
            format!(
                "auth {}, sign {}",
                it.has_auth_certificate(),
                it.has_sign_certificate()
            )
        },
    );
    say("auth certificate", ap.read_auth_certificate_der(), bytes);
    say("auth CA", ap.read_auth_ca_certificate_der(), bytes);
    say("sign CA", ap.read_sign_ca_certificate_der(), bytes);
    say(
        "sign certificate without the password",
        ap.read_sign_certificate_der(),
        bytes,
    );
    say("auth tries", ap.auth_pin_retries(), |it| format!("{it:?}"));
    say("sign tries", ap.sign_pin_retries(), |it| format!("{it:?}"));
    say("challenge", ap.card().get_challenge(16), bytes);
    say("contact ATR", ap.card().contact_atr(), bytes);
    say(
        "signature without the PIN",
        ap.sign_with_auth_key(Scheme::Verbatim, b"x"),
        bytes,
    );
    let verified = ap.verify_auth_pin(&Pin::new(PIN)?);
    if say("auth PIN", verified, |()| "right".to_owned()).is_some() {
        say("auth tries while verified", ap.auth_pin_retries(), |it| {
            format!("{it:?}")
        });
        let hash = Sha256::digest(MESSAGE);
        for (scheme, input) in [
            (Scheme::Verbatim, MESSAGE),
            (Scheme::Sha256Bare, MESSAGE),
            (Scheme::PreHashedDigestInfo, &hash[..]),
            (Scheme::Sha256DigestInfo, MESSAGE),
            (Scheme::PreHashedPss, &hash[..]),
            (Scheme::Sha256Pss, MESSAGE),
        ] {
            let made = ap.sign_with_auth_key_checked(scheme, input);
            say(&format!("{scheme:?}"), made, bytes);
        }
    }
    if say(
        "sign password",
        ap.verify_sign_pin(&Pin::new(PASSWORD)?),
        |()| "right".to_owned(),
    )
    .is_some()
    {
        say("sign certificate", ap.read_sign_certificate_der(), bytes);
        let made = ap.sign_with_sign_key_checked(Scheme::Sha256DigestInfo, MESSAGE);
        say("signature of the sign key", made, bytes);
    }
    Ok(())
}

/// The crate jpki (siketyan/jpki-rs).
fn jpki() -> Result<(), Box<dyn Error>> {
    use jpki::ap::CryptoAp;
    use jpki::ap::crypto::CertType;

    let context = jpki::pcsc::Context::try_new()?;
    let card = context.open()?.connect(context)?;
    let card = Rc::new(jpki::Card::new(Box::new(card)));
    let ap = CryptoAp::open((), card)?;
    let pin = || PIN.as_bytes().to_vec();
    let password = || PASSWORD.as_bytes().to_vec();
    say("auth tries", ap.auth_pin_status(()), ToString::to_string);
    say("sign tries", ap.sign_pin_status(()), ToString::to_string);
    let auth = say(
        "auth certificate",
        ap.read_certificate((), CertType::Auth, Vec::new()),
        bytes,
    );
    say(
        "auth CA",
        ap.read_certificate((), CertType::AuthCA, Vec::new()),
        bytes,
    );
    say(
        "sign CA",
        ap.read_certificate((), CertType::SignCA, Vec::new()),
        bytes,
    );
    let signature = say(
        "signature of the auth key",
        ap.auth((), pin(), digest_info()),
        bytes,
    );
    if let (Some(auth), Some(signature)) = (auth, signature) {
        say("it verifies", is_signed(&auth, &signature), |()| {
            "yes".to_owned()
        });
    }
    let sign = say(
        "sign certificate",
        ap.read_certificate((), CertType::Sign, password()),
        bytes,
    );
    let signature = say(
        "signature of the sign key",
        ap.sign((), password(), digest_info()),
        bytes,
    );
    if let (Some(sign), Some(signature)) = (sign, signature) {
        say("it verifies", is_signed(&sign, &signature), |()| {
            "yes".to_owned()
        });
    }
    Ok(())
}

/// The crate myna (my-number/myna), which leaves the way to the card to its user.
fn myna() -> Result<(), Box<dyn Error>> {
    use myna::card::{Apdu, KeyType};

    struct Card(pcsc::Card);

    impl Apdu for Card {
        type TransErr = pcsc::Error;

        fn transmit(&self, data: Vec<u8>) -> Result<Vec<u8>, pcsc::Error> {
            let mut room = [0; pcsc::MAX_BUFFER_SIZE];
            self.0.transmit(&data, &mut room).map(<[u8]>::to_vec)
        }
    }

    let context = pcsc::Context::establish(pcsc::Scope::User)?;
    let reader = context
        .list_readers_owned()?
        .into_iter()
        .next()
        .ok_or("no reader")?;
    let card = Card(context.connect(&reader, pcsc::ShareMode::Shared, pcsc::Protocols::ANY)?);
    let debug = |result: Result<Vec<u8>, _>| {
        result.map_err(|error: myna::error::ApduError<_>| format!("{error:?}"))
    };
    let known = card
        .is_mynumber_card()
        .map_err(|error| format!("{error:?}"));
    say("is a My Number card", known, ToString::to_string);
    for (name, role) in [("auth", KeyType::UserAuth), ("sign", KeyType::DigitalSign)] {
        let left = card
            .get_retry_counter(role)
            .map_err(|error| format!("{error:?}"));
        say(&format!("{name} tries"), left, ToString::to_string);
    }
    say("challenge", debug(card.get_challenge(8)), bytes);
    let certificate = say(
        "auth certificate",
        debug(card.get_cert(KeyType::UserAuth)),
        bytes,
    );
    let made = debug(card.compute_sig(PIN, &digest_info(), KeyType::UserAuth));
    let signature = say("signature of the auth key", made, bytes);
    if let (Some(certificate), Some(signature)) = (certificate, signature) {
        say("it verifies", is_signed(&certificate, &signature), |()| {
            "yes".to_owned()
        });
    }
    Ok(())
}
