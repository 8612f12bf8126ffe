//! Environment variables.

use super::*;

#[test]
fn a_variable_is_the_key_in_capitals() {
    let path = format!("{DRIVE}/a");
    let (config, complaints) = from_variables(&[
        ("JPKI_PKCS11_LAST_TRY", "allow"),
        ("JPKI_PKCS11_LOG_FILE", &path),
        ("JPKI_PKCS11_SLOTS", ""),
        ("JPKI_OTHER", "x"),
    ]);
    assert_eq!(complaints, nothing());
    let log_file = Some(PathBuf::from(path));
    assert_eq!(
        config,
        Config {
            last_try: LastTry::Allow,
            log_file,
            ..Config::default()
        }
    );
    assert_eq!(key("last_try").unwrap().variable(), "JPKI_PKCS11_LAST_TRY");
}

#[test]
fn mistakes_are_named_without_the_value_of_an_unknown_variable() {
    let (config, complaints) = from_variables(&[
        ("JPKI_PKCS11_SLOT", "both"),
        ("JPKI_PKCS11_PIN", "1234"),
        ("JPKI_PKCS11_SLOTS", "all"),
        ("JPKI_PKCS11_slots", "both"),
    ]);
    assert_eq!(config, Config::default());
    assert_eq!(
        complaints,
        [
            "environment variable JPKI_PKCS11_SLOT: unknown key `slot`; did you mean `slots`?",
            "environment variable JPKI_PKCS11_PIN: unknown key `pin`",
            "environment variable JPKI_PKCS11_SLOTS: wrong value `all` for `slots`; expected one of `auto`, `both`, `auth`, `sign`",
            "environment variable JPKI_PKCS11_slots: unknown key `slots`; did you mean `slots`?",
        ]
    );
}

#[test]
fn not_utf8_is_named() {
    let bad = not_unicode;
    let sources = Sources {
        variables: vec![
            (OsStr::new("JPKI_PKCS11_SLOTS").to_owned(), bad()),
            (bad(), bad()),
            (OsStr::new("OTHER").to_owned(), bad()),
        ],
        ..Sources::default()
    };
    let (config, complaints) = Config::from_sources(&sources);
    assert_eq!(config, Config::default());
    assert_eq!(
        texts(&complaints),
        ["environment variable JPKI_PKCS11_SLOTS: not UTF-8"]
    );
}
