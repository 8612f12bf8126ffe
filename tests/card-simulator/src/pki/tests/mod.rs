//! What the issued certificates say, read back with `x509-cert` and judged by OpenSSL. Needs `openssl` on the path
//! for the tests that name it.

mod auth_leaf;
mod authority;
mod leaves;
mod openssl;
mod options;
mod sign_leaf;
mod stored;

use std::sync::OnceLock;

use der::{Decode, Encode, Tag, Tagged, asn1::ObjectIdentifier, oid::AssociatedOid};
use rsa::{Pkcs1v15Sign, PublicKey, pkcs1::DecodeRsaPublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_cert::{
    Certificate,
    ext::pkix::{SubjectKeyIdentifier, name::GeneralName},
    name::Name,
    time::Time,
};

use super::{Authorities, Credentials, Generation, Holder, Identity, IssueOptions, issue};

const GENERATIONS: [Generation; 3] = [Generation::First, Generation::Second, Generation::Third];

/// The three generations, made once: six RSA keys.
fn authorities(generation: Generation) -> &'static Authorities {
    static MADE: [OnceLock<Authorities>; 3] = [const { OnceLock::new() }; 3];
    let index = GENERATIONS.iter().position(|&g| g == generation).unwrap();
    MADE[index].get_or_init(|| Authorities::generate(generation).unwrap())
}

fn sample() -> &'static Credentials {
    static MADE: OnceLock<Credentials> = OnceLock::new();
    MADE.get_or_init(|| {
        let options = IssueOptions::default();
        issue(authorities(Generation::Third), &Holder::sample(), &options).unwrap()
    })
}

fn auth() -> &'static Identity {
    sample().auth.as_ref().unwrap()
}

fn sign() -> &'static Identity {
    sample().sign.as_ref().unwrap()
}

/// Small keys, for tests that do not look at the key.
fn quick(options: IssueOptions) -> Credentials {
    let options = IssueOptions {
        key_bits: 1024,
        ..options
    };
    issue(authorities(Generation::Third), &Holder::other(), &options).unwrap()
}

fn parse(der: &[u8]) -> Certificate {
    let certificate = Certificate::from_der(der).unwrap();
    assert_eq!(certificate.to_der().unwrap(), der);
    certificate
}

fn extension<T: for<'a> Decode<'a> + AssociatedOid>(
    certificate: &Certificate,
) -> Option<(bool, T)> {
    let extensions = certificate.tbs_certificate().extensions().unwrap();
    let found = extensions.iter().find(|e| e.extn_id == T::OID)?;
    let value = T::from_der(found.extn_value.as_bytes());
    Some((found.critical, value.ok().unwrap()))
}

/// Identifier and criticality of every extension, in order.
fn outline(certificate: &Certificate) -> Vec<(String, bool)> {
    let extensions = certificate.tbs_certificate().extensions().unwrap();
    extensions
        .iter()
        .map(|e| (e.extn_id.to_string(), e.critical))
        .collect()
}

fn raw_extension(certificate: &Certificate, oid: &str) -> Vec<u8> {
    let oid = ObjectIdentifier::new(oid).unwrap();
    let extensions = certificate.tbs_certificate().extensions().unwrap();
    let found = extensions.iter().find(|e| e.extn_id == oid).unwrap();
    found.extn_value.as_bytes().to_vec()
}

/// A name as type, tag and text.
fn spelled(name: &Name) -> Vec<(String, Tag, String)> {
    name.iter()
        .map(|attribute| {
            (
                attribute.oid.to_string(),
                attribute.value.tag(),
                String::from_utf8(attribute.value.value().to_vec()).unwrap(),
            )
        })
        .collect()
}

/// A name as it must be spelled: `C` PrintableString, the rest UTF8String.
fn expected(attributes: &[(&str, &str)]) -> Vec<(String, Tag, String)> {
    attributes
        .iter()
        .map(|&(kind, text)| {
            let (oid, tag) = match kind {
                "C" => ("2.5.4.6", Tag::PrintableString),
                "O" => ("2.5.4.10", Tag::Utf8String),
                "OU" => ("2.5.4.11", Tag::Utf8String),
                "L" => ("2.5.4.7", Tag::Utf8String),
                "CN" => ("2.5.4.3", Tag::Utf8String),
                other => panic!("{other}"),
            };
            (oid.to_owned(), tag, text.to_owned())
        })
        .collect()
}

fn only_directory_name(names: &[GeneralName]) -> &Name {
    match names {
        [GeneralName::DirectoryName(name)] => name,
        other => panic!("not one directory name: {other:?}"),
    }
}

fn public_key(certificate: &Certificate) -> PublicKey {
    let info = certificate.tbs_certificate().subject_public_key_info();
    assert_eq!(info.algorithm.oid.to_string(), "1.2.840.113549.1.1.1");
    PublicKey::from_pkcs1_der(info.subject_public_key.raw_bytes()).unwrap()
}

fn assert_signed_by(certificate: &Certificate, authority: &Certificate) {
    for algorithm in [
        certificate.signature_algorithm(),
        certificate.tbs_certificate().signature(),
    ] {
        assert_eq!(algorithm.oid.to_string(), "1.2.840.113549.1.1.11");
        assert_eq!(algorithm.parameters.as_ref().unwrap().tag(), Tag::Null);
    }
    let signed = certificate.tbs_certificate().to_der().unwrap();
    public_key(authority)
        .verify(
            Pkcs1v15Sign::new::<Sha256>(),
            &Sha256::digest(signed),
            certificate.signature().raw_bytes(),
        )
        .unwrap();
}

fn subject_key(certificate: &Certificate) -> Vec<u8> {
    let (critical, identifier) = extension::<SubjectKeyIdentifier>(certificate).unwrap();
    assert!(!critical);
    let info = certificate.tbs_certificate().subject_public_key_info();
    let hash = Sha1::digest(info.subject_public_key.raw_bytes()).to_vec();
    assert_eq!(identifier.0.as_bytes(), hash);
    hash
}

/// UTCTime both, the last second being 23:59:59 in Japan.
fn assert_times(certificate: &Certificate) {
    let validity = certificate.tbs_certificate().validity();
    assert!(matches!(validity.not_before, Time::UtcTime(_)));
    assert!(matches!(validity.not_after, Time::UtcTime(_)));
    let end = validity.not_after.to_date_time();
    assert_eq!((end.hour(), end.minutes(), end.seconds()), (14, 59, 59));
}

const ISSUER: [(&str, &str); 2] = [("C", "JP"), ("O", "JPKI-SIM")];
const AGENCY: (&str, &str) = ("OU", "Japan Agency for Local Authority Information Systems");
const AUTH_UNIT: (&str, &str) = ("OU", "JPKI for user authentication");
const SIGN_UNIT: (&str, &str) = ("OU", "JPKI for digital signature");
const JAPANESE: [(&str, &str); 2] = [("C", "JP"), ("O", "公的個人認証サービス")];
const JAPANESE_AGENCY: (&str, &str) = ("OU", "地方公共団体情報システム機構");
const AUTH_UNIT_JAPANESE: (&str, &str) = ("OU", "公的個人認証サービス利用者証明用");
const SIGN_UNIT_JAPANESE: (&str, &str) = ("OU", "公的個人認証サービス署名用");

fn name_of(head: [(&str, &str); 2], tail: &[(&str, &str)]) -> Vec<(String, Tag, String)> {
    expected(&[&head, tail].concat())
}
