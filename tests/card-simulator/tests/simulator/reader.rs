//! The reader around the card: deck, misbehaviour, time, log (section 12, points 12 and 13).

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use jpki_card_simulator::{
    Card, Gone, Misbehaviour, Profile, Role, VirtualReader,
    reader::{Event, Timing},
};

use crate::{JPKI, PIN, WRONG_PIN, bytes, hex};

fn reader(profile: &str) -> VirtualReader {
    let card = Card::sample(Profile::parse(profile).unwrap()).unwrap();
    let reader = VirtualReader::with(card);
    reader.power_on().unwrap();
    reader
}

fn ask(reader: &VirtualReader, command: &str) -> Result<String, Gone> {
    reader.exchange(&bytes(command)).map(|answer| hex(&answer))
}

fn ok(answer: &str) -> Result<String, Gone> {
    Ok(answer.to_owned())
}

#[test]
fn insert_remove_swap() {
    let reader = VirtualReader::new();
    assert_eq!(ask(&reader, JPKI), Err(Gone));
    assert_eq!(reader.power_on(), Err(Gone));
    assert!(reader.insert_again().is_err());
    for name in ["one", "two"] {
        reader.add(name, Card::sample(Profile::plastic()).unwrap());
    }
    assert_eq!((reader.insertions(), reader.inserted()), (0, None));
    reader.insert("one").unwrap();
    reader.power_on().unwrap();
    assert_eq!(ask(&reader, JPKI), ok("9000"));
    assert_eq!(ask(&reader, WRONG_PIN), ok("63C2"));
    reader.insert("two").unwrap();
    assert_eq!(reader.inserted().as_deref(), Some("two"));
    assert_eq!(ask(&reader, JPKI), ok("6F00"), "no power yet");
    reader.power_on().unwrap();
    assert_eq!(ask(&reader, JPKI), ok("9000"));
    reader.remove();
    reader.remove();
    assert_eq!((reader.inserted(), reader.atr()), (None, None));
    reader.insert("one").unwrap();
    assert_eq!(reader.counters().unwrap().auth_tries, 2, "it remembers");
    assert_eq!(reader.insertions(), 3);
    assert!(reader.insert("three").is_err());
    assert_eq!(reader.inserted().as_deref(), Some("one"));
}

#[test]
fn a_silent_swap() {
    let reader = reader("plastic");
    reader.add("other", Card::sample(Profile::child()).unwrap());
    assert_eq!(ask(&reader, JPKI), ok("9000"));
    assert_eq!(ask(&reader, PIN), ok("9000"));
    let (changes, resets, insertions) = (reader.changes(), reader.resets(), reader.insertions());
    reader.swap_silently("other").unwrap();
    assert_eq!((reader.changes(), reader.resets()), (changes, resets));
    assert_eq!(reader.insertions(), insertions + 1);
    assert_eq!(
        ask(&reader, "00200098"),
        ok("6A82"),
        "another card, in its power-up state"
    );
}

#[test]
fn removed_before_and_after() {
    let reader = reader("plastic");
    assert_eq!(ask(&reader, JPKI), ok("9000"));
    reader.misbehave(1, Misbehaviour::RemovedBefore);
    assert_eq!(ask(&reader, WRONG_PIN), Err(Gone));
    reader.insert_again().unwrap();
    assert_eq!(reader.counters().unwrap().auth_tries, 3);
    reader.power_on().unwrap();
    assert_eq!(ask(&reader, JPKI), ok("9000"));
    reader.misbehave(2, Misbehaviour::RemovedAfter);
    assert_eq!(ask(&reader, "00200098"), ok("63C3"));
    assert_eq!(ask(&reader, WRONG_PIN), Err(Gone));
    assert_eq!(reader.inserted(), None);
    reader.insert_again().unwrap();
    assert_eq!(reader.counters().unwrap().auth_tries, 2, "it was executed");
}

