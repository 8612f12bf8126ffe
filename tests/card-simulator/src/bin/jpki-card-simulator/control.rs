//! The control socket: one command a line, one answer a line, `ok ...` or `error ...`. Changes the reader, nothing else.

use std::{
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use jpki_card_simulator::{Card, Misbehaviour, Role, VirtualReader};

use crate::arguments;

/// Listens from now on; every client has a thread of its own.
pub(crate) fn listen(path: &Path, reader: &VirtualReader) -> io::Result<()> {
    // A socket that nobody answers at is left over from a run that was killed.
    if path.exists() && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let (path, reader) = (path.to_owned(), reader.clone());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (path, reader) = (path.clone(), reader.clone());
            thread::spawn(move || serve(&stream, &path, &reader));
        }
    });
    Ok(())
}

/// Ends with the connection; an answer that cannot be delivered ends it too.
fn serve(stream: &UnixStream, path: &PathBuf, reader: &VirtualReader) -> io::Result<()> {
    let mut writer = stream;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let answer = match obey(&line, reader) {
            Ok(answer) if answer.is_empty() => "ok".to_owned(),
            Ok(answer) => format!("ok {answer}"),
            Err(error) => format!("error {error}"),
        };
        writeln!(writer, "{answer}")?;
        if line.trim() == "quit" {
            // What lasts was written when it changed.
            let _ = fs::remove_file(path);
            std::process::exit(0);
        }
    }
    Ok(())
}

fn obey(line: &str, reader: &VirtualReader) -> Result<String, Box<dyn Error>> {
    let (verb, rest) = match line.trim().split_once(char::is_whitespace) {
        Some((verb, rest)) => (verb, rest.trim()),
        None => (line.trim(), ""),
    };
    match (verb, rest) {
        ("status", "") => Ok(status(reader)),
        ("insert", "") => {
            reader.insert_again()?;
            Ok(status(reader))
        }
        ("insert", name) => {
            reader.insert(name)?;
            Ok(status(reader))
        }
        ("remove", "") => {
            reader.remove();
            Ok(status(reader))
        }
        ("swap", name) => {
            // An unknown name must not leave the reader empty.
            reader.card(name, |_| ())?;
            reader.remove();
            thread::sleep(SEEN_BY_PCSCD);
            reader.insert(name)?;
            Ok(status(reader))
        }
        ("swap-silent", name) => {
            reader.swap_silently(name)?;
            Ok(status(reader))
        }
        ("counters", "") => Ok(reader.inserted_card(|card| counters(card))?),
        ("counters", name) => Ok(reader.card(name, |card| counters(card))?),
        ("verified", "") => Ok(reader.inserted_card(|card| verified(card))?),
        ("apdus", "") => Ok(format!("apdus={}", reader.apdus())),
        ("reset-count", "") => {
            reader.reset_apdus();
            Ok(String::new())
        }
        ("misbehave", plan) => {
            let (n, kind) = plan
                .split_once(char::is_whitespace)
                .ok_or("misbehave wants N KIND")?;
            let n = n.parse().map_err(|_| format!("'{n}' is no number"))?;
            reader.misbehave(n, Misbehaviour::parse(kind)?);
            Ok(String::new())
        }
        ("clear", "") => {
            reader.behave();
            Ok(String::new())
        }
        ("timing", figures) => {
            reader.set_timing(arguments::timing(figures)?);
            Ok(String::new())
        }
        ("log-mark", text) => {
            reader.mark(text);
            Ok(String::new())
        }
        ("quit", "") => Ok(String::new()),
        _ => Err(format!("'{}' is no command", line.trim()).into()),
    }
}

fn status(reader: &VirtualReader) -> String {
    let inserted = reader.inserted();
    format!(
        "inserted={} insertions={} cards={}",
        inserted.as_deref().unwrap_or("-"),
        reader.insertions(),
        reader.names().join(","),
    )
}

fn counters(card: &Card) -> String {
    let counters = card.counters();
    format!(
        "auth_tries={} sign_tries={} auth_verifies={} sign_verifies={} auth_signatures={} sign_signatures={} reads={} apdus={}",
        counters.auth_tries,
        counters.sign_tries,
        counters.auth_verifies,
        counters.sign_verifies,
        counters.auth_signatures,
        counters.sign_signatures,
        counters.reads,
        counters.apdus,
    )
}

fn verified(card: &Card) -> String {
    let word = |yes| if yes { "yes" } else { "no" };
    format!(
        "auth={} sign={} jpki_selected={} powered={}",
        word(card.is_verified(Role::Auth)),
        word(card.is_verified(Role::Sign)),
        word(card.is_jpki_selected()),
        word(card.is_powered()),
    )
}

/// pcscd looks at a vpcd reader every 400 ms and was seen to take up to 0.9 s to notice.
const SEEN_BY_PCSCD: Duration = Duration::from_millis(1200);
