//! `report`: what it finds on each kind of card, that a card made after it gives the same report, that it spends
//! nothing, and that nothing of the holder is in it.

use std::fs;
use std::thread;

use serde_json::Value;

use crate::support::{Doctor, Folder, Pcscd};

/// The step that shows something, the key in it, and what is found.
type Found = (&'static str, &'static str, &'static str);

/// What a simulated card is told to be, and what is found.
const CARDS: &[(&str, &[Found])] = &[
    (
        "plastic",
        &[
            ("first-command", "status", "6A86"),
            ("select-face", "status", "9000"),
            ("read-0006", "length", "160"),
            ("read-0008", "signature-certificate", "8F"),
            ("read-000A", "filler", "none"),
            ("read-0001", "status", "6982"),
            ("read-across-end-000A", "status", "9000"),
            ("read-across-end-000A", "length", "1"),
            ("read-past-end-000A", "status", "6B00"),
            ("query-five-bytes", "status", "6700"),
            ("query-five-bytes", "costs-a-try", "no"),
            ("query-auth-verified", "status", "63C3"),
            ("sign-unverified", "status", "6982"),
            ("sign-00", "verifies", "yes"),
            ("sign-01", "verifies", "yes"),
            ("sign-02", "verifies", "yes"),
            ("sign-03", "verifies", "yes"),
            ("sign-04", "salt", "32"),
            ("sign-05", "salt", "32"),
            ("sign-after-select-jpki", "status", "9000"),
            ("sign-after-reset", "status", "9000"),
            ("sign-after-issuer-domain", "status", "6982"),
            ("power-down", "closes", "yes"),
        ],
    ),
    (
        "android",
        &[
            ("read-000A", "status", "6982"),
            ("select-face", "status", "6A82"),
            ("read-000A-verified", "certificate-length", "1590"),
            ("sign-00", "verifies", "yes"),
            ("sign-after-reset", "not-asked", "contactless"),
            ("sign-after-issuer-domain", "status", "6982"),
        ],
    ),
    ("juki", &[("sign-after-reset", "status", "9000")]),
    (
        "plastic,warm-reset-clears,query-tells-verified,pss-salt=20",
        &[
            ("query-auth-verified", "status", "9000"),
            ("sign-04", "salt", "20"),
            ("sign-after-reset", "status", "6982"),
            ("sign-after-issuer-domain", "not-asked", "closed-before"),
        ],
    ),
    (
        "plastic,leaving-keeps,raw-scheme-only,no-short-identifiers,answers=t0",
        &[
            ("sign-unverified-short-identifier", "status", "6A86"),
            ("read-0006", "first-status", "6CA0"),
            ("sign-02", "status", "6A86"),
            ("sign-after-issuer-domain", "status", "9000"),
            ("power-down", "closes", "yes"),
        ],
    ),
    (
        "plastic,filler=ff:3808,refuses-crossing,no-security-domain,wrong-signatures,atr=random",
        &[
            ("read-000A", "file-length", "3808"),
            ("read-000A", "certificate-length", "1590"),
            ("read-000A", "filler", "FF"),
            ("read-across-end-000A", "status", "6B00"),
            ("sign-00", "verifies", "no"),
            ("sign-after-issuer-domain", "not-asked", "refused"),
        ],
    ),
    (
        "child,five-byte-query,first-command-fails,fci=80,answers=61",
        &[
            ("first-command", "status", "6F00"),
            ("select-jpki-fci", "length", "80"),
            ("select-0001", "status", "6A82"),
            ("query-sign", "status", "63C0"),
            ("query-five-bytes", "status", "63C3"),
        ],
    ),
];

/// The report of a card in this reader, with the PIN.
fn report(options: &[&str]) -> Value {
    let pcscd = Pcscd::start(options);
    let doctor = Doctor::new(Some(&pcscd));
    let file = doctor.home.path().join("report.json");
    let name = file.to_str().unwrap();
    let mut talk = doctor.talk(&["report", "--output", name]);
    talk.answer("Type yes to go on", "yes");
    talk.answer("(4 digits): ", "1234");
    talk.answer("Type yes to save", "yes");
    let (text, status) = talk.end();
    assert_eq!(status, 0, "{text}");
    assert!(!text.contains("1234"), "the PIN was shown: {text}");
    let card = if options[0] == "--like" { "like" } else { "me" };
    let count = |name| pcscd.counter(card, name);
    assert_eq!((count("auth_verifies"), count("auth_tries")), (1, 3));
    assert_eq!(count("sign_verifies"), 0);
    let open = pcscd.control(&["verified"]);
    assert!(open.contains("auth=no"), "the card was left open: {open}");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn found(report: &Value, step: &str, key: &str) -> String {
    let answers = report["answers"].as_array().unwrap();
    let mut of_step = answers.iter().filter(|answer| answer["step"] == step);
    let (answer, none) = (of_step.next(), of_step.next());
    assert!(none.is_none(), "{step} stands twice");
    match answer.map(|answer| &answer[key]) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "no such step".to_owned(),
    }
}

fn without_times(mut report: Value) -> Value {
    for answer in report["answers"].as_array_mut().unwrap() {
        answer.as_object_mut().unwrap().remove("milliseconds");
    }
    report
}

#[test]
fn each_card_is_found_out_and_one_made_after_its_report_is_the_same() {
    thread::scope(|scope| {
        for part in CARDS.chunks(2) {
            scope.spawn(move || {
                for (card, wanted) in part {
                    let first = report(&["--card", &format!("me={card}")]);
                    for (step, key, value) in *wanted {
                        assert_eq!(found(&first, step, key), *value, "{card}: {step}, {key}");
                    }
                    let folder = Folder::new();
                    folder.write("report.json", &first.to_string());
                    let file = folder.path().join("report.json");
                    let again = report(&["--like", file.to_str().unwrap()]);
                    assert_eq!(without_times(again), without_times(first), "{card}");
                }
            });
        }
    });
}

#[test]
fn what_a_card_wants_otherwise_is_said_once() {
    let card = "me=plastic,no-short-identifiers,raw-scheme-only,leaving-keeps,first-command-fails";
    let pcscd = Pcscd::start(&["--card", card]);
    let doctor = Doctor::new(Some(&pcscd));
    let mut talk = doctor.talk(&["--sign-test", "--verbose", "--lang", "en"]);
    talk.answer("(4 digits): ", "1234");
    let (text, _) = talk.end();
    for said in [
        "This card wants its files selected",
        "This card wants a PIN's file selected",
        "This card wants a key's file selected",
        "This card makes no RSA-PSS",
        "Leaving the application does not make this card forget",
    ] {
        assert_eq!(text.matches(said).count(), 1, "{said}: {text}");
    }
    for logged in ["this card: no RSA-PSS", "this card: leaving does not"] {
        assert!(text.contains(logged), "{logged}: {text}");
    }
    assert_eq!(pcscd.counter("me", "auth_tries"), 3);
}

#[test]
fn a_missing_try_and_a_locked_pin_leave_the_part_with_the_pin_out() {
    for (tries, query) in [(2, "63C2"), (1, "63C1"), (0, "63C0")] {
        let pcscd = Pcscd::start(&["--card", &format!("me=plastic,auth-tries={tries}")]);
        let doctor = Doctor::new(Some(&pcscd));
        let (text, status) = doctor.talk(&["report"]).end();
        assert_eq!(status, 0, "{text}");
        assert!(text.contains("part with the PIN is left out"), "{text}");
        let json = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
        let report: Value = serde_json::from_str(json).unwrap();
        assert_eq!(found(&report, "query-auth", "status"), query);
        assert_eq!(
            found(&report, "query-five-bytes", "not-asked"),
            "try-missing"
        );
        assert_eq!(found(&report, "verify", "not-asked"), "try-missing");
        assert_eq!(pcscd.counter("me", "auth_tries"), tries);
        assert_eq!(pcscd.counter("me", "auth_verifies"), 0);
    }
}

#[test]
fn a_refused_pin_file_does_not_lead_to_the_other_pin() {
    let folder = Folder::new();
    let dir = folder.path().join("card");
    let pcscd = Pcscd::start(&["--dir", dir.to_str().unwrap()]);
    let doctor = Doctor::new(Some(&pcscd));
    let command = ["report", "--no-pin"];
    let (text, status) = doctor.text(&command);
    assert_eq!(status, 0, "{text}");
    // The second report sends what the first one sent.
    let log = fs::read_to_string(dir.join("apdu.log")).unwrap();
    let mut commands = log.lines().filter(|line| line.contains('['));
    let before = commands.position(|line| line.contains("SELECT auth PIN "));
    let number = (before.unwrap() + 1).to_string();
    pcscd.control(&["misbehave", &number, "answer-instead", "6A82"]);

    let (text, status) = doctor.text(&command);
    assert_eq!(status, 0, "{text}");
    let json = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
    let report: Value = serde_json::from_str(json).unwrap();
    // The five-byte question may cost a try: it must never reach the signature PIN, which has five.
    assert_eq!(found(&report, "query-auth", "status"), "no such step");
    assert_eq!(found(&report, "query-sign", "status"), "63C5");
    assert_eq!(
        found(&report, "query-five-bytes", "not-asked"),
        "try-missing"
    );
}

#[test]
fn a_wrong_pin_is_sent_once_and_no_is_an_answer() {
    let pcscd = Pcscd::start(&[]);
    let doctor = Doctor::new(Some(&pcscd));
    let mut talk = doctor.talk(&["report"]);
    talk.answer("Type yes to go on", "no");
    let (text, status) = talk.end();
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("\"not-asked\": \"not-wanted\""), "{text}");
    assert_eq!(pcscd.counter("me", "auth_verifies"), 0);

    let mut talk = doctor.talk(&["report"]);
    talk.answer("Type yes to go on", "yes");
    talk.answer("(4 digits): ", "9999");
    let (text, status) = talk.end();
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("It has 2 tries left"), "{text}");
    assert_eq!(pcscd.counter("me", "auth_verifies"), 1);
}

