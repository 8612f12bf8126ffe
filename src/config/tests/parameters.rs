//! The string in `pReserved` of `C_Initialize`.

use super::*;

#[test]
fn words_are_read_as_nss_writes_them() {
    let text = "slots=both last_try='allow' log=\"jpki_pkcs11=debug, warn\"\tpss=off\nlanguage=ja";
    let (config, complaints) = from_parameters(text);
    assert_eq!(complaints, nothing());
    assert_eq!(
        config,
        Config {
            slots: Slots::Both,
            last_try: LastTry::Allow,
            log: "jpki_pkcs11=debug, warn".to_owned(),
            pss: false,
            language: Some(Language::Japanese),
            ..Config::default()
        }
    );
    let (config, complaints) = from_parameters("readers='a\\'b\\\\' SLOTS=Sign");
    assert_eq!(complaints, nothing());
    assert_eq!(config.readers.allow, ["a'b\\"]);
    assert_eq!(config.slots, Slots::Sign);
}

#[test]
fn keys_of_nss_are_left_alone() {
    let text = "configdir='sql:/home/a b/.pki/nssdb' certPrefix='' keyPrefix='' secmod='secmod.db' \
                flags=readOnly,optimizeSpace updatedir='' name=\"My module\" library=/usr/lib/x.so \
                NSS=\"trustOrder=100 slotParams={0x00000001=[slotFlags=RSA log=off askpw=any]}\" \
                tokens=<0x4=[x=y]> manufacturerID='slots=auth' tokenDescription word slots=sign";
    let (config, complaints) = from_parameters(text);
    assert_eq!(complaints, nothing());
    assert_eq!(
        config,
        Config {
            slots: Slots::Sign,
            ..Config::default()
        }
    );
}

#[test]
fn mistakes_in_our_keys_are_named() {
    let (config, complaints) = from_parameters("slotz=both last_try=never pss=off");
    assert_eq!(
        config,
        Config {
            pss: false,
            ..Config::default()
        }
    );
    assert_eq!(
        complaints,
        [
            "parameters of C_Initialize: unknown key `slotz`; did you mean `slots`?",
            "parameters of C_Initialize: wrong value `never` for `last_try`; expected one of `guard`, `allow`",
        ]
    );
    let (config, complaints) = from_parameters("pss=off last_try='allow");
    assert_eq!(
        config,
        Config {
            pss: false,
            ..Config::default()
        }
    );
    assert_eq!(complaints.len(), 1);
    let (config, complaints) = from_parameters("slots");
    assert_eq!((config, complaints.len()), (Config::default(), 1));
    let (config, complaints) = from_parameters("slots=");
    assert_eq!((config, complaints.len()), (Config::default(), 1));
}

#[test]
fn strange_strings_do_no_harm() {
    for text in [
        "",
        " ",
        "=",
        "==",
        "'",
        "\\",
        "a='\\",
        "a={{}",
        "\0",
        "{\"json\": 1}",
        "slots=\\",
        "\u{3000}",
    ] {
        let (config, _) = from_parameters(text);
        assert_eq!(config, Config::default(), "{text}");
    }
    let (config, complaints) = from_parameters(&"slotz=1 ".repeat(10_000));
    assert_eq!(config, Config::default());
    assert!(complaints.len() < 25);
    let _ = from_parameters(&("a=".to_owned() + &"{".repeat(1_000_000)));
}
