//! Both leaves: frame, names and the extensions they share.

use der::{Tag, Tagged};
use rsa::traits::PublicKeyParts;
use x509_cert::{
    Certificate, Version,
    ext::pkix::{
        AuthorityKeyIdentifier, CertificatePolicies, CrlDistributionPoints, IssuerAltName,
        SubjectAltName, name::DistributionPointName,
    },
};

use super::{
    AGENCY, AUTH_UNIT, AUTH_UNIT_JAPANESE, ISSUER, JAPANESE, JAPANESE_AGENCY, SIGN_UNIT,
    SIGN_UNIT_JAPANESE, assert_signed_by, assert_times, auth, extension, name_of,
    only_directory_name, parse, public_key, sample, sign, spelled, subject_key,
};

fn both() -> [(Certificate, Certificate, (&'static str, &'static str)); 2] {
    [
        (
            parse(&auth().certificate),
            parse(&sample().auth_ca),
            AUTH_UNIT,
        ),
        (
            parse(&sign().certificate),
            parse(&sample().sign_ca),
            SIGN_UNIT,
        ),
    ]
}

#[test]
fn frame_and_signature() {
    for (leaf, ca, _) in both() {
        assert_eq!(leaf.tbs_certificate().version(), Version::V3);
        let serial = leaf.tbs_certificate().serial_number().as_bytes();
        assert!(matches!(serial.len(), 3 | 4) && serial[0] < 0x80);
        assert_times(&leaf);
        assert_signed_by(&leaf, &ca);
    }
}

#[test]
fn certified_key_is_the_private_key() {
    for identity in [auth(), sign()] {
        let certified = public_key(&parse(&identity.certificate));
        assert_eq!(&certified, identity.key.as_public_key());
        assert_eq!(certified.size(), 256);
        assert_eq!(certified.e().to_string(), "0000000000010001");
    }
}

#[test]
fn issuer_is_the_subject_of_the_authority() {
    for (leaf, ca, unit) in both() {
        let issuer = leaf.tbs_certificate().issuer();
        assert_eq!(spelled(issuer), name_of(ISSUER, &[unit, AGENCY]));
        assert_eq!(issuer, ca.tbs_certificate().subject());
    }
}

#[test]
fn policies_are_critical_with_cps() {
    let policies = ["1.2.392.200149.8.5.1.0.30", "1.2.392.200149.8.5.1.0.20"];
    for ((leaf, _, _), oid) in both().iter().zip(policies) {
        let (critical, policies) = extension::<CertificatePolicies>(leaf).unwrap();
        assert!(critical);
        let [policy] = &policies.0[..] else { panic!() };
        assert_eq!(policy.policy_identifier.to_string(), oid);
        let [qualifier] = &policy.policy_qualifiers.as_ref().unwrap()[..] else {
            panic!()
        };
        assert_eq!(
            qualifier.policy_qualifier_id.to_string(),
            "1.3.6.1.5.5.7.2.1"
        );
        let text = qualifier.qualifier.as_ref().unwrap();
        assert_eq!(text.tag(), Tag::Ia5String);
        assert_eq!(text.value(), b"http://www.jpki.go.jp/cps.html");
    }
}

#[test]
fn issuer_alt_name_is_japanese() {
    let units = [AUTH_UNIT_JAPANESE, SIGN_UNIT_JAPANESE];
    for ((leaf, ca, _), unit) in both().iter().zip(units) {
        let (critical, names) = extension::<IssuerAltName>(leaf).unwrap();
        assert!(!critical);
        let name = only_directory_name(&names.0);
        assert_eq!(spelled(name), name_of(JAPANESE, &[unit, JAPANESE_AGENCY]));
        let (_, of_ca) = extension::<SubjectAltName>(ca).unwrap();
        assert_eq!(name, only_directory_name(&of_ca.0));
    }
}

#[test]
fn distribution_point_is_a_directory_name_only() {
    for (leaf, _, unit) in both() {
        let (critical, points) = extension::<CrlDistributionPoints>(&leaf).unwrap();
        assert!(!critical);
        let [point] = &points.0[..] else { panic!() };
        assert!(point.reasons.is_none() && point.crl_issuer.is_none());
        let Some(DistributionPointName::FullName(names)) = &point.distribution_point else {
            panic!()
        };
        let tail = [
            unit,
            ("OU", "CRL Distribution Points"),
            ("OU", "Tokyo-to"),
            ("CN", "Kiyose-shi CRLDP"),
        ];
        assert_eq!(spelled(only_directory_name(names)), name_of(ISSUER, &tail));
    }
}

#[test]
fn authority_key_names_key_issuer_and_serial() {
    for (leaf, ca, _) in both() {
        let (critical, identifier) = extension::<AuthorityKeyIdentifier>(&leaf).unwrap();
        assert!(!critical);
        let authority = ca.tbs_certificate();
        assert_eq!(
            identifier.key_identifier.unwrap().as_bytes(),
            subject_key(&ca)
        );
        assert_eq!(
            only_directory_name(&identifier.authority_cert_issuer.unwrap()),
            authority.issuer()
        );
        assert_eq!(
            &identifier.authority_cert_serial_number.unwrap(),
            authority.serial_number()
        );
        subject_key(&leaf);
    }
}
