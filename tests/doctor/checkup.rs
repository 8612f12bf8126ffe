//! The check-up in the states that people get into, in both languages, and what it costs: nothing.

use std::path::Path;

use serde_json::Value;

use crate::support::{Doctor, Pcscd};

/// `check/finding/mark/token` of the lines of a section.
fn findings(report: &Value, section: &str) -> Vec<String> {
    let lines = report["checks"].as_array().unwrap();
    let of_section = lines.iter().filter(|line| line["section"] == section);
    of_section
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            let token = line["facts"]["token"].as_str().unwrap_or("-");
            format!(
                "{} {} {} {token}",
                text("check"),
                text("finding"),
                text("mark")
            )
        })
        .collect()
}

/// No report of ours, in any language, has a hole or a template in it.
fn assert_whole(text: &str) {
    assert!(!text.contains('{') && !text.contains('}'), "{text}");
    assert!(
        !text.contains("（）") && !text.contains("()") && !text.contains("「」"),
        "{text}"
    );
}

const PCSCD: &str = "pcscd pcscd-fine ok -";
const CARD: &str = "card card-found ok -";
/// The readers of the tests are vpcd's, as a phone's would be.
const PHONE: &str = "phone reader-is-phone note -";
const AUTH_PIN: &str = "pin tries-left ok auth";
const SIGN_PIN: &str = "pin tries-left ok sign";
const AUTH: &str = "certificate certificate-fine ok auth";
const SIGN: &str = "certificate certificate-locked note sign";
/// Drivers of vpcd have a second reader.
const IDLE: &str = "reader no-card note -";
const VOID: &str = "revocation signature-certificate-may-be-void note -";
const REVOCATION: &str = "revocation revocation-not-asked note -";

/// Name, profile, what the check-up finds, words of the Japanese and the English text.
const CARDS: &[(&str, &str, &[&str], &str, &str)] = &[
    (
        "me",
        "plastic",
        &[
            CARD, PHONE, AUTH_PIN, SIGN_PIN, AUTH, SIGN, VOID, IDLE, REVOCATION,
        ],
        "利用者証明用暗証番号（4桁）の残りの試行回数は3回です（最大3回）。",
        "The authentication PIN (4 digits) has 3 tries left of 3.",
    ),
    (
        "phone",
        "android",
        &[
            CARD,
            PHONE,
            AUTH_PIN,
            SIGN_PIN,
            "certificate certificate-locked note auth",
            SIGN,
            VOID,
            IDLE,
            REVOCATION,
        ],
        "Androidスマートフォン（スマホ用電子証明書）があります。",
        "there is: Android phone with My Number certificates.",
    ),
    (
        "kid",
        "child",
        &[
            CARD,
            PHONE,
            AUTH_PIN,
            AUTH,
            "certificate no-signature-certificate note sign",
            IDLE,
            REVOCATION,
        ],
        "15歳未満の方には原則として発行されません。",
        "children under 15",
    ),
    (
        "locked",
        "plastic,auth-tries=0",
        &[
            CARD,
            PHONE,
            "pin pin-locked todo auth",
            SIGN_PIN,
            AUTH,
            SIGN,
            VOID,
            IDLE,
            REVOCATION,
        ],
        "利用者証明用暗証番号（4桁）がロックされています。",
        "The authentication PIN (4 digits) is locked.",
    ),
    (
        "last",
        "plastic,auth-tries=2,sign-tries=1",
        &[
            CARD,
            PHONE,
            "pin tries-fewer note auth",
            "pin last-try todo sign",
            AUTH,
            SIGN,
            VOID,
            IDLE,
            REVOCATION,
        ],
        "残りの試行回数は、あと1回です。",
        "has one try left: one more mistake locks it.",
    ),
    (
        "nopin",
        "pinless",
        &[
            CARD,
            PHONE,
            "pin pins-not-set todo -",
            AUTH,
            SIGN,
            VOID,
            IDLE,
            REVOCATION,
        ],
        "顔認証マイナンバーカード",
        "issued without them",
    ),
    (
        "old",
        "expired",
        &[
            CARD,
            PHONE,
            AUTH_PIN,
            SIGN_PIN,
            "certificate certificate-expired todo auth",
            SIGN,
            VOID,
            IDLE,
            REVOCATION,
        ],
        "が過ぎています。",
        "has expired",
    ),
    (
        "soon",
        "plastic,days=29",
        &[
            CARD,
            PHONE,
            AUTH_PIN,
            SIGN_PIN,
            "certificate certificate-expires-soon todo auth",
            SIGN,
            VOID,
            IDLE,
            REVOCATION,
        ],
        "まで、あと2",
        "expires in 2",
    ),
    (
        "quarter",
        "plastic,days=80",
        &[
            CARD,
            PHONE,
            AUTH_PIN,
            SIGN_PIN,
            "certificate certificate-ends-within-quarter note auth",
            SIGN,
            VOID,
            IDLE,
            REVOCATION,
        ],
        "有効期限の3か月前から",
        "three months before its end",
    ),
    (
        "early",
        "plastic,not-yet-valid",
        &[
            CARD,
            PHONE,
            AUTH_PIN,
            SIGN_PIN,
            "certificate certificate-not-yet-valid todo auth",
            SIGN,
            VOID,
            IDLE,
            REVOCATION,
        ],
        "まだ有効期間に入っていません",
        "is not valid yet",
    ),
    (
        "bus",
        "foreign",
        &["reader not-my-number-card todo -", IDLE],
        "マイナンバーカードではないようです。",
        "does not seem to be a My Number card.",
    ),
    (
        "key",
        "fido",
        &["reader not-my-number-card todo -", IDLE],
        "マイナンバーカードではないようです。",
        "does not seem to be a My Number card.",
    ),
];

