//! The extensions of leaves and authorities, one function each. Encodes the `x509_cert` types with the criticality of
//! card sheet 6.1, 6.2 and 6.4.

use der::{
    Encode, Tag,
    asn1::{Any, Ia5String, ObjectIdentifier, OctetString},
    flagset::FlagSet,
    oid::AssociatedOid,
};
use x509_cert::{
    ext::{
        Extension,
        pkix::{
            AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
            CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage, IssuerAltName, KeyUsage,
            KeyUsages, SubjectAltName, SubjectKeyIdentifier,
            certpolicy::{PolicyInformation, PolicyQualifierInfo},
            crl::dp::DistributionPoint,
            name::{DistributionPointName, GeneralName, OtherName},
        },
    },
    name::Name,
    serial_number::SerialNumber,
};

use super::{Error, Holder, Purpose, certificate::KeyIdentifier};

/// keyUsage, critical.
pub(super) fn key_usage(usages: impl Into<FlagSet<KeyUsages>>) -> Result<Extension, Error> {
    extension(CRITICAL, &KeyUsage(usages.into()))
}

/// extKeyUsage with clientAuth alone.
pub(super) fn client_auth() -> Result<Extension, Error> {
    extension(!CRITICAL, &ExtendedKeyUsage(vec![CLIENT_AUTH]))
}

/// certificatePolicies with the test policy of the service and the address of the CPS. Critical,
/// which few other public authorities do.
pub(super) fn policies(purpose: Purpose) -> Result<Extension, Error> {
    let statement = Any::new(Tag::Ia5String, CPS_ADDRESS.as_bytes())?;
    let policy = PolicyInformation {
        policy_identifier: match purpose {
            Purpose::Authentication => AUTH_TEST_POLICY,
            Purpose::Signature => SIGN_TEST_POLICY,
        },
        policy_qualifiers: Some(vec![PolicyQualifierInfo {
            policy_qualifier_id: CPS,
            qualifier: Some(statement),
        }]),
    };
    extension(CRITICAL, &CertificatePolicies(vec![policy]))
}

/// issuerAltName with the Japanese name of the authority.
pub(super) fn issuer_alt_name(japanese: Name) -> Result<Extension, Error> {
    let names = vec![GeneralName::DirectoryName(japanese)];
    extension(!CRITICAL, &IssuerAltName(names))
}

/// subjectAltName of an authority: its Japanese name.
pub(super) fn authority_alt_name(japanese: Name) -> Result<Extension, Error> {
    let names = vec![GeneralName::DirectoryName(japanese)];
    extension(!CRITICAL, &SubjectAltName(names))
}

/// subjectAltName of a sign leaf: the four facts about the holder and the two flag texts, in the
/// order of the published certificate, which is not the order of the identifiers.
pub(super) fn holder_alt_name(holder: &Holder) -> Result<Extension, Error> {
    let birth_date = holder.birth_date.registered();
    let facts = [
        (HOLDER_NAME, holder.name.as_str()),
        (HOLDER_BIRTH_DATE, &birth_date),
        (HOLDER_SEX, holder.sex.digit()),
        (HOLDER_ADDRESS, &holder.address),
        (HOLDER_NAME_FLAGS, &holder.name_flags),
        (HOLDER_ADDRESS_FLAGS, &holder.address_flags),
    ];
    let names = facts
        .into_iter()
        .map(|(type_id, text)| {
            let value = Any::new(Tag::Utf8String, text.as_bytes())?;
            Ok(GeneralName::OtherName(OtherName { type_id, value }))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    extension(!CRITICAL, &SubjectAltName(names))
}

/// CRLDistributionPoints with a directory name and no address.
pub(super) fn distribution_point(directory: Name) -> Result<Extension, Error> {
    let names = vec![GeneralName::DirectoryName(directory)];
    let point = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(names)),
        reasons: None,
        crl_issuer: None,
    };
    extension(!CRITICAL, &CrlDistributionPoints(vec![point]))
}

/// authorityInfoAccess with an OCSP responder and no caIssuers.
pub(super) fn ocsp() -> Result<Extension, Error> {
    let access = AccessDescription {
        access_method: OCSP,
        access_location: GeneralName::UniformResourceIdentifier(Ia5String::new(OCSP_ADDRESS)?),
    };
    extension(!CRITICAL, &AuthorityInfoAccessSyntax(vec![access]))
}

/// authorityKeyIdentifier in full. The three generations of an authority share one name, so only
/// the key identifier and the serial tell which of them issued.
pub(super) fn authority_key(
    key: &KeyIdentifier,
    issuer: Name,
    serial: u32,
) -> Result<Extension, Error> {
    let identifier = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(key.as_slice())?),
        authority_cert_issuer: Some(vec![GeneralName::DirectoryName(issuer)]),
        authority_cert_serial_number: Some(SerialNumber::from(serial)),
    };
    extension(!CRITICAL, &identifier)
}

/// subjectKeyIdentifier.
pub(super) fn subject_key(key: &KeyIdentifier) -> Result<Extension, Error> {
    let identifier = SubjectKeyIdentifier(OctetString::new(key.as_slice())?);
    extension(!CRITICAL, &identifier)
}

/// basicConstraints of an authority, critical, without a path length.
pub(super) fn authority_constraints() -> Result<Extension, Error> {
    let constraints = BasicConstraints {
        ca: true,
        path_len_constraint: None,
    };
    extension(CRITICAL, &constraints)
}

fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> Result<Extension, Error> {
    Ok(Extension {
        extn_id: T::OID,
        critical,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}

const CRITICAL: bool = true;

/// What the real certificates name; a document, which nobody fetches to check a certificate.
const CPS_ADDRESS: &str = "http://www.jpki.go.jp/cps.html";
/// The real test system says `http://test-ocspauthnorm.jpki.go.jp`; a simulator must not point
/// there, and names below `.invalid` (RFC 2606) never resolve.
const OCSP_ADDRESS: &str = "http://ocspauthnorm.jpki-sim.invalid";

const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const CPS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.1");
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

const AUTH_TEST_POLICY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.1.0.30");
const SIGN_TEST_POLICY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.1.0.20");

const HOLDER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.1");
const HOLDER_NAME_FLAGS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.2");
const HOLDER_SEX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.3");
const HOLDER_BIRTH_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.4");
const HOLDER_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.5");
const HOLDER_ADDRESS_FLAGS: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.392.200149.8.5.5.6");
