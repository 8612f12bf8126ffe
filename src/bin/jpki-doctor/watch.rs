//! `watch`: readers and cards as they come and go, and how well each card reads where it lies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jpki_pkcs11::card;
use jpki_pkcs11::card::JpkiCard;
use jpki_pkcs11::config::ExtendedReads;
use jpki_pkcs11::messages::doctor::Phrase;
use jpki_pkcs11::pcsc::{Bounded, Error, InsertionId, ReaderState, Transport};

use crate::context::{Context, Outcome};
use crate::{readers, service, terminal};

/// Between two reads of a card: often enough to follow a hand.
const PAUSE: Duration = Duration::from_millis(400);

/// What was last said of a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Empty,
    Foreign(InsertionId),
    Reads,
    Lost,
}

#[derive(Default)]
struct Watcher {
    said: BTreeMap<String, State>,
    /// Good reads and all reads.
    good: u32,
    all: u32,
    /// The last line may be rewritten.
    open_line: bool,
}

/// Watches until the time is over or somebody ends the program.
pub(crate) fn run(context: &Context, seconds: Option<u64>) -> Outcome {
    let language = context.arguments.language;
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    terminal::say(&Phrase::WatchStart.say(language, &[]));
    let pcsc = service::open();
    let mut watcher = Watcher::default();
    let mut down = None;
    while end.is_none_or(|end| Instant::now() < end) {
        match pcsc.survey() {
            Ok(states) => {
                down = None;
                watcher.look(context, &pcsc, &states);
            }
            Err(error) => {
                // Once, not at every look.
                if down.as_ref() != Some(&error) {
                    terminal::complain(&service::message(&error).text(language));
                    down = Some(error);
                }
            }
        }
        let pause = end.map_or(PAUSE, |end| {
            PAUSE.min(end.saturating_duration_since(Instant::now()))
        });
        std::thread::sleep(pause);
    }
    watcher.close_line();
    let fields = [
        ("good", watcher.good.to_string()),
        ("all", watcher.all.to_string()),
    ];
    terminal::say(&Phrase::WatchScore.say(language, &fields));
    if watcher.good > 0 && watcher.good == watcher.all {
        Outcome::Fine
    } else {
        Outcome::Todo
    }
}

impl Watcher {
    fn look(&mut self, context: &Context, pcsc: &Bounded, states: &[ReaderState]) {
        let gone: Vec<String> = self
            .said
            .keys()
            .filter(|name| !states.iter().any(|state| state.name == **name))
            .cloned()
            .collect();
        for reader in gone {
            self.said.remove(&reader);
            self.line(
                &reader,
                &Phrase::WatchGone.say(context.arguments.language, &[]),
            );
        }
        let meant = |state: &&ReaderState| readers::is_meant(context, &state.name);
        for state in states.iter().filter(meant) {
            self.reader(context, pcsc, state);
        }
    }

    fn reader(&mut self, context: &Context, pcsc: &Bounded, state: &ReaderState) {
        let language = context.arguments.language;
        let reader = state.name.as_str();
        let Some(insertion) = state.insertion else {
            let text = Phrase::WatchEmpty.say(language, &[]);
            return self.change(reader, State::Empty, &text, false);
        };
        // A card that is not ours is left alone until it is taken away.
        if self.said.get(reader) == Some(&State::Foreign(insertion)) {
            return;
        }
        let started = Instant::now();
        let read = pcsc
            .connect(reader)
            .map_err(card::Error::from)
            .and_then(|channel| JpkiCard::open(channel, &[], &[], ExtendedReads::Off));
        let milliseconds = started.elapsed().as_millis().to_string();
        match read {
            Ok((_, face)) => {
                self.count(true);
                let kind = readers::kind(face.kind).name(language).to_owned();
                let fields = [("kind", kind), ("milliseconds", milliseconds)];
                let text = Phrase::WatchReads.say(language, &fields);
                self.change(reader, State::Reads, &text, true);
            }
            Err(card::Error::NotJpki) => {
                let text = Phrase::WatchForeign.say(language, &[]);
                self.change(reader, State::Foreign(insertion), &text, false);
            }
            // The next look will see that it is empty.
            Err(card::Error::Pcsc(Error::NoCard)) => {}
            Err(error) => {
                self.count(false);
                let fields = [("reason", error.to_string())];
                let text = Phrase::WatchLost.say(language, &fields);
                self.change(reader, State::Lost, &text, true);
            }
        }
    }

    fn count(&mut self, good: bool) {
        self.good += u32::from(good);
        self.all += 1;
    }

    /// Says something new; on a screen a `lively` line is kept up to date.
    fn change(&mut self, reader: &str, state: State, text: &str, lively: bool) {
        if self.said.get(reader) != Some(&state) {
            self.said.insert(reader.to_owned(), state);
            self.line(reader, text);
        } else if lively && terminal::is_screen() && self.said.len() == 1 {
            self.open_line = true;
            terminal::rewrite(&format!("{reader}: {text}"));
        }
    }

    fn line(&mut self, reader: &str, text: &str) {
        self.close_line();
        terminal::say(&format!("{reader}: {text}"));
    }

    fn close_line(&mut self) {
        if std::mem::take(&mut self.open_line) {
            terminal::say("");
        }
    }
}
