//! The configuration of the test program itself.

use std::process::Command;

use super::*;
use crate::platform::for_tests::privileged_starters;
use crate::platform::is_privileged;

#[test]
fn loading_does_not_fail() {
    let (config, _) = Config::load(Some("slots=sign"));
    assert_eq!(config.program, program_name());
    let _ = config.spoken_language();
}

/// Runs itself, by root also with another user's real ID: as a set-uid program runs for its caller.
#[test]
fn environment_of_a_set_uid_program_is_ignored() {
    const EXPECTED: &str = "LAST_TRY_EXPECTED";
    const NAME: &str = "config::tests::this_process::environment_of_a_set_uid_program_is_ignored";
    if let Ok(expected) = std::env::var(EXPECTED) {
        let (config, _) = Config::load(None);
        assert_eq!(format!("{:?}", config.last_try), expected);
        return;
    }
    let says = |starter: &[&str], expected: &str| {
        let program = std::env::current_exe().unwrap();
        let mut command = match starter {
            [] => Command::new(program),
            [starter, arguments @ ..] => {
                let mut command = Command::new(starter);
                command.args(arguments).arg(program);
                command
            }
        };
        let output = command
            .args(["--exact", NAME])
            .env("JPKI_PKCS11_LAST_TRY", "allow")
            .env(EXPECTED, expected)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 passed"), "{said}");
    };
    // A program under Wine is elevated.
    says(&[], if is_privileged() { "Guard" } else { "Allow" });
    for starter in privileged_starters() {
        says(starter, "Guard");
    }
}
