//! Which source wins, and which sources a process has.

use super::*;
use crate::platform::for_tests::USER_SETTINGS;
use crate::platform::system_settings;

#[test]
fn later_sources_win_key_by_key() {
    let folder = Folder::new();
    let sources = Sources {
        files: vec![
            folder.file(
                "system.toml",
                "slots='sign'\nlast_try='allow'\nlog='info'\npss=false\n",
            ),
            folder.0.join("absent.toml"),
            folder.file("user.toml", "slots='auth'\nlast_try='guard'\nlog='debug'\n"),
        ],
        parameters: Some("slots=both log=trace".to_owned()),
        variables: environment(&[("JPKI_PKCS11_SLOTS", "auto"), ("PATH", "/bin")]),
        ..Sources::default()
    };
    let (config, complaints) = Config::from_sources(&sources);
    assert_eq!(texts(&complaints), nothing());
    assert_eq!(
        config,
        Config {
            log: "trace".to_owned(),
            pss: false,
            ..Config::default()
        }
    );
}

#[test]
fn a_programs_part_counts_more_than_the_general_part_of_the_same_file() {
    let folder = Folder::new();
    let first = "[program.firefox]\nslots='both'\n[program.\"a.b\"]\nslots='sign'\n";
    let second = "slots='auth'\nlog='off'\n[program]\nchrome.log='info'\nfirefox={log='debug'}\n";
    let shown = |program: &str| {
        let sources = Sources {
            files: vec![folder.file("1", first), folder.file("2", second)],
            program: program.to_owned(),
            ..Sources::default()
        };
        let (config, complaints) = Config::from_sources(&sources);
        assert_eq!(texts(&complaints), nothing());
        (config.slots, config.log)
    };
    // The second file's general part is later than the first one's part for Firefox.
    assert_eq!(shown("firefox"), (Slots::Auth, "debug".to_owned()));
    assert_eq!(shown("chrome"), (Slots::Auth, "info".to_owned()));
    assert_eq!(shown("a.b"), (Slots::Auth, "off".to_owned()));

    let before = "[program.firefox]\nslots='both'\n";
    assert_eq!(from_file_for("firefox", before).0.slots, Slots::Both);
    assert_eq!(from_file_for("firefox-esr", before).0.slots, Slots::Auto);
}

#[test]
fn the_files_are_where_they_are_expected() {
    let (variable, folder) = USER_SETTINGS;
    let files = |variables: &[(&str, &str)], privileged| {
        Sources::gather(None, environment(variables), privileged, String::new()).files
    };
    let file_in = |folder: &Path| folder.join("jpki-pkcs11").join("config.toml");
    let system = file_in(&system_settings());
    let user = file_in(Path::new(folder));
    assert_eq!(files(&[], false), std::slice::from_ref(&system));
    let set = [(variable, folder)];
    assert_eq!(files(&set, true), std::slice::from_ref(&system));
    assert_eq!(files(&set, false), [system, user]);
}

#[test]
fn a_privileged_process_takes_nothing_from_its_caller() {
    let variables = || environment(&[("JPKI_PKCS11_LAST_TRY", "allow"), ("HOME", "/home/a")]);
    let plain = Sources::gather(Some("pss=off"), variables(), false, "p".to_owned());
    assert_eq!(
        plain.variables,
        environment(&[("JPKI_PKCS11_LAST_TRY", "allow")])
    );
    let privileged = Sources::gather(Some("pss=off"), variables(), true, "p".to_owned());
    assert_eq!(privileged.variables, []);
    assert_eq!(privileged.files.len(), 1);
    // The parameters come from the program, not from its caller.
    assert_eq!(privileged.parameters.as_deref(), Some("pss=off"));
    assert_eq!(privileged.program, "p");
}

#[test]
fn a_privileged_process_shows_no_dialog_on_its_callers_screen() {
    for (privileged, pin_entry) in [(false, PinEntry::Dialog), (true, PinEntry::Program)] {
        let sources = Sources {
            parameters: Some("pin_entry=dialog".to_owned()),
            privileged,
            ..Sources::default()
        };
        assert_eq!(Config::from_sources(&sources).0.pin_entry, pin_entry);
    }
}
