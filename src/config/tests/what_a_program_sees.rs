//! Tokens and CA certificates by the name of the program.

use super::*;

fn of(program: &str) -> Config {
    Config {
        program: program.to_owned(),
        ..Config::default()
    }
}

const BOTH: SlotsShown = SlotsShown {
    auth: true,
    sign: true,
};
const AUTH: SlotsShown = SlotsShown {
    auth: true,
    sign: false,
};
const SIGN: SlotsShown = SlotsShown {
    auth: false,
    sign: true,
};

#[test]
fn browsers_see_the_authentication_token_alone() {
    for browser in [
        "firefox",
        "Firefox",
        "firefox-esr",
        "firefox-bin",
        "librewolf",
        "chromium",
        "chromium-browser",
        "chrome",
        "google-chrome",
        "brave",
        "vivaldi-bin",
        "msedge",
        "opera",
    ] {
        assert_eq!(of(browser).slots_shown(), AUTH, "{browser}");
    }
    for other in ["", "thunderbird", "soffice.bin", "ssh-add", "pkcs11-tool"] {
        assert_eq!(of(other).slots_shown(), BOTH, "{other}");
    }
}

#[test]
fn a_setting_counts_more_than_the_program() {
    let with = |slots| {
        Config {
            slots,
            ..of("firefox")
        }
        .slots_shown()
    };
    assert_eq!(with(Slots::Both), BOTH);
    assert_eq!(with(Slots::Auth), AUTH);
    assert_eq!(with(Slots::Sign), SIGN);
}

#[test]
fn programs_that_take_all_for_their_own_see_no_ca_certificates() {
    for program in [
        "kinit",
        "kinit.mit",
        "krb5_child",
        "p11_child",
        "ssh",
        "ssh-add",
        "ssh-agent",
        "ssh-keygen",
        "ssh-pkcs11-helper",
    ] {
        assert!(!of(program).ca_certificates_shown(), "{program}");
        let on = Config {
            ca_certificates: CaCertificates::On,
            ..of(program)
        };
        assert!(on.ca_certificates_shown());
    }
    assert!(of("openssl").ca_certificates_shown());
    let off = Config {
        ca_certificates: CaCertificates::Off,
        ..of("openssl")
    };
    assert!(!off.ca_certificates_shown());
}

#[test]
fn what_the_system_adds_to_a_name_is_taken_away() {
    use super::super::program::plain_name;
    assert_eq!(plain_name("firefox"), "firefox");
    assert_eq!(plain_name("firefox (deleted)"), "firefox");
    assert_eq!(plain_name(".firefox-wrapped"), "firefox");
    assert_eq!(plain_name("firefox.exe"), "firefox");
    assert_eq!(plain_name("CHROME.EXE"), "CHROME");
    assert_eq!(plain_name("firefox.real"), "firefox.real");
    assert_eq!(plain_name("wrapped"), "wrapped");
    assert_eq!(plain_name(".-wrapped"), "");
    let own = std::env::current_exe().unwrap();
    assert_eq!(program_name(), own.file_stem().unwrap().to_str().unwrap());
}

#[test]
fn programs_that_log_in_once_have_no_key_that_wants_its_pin_each_time() {
    for once in [
        "java",
        "openssl",
        "osslsigncode",
        "gnupg-pkcs11-scd",
        "ssh-agent",
        "python3",
        "python3.11",
        "python",
        "pypy3",
    ] {
        assert_eq!(
            of(once).always_authenticate_here(),
            AlwaysAuthenticate::No,
            "{once}"
        );
        let set = Config {
            always_authenticate: AlwaysAuthenticate::Yes,
            ..of(once)
        };
        assert_eq!(set.always_authenticate_here(), AlwaysAuthenticate::Yes);
    }
    for other in [
        "",
        "pkcs11-tool",
        "certutil",
        "thunderbird",
        "node",
        "pythonista",
        "ssh",
    ] {
        assert_eq!(
            of(other).always_authenticate_here(),
            AlwaysAuthenticate::Auto,
            "{other}"
        );
    }
}