#[test]
fn resets_and_other_programs() {
    for (misbehaviour, before, after) in [
        (Misbehaviour::ResetBefore, false, false),
        (Misbehaviour::ResetAfter, true, false),
        (Misbehaviour::PowerCycledBefore, false, false),
        (Misbehaviour::PowerCycledAfter, true, false),
        (Misbehaviour::OtherApplicationBefore, false, false),
        (
            Misbehaviour::OtherCommandBefore(bytes(WRONG_PIN)),
            true,
            true,
        ),
    ] {
        let reader = reader("plastic,warm-reset-clears");
        assert_eq!(ask(&reader, JPKI), ok("9000"));
        assert_eq!(ask(&reader, PIN), ok("9000"));
        let resets = reader.resets();
        let tells = !matches!(
            misbehaviour,
            Misbehaviour::OtherApplicationBefore | Misbehaviour::OtherCommandBefore(_)
        );
        reader.misbehave(1, misbehaviour.clone());
        let signed = ask(&reader, "802A009702 0102 00").unwrap();
        assert_eq!(
            signed.ends_with("9000"),
            before,
            "{misbehaviour:?}: {signed}"
        );
        let verified = reader
            .inserted_card(|card| card.is_verified(Role::Auth))
            .unwrap();
        assert_eq!(verified, after, "{misbehaviour:?}");
        assert_eq!(reader.resets() > resets, tells, "{misbehaviour:?}");
    }
}

#[test]
fn the_other_application_of_a_phone_is_the_domain() {
    let reader = reader("android");
    assert_eq!(ask(&reader, JPKI), ok("9000"));
    reader.misbehave(1, Misbehaviour::OtherApplicationBefore);
    assert_eq!(ask(&reader, "00200098"), ok("6A82"));
}

#[test]
fn false_answers() {
    let reader = reader("plastic");
    assert_eq!(ask(&reader, JPKI), ok("9000"));
    let expect = |misbehaviour: Misbehaviour, answer: &str, tries: u8| {
        reader
            .inserted_card(|card| card.set_tries(Role::Auth, 3))
            .unwrap();
        reader.misbehave(1, misbehaviour);
        assert_eq!(ask(&reader, WRONG_PIN), ok(answer));
        assert_eq!(reader.counters().unwrap().auth_tries, tries);
    };
    expect(Misbehaviour::AnswerInstead(vec![0x6F, 0x00]), "6F00", 3);
    expect(Misbehaviour::AnswerAfter(vec![0x6E, 0x00]), "6E00", 2);
    expect(Misbehaviour::OneByte, "63", 2);
    expect(Misbehaviour::Empty, "", 2);
    expect(Misbehaviour::Truncated, "63", 2);
    expect(Misbehaviour::LastByteWrong, "63C2", 2);
    expect(Misbehaviour::Delay(Duration::from_millis(1)), "63C2", 2);

    let whole = reader.exchange(&bytes("00B08B0004")).unwrap();
    reader.misbehave(1, Misbehaviour::LastByteWrong);
    let mut damaged = reader.exchange(&bytes("00B08B0004")).unwrap();
    damaged[3] ^= 0xFF;
    assert_eq!(damaged, whole);

    reader.misbehave(1, Misbehaviour::Oversized);
    assert_eq!(reader.exchange(&bytes(JPKI)).unwrap().len(), 65_536);
    reader.misbehave(1, Misbehaviour::Random);
    let random = reader.exchange(&bytes("00B08B0000")).unwrap();
    assert_eq!(random.len(), 258);
    assert_ne!(random, reader.exchange(&bytes("00B08B0000")).unwrap());
}

#[test]
fn endless_answers_end_with_behave() {
    for (misbehaviour, answer) in [
        (Misbehaviour::Endless61, "61FF"),
        (Misbehaviour::Endless6C, "6CFF"),
    ] {
        let reader = reader("plastic");
        reader.misbehave(2, misbehaviour);
        assert_eq!(ask(&reader, JPKI), ok("9000"));
        for _ in 0..10 {
            assert_eq!(ask(&reader, "00C00000FF"), ok(answer));
        }
        reader.behave();
        assert_eq!(ask(&reader, JPKI), ok("9000"));
    }
}

#[test]
fn every_misbehaviour_has_a_word() {
    for name in Misbehaviour::NAMES {
        let text = name.replace("HEX", "6F 00").replace("MS", "5");
        assert!(Misbehaviour::parse(&text).is_ok(), "{text}");
    }
    assert_eq!(
        Misbehaviour::parse("answer-after 9000").unwrap(),
        Misbehaviour::AnswerAfter(vec![0x90, 0x00])
    );
    for text in [
        "",
        "explode",
        "delay",
        "delay soon",
        "answer-after 9",
        "answer-after XY",
        "6f00 1",
    ] {
        assert!(Misbehaviour::parse(text).is_err(), "{text}");
    }
}

