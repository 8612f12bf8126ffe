//! The conversation with a pinentry, byte by byte.

use std::cell::Cell;

use super::*;
use crate::platform::for_tests::set_mode;

/// A pinentry with this arm of a `case`; it agrees to all else, and writes what it hears to the file `heard`.
fn scripted(arm: &str) -> (tempfile::TempDir, Pinentry) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("pinentry");
    let script = format!(
        "#!/bin/sh\nprintf 'OK hello\\n'\nwhile read -r line; do echo \"$line\" >> \"${{0%/*}}/heard\"; case $line in {arm} ;; *) echo OK ;; esac; done\n"
    );
    std::fs::write(&program, script).unwrap();
    set_mode(&program, 0o700);
    let pinentry = Pinentry::new(Some(program), Duration::from_secs(5));
    (folder, pinentry)
}

fn answering(answer: &str) -> (tempfile::TempDir, Pinentry) {
    scripted(&format!("GETPIN) {answer}"))
}

fn asked(answer: &str) -> Result<Vec<u8>, Error> {
    let (_folder, pinentry) = answering(answer);
    pinentry.ask(&DialogText::default(), &|| true, <[u8]>::to_vec)
}

#[test]
fn answers_arrive_whole_however_they_are_written() {
    for (answer, pin) in [
        ("printf 'D 1234\\nOK\\n'", &b"1234"[..]),
        ("printf 'OK\\n'", b""),
        (
            "printf '# comment\\nS PIN_REPEATED\\nD 1234\\nOK done\\n'",
            b"1234",
        ),
        ("printf 'D 12\\nD 34\\nOK\\n'", b"1234"),
        (
            "printf 'D 1'; sleep 0.05; printf '2%%25'; sleep 0.05; printf '\\nO'; sleep 0.05; printf 'K\\n'",
            b"12%",
        ),
        ("printf 'D %%0A%%0D\\nOK\\n'", b"\n\r"),
    ] {
        assert_eq!(asked(answer).as_deref(), Ok(pin), "{answer}");
    }
}

#[test]
fn errors_are_told_apart() {
    assert_eq!(asked("echo 'ERR 83886179 x'"), Err(Error::Cancelled));
    assert_eq!(asked("echo 'ERR 83886142 x'"), Err(Error::TimedOut));
    assert!(matches!(asked("echo 'ERR 99999'"), Err(Error::Failed(_))));
    let ended = "pinentry has ended".to_owned();
    assert_eq!(asked("exit"), Err(Error::Failed(ended)));
    let flood = asked("head -c 9000 /dev/zero | tr '\\0' x");
    assert!(matches!(flood, Err(Error::Failed(_))));
}

#[test]
fn dialog_that_is_not_wanted_any_more_is_closed() {
    let (_folder, pinentry) = answering("sleep 60");
    let began = Instant::now();
    let asked = Cell::new(0);
    let wanted = || {
        asked.set(asked.get() + 1);
        began.elapsed() < Duration::from_millis(500)
    };
    let answer = pinentry.ask(&DialogText::default(), &wanted, <[u8]>::len);
    assert_eq!(answer, Err(Error::Closed));
    assert!(began.elapsed() < Duration::from_secs(3));
    // It is asked at a bounded rate.
    assert!(asked.get() < 40, "{}", asked.get());
}

#[test]
fn host_environment_is_not_passed_on() {
    let pinentry = Pinentry::new(None, Duration::from_secs(1));
    for (name, _) in &pinentry.environment {
        let name = name.to_str().unwrap();
        assert!(name == "PATH" || ENVIRONMENT.contains(&name), "{name}");
    }
}

#[test]
fn setting_names_the_program() {
    let missing = Pinentry::new(Some("/nonexistent/pinentry".into()), Duration::from_secs(1));
    let answer = missing.confirm(&DialogText::default(), &|| true);
    assert_eq!(answer, Err(Error::NotFound));
}

#[test]
fn terminal_and_locale_of_the_host_are_told() {
    let set = |name: &str, value: &str| (name.into(), value.into());
    let (folder, mut pinentry) = answering("echo OK");
    pinentry.environment = vec![
        set("PATH", "/usr/bin:/bin"),
        set("GPG_TTY", "/dev/pts/9"),
        set("TERM", "vt100"),
        // An empty one is none.
        set("LC_ALL", ""),
        set("LANG", "ja_JP.UTF-8"),
    ];
    pinentry.confirm(&DialogText::default(), &|| true).unwrap();
    let heard = std::fs::read_to_string(folder.path().join("heard")).unwrap();
    let options: Vec<&str> = heard
        .lines()
        .filter(|line| line.starts_with("OPTION"))
        .collect();
    assert_eq!(
        options,
        [
            "OPTION ttyname=/dev/pts/9",
            "OPTION ttytype=vt100",
            "OPTION lc-ctype=ja_JP.UTF-8",
        ]
    );
    assert!(heard.ends_with("CONFIRM\nBYE\n"), "{heard}");
}

#[test]
fn confirmation_that_is_refused_is_a_no() {
    let (_folder, pinentry) = answering("echo OK");
    assert_eq!(pinentry.confirm(&DialogText::default(), &|| true), Ok(()));
    let (_folder, pinentry) = scripted("CONFIRM) echo 'ERR 83886194 no'");
    let answer = pinentry.confirm(&DialogText::default(), &|| true);
    assert_eq!(answer, Err(Error::Cancelled));
}