#[test]
fn nothing_is_saved_over_another_file_or_before_it_was_seen() {
    let pcscd = Pcscd::start(&[]);
    let doctor = Doctor::new(Some(&pcscd));
    doctor.home.write("mine", "precious");
    let mine = doctor.home.path().join("mine");
    let (text, status) = doctor.text(&["report", "--no-pin", "--output", mine.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(text.contains("\"step\": \"read-0006\""), "shown: {text}");
    assert_eq!(doctor.home.read("mine"), "precious");

    let new = doctor.home.path().join("new");
    let mut talk = doctor.talk(&["report", "--no-pin", "--output", new.to_str().unwrap()]);
    talk.answer("Type yes to save", "no");
    let (text, status) = talk.end();
    assert_eq!(status, 0, "{text}");
    assert!(!new.exists(), "saved after a no");
}

/// Pieces of a card's secrets, as a report could hold them: four bytes as numbers, six letters as text.
fn pieces(secret: &[u8]) -> Vec<String> {
    let hex = |piece: &[u8]| piece.iter().map(|byte| format!("{byte:02X}")).collect();
    let numbers = |piece: &[u8]| {
        let numbers: Vec<String> = piece.iter().map(u8::to_string).collect();
        numbers.join(",")
    };
    let telling = |piece: &&[u8]| piece.iter().any(|byte| *byte != piece[0]);
    let fours = secret.windows(4).filter(telling);
    let mut pieces: Vec<String> = fours.flat_map(|four| [hex(four), numbers(four)]).collect();
    let texts = secret.windows(secret.len().min(6)).filter(telling);
    let texts = texts.filter_map(|six| std::str::from_utf8(six).ok());
    let plain = texts.filter(|six| six.chars().all(|c| !c.is_control()));
    pieces.extend(plain.map(str::to_uppercase));
    pieces
}

#[test]
fn nothing_of_the_holder_is_in_it() {
    let folder = Folder::new();
    let dir = folder.path().join("card");
    // A reader that shows the card's own number instead of what its maker wrote.
    let card = "me=plastic,auth-pin=8642,sign-password=PASSW0RD,\
                atr=3B888001DEADBEEFB381A10039,label=HANAKO YAMADA,model=\u{5c71}\u{7530}";
    let pcscd = Pcscd::start(&["--dir", dir.to_str().unwrap(), "--card", card]);
    let doctor = Doctor::new(Some(&pcscd));
    let mut talk = doctor.talk(&["report", "--output", "/dev/null/no"]);
    talk.answer("Type yes to go on", "yes");
    talk.answer("(4 digits): ", "8642");
    talk.answer("Type yes to save", "no");
    let (text, status) = talk.end();
    assert_eq!(status, 0, "{text}");
    let report = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
    assert!(report.contains("sign-after-issuer-domain"), "{report}");
    let report: Value = serde_json::from_str(report).unwrap();
    let mut told = Vec::new();
    values(&report, &mut told);
    let told = told.join("\n").to_uppercase();
    assert!(told.contains("3B888001........"), "{told}");

    let certificates = dir.join("certificates");
    let mut secrets: Vec<Vec<u8>> = ["me-auth.der", "me-sign.der"]
        .iter()
        .map(|file| fs::read(certificates.join(file)).unwrap())
        .collect();
    assert!(secrets.iter().all(|der| der.len() > 1000));
    // The serial number of EF 0006, the PINs, the card's own number, label and model of an odd card.
    secrets.push(b"0000000020500003".to_vec());
    secrets.push(b"8642".to_vec());
    secrets.push(b"PASSW0RD".to_vec());
    secrets.push(vec![0xDE, 0xAD, 0xBE, 0xEF]);
    secrets.push(b"HANAKO YAMADA".to_vec());
    secrets.push("\u{5c71}\u{7530}".as_bytes().to_vec());
    for piece in secrets.iter().flat_map(|secret| pieces(secret)) {
        assert!(!told.contains(&piece), "'{piece}' is in the report: {told}");
    }
}

/// All values of a report. Its keys and the names of its steps are ours.
fn values(report: &Value, all: &mut Vec<String>) {
    match report {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "step")
            .for_each(|(_, value)| values(value, all)),
        Value::Array(list) => list.iter().for_each(|value| values(value, all)),
        Value::String(text) => all.push(text.clone()),
        other => all.push(other.to_string()),
    }
}