#[test]
fn time() {
    let reader = reader("plastic");
    reader.exchange(&bytes(JPKI)).unwrap();
    reader.exchange(&bytes(PIN)).unwrap();
    reader.set_timing(Timing {
        apdu: Duration::from_millis(10),
        byte: Duration::from_micros(100),
        signature: Duration::from_millis(200),
    });
    let took = |command: &str| {
        let start = Instant::now();
        reader.exchange(&bytes(command)).unwrap();
        start.elapsed()
    };
    // 10 ms and 6 bytes; 10 ms and 263 bytes; 10 ms, 266 bytes and a signature.
    let (query, read, sign) = (
        took("00200098"),
        took("00B08B0000"),
        took("802A009702 0102 00"),
    );
    assert!(query >= Duration::from_micros(10_600), "{query:?}");
    assert!(read >= Duration::from_micros(36_300), "{read:?}");
    assert!(sign >= Duration::from_micros(236_600), "{sign:?}");
}

#[test]
fn removed_while_it_works() {
    let reader = reader("plastic");
    reader.exchange(&bytes(JPKI)).unwrap();
    reader.misbehave(1, Misbehaviour::Delay(Duration::from_secs(60)));
    let hand = reader.clone();
    let taker = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        hand.remove();
    });
    let start = Instant::now();
    assert_eq!(ask(&reader, WRONG_PIN), Err(Gone));
    assert!(start.elapsed() < Duration::from_secs(30));
    taker.join().unwrap();
    assert_eq!(
        reader
            .card("card", |card| card.counters().auth_tries)
            .unwrap(),
        2
    );
}

#[test]
fn waiting_for_a_change() {
    let reader = reader("plastic");
    let seen = reader.changes();
    assert_eq!(reader.wait_for_change(seen, Duration::from_millis(5)), seen);
    let hand = reader.clone();
    let taker = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        hand.remove();
    });
    assert_eq!(
        reader.wait_for_change(seen, Duration::from_secs(60)),
        seen + 1
    );
    taker.join().unwrap();
}

/// A log file in memory.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_as_data_and_as_lines() {
    let reader = reader("plastic");
    let paper = Paper::default();
    reader.log_to(Box::new(paper.clone()));
    reader.reset_log();
    ask(&reader, JPKI).unwrap();
    ask(&reader, PIN).unwrap();
    reader.mark("here");
    reader.misbehave(1, Misbehaviour::RemovedAfter);
    ask(&reader, "0024019804 31323334").unwrap_err();

    assert_eq!(reader.apdus(), 3);
    assert_eq!(
        reader.exchanges(),
        [
            (bytes(JPKI), Some(vec![0x90, 0x00])),
            (bytes(PIN), Some(vec![0x90, 0x00])),
            (bytes("0024019804 31323334"), None),
        ]
    );
    let events: Vec<Event> = reader.log().into_iter().map(|entry| entry.event).collect();
    assert_eq!(events[2], Event::Mark("here".into()));
    assert_eq!(events.last(), Some(&Event::Removed));

    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].ends_with(
        "SELECT application JPKI [00 A4 04 0C 0A D3 92 F0 00 26 01 00 00 00 01] -> 9000"
    ));
    assert!(lines[1].ends_with("VERIFY auth PIN, 4 bytes [00 20 00 98 04 ** ** ** **] -> 9000"));
    assert!(lines[3].contains("-> card is gone !RemovedAfter"));
    assert!(!text.contains("31 32 33 34"), "{text}");
}

#[test]
fn another_programs_pin_is_hidden_too() {
    let reader = reader("plastic");
    ask(&reader, JPKI).unwrap();
    reader.misbehave(1, Misbehaviour::OtherCommandBefore(bytes(PIN)));
    ask(&reader, "00200098").unwrap();
    let line = reader.log().pop().unwrap().to_string();
    assert!(line.contains("OtherCommandBefore(VERIFY"), "{line}");
    assert!(!line.contains("31 32 33 34"), "{line}");
}
