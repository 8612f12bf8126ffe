//! Bytes for the state directory.

use super::super::{Authorities, Credentials, Identity, IssueOptions};
use super::{GENERATIONS, auth, authorities, quick, sample};

#[test]
fn credentials_come_back() {
    let bytes = sample().to_bytes().unwrap();
    assert_eq!(&Credentials::from_bytes(&bytes).unwrap(), sample());

    let child = quick(IssueOptions {
        sign: false,
        ..IssueOptions::default()
    });
    let bytes = child.to_bytes().unwrap();
    assert_eq!(Credentials::from_bytes(&bytes).unwrap(), child);
}

#[test]
fn identity_comes_back() {
    let bytes = auth().to_bytes().unwrap();
    assert_eq!(&Identity::from_bytes(&bytes).unwrap(), auth());
}

#[test]
fn authorities_come_back() {
    for generation in GENERATIONS {
        let made = authorities(generation);
        let bytes = made.to_bytes().unwrap();
        assert_eq!(&Authorities::from_bytes(&bytes).unwrap(), made);
    }
}

#[test]
fn broken_bytes_are_an_error() {
    let mut bytes = sample().to_bytes().unwrap();
    bytes.pop();
    Credentials::from_bytes(&bytes).unwrap_err();
    Authorities::from_bytes(&bytes).unwrap_err();
    Identity::from_bytes(&[]).unwrap_err();
}
