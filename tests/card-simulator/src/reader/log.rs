//! What happened on a reader, as data and as lines. A line never shows a PIN.

use std::{
    collections::VecDeque,
    fmt,
    io::Write,
    time::{Duration, Instant},
};

use super::{Misbehaviour, describe::describe};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counts from 1.
    pub number: u64,
    /// Since the reader was made.
    pub at: Duration,
    /// The card it happened to.
    pub card: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command and its answer; `None` if the card was gone.
    Apdu {
        /// The command APDU, PIN and all.
        command: Vec<u8>,
        /// What arrived.
        answer: Option<Vec<u8>>,
        /// What went wrong at it.
        misbehaviours: Vec<Misbehaviour>,
    },
    /// The card got power and said its ATR.
    PowerOn(Vec<u8>),
    /// The card lost power.
    PowerOff,
    /// The card was reset under power and said its ATR.
    WarmReset(Vec<u8>),
    /// The card was put in.
    Inserted,
    /// The card was taken out.
    Removed,
    /// The card took another one's place unnoticed.
    SwappedSilently,
    /// Somebody wrote a line.
    Mark(String),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let card = self.card.as_deref().unwrap_or("-");
        let at = self.at.as_secs_f64();
        write!(f, "{:>5} {at:>9.3} {card:<8} ", self.number)?;
        match &self.event {
            Event::Apdu {
                command,
                answer,
                misbehaviours,
            } => {
                f.write_str(&describe(command))?;
                match answer {
                    Some(answer) => write_answer(f, answer)?,
                    None => f.write_str(" -> card is gone")?,
                }
                for misbehaviour in misbehaviours {
                    write!(f, " !{}", name(misbehaviour))?;
                }
                Ok(())
            }
            Event::PowerOn(atr) => write!(f, "power on, ATR {}", hex(atr)),
            Event::PowerOff => f.write_str("power off"),
            Event::WarmReset(atr) => write!(f, "warm reset, ATR {}", hex(atr)),
            Event::Inserted => f.write_str("inserted"),
            Event::Removed => f.write_str("removed"),
            Event::SwappedSilently => f.write_str("swapped in silently"),
            Event::Mark(text) => write!(f, "--- {text}"),
        }
    }
}

/// The newest entries.
pub(super) struct Log {
    entries: VecDeque<Entry>,
    number: u64,
    start: Instant,
    sink: Option<Box<dyn Write + Send>>,
}

impl Log {
    pub(super) fn push(&mut self, card: Option<String>, event: Event) {
        self.number += 1;
        let entry = Entry {
            number: self.number,
            at: self.start.elapsed(),
            card,
            event,
        };
        if let Some(sink) = &mut self.sink {
            // A full disk is no reason for a card to stop.
            let _ = writeln!(sink, "{entry}").and_then(|()| sink.flush());
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn set_sink(&mut self, sink: Box<dyn Write + Send>) {
        self.sink = Some(sink);
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            number: 0,
            start: Instant::now(),
            sink: None,
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({} entries)", self.entries.len())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(" ")
}

fn write_answer(f: &mut fmt::Formatter<'_>, answer: &[u8]) -> fmt::Result {
    match answer.split_last_chunk::<2>() {
        Some(([], [sw1, sw2])) => write!(f, " -> {sw1:02X}{sw2:02X}"),
        Some((data, [sw1, sw2])) => {
            let start: Vec<u8> = data.iter().take(SHOWN).copied().collect();
            let more = if data.len() > SHOWN { " .." } else { "" };
            let length = data.len();
            write!(
                f,
                " -> {length} bytes {}{more} {sw1:02X}{sw2:02X}",
                hex(&start)
            )
        }
        None => write!(f, " -> only {} bytes [{}]", answer.len(), hex(answer)),
    }
}

/// Without the bytes: another program's command may be a VERIFY.
fn name(misbehaviour: &Misbehaviour) -> String {
    match misbehaviour {
        Misbehaviour::OtherCommandBefore(command) => {
            format!("OtherCommandBefore({})", describe(command))
        }
        Misbehaviour::AnswerInstead(bytes) => format!("AnswerInstead({})", hex(bytes)),
        Misbehaviour::AnswerAfter(bytes) => format!("AnswerAfter({})", hex(bytes)),
        other => format!("{other:?}"),
    }
}

/// How many entries stay in memory.
const KEPT: usize = 65_536;

/// How many bytes of an answer a line shows.
const SHOWN: usize = 16;
