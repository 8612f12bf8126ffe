//! How single values may be written.

use super::*;

#[test]
fn switches_are_written_in_many_ways() {
    for (written, on) in [
        ("true", true),
        ("'on'", true),
        ("'ON'", true),
        ("'yes'", true),
        ("'1'", true),
        ("false", false),
        ("'off'", false),
        ("'no'", false),
        ("'0'", false),
    ] {
        for name in ["pss", "sha1"] {
            let (config, complaints) = from_file(format!("{name} = {written}"));
            assert_eq!(complaints, nothing());
            let expected = if on { "\"on\"" } else { "\"off\"" };
            assert_eq!(
                key(name).unwrap().value_in(&config),
                expected,
                "{name} {written}"
            );
        }
    }
    let (config, complaints) = from_file("ca_certificates = false\nalways_authenticate = true");
    assert_eq!(complaints, nothing());
    assert_eq!(config.ca_certificates, CaCertificates::Off);
    assert_eq!(config.always_authenticate, AlwaysAuthenticate::Yes);
    let (config, complaints) = from_variables(&[("JPKI_PKCS11_ALWAYS_AUTHENTICATE", "off")]);
    assert_eq!(
        (config.always_authenticate, complaints),
        (AlwaysAuthenticate::No, nothing())
    );
    let (_, complaints) =
        from_file("slots = true\nlast_try = false\nlogin_state = true\nlanguage = true");
    assert_eq!(complaints.len(), 4);
}

#[test]
fn a_log_is_switched_off_as_a_switch_is() {
    let (config, complaints) = from_file("log = false");
    assert_eq!((config.log.as_str(), complaints), ("off", nothing()));
}

#[test]
fn a_log_filter_that_would_silence_the_log_is_refused() {
    for right in [
        "off",
        "WARN",
        "debug",
        "jpki_pkcs11",
        "jpki_pkcs11=trace",
        "warn,jpki_pkcs11::card=debug",
        "",
        "info/PIN",
        "a::b=off , error",
    ] {
        let (config, complaints) = from_variables(&[("JPKI_PKCS11_LOG", right)]);
        assert_eq!(complaints, nothing(), "{right}");
        assert_eq!(config.log, if right.is_empty() { "warn" } else { right });
    }
    for wrong in ["verbose", "jpki_pkcs11=loud", "=debug", "debug;info", "2"] {
        let (config, complaints) = from_variables(&[("JPKI_PKCS11_LOG", wrong)]);
        assert_eq!(
            (config.log.as_str(), complaints.len()),
            ("warn", 1),
            "{wrong}"
        );
    }
}

#[test]
fn a_log_file_has_a_whole_path() {
    let (config, complaints) = from_file(format!("log_file = '{DRIVE}/var/log/jpki log'"));
    assert_eq!(complaints, nothing());
    let path = PathBuf::from(format!("{DRIVE}/var/log/jpki log"));
    assert_eq!(config.log_file, Some(path));
    for wrong in ["'jpki.log'", "'~/jpki.log'", "true", "3", "\"/a\\u0000b\""] {
        let (config, complaints) = from_file(format!("log_file = {wrong}"));
        assert_eq!((config.log_file, complaints.len()), (None, 1), "{wrong}");
    }
    let text = format!("log_file = '{DRIVE}/a'\n[program.x]\nlog_file = ''");
    let (config, _) = from_file(&text);
    assert!(config.log_file.is_some());
    let (config, _) = from_file_for("x", &text);
    assert_eq!(config.log_file, None);
}

#[test]
fn a_value_is_told_short_and_on_one_line() {
    let long = "x".repeat(500);
    let (_, complaints) = from_file(format!("slots = \"a\\n\\u001b{long}\""));
    assert!(complaints[0].len() < 200);
    assert!(!complaints[0].contains(['\n', '\u{1b}']));
}
