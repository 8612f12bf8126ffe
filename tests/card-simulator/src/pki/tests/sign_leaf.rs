//! What only the certificate for digital signatures has (card sheet 6.2).

use std::time::Duration;

use der::{Tag, Tagged};
use x509_cert::{
    Certificate,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use super::super::{Holder, IssueOptions};
use super::{expected, extension, outline, parse, quick, raw_extension, sign, spelled};

fn holder_facts(leaf: &Certificate) -> Vec<(String, String)> {
    let (critical, names) = extension::<SubjectAltName>(leaf).unwrap();
    assert!(!critical);
    let fact = |name: &GeneralName| {
        let GeneralName::OtherName(other) = name else {
            panic!("{name:?}")
        };
        assert_eq!(other.value.tag(), Tag::Utf8String);
        let text = String::from_utf8(other.value.value().to_vec()).unwrap();
        (other.type_id.to_string(), text)
    };
    names.0.iter().map(fact).collect()
}

fn facts(texts: [(u8, &str); 6]) -> Vec<(String, String)> {
    texts
        .map(|(arc, text)| (format!("1.2.392.200149.8.5.5.{arc}"), text.to_owned()))
        .to_vec()
}

#[test]
fn extensions_in_order() {
    let expected = [
        ("2.5.29.15", true),
        ("2.5.29.17", false),
        ("2.5.29.32", true),
        ("2.5.29.18", false),
        ("2.5.29.31", false),
        ("2.5.29.35", false),
        ("2.5.29.14", false),
    ]
    .map(|(oid, critical)| (oid.to_owned(), critical));
    assert_eq!(outline(&parse(&sign().certificate)), expected);
}

#[test]
fn usage_bits() {
    let leaf = parse(&sign().certificate);
    assert_eq!(raw_extension(&leaf, "2.5.29.15"), [0x03, 0x02, 0x06, 0xC0]);
}

#[test]
fn holder_in_six_other_names() {
    assert_eq!(
        holder_facts(&parse(&sign().certificate)),
        facts([
            (1, "模擬　太郎"),
            (4, "319800217"),
            (3, "1"),
            (5, "東京都清瀬市模擬町１丁目２３番地４－５０６"),
            (2, "00000"),
            (6, "000000000000000000000"),
        ])
    );
    let other = quick(IssueOptions::default()).sign.unwrap();
    assert_eq!(
        holder_facts(&parse(&other.certificate)),
        facts([
            (1, "髙試　花子"),
            (4, "419960229"),
            (3, "2"),
            (5, "京都府宇治市試験通３丁目７"),
            (2, "10000"),
            (6, "0000000000000"),
        ])
    );
}

#[test]
fn one_flag_per_character() {
    for holder in [Holder::sample(), Holder::other()] {
        assert_eq!(holder.name.chars().count(), holder.name_flags.len());
        assert_eq!(holder.address.chars().count(), holder.address_flags.len());
    }
}

#[test]
fn subject_tells_place_and_moment() {
    let options = IssueOptions {
        sign_serial: Some(0x0012_D687),
        ..IssueOptions::default()
    };
    let issued = quick(options).sign.unwrap();
    let leaf = parse(&issued.certificate);
    let begin = leaf.tbs_certificate().validity().not_before;
    let in_japan = begin.to_system_time() + Duration::from_secs(9 * 60 * 60);
    let moment: String = der::DateTime::from_system_time(in_japan)
        .unwrap()
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let common_name = format!("{moment}3456726204003A");
    assert_eq!(common_name.len(), 28);
    assert_eq!(
        spelled(leaf.tbs_certificate().subject()),
        expected(&[
            ("C", "JP"),
            ("L", "Kyoto-fu"),
            ("L", "Uji-shi"),
            ("CN", &common_name)
        ])
    );
}

#[test]
fn size_is_near_the_published_one() {
    let size = sign().certificate.len();
    assert!((1700..1820).contains(&size), "{size}");
}
