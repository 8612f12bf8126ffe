//! The distinguished names of authorities, holders and CRL distribution points. Builds `x509_cert` names: country as
//! PrintableString, all else as UTF8String (card sheet 6).

use std::time::Duration;

use der::{
    Decode, Encode, Tag,
    asn1::{Any, ObjectIdentifier},
};
use sha1::{Digest, Sha1};
use x509_cert::{
    attr::AttributeTypeAndValue,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

use super::{Error, Holder, Purpose, validity::in_japan};

/// The real authorities write `JPKI`, their test system `JPKI-TEST`.
const ORGANIZATION_VALUE: &str = "JPKI-SIM";

/// The name of an authority, the same for all three generations (card sheet 6.1, 6.2, 6.4).
pub(super) fn authority(purpose: Purpose) -> Result<Name, Error> {
    distinguished_name(&[
        (COUNTRY, "JP"),
        (ORGANIZATION, ORGANIZATION_VALUE),
        (UNIT, unit(purpose)),
        (UNIT, "Japan Agency for Local Authority Information Systems"),
    ])
}

/// The Japanese name of an authority: issuerAltName of leaves, subjectAltName of authorities.
pub(super) fn authority_in_japanese(purpose: Purpose) -> Result<Name, Error> {
    let unit = match purpose {
        Purpose::Authentication => "公的個人認証サービス利用者証明用",
        Purpose::Signature => "公的個人認証サービス署名用",
    };
    distinguished_name(&[
        (COUNTRY, "JP"),
        (ORGANIZATION, "公的個人認証サービス"),
        (UNIT, unit),
        (UNIT, "地方公共団体情報システム機構"),
    ])
}

/// Where the revocation list of the holder's municipality would be, in a directory nobody can
/// reach (card sheet 6.1, row 5).
pub(super) fn distribution_point(purpose: Purpose, holder: &Holder) -> Result<Name, Error> {
    distinguished_name(&[
        (COUNTRY, "JP"),
        (ORGANIZATION, ORGANIZATION_VALUE),
        (UNIT, unit(purpose)),
        (UNIT, "CRL Distribution Points"),
        (UNIT, &holder.prefecture),
        (COMMON_NAME, &format!("{} CRLDP", holder.city)),
    ])
}

/// The subject of an auth leaf: 14 opaque characters, the municipality and `003A`, 23 in all
/// (card sheet 6.1). How the opaque part is made is not published; here it is a hash.
pub(super) fn auth_subject(holder: &Holder, serial: u32) -> Result<Name, Error> {
    let seed = Sha1::new()
        .chain_update(serial.to_be_bytes())
        .chain_update(holder.name.as_bytes())
        .finalize();
    let opaque: String = seed
        .iter()
        .take(7)
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let common_name = format!("{opaque}{}{SUFFIX}", holder.municipality_code);
    distinguished_name(&[(COUNTRY, "JP"), (COMMON_NAME, &common_name)])
}

/// The subject of a sign leaf: prefecture, city, and the moment of issuing in Japan, a running
/// number, the municipality and `003A`, 28 characters in all (card sheet 6.2).
pub(super) fn sign_subject(holder: &Holder, issued: Duration, serial: u32) -> Result<Name, Error> {
    let issued = in_japan(issued)?;
    let common_name = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}{:05}{}{SUFFIX}",
        issued.year(),
        issued.month(),
        issued.day(),
        issued.hour(),
        issued.minutes(),
        issued.seconds(),
        serial % 100_000,
        holder.municipality_code,
    );
    distinguished_name(&[
        (COUNTRY, "JP"),
        (LOCALITY, &holder.prefecture),
        (LOCALITY, &holder.city),
        (COMMON_NAME, &common_name),
    ])
}

/// The unit that tells the two services apart.
fn unit(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Authentication => "JPKI for user authentication",
        Purpose::Signature => "JPKI for digital signature",
    }
}

fn distinguished_name(attributes: &[(ObjectIdentifier, &str)]) -> Result<Name, Error> {
    let mut sequence = RdnSequence::default();
    for &(oid, text) in attributes {
        let tag = if oid == COUNTRY {
            Tag::PrintableString
        } else {
            Tag::Utf8String
        };
        let value = Any::new(tag, text.as_bytes())?;
        sequence.push(RelativeDistinguishedName::try_from(vec![
            AttributeTypeAndValue { oid, value },
        ])?);
    }
    // x509-cert gives out a `Name` only after checking its bytes.
    Ok(Name::from_der(&sequence.to_der()?)?)
}

/// Both published examples end like this; its meaning is not published.
const SUFFIX: &str = "003A";

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
