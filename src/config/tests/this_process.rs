//! The configuration of the test program itself.

use std::process::Command;

use super::*;

#[test]
fn loading_does_not_fail() {
    let (config, _) = Config::load(Some("slots=sign"));
    assert_eq!(config.program, program_name());
    let _ = config.spoken_language();
}

/// Runs itself, by root also with another user's real ID: as a set-uid program runs for its caller.
#[test]
fn environment_of_a_set_uid_program_is_ignored() {
    const VARIABLE: &str = "JPKI_PKCS11_LAST_TRY";
    const NAME: &str = "config::tests::this_process::environment_of_a_set_uid_program_is_ignored";
    if std::env::var_os(VARIABLE).is_some() {
        let (config, _) = Config::load(None);
        println!("last try: {:?}", config.last_try);
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
            .args(["--exact", NAME, "--nocapture"])
            .env(VARIABLE, "allow")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&format!("last try: {expected}")), "{said}");
    };
    says(&[], "Allow");
    if rustix::process::geteuid().is_root() {
        says(&["setpriv", "--ruid", "65534"], "Guard");
        says(&["setpriv", "--rgid", "65534", "--keep-groups"], "Guard");
    }
}
