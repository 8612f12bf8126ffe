//! `ssh-pubkey`: the authentication key as OpenSSH writes public keys (RFC 4253, 6.6). It prints the
//! key alone, nothing else out of the certificate.

use base64ct::{Base64, Encoding};
use jpki_pkcs11::card::Shown;
use jpki_pkcs11::card::files::{CertificateFile, Role};
use jpki_pkcs11::config::LastTry;
use jpki_pkcs11::messages::Request;
use rsa::PublicKey;
use rsa::traits::PublicKeyParts;

use crate::context::{Context, Outcome};
use crate::pins;
use crate::pins::prompt::Prompt;
use crate::readers::{self, Notice, explain};
use crate::terminal;

/// Prints the line.
pub(crate) fn public_key(context: &Context) -> Outcome {
    match line_of_card(context) {
        Ok(line) => {
            terminal::say(&line);
            Outcome::Fine
        }
        Err(told) => pins::finish(context, Err(told)),
    }
}

fn line_of_card(context: &Context) -> Result<String, Notice> {
    let role = Role::Authentication;
    let mut opened = readers::only_card(context)?;
    let reader = opened.reader.clone();
    let explain = |error| explain(&error, &reader, Some(role));
    let certificate = match opened.face.certificate {
        Shown::Open(certificate) => *certificate,
        Shown::Absent => return Err(explain(jpki_pkcs11::card::Error::FileAbsent)),
        // An Android phone shows it after the PIN.
        Shown::Locked => {
            let pin = pins::ask(&mut Prompt::open(context)?, role, Request::Login)?;
            let file = Some(CertificateFile::Authentication);
            opened
                .card
                .login(role, &pin, LastTry::Guard, file, false)
                .map_err(explain)?
                .ok_or(jpki_pkcs11::card::Error::FileAbsent)
                .and_then(|read| read)
                .map_err(explain)?
        }
    };
    Ok(line(certificate.public_key()))
}

fn line(key: &PublicKey) -> String {
    let mut blob = Vec::new();
    string(&mut blob, b"ssh-rsa");
    number(&mut blob, &key.e().to_be_bytes_trimmed_vartime());
    number(&mut blob, &key.n().to_be_bytes_trimmed_vartime());
    format!("ssh-rsa {} JPKI", Base64::encode_string(&blob))
}

/// RFC 4251, 5: a length of four bytes, then the bytes.
fn string(blob: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(bytes);
}

/// RFC 4251, 5, `mpint`: without leading zeros, but never looking negative.
fn number(blob: &mut Vec<u8>, bytes: &[u8]) {
    let start = bytes
        .iter()
        .position(|&byte| byte != 0)
        .unwrap_or(bytes.len());
    let digits = bytes.get(start..).unwrap_or_default();
    if digits.first().is_some_and(|&first| first >= 0x80) {
        string(blob, &[&[0], digits].concat());
    } else {
        string(blob, digits);
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short_and_positive() {
        let number = |bytes: &[u8]| {
            let mut blob = Vec::new();
            number(&mut blob, bytes);
            blob
        };
        assert_eq!(number(&[0, 0, 1, 0, 1]), [0, 0, 0, 3, 1, 0, 1]);
        assert_eq!(number(&[0x80]), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(number(&[0]), [0, 0, 0, 0]);
    }
}
