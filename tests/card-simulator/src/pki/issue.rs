//! Issuing the two certificates of a holder. Puts the parts of `name` and `extensions` in the order of card sheet 6.1
//! and 6.2.

use std::time::SystemTime;

use getrandom::SysRng;
use rsa::rand_core::TryRng;
use x509_cert::ext::pkix::KeyUsages;

use super::{
    Authorities, Credentials, Error, Holder, Identity, Purpose, Validity,
    certificate::{Statement, fresh_key, key_identifier},
    extensions, name,
};

/// How to issue. The default is what a grown-up's new card holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueOptions {
    /// From when until when the leaves are good.
    pub validity: Validity,
    /// Whether to issue a certificate for user authentication.
    pub auth: bool,
    /// Whether to issue a certificate for digital signatures; children have none.
    pub sign: bool,
    /// Serial number of the auth leaf; `None` takes a random one of four bytes.
    pub auth_serial: Option<u32>,
    /// Serial number of the sign leaf; `None` takes a random one of four bytes.
    pub sign_serial: Option<u32>,
    /// Length of the leaves' RSA keys. Cards have 2048; 1024 is the least that works, and makes
    /// fast tests.
    pub key_bits: usize,
}

impl Default for IssueOptions {
    fn default() -> Self {
        Self {
            validity: Validity::Current,
            auth: true,
            sign: true,
            auth_serial: None,
            sign_serial: None,
            key_bits: 2048,
        }
    }
}

/// Makes fresh keys for `holder` and certifies them.
///
/// # Errors
/// When a text does not fit its place in the certificate, `key_bits` is below 1024, or the system
/// has no randomness to give.
pub fn issue(
    authorities: &Authorities,
    holder: &Holder,
    options: &IssueOptions,
) -> Result<Credentials, Error> {
    let leaf = |purpose, serial| leaf(authorities, holder, options, purpose, serial);
    Ok(Credentials {
        auth: options
            .auth
            .then(|| leaf(Purpose::Authentication, options.auth_serial))
            .transpose()?,
        sign: options
            .sign
            .then(|| leaf(Purpose::Signature, options.sign_serial))
            .transpose()?,
        auth_ca: authorities.auth_ca().to_vec(),
        sign_ca: authorities.sign_ca().to_vec(),
    })
}

fn leaf(
    authorities: &Authorities,
    holder: &Holder,
    options: &IssueOptions,
    purpose: Purpose,
    serial: Option<u32>,
) -> Result<Identity, Error> {
    let key = fresh_key(options.key_bits)?;
    let serial = serial.map_or_else(random_serial, Ok)?;
    let period = options
        .validity
        .period(SystemTime::now(), holder.birth_date)?;

    let authority = authorities.key(purpose);
    let issuer = name::authority(purpose)?;
    let policies = extensions::policies(purpose)?;
    let issuer_alt_name = extensions::issuer_alt_name(name::authority_in_japanese(purpose)?)?;
    let distribution_point =
        extensions::distribution_point(name::distribution_point(purpose, holder)?)?;
    let authority_key = extensions::authority_key(
        &key_identifier(authority.as_public_key())?,
        issuer.clone(),
        authorities.generation().serial(purpose),
    )?;
    let subject_key = extensions::subject_key(&key_identifier(key.as_public_key())?)?;

    let (subject, extensions) = match purpose {
        Purpose::Authentication => (
            name::auth_subject(holder, serial)?,
            vec![
                extensions::key_usage(KeyUsages::DigitalSignature)?,
                extensions::client_auth()?,
                policies,
                issuer_alt_name,
                distribution_point,
                extensions::ocsp()?,
                authority_key,
                subject_key,
            ],
        ),
        Purpose::Signature => (
            name::sign_subject(holder, period.not_before.unix_duration(), serial)?,
            vec![
                extensions::key_usage(KeyUsages::DigitalSignature | KeyUsages::NonRepudiation)?,
                extensions::holder_alt_name(holder)?,
                policies,
                issuer_alt_name,
                distribution_point,
                authority_key,
                subject_key,
            ],
        ),
    };
    let statement = Statement {
        serial,
        issuer,
        period,
        subject,
        extensions,
    };
    let certificate = statement.sign(key.as_public_key(), authority)?;
    Ok(Identity { key, certificate })
}

/// Positive and always four bytes, like `0705D990`.
fn random_serial() -> Result<u32, Error> {
    let random = SysRng.try_next_u32().map_err(|_| rsa::Error::Rng)?;
    Ok(0x0100_0000 | (random & 0x07FF_FFFF))
}
