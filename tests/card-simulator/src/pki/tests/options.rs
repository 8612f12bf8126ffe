//! What `IssueOptions` can change.

use std::time::SystemTime;

use super::super::{BirthDate, Era, Generation, Holder, Identity, IssueOptions, Validity, issue};
use super::{assert_times, authorities, parse, quick};

fn period(identity: Option<Identity>) -> (SystemTime, SystemTime) {
    let leaf = parse(&identity.unwrap().certificate);
    assert_times(&leaf);
    let validity = leaf.tbs_certificate().validity();
    (
        validity.not_before.to_system_time(),
        validity.not_after.to_system_time(),
    )
}

fn issued(validity: Validity) -> (SystemTime, SystemTime) {
    period(
        quick(IssueOptions {
            validity,
            sign: false,
            ..IssueOptions::default()
        })
        .auth,
    )
}

#[test]
fn validity() {
    let now = SystemTime::now();
    let (begin, end) = issued(Validity::Current);
    assert!(begin < now && now < end);
    let (begin, end) = issued(Validity::Expired);
    assert!(begin < end && end < now);
    let (begin, end) = issued(Validity::NotYet);
    assert!(now < begin && begin < end);
    let (_, end) = issued(Validity::Days(10));
    let left = end.duration_since(now).unwrap().as_secs();
    assert!((10..=11).contains(&(left / 86_400)));
}

#[test]
fn leaves_on_demand() {
    let child = quick(IssueOptions {
        sign: false,
        ..IssueOptions::default()
    });
    assert!(child.auth.is_some() && child.sign.is_none());
    assert_eq!(child.sign_ca, authorities(Generation::Third).sign_ca());
    let neither = quick(IssueOptions {
        auth: false,
        sign: false,
        ..IssueOptions::default()
    });
    assert!(neither.auth.is_none() && neither.sign.is_none());
}

#[test]
fn serials() {
    let options = IssueOptions {
        auth_serial: Some(0x0705_D990),
        sign: false,
        ..IssueOptions::default()
    };
    let leaf = parse(&quick(options).auth.unwrap().certificate);
    assert_eq!(
        leaf.tbs_certificate().serial_number().as_bytes(),
        [0x07, 0x05, 0xD9, 0x90]
    );
}

#[test]
fn errors_instead_of_panics() {
    let short_key = IssueOptions {
        key_bits: 512,
        ..IssueOptions::default()
    };
    let authorities = authorities(Generation::Third);
    issue(authorities, &Holder::sample(), &short_key).unwrap_err();

    let nobody = Holder {
        birth_date: BirthDate {
            era: Era::Unknown,
            year: 0,
            month: 0,
            day: 0,
        },
        ..Holder::sample()
    };
    issue(authorities, &nobody, &IssueOptions::default()).unwrap_err();
}
