//! Patterns of reader names, in every notation.

use super::super::values::matches;
use super::*;

#[test]
fn a_pattern_fits_the_whole_name() {
    for (pattern, name, fits) in [
        ("", "", true),
        ("*", "", true),
        ("?", "", false),
        ("sony*", "SONY FeliCa RC-S380/S", true),
        ("*felica*", "SONY FeliCa RC-S380/S", true),
        ("felica", "SONY FeliCa RC-S380/S", false),
        ("SONY FeliCa RC-S380/?", "SONY FeliCa RC-S380/S", true),
        ("*00 0?", "Virtual PCD 00 00", true),
        ("*a*b*c", "aXbXcXc", true),
        ("*a*b*c", "aXbXcXd", false),
        ("***", "x", true),
        ("日?語*", "日本語リーダー", true),
        ("ÄÖ", "äö", true),
        ("[a-z]", "a", false),
    ] {
        assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
    }
}

#[test]
fn an_evil_pattern_is_not_slow() {
    let started = Instant::now();
    assert!(!matches(
        &"*a".repeat(500),
        &"a".repeat(400).replace("aa", "ab")
    ));
    assert!(!matches(
        &format!("{}b", "*a".repeat(200)),
        &"a".repeat(2000)
    ));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn ignore_counts_more_than_allow() {
    let readers = Readers {
        allow: vec!["Sony*".to_owned()],
        ignore: vec!["*0?".to_owned()],
    };
    assert!(readers.shows("SONY 1"));
    assert!(!readers.shows("SONY 01"));
    assert!(!readers.shows("Gemalto 1"));
    assert!(Readers::default().shows("anything"));
}

#[test]
fn every_source_has_its_notation() {
    let expected = Readers {
        allow: vec!["Sony*".to_owned(), "ACS ?".to_owned()],
        ignore: vec!["*virtual*".to_owned()],
    };
    for text in [
        "readers = { allow = ['Sony*', 'ACS ?'], ignore = ['*virtual*'] }",
        "[readers]\nallow = [\n  'Sony*',\n  'ACS ?',\n]\nignore = '*virtual*'\n",
        "readers.allow = ['Sony*', 'ACS ?']\nreaders.ignore = ['*virtual*']",
        "readers = 'Sony*, ACS ?, !*virtual*'",
    ] {
        let (config, complaints) = from_file(text);
        assert_eq!(
            (config.readers, complaints),
            (expected.clone(), nothing()),
            "{text}"
        );
    }
    let (config, complaints) =
        from_variables(&[("JPKI_PKCS11_READERS", "Sony*,ACS ? , ! *virtual*,,")]);
    assert_eq!((config.readers, complaints), (expected.clone(), nothing()));
    let (config, complaints) = from_parameters("readers='Sony*,!*virtual*,ACS ?'");
    assert_eq!((config.readers, complaints), (expected, nothing()));
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let (config, complaints) = from_file("[readers]\nallow = ['a']\nignored = ['b']\n");
    assert_eq!(config, Config::default());
    assert_eq!(complaints, ["config.toml:3: unknown key `readers.ignored`"]);

    let (config, complaints) = from_file("[readers]\nallow = ['a']\n\nignore = ['b', 3]\n");
    assert_eq!(config, Config::default());
    assert_eq!(complaints.len(), 1);
    assert!(
        complaints[0].starts_with("config.toml:4: wrong value `['b', 3]` for `readers`; expected"),
        "{complaints:?}"
    );

    let (config, complaints) = from_file("readers = ['a']");
    assert_eq!((config, complaints.len()), (Config::default(), 1));
    let (config, complaints) = from_variables(&[("JPKI_PKCS11_READERS", "a,!")]);
    assert_eq!((config, complaints.len()), (Config::default(), 1));
}
