//! What only the certificate for user authentication has (card sheet 6.1).

use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, ExtendedKeyUsage, name::GeneralName};

use super::{auth, expected, extension, outline, parse, raw_extension, spelled};

#[test]
fn extensions_in_order() {
    let expected = [
        ("2.5.29.15", true),
        ("2.5.29.37", false),
        ("2.5.29.32", true),
        ("2.5.29.18", false),
        ("2.5.29.31", false),
        ("1.3.6.1.5.5.7.1.1", false),
        ("2.5.29.35", false),
        ("2.5.29.14", false),
    ]
    .map(|(oid, critical)| (oid.to_owned(), critical));
    assert_eq!(outline(&parse(&auth().certificate)), expected);
}

#[test]
fn for_signing_as_a_tls_client_only() {
    let leaf = parse(&auth().certificate);
    assert_eq!(raw_extension(&leaf, "2.5.29.15"), [0x03, 0x02, 0x07, 0x80]);
    let (_, purposes) = extension::<ExtendedKeyUsage>(&leaf).unwrap();
    let purposes: Vec<_> = purposes.0.iter().map(ToString::to_string).collect();
    assert_eq!(purposes, ["1.3.6.1.5.5.7.3.2"]);
}

#[test]
fn ocsp_without_ca_issuers_and_out_of_reach() {
    let leaf = parse(&auth().certificate);
    let (_, access) = extension::<AuthorityInfoAccessSyntax>(&leaf).unwrap();
    let [responder] = &access.0[..] else { panic!() };
    assert_eq!(responder.access_method.to_string(), "1.3.6.1.5.5.7.48.1");
    let GeneralName::UniformResourceIdentifier(address) = &responder.access_location else {
        panic!()
    };
    assert!(address.as_str().ends_with(".invalid"));
}

#[test]
fn subject_is_opaque() {
    let leaf = parse(&auth().certificate);
    let subject = spelled(leaf.tbs_certificate().subject());
    let common_name = subject[1].2.clone();
    assert_eq!(subject, expected(&[("C", "JP"), ("CN", &common_name)]));
    assert_eq!(common_name.len(), 23);
    assert!(common_name.ends_with("13221003A"));
}

/// The published test certificate has 1590 bytes. Ours writes the organisation three times
/// with one letter less and the OCSP address with one more; the authority's serial has four
/// bytes instead of three, and so, it seems, has the leaf's own.
#[test]
fn size() {
    assert_eq!(auth().certificate.len(), 1590 - 3 + 1 + 1 + 1);
}
