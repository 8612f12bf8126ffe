//! What a report can hold: status words, lengths, times, words of ours and [`Public`] texts. There is no place in it
//! for the data of an answer, so nothing personal can come into it. `docs/report.md` describes the file.

use std::time::{Duration, SystemTime};

use der::DateTime;
use jpki_pkcs11::card::Closing;
use jpki_pkcs11::pcsc::{Abilities, Error};
use serde_json::{Map, Value, json};

use super::public::Public;

/// Version of the file's shape. Steps and keys may be added to it, never taken away or changed.
const FORMAT: u32 = 1;

/// A report as it grows.
pub(super) struct Record {
    reader: Value,
    card: Map<String, Value>,
    answers: Vec<Map<String, Value>>,
}

/// What one command was answered, without its data.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// SW1-SW2 of the whole answer.
    pub(super) status: u16,
    /// SW1-SW2 of the first part, where the card gave it in parts (61xx) or wanted another Le (6Cxx).
    pub(super) first: Option<u16>,
    /// Bytes of data.
    pub(super) length: usize,
}

impl Record {
    pub(super) fn new(reader: Public, atr: Public, abilities: Abilities) -> Record {
        let mut card = Map::new();
        card.insert("atr".to_owned(), json!(atr.text()));
        Record {
            reader: json!({
                "name": reader.text(),
                "max-apdu-data": abilities.max_apdu_data,
                "pin-pad": abilities.verify_pin.is_some(),
            }),
            card,
            answers: Vec::new(),
        }
    }

    /// What the card says that it is.
    pub(super) fn card(&mut self, key: &'static str, text: &Public) {
        self.card.insert(key.to_owned(), json!(text.text()));
    }

    /// The answer to a step. `time`: of one command, its way through the reader included.
    pub(super) fn answer(
        &mut self,
        step: &'static str,
        answer: &Result<Answer, Error>,
        time: Option<Duration>,
    ) {
        let mut entry = Map::new();
        entry.insert("step".to_owned(), json!(step));
        match answer {
            Ok(answer) => {
                entry.insert("status".to_owned(), json!(format!("{:04X}", answer.status)));
                if let Some(first) = answer.first {
                    entry.insert("first-status".to_owned(), json!(format!("{first:04X}")));
                }
                entry.insert("length".to_owned(), json!(answer.length));
            }
            Err(error) => {
                entry.insert("error".to_owned(), json!(word(error)));
            }
        }
        if let Some(time) = time {
            let tenths = u32::try_from(time.as_micros() / 100).unwrap_or(u32::MAX);
            entry.insert("milliseconds".to_owned(), json!(f64::from(tenths) / 10.0));
        }
        self.answers.push(entry);
    }

    /// Adds a number to the last answer.
    pub(super) fn number(&mut self, key: &'static str, number: usize) {
        self.detail(key, json!(number));
    }

    /// Adds a word to the last answer.
    pub(super) fn word(&mut self, key: &'static str, word: &'static str) {
        self.detail(key, json!(word));
    }

    fn detail(&mut self, key: &'static str, value: Value) {
        if let Some(last) = self.answers.last_mut() {
            last.insert(key.to_owned(), value);
        }
    }

    /// A step that was not done, and why.
    pub(super) fn skip(&mut self, step: &'static str, why: &'static str) {
        let mut entry = Map::new();
        entry.insert("step".to_owned(), json!(step));
        entry.insert("not-asked".to_owned(), json!(why));
        self.answers.push(entry);
    }

    /// Does a loss of power take the verified PIN away?
    pub(super) fn closed(&mut self, closing: Closing) {
        let closes = match closing {
            Closing::ByPowerDown => "yes",
            Closing::Impossible => "no",
            Closing::Unproved | Closing::BySelect | Closing::ByPowerDownUnproved => "not-known",
        };
        let mut entry = Map::new();
        entry.insert("step".to_owned(), json!("power-down"));
        entry.insert("closes".to_owned(), json!(closes));
        self.answers.push(entry);
    }

    /// The report as JSON.
    pub(super) fn text(&self) -> String {
        let report = json!({
            "format": FORMAT,
            "program": "jpki-doctor",
            "version": env!("CARGO_PKG_VERSION"),
            "month": month(),
            "reader": self.reader,
            "card": self.card,
            "answers": self.answers,
        });
        serde_json::to_string_pretty(&report).unwrap_or_default()
    }
}

/// Year and month: a day could tell when somebody was where.
fn month() -> String {
    let now = DateTime::from_system_time(SystemTime::now());
    now.map(|now| format!("{:04}-{:02}", now.year(), now.month()))
        .unwrap_or_default()
}

/// An error without the words of the layers below.
fn word(error: &Error) -> &'static str {
    match error {
        Error::NoCard | Error::Removed => "removed",
        Error::NoReader => "no-reader",
        Error::NoService(_) | Error::NoDescriptor | Error::NotAuthorised => "no-service",
        Error::Busy => "busy",
        Error::Stuck => "no-answer",
        Error::Cancelled | Error::Failed(_) => "failed",
    }
}
