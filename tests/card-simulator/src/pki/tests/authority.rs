//! The self-signed authorities of three generations (card sheet 6.4).

use rsa::traits::PublicKeyParts;
use x509_cert::{
    Certificate, Version,
    ext::pkix::{
        BasicConstraints, CrlDistributionPoints, KeyUsage, SubjectAltName,
        name::DistributionPointName,
    },
};

use super::super::Generation;
use super::{
    AGENCY, AUTH_UNIT, AUTH_UNIT_JAPANESE, GENERATIONS, ISSUER, JAPANESE, JAPANESE_AGENCY,
    SIGN_UNIT, SIGN_UNIT_JAPANESE, assert_signed_by, assert_times, authorities, extension, name_of,
    only_directory_name, outline, parse, public_key, raw_extension, spelled, subject_key,
};

fn both(generation: Generation) -> [Certificate; 2] {
    let made = authorities(generation);
    [parse(made.auth_ca()), parse(made.sign_ca())]
}

#[test]
fn self_signed_and_distinct_under_one_name() {
    for service in 0..2 {
        let generations = GENERATIONS.map(|g| both(g)[service].clone());
        let unit = [AUTH_UNIT, SIGN_UNIT][service];
        for ca in &generations {
            assert_eq!(ca.tbs_certificate().version(), Version::V3);
            assert_signed_by(ca, ca);
            assert_eq!(public_key(ca).size(), 256);
            for name in [
                ca.tbs_certificate().subject(),
                ca.tbs_certificate().issuer(),
            ] {
                assert_eq!(spelled(name), name_of(ISSUER, &[unit, AGENCY]));
            }
        }
        let [first, second, third] = &generations;
        assert_ne!(subject_key(first), subject_key(second));
        assert_ne!(subject_key(second), subject_key(third));
        assert_ne!(subject_key(first), subject_key(third));
    }
}

#[test]
fn serial_and_validity() {
    let table: [(_, [&[u8]; 2], _, _); 3] = [
        (Generation::First, [&[1], &[1]], "2015-10-20", "2025-10-19"),
        (
            Generation::Second,
            [&[0x01, 0x33, 0xC3, 0x49], &[0x01, 0x32, 0xC4, 0xAB]],
            "2019-09-14",
            "2029-09-14",
        ),
        (
            Generation::Third,
            [&[0x06, 0xD1, 0x80, 0x06], &[0x06, 0x7C, 0x6A, 0x21]],
            "2023-07-16",
            "2033-07-15",
        ),
    ];
    for (generation, serials, from, until) in table {
        for (ca, serial) in both(generation).iter().zip(serials) {
            let ca = ca.tbs_certificate();
            assert_eq!(ca.serial_number().as_bytes(), serial);
            assert!(ca.validity().not_before.to_string().starts_with(from));
            let end = ca.validity().not_after.to_string();
            assert_eq!(end, format!("{until}T14:59:59Z"));
        }
        both(generation).iter().for_each(assert_times);
    }
}

#[test]
fn extensions_in_order() {
    let expected = [
        ("2.5.29.15", true),
        ("2.5.29.17", false),
        ("2.5.29.19", true),
        ("2.5.29.31", false),
        ("2.5.29.14", false),
    ]
    .map(|(oid, critical)| (oid.to_owned(), critical));
    let units = [AUTH_UNIT_JAPANESE, SIGN_UNIT_JAPANESE];
    for (ca, unit) in both(Generation::Second).iter().zip(units) {
        assert_eq!(outline(ca), expected);
        let (_, usage) = extension::<KeyUsage>(ca).unwrap();
        assert!(usage.key_cert_sign() && usage.crl_sign());
        assert_eq!(raw_extension(ca, "2.5.29.15"), [0x03, 0x02, 0x01, 0x06]);
        let (_, constraints) = extension::<BasicConstraints>(ca).unwrap();
        assert!(constraints.ca && constraints.path_len_constraint.is_none());
        let (_, names) = extension::<SubjectAltName>(ca).unwrap();
        assert_eq!(
            spelled(only_directory_name(&names.0)),
            name_of(JAPANESE, &[unit, JAPANESE_AGENCY])
        );
        let (_, points) = extension::<CrlDistributionPoints>(ca).unwrap();
        let Some(DistributionPointName::FullName(names)) = &points.0[0].distribution_point else {
            panic!()
        };
        assert_eq!(only_directory_name(names), ca.tbs_certificate().subject());
    }
}

/// The real authorities measure 1316, 1319, 1319 and 1301, 1304, 1304 bytes; `JPKI-SIM`
/// instead of `JPKI` in issuer, subject and distribution point makes twelve more. That the
/// difference is exactly this says that every field has the right length.
#[test]
fn sizes() {
    let sizes = GENERATIONS.map(|g| {
        let made = authorities(g);
        (made.auth_ca().len() - 12, made.sign_ca().len() - 12)
    });
    assert_eq!(sizes, [(1316, 1301), (1319, 1304), (1319, 1304)]);
}