#[test]
fn every_card_is_told_and_no_try_is_spent() {
    let cards: Vec<String> = CARDS
        .iter()
        .map(|card| format!("{}={}", card.0, card.1))
        .collect();
    let mut options = Vec::new();
    for card in &cards {
        options.extend(["--card", card]);
    }
    let pcscd = Pcscd::start(&options);
    let doctor = Doctor::new(Some(&pcscd));
    for (index, (name, profile, expected, japanese, english)) in CARDS.iter().enumerate() {
        if index > 0 {
            pcscd.swap(name);
        }
        let before = ["auth_tries", "sign_tries"].map(|one| pcscd.counter(name, one));

        let (report, status) = doctor.json(&["--lang", "en"]);
        assert_eq!(findings(&report, "service"), [PCSCD], "{profile}");
        assert_eq!(findings(&report, "cards"), *expected, "{profile}");
        // Nothing loads the module in this home, so there is always something to do.
        assert_eq!((status, report["result"].as_str()), (1, Some("todo")));
        let (report, _) = doctor.json(&["--lang", "ja"]);
        assert_eq!(findings(&report, "cards"), *expected, "{profile}");
        for (language, words) in [("ja", japanese), ("en", english)] {
            let (text, status) = doctor.text(&["--lang", language]);
            assert_eq!(status, 1);
            assert!(text.contains(words), "{profile}: {text}");
            assert_whole(&text);
        }

        let after = ["auth_tries", "sign_tries"].map(|one| pcscd.counter(name, one));
        assert_eq!(before, after, "{profile}");
        for counter in [
            "auth_verifies",
            "sign_verifies",
            "auth_signatures",
            "sign_signatures",
        ] {
            assert_eq!(pcscd.counter(name, counter), 0, "{profile}: {counter}");
        }
    }
}

#[test]
fn an_empty_reader_is_something_to_do_and_an_idle_one_is_not() {
    let pcscd = Pcscd::start(&["--card", "me=plastic"]);
    let doctor = Doctor::new(Some(&pcscd));
    let (report, _) = doctor.json(&[]);
    // Drivers of vpcd have two readers.
    let found = findings(&report, "cards");
    assert!(found.contains(&IDLE.to_owned()), "{found:?}");
    let (report, _) = doctor.json(&["--reader", "00 01"]);
    assert_eq!(findings(&report, "cards"), ["reader no-card todo -"]);
    let (report, _) = doctor.json(&["--reader", "PCD 9"]);
    assert_eq!(findings(&report, "cards"), ["reader no-such-reader todo -"]);
    pcscd.take_out();
    let (report, _) = doctor.json(&[]);
    assert_eq!(findings(&report, "cards"), ["reader no-card todo -"; 2]);
    let (text, _) = doctor.text(&["--lang", "ja"]);
    assert!(text.contains("リーダーの中央に置いてください"), "{text}");
}

