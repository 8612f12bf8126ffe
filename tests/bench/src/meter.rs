//! What something cost: time, CPU time, and the APDUs and bytes that the virtual card saw meanwhile.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::{Result, card};

/// Runs from its making to [`Meter::stop`].
pub struct Meter {
    log: PathBuf,
    offset: u64,
    cpu: f64,
    started: Instant,
}

/// What a step cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    /// Milliseconds on the clock.
    pub ms: f64,
    /// Milliseconds of this process's CPU time.
    pub cpu_ms: f64,
    /// Commands that reached the card.
    pub apdus: f64,
    /// Their bytes and those of the answers.
    pub bytes: f64,
}

/// One exchange as the simulator logged it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// When its answer left the card, in milliseconds since the simulator's start.
    pub ended: f64,
    /// Bytes of command and answer.
    pub bytes: usize,
    /// It was COMPUTE DIGITAL SIGNATURE.
    pub signs: bool,
    /// As the log puts it, without the bytes.
    pub words: String,
}

impl Meter {
    /// Starts.
    ///
    /// # Errors
    /// When there is no simulator with a log.
    pub fn start() -> Result<Meter> {
        let log = card::folder("VIRTUAL_CARD_DIR")?.join("apdu.log");
        let offset = log.metadata()?.len();
        Ok(Meter {
            log,
            offset,
            cpu: cpu_ms(),
            started: Instant::now(),
        })
    }

    /// Stops, and says what one of `repeated` rounds cost.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn stop(self, repeated: usize) -> Result<Cost> {
        let ms = self.started.elapsed().as_secs_f64() * 1000.0;
        let cpu_ms = cpu_ms() - self.cpu;
        let exchanges = self.exchanges()?;
        let rounds = repeated as f64;
        let bytes: usize = exchanges.iter().map(|exchange| exchange.bytes).sum();
        Ok(Cost {
            ms: ms / rounds,
            cpu_ms: cpu_ms / rounds,
            apdus: exchanges.len() as f64 / rounds,
            bytes: bytes as f64 / rounds,
        })
    }

    /// The exchanges so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn exchanges(&self) -> Result<Vec<Exchange>> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text.lines().filter_map(exchange).collect())
    }
}

impl Cost {
    /// For the parent process.
    pub fn to_json(&self) -> Value {
        json!({ "ms": self.ms, "cpu_ms": self.cpu_ms, "apdus": self.apdus, "bytes": self.bytes })
    }

    /// From a child process.
    pub fn from_json(value: &Value) -> Option<Cost> {
        let number = |name: &str| value.get(name)?.as_f64();
        Some(Cost {
            ms: number("ms")?,
            cpu_ms: number("cpu_ms")?,
            apdus: number("apdus")?,
            bytes: number("bytes")?,
        })
    }

    /// Of several runs, each figure's median.
    pub fn median(runs: &[Cost]) -> Cost {
        Cost {
            ms: median(runs.iter().map(|run| run.ms)),
            cpu_ms: median(runs.iter().map(|run| run.cpu_ms)),
            apdus: median(runs.iter().map(|run| run.apdus)),
            bytes: median(runs.iter().map(|run| run.bytes)),
        }
    }
}

/// The run that the card had to work for the least: on a busy machine a program can rest so long between
/// two calls that the module looks at the card once more.
pub fn least(runs: &[Cost]) -> Cost {
    let least = runs.iter().min_by(|a, b| a.apdus.total_cmp(&b.apdus));
    least.cloned().unwrap_or_default()
}

/// The middle one; of an even number the greater one of the two.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1000.0 + now.tv_nsec as f64 / 1e6
}

/// `NUMBER SECONDS CARD WORDS [HH HH ..] -> ANSWER`; other lines are no exchanges.
fn exchange(line: &str) -> Option<Exchange> {
    let (head, answer) = line.split_once("] -> ")?;
    let (head, command) = head.rsplit_once('[')?;
    let mut head = head.split_whitespace();
    let ended: f64 = head.nth(1)?.parse().ok()?;
    let words = head.skip(1).collect::<Vec<_>>().join(" ");
    let words = words.trim().to_owned();
    Some(Exchange {
        ended: ended * 1000.0,
        bytes: command.split_whitespace().count() + answer_length(answer),
        signs: words.starts_with("SIGN "),
        words,
    })
}

/// `9000`, `N bytes HH .. 9000`, `only N bytes [..]` or `card is gone`.
fn answer_length(answer: &str) -> usize {
    let mut words = answer.split_whitespace();
    let first = words.next().unwrap_or_default();
    let second = words.next().unwrap_or_default();
    match (first, second) {
        ("only", length) => length.parse().unwrap_or(0),
        ("card", _) => 0,
        (length, "bytes") => length.parse::<usize>().map_or(2, |length| length + 2),
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_log() {
        let line = "   12     1.250 me       READ BINARY from 256, 256 bytes [00 B0 01 00 00] -> 256 bytes 30 82 .. 9000";
        let read = exchange(line).unwrap();
        assert_eq!((read.ended, read.bytes, read.signs), (1250.0, 263, false));
        assert_eq!(read.words, "READ BINARY from 256, 256 bytes");
        let line = "    3     0.100 me       SIGN scheme 00 auth key, 2 bytes [80 2A 00 97 02 01 02 00] -> 256 bytes 01 .. 9000";
        let sign = exchange(line).unwrap();
        assert_eq!((sign.bytes, sign.signs), (266, true));
        let line = "    3     0.100 me       VERIFY auth PIN, 4 bytes [00 20 00 98 04 ** ** ** **] -> 63C2";
        assert_eq!(exchange(line).unwrap().bytes, 11);
        assert_eq!(
            exchange("    1     0.000 me       power on, ATR 3B E0"),
            None
        );
        assert_eq!(answer_length("only 1 bytes [90]"), 1);
        assert_eq!(answer_length("card is gone"), 0);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
