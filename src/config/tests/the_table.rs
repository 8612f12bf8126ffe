//! The table of settings, the struct and the example file say the same.

use super::*;

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pkcs11-test-config/config.toml");
    fs::read_to_string(path).unwrap()
}

/// The example with its settings in force: `#slots = …` is one, `# Which …` is not.
fn uncommented() -> String {
    example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn agrees_with_the_struct() {
    // A new field does not compile before it is here.
    let Config {
        slots: _,
        last_try: _,
        always_authenticate: _,
        login_state: _,
        pss: _,
        sha1: _,
        ca_certificates: _,
        extended_reads: _,
        pin_entry: _,
        consent: _,
        pinentry_program: _,
        pin_entry_timeout: _,
        readers: _,
        log: _,
        log_file: _,
        language: _,
        program: _,
    } = Config::default();
    let fields = [
        "slots",
        "last_try",
        "always_authenticate",
        "login_state",
        "pss",
        "sha1",
        "ca_certificates",
        "extended_reads",
        "pin_entry",
        "consent",
        "pinentry_program",
        "pin_entry_timeout",
        "readers",
        "log",
        "log_file",
        "language",
    ];
    let keys: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(keys, fields);
}

#[test]
fn has_the_defaults_and_a_meaning_in_both_languages() {
    for key in KEYS {
        assert_eq!(
            key.value_in(&Config::default()),
            key.default,
            "{}",
            key.name
        );
        assert!(!key.meaning.is_empty() && !key.meaning.contains('\n'));
        assert!(
            key.meaning_japanese
                .chars()
                .any(|c| ('ぁ'..='ん').contains(&c))
        );
        for language in Language::ALL {
            assert!(!key.values.expected(language).is_empty());
        }
        if let Values::OneOf(words) = key.values {
            let default = key.default.trim_matches('"');
            assert_eq!(words.first(), Some(&default), "{}", key.name);
        }
    }
}

#[test]
fn tells_a_value_as_it_would_be_written() {
    let mut config = Config::default();
    config.readers.allow.push("a \"b\" \\ \n".to_owned());
    config.log_file = Some(PathBuf::from(format!("{DRIVE}/var/log/jpki.log")));
    config.language = Some(Language::Japanese);
    config.slots = Slots::Sign;
    config.pss = false;
    let text: String = KEYS
        .iter()
        .map(|key| format!("{} = {}\n", key.name, key.value_in(&config)))
        .collect();
    assert_eq!(from_file(text), (config, nothing()));
}

#[test]
fn every_named_value_is_taken() {
    for key in KEYS {
        let Values::OneOf(words) = key.values else {
            continue;
        };
        for word in words {
            let expected = format!("\"{word}\"");
            let (config, complaints) = from_file(format!("{} = {expected}", key.name));
            assert_eq!(complaints, nothing());
            assert_eq!(key.value_in(&config), expected);
            let (config, complaints) = from_parameters(&format!("{}={word}", key.name));
            assert_eq!(complaints, nothing());
            assert_eq!(key.value_in(&config), expected);
            let (config, complaints) = from_variables(&[(&key.variable(), word)]);
            assert_eq!(complaints, nothing());
            assert_eq!(key.value_in(&config), expected);
        }
    }
}

#[test]
fn agrees_with_the_example_file() {
    let example = example();
    for key in KEYS {
        let line = format!("#{} = {}", key.name, key.default);
        let count = example.lines().filter(|one| *one == line).count();
        assert_eq!(count, 1, "{line}");
        if let Values::OneOf(words) = key.values {
            let before = example.split(&line).next().unwrap();
            let paragraph = before.rsplit("\n\n").next().unwrap();
            for word in words {
                assert!(
                    paragraph.contains(&format!("\"{word}\"")),
                    "{}: {word}",
                    key.name
                );
            }
        }
    }
    let settings = uncommented()
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .count();
    assert_eq!(settings, KEYS.len());
}

#[test]
fn the_example_file_changes_nothing_commented_or_not() {
    assert_eq!(from_file(example()), (Config::default(), nothing()));
    let (config, complaints) = from_file_for("thunderbird", uncommented());
    assert_eq!(complaints, nothing());
    assert_eq!(
        config,
        Config {
            program: "thunderbird".to_owned(),
            ..Config::default()
        }
    );
    let (config, complaints) = from_file_for("firefox", uncommented());
    assert_eq!(complaints, nothing());
    assert_eq!(config.slots, Slots::Auth);
}

#[test]
fn makes_a_page_in_both_languages() {
    for language in Language::ALL {
        let page = documentation(language);
        assert_eq!(page.lines().count(), KEYS.len() + 2);
        for line in page.lines() {
            assert_eq!(line.matches('|').count(), 5, "{line}");
        }
    }
}

#[test]
fn is_the_one_in_the_page_for_people() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = fs::read_to_string(path).unwrap();
    for language in Language::ALL {
        let table = documentation(language);
        assert!(
            page.contains(&table),
            "docs/configuration.md wants this table:\n{table}"
        );
    }
}

#[test]
fn is_the_one_in_the_manual_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man");
    for language in Language::ALL {
        let place = match language {
            Language::English => root.join("jpki-pkcs11-config.5"),
            Language::Japanese => root.join("ja/jpki-pkcs11-config.5"),
        };
        let entries = manual(language);
        assert_eq!(entries.matches(".TP\n").count(), KEYS.len());
        assert_eq!(
            entries.matches("\\fB").count(),
            entries.matches("\\fR").count()
        );
        assert!(
            fs::read_to_string(&place).unwrap().contains(&entries),
            "{} wants these entries:\n{entries}",
            place.display()
        );
    }
}
