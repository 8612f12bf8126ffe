//! What needs a PIN, typed on a pseudo terminal: `check-pin`, `change-pin`, `--sign-test`, `ssh-pubkey` of
//! a phone; and `watch`. The card's counters say what it cost.

use crate::scripted_pinentry::ScriptedPinentry;
use crate::support::{Doctor, Pcscd};

#[test]
fn a_pin_is_checked_and_a_last_try_only_after_a_yes() {
    let pcscd = Pcscd::start(&["--card", "me=plastic,auth-tries=1"]);
    let doctor = Doctor::new(Some(&pcscd));
    let tries = || {
        (
            pcscd.counter("me", "auth_tries"),
            pcscd.counter("me", "auth_verifies"),
        )
    };
    let check = |answers: &[(&str, &str)], lang: &str| {
        let mut talk = doctor.talk(&["check-pin", "auth", "--lang", lang]);
        for (prompt, typed) in answers {
            talk.answer(prompt, typed);
        }
        talk.end()
    };

    let (text, status) = check(&[("Type yes", "no")], "en");
    assert!(text.contains("nothing was sent to the card"), "{text}");
    assert_eq!((status, tries()), (1, (1, 0)));

    let (text, status) = check(&[("Type yes", "yes"), ("4 digits): ", "12345")], "en");
    assert!(text.contains("was not sent to the card"), "{text}");
    assert!(!text.contains("12345"), "the PIN was echoed: {text}");
    assert_eq!((status, tries()), (1, (1, 0)));

    // Ctrl-C at the prompt.
    let (text, status) = check(&[("Type yes", "yes"), ("4 digits): ", "12\u{3}")], "en");
    assert!(text.contains("Stopped"), "{text}");
    assert_eq!((status, tries()), (1, (1, 0)));

    // A slip of the finger is taken back.
    let (text, status) = check(&[("はい", "はい"), ("（4桁）: ", "12\u{7f}234")], "ja");
    assert!(
        text.contains("正しいです。試行回数は3回に戻っています。"),
        "{text}"
    );
    assert_eq!((status, tries()), (0, (3, 1)));
    assert!(
        pcscd.control(&["verified"]).contains("auth=no"),
        "the card was left open"
    );

    let (text, status) = check(&[("4 digits): ", "9999")], "en");
    assert!(text.contains("It has 2 tries left"), "{text}");
    assert_eq!((status, tries()), (1, (2, 2)));
}

