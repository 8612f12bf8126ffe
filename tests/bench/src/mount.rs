//! A recorded card below the module: the same answers to the same commands, in no time.
//! It is a `Transport`, as PC/SC is one. While it plays it computes and allocates next to nothing.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jpki_card_simulator::VirtualReader;
use jpki_pkcs11::pcsc::{
    Cancel, Channel, Disposition, Error, Exchange, InsertionId, ReaderState, Transport, Watch,
};

use crate::Result;

/// What a card answered. READ BINARY by offset means another file each time, so the file that was
/// read before belongs to the question.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    answers: HashMap<(u8, Vec<u8>), Vec<u8>>,
}

impl Recording {
    /// From `FILE COMMAND ANSWER` lines in hexadecimal.
    ///
    /// # Errors
    /// When a line is none.
    pub fn parse(text: &str) -> Result<Recording> {
        let mut answers = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [file, command, answer] = words[..] else {
                return Err(format!("no exchange: {line}").into());
            };
            let file = u8::from_str_radix(file, 16)?;
            answers.insert((file, bytes(command)?), bytes(answer)?);
        }
        Ok(Recording { answers })
    }

    /// As [`Recording::parse`] reads it, sorted.
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .answers
            .iter()
            .map(|((file, command), answer)| format!("{file:02X} {} {}", hex(command), hex(answer)))
            .collect();
        lines.sort();
        lines.join("\n")
    }
}

/// One reader with the recorded card in it, or with a card that is being recorded.
#[derive(Clone, Default)]
pub struct Mount(Arc<Shared>);

#[derive(Default)]
struct Shared {
    recording: Mutex<Recording>,
    source: Option<VirtualReader>,
}

impl Mount {
    /// Plays.
    pub fn playing(recording: Recording) -> Mount {
        Mount(Arc::new(Shared {
            recording: Mutex::new(recording),
            source: None,
        }))
    }

    /// Records what the card in this reader answers.
    pub fn recording(source: VirtualReader) -> Mount {
        Mount(Arc::new(Shared {
            recording: Mutex::default(),
            source: Some(source),
        }))
    }

    /// What was recorded so far.
    pub fn recorded(&self) -> Recording {
        self.0
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

const NAME: &str = "Recorded reader 00";

const INSERTION: Option<InsertionId> = Some(InsertionId(1));

impl Transport for Mount {
    fn survey(&self) -> std::result::Result<Vec<ReaderState>, Error> {
        Ok(vec![ReaderState {
            name: NAME.to_owned(),
            insertion: INSERTION,
            atr: Vec::new(),
        }])
    }

    fn insertion(&self, _: &str) -> std::result::Result<Option<InsertionId>, Error> {
        Ok(INSERTION)
    }

    fn connect(&self, _: &str) -> std::result::Result<Box<dyn Channel>, Error> {
        if let Some(source) = &self.0.source {
            source.power_on().map_err(|_| Error::NoCard)?;
        }
        Ok(Box::new(self.clone()))
    }

    fn watch(&self) -> std::result::Result<Box<dyn Watch>, Error> {
        Ok(Box::new(Nothing))
    }

    fn close_by(&self, _: Instant) {}
}

impl Channel for Mount {
    fn begin(&mut self, _: Duration) -> std::result::Result<Box<dyn Exchange + '_>, Error> {
        Ok(Box::new(Playing {
            mount: self,
            file: 0,
        }))
    }

    fn is_alive(&mut self) -> std::result::Result<bool, Error> {
        Ok(true)
    }

    fn power_up(&mut self) -> std::result::Result<(), Error> {
        Ok(())
    }

    fn reset(&mut self) -> std::result::Result<(), Error> {
        Ok(())
    }

    fn disconnect(self: Box<Self>, _: Disposition) {}
}

struct Playing<'a> {
    mount: &'a Mount,
    /// The file that was read last.
    file: u8,
}

impl Exchange for Playing<'_> {
    fn was_reset(&self) -> bool {
        false
    }

    fn transmit(&mut self, command: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        let file = match *command {
            [0x00, 0xB0, file, ..] if file & 0x80 == 0 => self.file,
            [0x00, 0xB0, file, ..] => {
                self.file = file;
                0
            }
            _ => 0,
        };
        let shared = &self.mount.0;
        let mut recording = shared
            .recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let question = (file, command.to_vec());
        let Some(source) = &shared.source else {
            let answer = recording.answers.get(&question);
            let unknown = || Error::Failed("this was not recorded".to_owned());
            return answer.cloned().ok_or_else(unknown);
        };
        let answer = source.exchange(command).map_err(|_| Error::Removed)?;
        recording.answers.insert(question, answer.clone());
        Ok(answer)
    }

    fn end(self: Box<Self>, _: Disposition) -> std::result::Result<(), Error> {
        Ok(())
    }
}

struct Nothing;

impl Watch for Nothing {
    fn wait(&mut self, timeout: Duration) -> std::result::Result<(), Error> {
        std::thread::sleep(timeout);
        Ok(())
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::new(Nothing)
    }
}

impl Cancel for Nothing {
    fn cancel(&self) {}
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    (0..hex.len())
        .step_by(2)
        .map(|place| {
            let pair = hex.get(place..place + 2).ok_or("half a byte")?;
            Ok(u8::from_str_radix(pair, 16)?)
        })
        .collect()
}
