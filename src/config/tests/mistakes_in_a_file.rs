//! TOML files that are wrong, line by line or altogether.

use super::*;

#[test]
fn a_wrong_key_is_named_with_its_line() {
    let (config, complaints) =
        from_file("# a\n\nlog = 'info'\n\n\n\nslotz = 'both'\npss = false\n");
    assert_eq!(
        complaints,
        ["config.toml:7: unknown key `slotz`; did you mean `slots`?"]
    );
    assert_eq!(
        config,
        Config {
            log: "info".to_owned(),
            pss: false,
            ..Config::default()
        }
    );
    for (written, meant) in [
        ("solts", "slots"),
        ("Slots", "slots"),
        ("last-try", "last_try"),
        ("lasttry", "last_try"),
        ("sha", "sha1"),
        ("reader", "readers"),
        ("logfile", "log_file"),
        ("ca_certs", "ca_certificates"),
        ("langage", "language"),
        ("psss", "pss"),
    ] {
        let (_, complaints) = from_file(format!("{written} = 1"));
        let complaint = format!("config.toml:1: unknown key `{written}`");
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with(&complaint), "{complaints:?}");
        if meant != "ca_certificates" {
            let hint = format!("did you mean `{meant}`?");
            assert!(complaints[0].ends_with(&hint), "{complaints:?}");
        }
    }
    for strange in [
        "pin",
        "x",
        "configuration",
        "a_name_so_long_that_nobody_compares_it_with_any_of_our_few_short_keys",
    ] {
        let (_, complaints) = from_file(format!("{strange} = 1"));
        assert_eq!(complaints.len(), 1);
        assert!(!complaints[0].contains("did you mean"), "{complaints:?}");
    }
}

#[test]
fn a_wrong_value_is_named_with_what_is_expected() {
    let (config, complaints) = from_file("last_try = 'alow'\nslots = 3\npss = 'perhaps'\n");
    assert_eq!(config, Config::default());
    assert_eq!(
        complaints,
        [
            "config.toml:1: wrong value `alow` for `last_try`; expected one of `guard`, `allow`",
            "config.toml:2: wrong value `3` for `slots`; expected one of `auto`, `both`, `auth`, `sign`",
            "config.toml:3: wrong value `perhaps` for `pss`; expected `on` or `off`",
        ]
    );
}

#[test]
fn a_wrong_value_of_a_programs_part_is_named_in_every_program() {
    for program in ["firefox", "ssh"] {
        let text = "[program.firefox]\nslots = 'all'\nlogs = 'info'\n[program.ssh]\npss = 'x'\n";
        let (config, complaints) = from_file_for(program, text);
        assert_eq!(
            config,
            Config {
                program: program.to_owned(),
                ..Config::default()
            }
        );
        assert_eq!(
            complaints,
            [
                "config.toml:2: wrong value `all` for `slots`; expected one of `auto`, `both`, `auth`, `sign`",
                "config.toml:3: unknown key `logs`; did you mean `log`?",
                "config.toml:5: wrong value `x` for `pss`; expected `on` or `off`",
            ]
        );
    }
    let (_, complaints) = from_file("program = 3\n");
    assert_eq!(
        complaints,
        ["config.toml:1: `program` must be a table, as in `[program.firefox]`"]
    );
    let (_, complaints) = from_file("[program]\nfirefox = 'auth'\n");
    assert_eq!(
        complaints,
        ["config.toml:2: `firefox` must be a table, as in `[program.firefox]`"]
    );
}

#[test]
fn a_broken_value_costs_that_value_alone() {
    for broken in [
        "last_try = allow",
        "last_try = \"allow",
        "last_try = 'allow'x",
        "last_try = 'allow' last_try = 'allow'",
        "last_try = \"al\\qlow\"",
        "last_try = 'allow' \u{1} ",
        "last_try =",
    ] {
        let (config, complaints) = from_file(format!("log='info'\n{broken}\npss=false\n"));
        let expected = Config {
            log: "info".to_owned(),
            pss: false,
            ..Config::default()
        };
        assert_eq!(config, expected, "{broken}");
        assert!(!complaints.is_empty(), "{broken}");
        for complaint in complaints {
            assert!(
                complaint.starts_with("config.toml:2: "),
                "{broken}: {complaint}"
            );
        }
    }
}

#[test]
fn a_broken_name_or_heading_costs_all_that_follows() {
    for broken in [
        "last_try : allow",
        "last_try",
        "last try = 'allow'",
        "last_try = = 'allow'",
        "// last_try = 'allow'",
        "log = 'debug'",
        "\"last_try = 'allow'",
        "[program.batch",
        "[[program.batch]",
        "[program.batch]]",
        "[program..batch]",
        "[log]",
        "[]",
    ] {
        let text = format!("log='info'\n{broken}\nlast_try='allow'\n[program.a]\npss=false\n");
        let (config, complaints) = from_file_for("a", text);
        assert_eq!(config.log, "info", "{broken}");
        assert_eq!(config.last_try, LastTry::Guard, "{broken}");
        for complaint in &complaints {
            let lines = ["config.toml:2: ", "config.toml:3: "];
            assert!(
                lines.iter().any(|line| complaint.starts_with(line)),
                "{broken}: {complaint}"
            );
        }
        let rest = "config.toml:2: everything from this line on is left out".to_owned();
        assert!(complaints.contains(&rest), "{broken}: {complaints:?}");
    }
    // TOML forbids the same heading twice.
    let (config, complaints) = from_file_for(
        "a",
        "[program.a]\nlog='info'\n[program.a]\nlast_try='allow'\n",
    );
    assert_eq!(
        (config.log.as_str(), config.last_try),
        ("info", LastTry::Guard)
    );
    assert!(
        complaints[0].starts_with("config.toml:3: "),
        "{complaints:?}"
    );
}