#[test]
fn no_pin_is_taken_from_a_pipe() {
    let pcscd = Pcscd::start(&[]);
    let doctor = Doctor::new(Some(&pcscd));
    let output = doctor.run(&["check-pin", "auth"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("from a terminal only") || said.contains("端末"),
        "{said}"
    );
    assert_eq!(pcscd.counter("me", "auth_verifies"), 0);
}

#[test]
fn pins_are_changed_and_back() {
    let pcscd = Pcscd::start(&[]);
    let doctor = Doctor::new(Some(&pcscd));
    let change = |which: &str, answers: &[(&str, &str)]| {
        let mut talk = doctor.talk(&["change-pin", which]);
        for (prompt, typed) in answers {
            talk.answer(prompt, typed);
        }
        talk.end()
    };
    let (old, new, again) = ("4 digits): ", "New authentication PIN", "again: ");
    let (text, status) = change("auth", &[(old, "1234"), (new, "4321"), (again, "4322")]);
    assert!(text.contains("are not the same"), "{text}");
    assert_eq!((status, pcscd.counter("me", "auth_verifies")), (1, 0));

    let (text, status) = change("auth", &[(old, "1234"), (new, "ABC123")]);
    assert!(text.contains("does not have the right shape"), "{text}");
    assert_eq!((status, pcscd.counter("me", "auth_verifies")), (1, 0));

    let (text, status) = change("auth", &[(old, "1234"), (new, "4321"), (again, "4321")]);
    assert!(text.contains("was changed"), "{text}");
    assert_eq!(status, 0);
    let (text, status) = change("auth", &[(old, "4321"), (new, "1234"), (again, "1234")]);
    assert_eq!(status, 0, "{text}");
    assert_eq!(pcscd.counter("me", "auth_tries"), 3);

    let (old, new) = ("16 characters): ", "New signature password");
    let (text, status) = change(
        "sign",
        &[(old, "abc123"), (new, "secret7"), (again, "SECRET7")],
    );
    assert_eq!(status, 0, "{text}");
    assert!(
        !text.contains("secret7") && !text.contains("abc123"),
        "{text}"
    );
    assert_eq!(pcscd.counter("me", "sign_tries"), 5);
    assert!(
        pcscd.control(&["verified"]).contains("sign=no"),
        "the card was left open"
    );
}

#[test]
fn a_torn_change_is_not_repeated_and_not_called_good_or_bad() {
    let pcscd = Pcscd::start(&[]);
    let doctor = Doctor::new(Some(&pcscd));
    let mut talk = doctor.talk(&["change-pin", "auth"]);
    talk.answer("4 digits): ", "1234");
    talk.answer("New authentication PIN", "4321");
    // From now on: the proof that it is still this card, the question for the tries, SELECT EF, VERIFY, CHANGE.
    pcscd.control(&["misbehave", "5", "removed-after"]);
    talk.answer("again: ", "4321");
    let (text, status) = talk.end();
    assert!(
        text.contains("Nobody knows whether the new one is valid"),
        "{text}"
    );
    assert_eq!((status, pcscd.counter("me", "auth_verifies")), (1, 1));

    // The advice that it gives is good: in this case the new one is valid.
    pcscd.swap("me");
    let mut talk = doctor.talk(&["check-pin", "auth"]);
    talk.answer("4 digits): ", "4321");
    let (text, status) = talk.end();
    assert_eq!(status, 0, "{text}");
}

#[test]
fn a_last_try_is_not_spent_by_a_change() {
    let pcscd = Pcscd::start(&["--card", "me=plastic,auth-tries=1,sign-tries=0"]);
    let doctor = Doctor::new(Some(&pcscd));
    let (text, status) = doctor.talk(&["change-pin", "auth"]).end();
    assert!(text.contains("jpki-doctor check-pin"), "{text}");
    assert_eq!((status, pcscd.counter("me", "auth_tries")), (1, 1));
    let (text, status) = doctor.talk(&["change-pin", "sign"]).end();
    assert!(text.contains("is locked"), "{text}");
    assert_eq!(status, 1);
}

#[test]
fn both_keys_sign_when_asked_to() {
    let pcscd = Pcscd::start(&[]);
    let doctor = Doctor::new(Some(&pcscd));
    let mut talk = doctor.talk(&["--sign-test"]);
    talk.answer("4 digits): ", "1234");
    let (text, _) = talk.end();
    assert!(
        text.contains("RSA PKCS#1 v1.5 scheme in") && text.contains("RSA-PSS scheme in"),
        "{text}"
    );
    assert_eq!(pcscd.counter("me", "auth_signatures"), 2);

    let mut talk = doctor.talk(&["--sign-test=sign", "--lang", "ja"]);
    talk.answer("16文字）: ", "ABC123");
    let (text, _) = talk.end();
    assert!(
        text.contains("署名用電子証明書はカードにあり、有効期限は"),
        "{text}"
    );
    assert_eq!(pcscd.counter("me", "sign_signatures"), 2);
    assert!(
        pcscd.control(&["verified"]).contains("sign=no"),
        "the card was left open"
    );
}

#[test]
fn the_key_for_openssh_is_one_that_openssh_reads() {
    let pcscd = Pcscd::start(&["--card", "me=plastic", "--card", "phone=android"]);
    let doctor = Doctor::new(Some(&pcscd));
    let (line, status) = doctor.text(&["ssh-pubkey"]);
    assert_eq!(status, 0);
    assert!(
        line.starts_with("ssh-rsa AAAAB3NzaC1yc2E") && line.lines().count() == 1,
        "{line}"
    );
    doctor.home.write("key.pub", &line);
    let judge = std::process::Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(doctor.home.path().join("key.pub"))
        .output()
        .expect("ssh-keygen is not there: apt-get install openssh-client");
    let said = String::from_utf8(judge.stdout).unwrap();
    assert!(
        said.starts_with("2048 SHA256:") && said.contains("(RSA)"),
        "{said}"
    );

    pcscd.swap("phone");
    let mut talk = doctor.talk(&["ssh-pubkey"]);
    talk.answer("4 digits): ", "1234");
    let (text, status) = talk.end();
    assert!(text.contains("ssh-rsa AAAAB3NzaC1yc2E"), "{text}");
    assert_eq!(status, 0);
}

#[test]
fn watching_tells_cards_that_come_and_go() {
    let pcscd = Pcscd::start(&["--card", "me=plastic", "--card", "bus=foreign"]);
    let doctor = Doctor::new(Some(&pcscd));
    let mut talk = doctor.talk(&["watch", "--for", "14"]);
    talk.answer("reads well", "");
    // As when a card is moved away from the right spot and back.
    pcscd.control(&["misbehave", "2", "one-byte"]);
    talk.answer("lost: the card does not answer", "");
    talk.answer("reads well", "");
    pcscd.control(&["remove"]);
    talk.answer("no card", "");
    pcscd.control(&["insert", "bus"]);
    talk.answer("not a My Number card", "");
    let apdus = pcscd.counter("bus", "apdus");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(
        pcscd.counter("bus", "apdus"),
        apdus,
        "a foreign card is left alone"
    );
    pcscd.swap("me");
    talk.answer("reads well", "");
    let (text, _) = talk.end();
    assert!(text.contains("reads were good"), "{text}");
    assert!(!text.contains("0 of 0"), "{text}");
    assert_eq!(pcscd.counter("me", "auth_verifies"), 0);
}

/// The doctor with `pin_entry = "dialog"`, without a terminal.
fn in_dialogs(doctor: &Doctor<'_>, answers: &[&str], words: &[&str]) -> (i32, u32) {
    let pinentry = ScriptedPinentry::new(answers);
    doctor.home.write(
        ".config/jpki-pkcs11/config.toml",
        &format!(
            "pin_entry = 'dialog'\npinentry_program = '{}'\n",
            pinentry.program().display()
        ),
    );
    let status = doctor.run(words).status.code().unwrap();
    (status, pinentry.dialogs())
}

#[test]
fn missing_pinentry_is_something_to_do() {
    let doctor = Doctor::new(None);
    let named = |program: &str| {
        let text = format!("pin_entry = 'dialog'\npinentry_program = '{program}'\n");
        doctor.home.write(".config/jpki-pkcs11/config.toml", &text);
        doctor.json(&[]).0.to_string().contains("no-dialog")
    };
    assert!(named("/nonexistent/pinentry"));
    assert!(!named("/bin/sh"));
}

#[test]
fn pins_are_asked_for_in_dialogs_where_that_is_set() {
    let pcscd = Pcscd::start(&["--card", "me=plastic,auth-tries=1"]);
    let doctor = Doctor::new(Some(&pcscd));
    let verifies = || pcscd.counter("me", "auth_verifies");
    let check = ["check-pin", "auth"];
    assert_eq!(in_dialogs(&doctor, &["no"], &check), (1, 1));
    assert_eq!(in_dialogs(&doctor, &["yes", "pin 12"], &check), (1, 2));
    assert_eq!(in_dialogs(&doctor, &["yes", "cancel"], &check), (1, 2));
    assert_eq!(verifies(), 0);
    assert_eq!(in_dialogs(&doctor, &["yes", "pin 1234"], &check), (0, 2));
    assert_eq!(pcscd.counter("me", "auth_tries"), 3);
    let change = ["change-pin", "auth"];
    let differ = ["pin 1234", "pin 4711", "pin 4712"];
    assert_eq!(in_dialogs(&doctor, &differ, &change), (1, 3));
    let same = ["pin 1234", "pin 4711", "pin 4711"];
    assert_eq!(in_dialogs(&doctor, &same, &change), (0, 3));
    assert_eq!(in_dialogs(&doctor, &["pin 4711"], &check), (0, 1));
    let (status, dialogs) = in_dialogs(&doctor, &["pin 4711"], &["--sign-test"]);
    assert_eq!(dialogs, 1);
    assert!(pcscd.counter("me", "auth_signatures") == 2, "{status}");
}