#[test]
fn no_reader_and_no_service_are_told_apart() {
    let pcscd = Pcscd::start(&["--no-reader"]);
    let (report, status) = Doctor::new(Some(&pcscd)).json(&[]);
    assert_eq!(findings(&report, "service"), [PCSCD]);
    assert_eq!(findings(&report, "cards"), ["reader no-reader todo -"]);
    assert_eq!(status, 1);

    let doctor = Doctor::new(None);
    let (report, status) = doctor.json(&[]);
    assert_eq!(
        findings(&report, "service"),
        ["pcscd pcscd-not-running fail -"]
    );
    assert_eq!(findings(&report, "cards"), [""; 0]);
    assert_eq!(status, 1);
    let (text, _) = doctor.text(&["--lang", "ja"]);
    assert!(
        text.contains("sudo systemctl enable --now pcscd.socket"),
        "{text}"
    );
    assert_whole(&text);
}

#[test]
fn a_report_can_be_shown_to_anybody() {
    let pcscd = Pcscd::start(&["--card", "me=plastic"]);
    let doctor = Doctor::new(Some(&pcscd));
    doctor
        .home
        .write(".pki/nssdb/pkcs11.txt", "library=\nname=x\n\n");
    let home = doctor.home.path().to_str().unwrap();
    for words in [&["--json"][..], &["--lang", "ja"], &["--lang", "en", "-v"]] {
        let output = doctor.run(words);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            text.contains("~/.pki/nssdb") && !text.contains(home),
            "{text}"
        );
        // Names and numbers of the holder's certificates, as the simulator issues them.
        for secret in ["CN=", "serial", "JPKI-SIM"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn the_module_beside_the_program_is_found_and_its_version_read() {
    let doctor = Doctor::new(None);
    let (report, _) = doctor.json(&[]);
    let module = &report["checks"][0];
    assert_eq!(module["finding"], "module-found", "{module}");
    assert_eq!(module["facts"]["version"], env!("CARGO_PKG_VERSION"));

    let named = |path: &str| doctor.json(&["--module", path]).0["checks"][0]["finding"].clone();
    assert_eq!(named("/bin/sh"), "module-unfit");
    assert_eq!(named("/nonexistent.so"), "module-unreadable");
    // A file for another machine: the header of 32-bit ARM.
    let path = Path::new(crate::support::DOCTOR).with_file_name("libjpki_pkcs11.so");
    let mut other = std::fs::read(path).unwrap();
    other[18] = 0x28;
    let file = doctor.home.path().join("other.so");
    std::fs::write(&file, other).unwrap();
    assert_eq!(named(file.to_str().unwrap()), "module-unfit");
}

#[test]
fn mistakes_of_the_command_line_and_the_configuration_are_told() {
    let doctor = Doctor::new(None);
    for words in [
        &["nonsense"][..],
        &["--nonsense"],
        &["check-pin"],
        &["check-pin", "both"],
        &["tls"],
        &["--lang", "fr"],
        &["register", "netscape"],
        &["--dry-run"],
        &["watch", "--json"],
        &["register", "--root", "/x"],
    ] {
        let output = doctor.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{words:?}"
        );
    }
    assert_eq!(doctor.text(&["--help"]).1, 0);
    assert!(
        doctor
            .text(&["--lang", "ja", "--help"])
            .0
            .contains("使い方の誤り")
    );

    doctor.home.write(
        ".config/jpki-pkcs11/config.toml",
        "last_try = \"perhaps\"\n",
    );
    let (report, _) = doctor.json(&[]);
    let found = findings(&report, "module");
    assert!(
        found.contains(&"configuration config-complaint todo -".to_owned()),
        "{found:?}"
    );
}