#[test]
fn a_string_or_list_that_does_not_end_is_not_used() {
    for open in [
        "log = \"\"\"info\n",
        "log = '''info\n",
        "readers = ['a',\n",
        "readers = { allow = ['a'\n",
    ] {
        let (config, complaints) = from_file(format!("sha1=false\n{open}last_try='allow'\n"));
        assert_eq!(config.log, "warn", "{open}");
        assert_eq!(config.readers, Readers::default(), "{open}");
        assert!(!config.sha1, "{open}");
        assert!(!complaints.is_empty(), "{open}");
    }
}

#[test]
fn garbage_is_left_out_as_a_whole_and_in_time() {
    let started = Instant::now();
    for (what, text) in [
        ("words", "a b c\n".repeat(100_000)),
        ("brackets", "a=".to_owned() + &"[".repeat(1_000_000)),
        ("dots", "a.".repeat(500_000)),
        ("headings", "[a]\n".repeat(250_000)),
        (
            "unknown keys",
            (0..50_000).map(|n| format!("key{n} = {n}\n")).collect(),
        ),
        (
            "programs",
            (0..20_000)
                .map(|n| format!("[program.p{n}]\nslots=1\n"))
                .collect(),
        ),
        ("zeros", "\0".repeat(1_000_000)),
        (
            "one long line",
            format!("slots = '{}'", "x".repeat(1_000_000)),
        ),
    ] {
        let (config, complaints) = from_file(&text);
        assert_eq!(config, Config::default(), "{what}");
        assert!(!complaints.is_empty(), "{what}");
        assert!(complaints.len() < 25, "{what}: {}", complaints.len());
        assert!(complaints.iter().all(|one| one.len() < 300), "{what}");
    }
    assert!(started.elapsed() < Duration::from_secs(60));
    let (_, complaints) = from_file("slots 'x'\n".repeat(50) + "pss = false\n");
    assert_eq!(
        complaints.last().unwrap(),
        "config.toml: too many mistakes; nothing of this file is used"
    );
    let (_, complaints) = from_file("slots 'x'\n".repeat(MOST_COMPLAINTS));
    assert!(!complaints.iter().any(|it| it.contains("too many mistakes")));
    let many: String = (0..50).map(|n| format!("key{n} = {n}\n")).collect();
    let (_, complaints) = from_file(many);
    assert_eq!(complaints.last().unwrap(), "config.toml: and 29 more");
    assert_eq!(complaints.len(), 50 - 29 + 1);
}

#[test]
fn notations_of_other_systems_are_read() {
    let (config, complaints) = from_file("\u{feff}pss = false\r\nlog = 'info'\r\nx = 1\r\n");
    assert_eq!((config.pss, config.log.as_str()), (false, "info"));
    assert_eq!(complaints, ["config.toml:3: unknown key `x`"]);
    assert_eq!(from_file(""), (Config::default(), nothing()));
    assert_eq!(from_file("\n\n# nothing"), (Config::default(), nothing()));
}

#[test]
fn complaints_speak_japanese_too() {
    let folder = Folder::new();
    let text = "slotz = 1\nlast_try = 'x'\nlog = \n[program\n";
    let sources = Sources {
        files: vec![folder.file("c", text), folder.0.clone()],
        parameters: Some("solts=a".to_owned()),
        variables: environment(&[("JPKI_PKCS11_X", "1")]),
        ..Sources::default()
    };
    let (_, complaints) = Config::from_sources(&sources);
    assert!(complaints.len() >= 7);
    for complaint in complaints {
        let text = complaint.text(Language::Japanese);
        assert!(text.chars().any(|c| ('ぁ'..='ん').contains(&c)), "{text}");
        assert!(!text.contains('\n'));
    }
}

/// Spoils the example file in five hundred ways, always the same.
#[test]
fn a_spoiled_file_is_read_to_its_end() {
    let example = include_str!("../../../pkcs11-test-config/config.toml").replace("\n#", "\n");
    let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % 0xFFFF_FFFF).unwrap() % below
    };
    for _ in 0..500 {
        let mut bytes = example.clone().into_bytes();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = b"\"'[]{}=.#\n\r\\\0 \xff"[next(15)],
                1 => drop(bytes.drain(at..(at + next(40)).min(bytes.len()))),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (config, complaints) = from_file_for("firefox", &text);
        assert!(complaints.len() < 25);
        // No spoiled line may turn into the one value that costs a PIN.
        assert_eq!(config.last_try, LastTry::Guard);
        let sources = Sources {
            parameters: Some(text),
            ..Sources::default()
        };
        let _ = Config::from_sources(&sources);
    }
}

#[test]
fn a_short_name_has_one_wrong_letter_or_two_that_changed_places() {
    for (name, is_meant) in [("slats", true), ("solts", true), ("slaps", false)] {
        let (_, complaints) = from_file(format!("{name} = 'both'"));
        assert_eq!(
            complaints[0].contains("`slots`"),
            is_meant,
            "{complaints:?}"
        );
    }
}
