//! Comparison with the files in `tests/it/golden`, which `UPDATE_GOLDEN=1` writes.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use jpki_card_simulator::VirtualReader;
use jpki_card_simulator::reader::Event;

use super::fixture::Fixture;

/// Is this what the golden file says?
pub fn is(file: &str, seen: &str) -> bool {
    fs::read_to_string(path_of(file)).is_ok_and(|written| written == seen)
}

fn path_of(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(file)
}

/// Compares with a golden file, line by line.
#[track_caller]
pub fn check(file: &str, seen: &str) {
    let path = path_of(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, seen).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    if written == seen {
        return;
    }
    let lines = written.lines().count().max(seen.lines().count());
    let line = (0..lines)
        .find(|&at| written.lines().nth(at) != seen.lines().nth(at))
        .unwrap_or(lines);
    panic!(
        "{file} is different from line {} on.\nwritten: {}\nseen:    {}\n\
         UPDATE_GOLDEN=1 writes it anew; read the difference before you commit it.",
        line + 1,
        written.lines().nth(line).unwrap_or("(the end)"),
        seen.lines().nth(line).unwrap_or("(the end)"),
    );
}

/// The differences of a text from another one. Both are in sections, each of which begins with a line
/// with `#`. `-` is in `base` only, `+` is in `seen` only; of a section in `base` only, the first line.
pub fn differences(base: &str, seen: &str) -> String {
    let (old, new) = (sections(base), sections(seen));
    let headings = |all: &[Vec<&str>]| all.iter().map(|lines| lines[0].to_owned()).collect();
    let (before, after): (Vec<String>, Vec<String>) = (headings(&old), headings(&new));
    let mut text = String::new();
    for step in steps(&before, &after) {
        match step {
            Step::Same(at, to) => {
                let changed: String = steps(&old[at], &new[to])
                    .into_iter()
                    .filter_map(|step| match step {
                        Step::Same(..) => None,
                        Step::Gone(line) => Some(format!("- {}\n", old[at][line])),
                        Step::Added(line) => Some(format!("+ {}\n", new[to][line])),
                    })
                    .collect();
                if !changed.is_empty() {
                    text.push_str(&format!("{}\n{changed}\n", before[at]));
                }
            }
            Step::Gone(at) => text.push_str(&format!("- {}\n\n", before[at])),
            Step::Added(to) => {
                for line in &new[to] {
                    let sign = if line.is_empty() { "" } else { "+ " };
                    text.push_str(&format!(
                        "{sign}{line}
"
                    ));
                }
            }
        }
    }
    match text.is_empty() {
        true => "no difference\n".to_owned(),
        false => text,
    }
}

fn sections(text: &str) -> Vec<Vec<&str>> {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        match sections.last_mut() {
            Some(section) if !line.starts_with('#') => section.push(line),
            _ => sections.push(vec![line]),
        }
    }
    sections
}

/// A step from one list to another, with the places in the two.
enum Step {
    Same(usize, usize),
    Gone(usize),
    Added(usize),
}

/// The steps by the longest common subsequence.
fn steps<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Step> {
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            common[at][to] = match old[at] == new[to] {
                true => common[at + 1][to + 1] + 1,
                false => common[at + 1][to].max(common[at][to + 1]),
            };
        }
    }
    let (mut at, mut to, mut steps) = (0, 0, Vec::new());
    while at < old.len() || to < new.len() {
        if at < old.len() && to < new.len() && old[at] == new[to] {
            steps.push(Step::Same(at, to));
            (at, to) = (at + 1, to + 1);
        } else if to == new.len() || (at < old.len() && common[at + 1][to] >= common[at][to + 1]) {
            steps.push(Step::Gone(at));
            at += 1;
        } else {
            steps.push(Step::Added(to));
            to += 1;
        }
    }
    steps
}

/// Steps, and what each of them said to the card.
pub struct Script {
    reader: VirtualReader,
    text: String,
    apdus: u64,
}

impl Script {
    /// An empty one for the first reader of a fixture.
    pub fn new(fixture: &Fixture) -> Script {
        Script {
            reader: fixture.reader(),
            text: String::new(),
            apdus: 0,
        }
    }

    /// Does something and writes down what the card heard.
    pub fn step(&mut self, what: &str, work: impl FnOnce()) {
        self.reader.reset_log();
        work();
        let lines: Vec<String> = self.reader.log().into_iter().filter_map(line_of).collect();
        let apdus = self.reader.apdus();
        self.apdus += apdus;
        self.text.push_str(&format!("# {what}: {apdus} APDUs\n"));
        for line in lines {
            self.text.push_str(&format!("{line}\n"));
        }
        self.text.push('\n');
    }

    /// APDUs of all steps.
    pub fn apdus(&self) -> u64 {
        self.apdus
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The command, what it means, and how it was answered; without what is another each time.
fn line_of(entry: jpki_card_simulator::reader::Entry) -> Option<String> {
    match entry.event {
        Event::Apdu {
            command, answer, ..
        } => {
            let answer = answer.unwrap();
            let (data, status) = answer.split_at(answer.len() - 2);
            let status = format!("{:02X}{:02X}", status[0], status[1]);
            let data = match data.len() {
                0 => String::new(),
                bytes if is_shorter_than_asked(&command, bytes) => "up to its end ".to_owned(),
                _ if is_end_of_file(&command) => "the rest ".to_owned(),
                bytes => format!("{bytes} bytes "),
            };
            Some(format!("{} -> {data}{status}", written(&command)))
        }
        Event::PowerOn(_) => Some("power on".to_owned()),
        Event::PowerOff => Some("power off".to_owned()),
        Event::WarmReset(_) => Some("reset".to_owned()),
        _ => None,
    }
}

/// In hexadecimal; the input of a signature by its length.
fn written(command: &[u8]) -> String {
    let hex = |bytes: &[u8]| {
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(" ")
    };
    match command {
        [0x80, 0x2A, _, _, length, data @ .., le] if data.len() == usize::from(*length) => {
            format!("{} ({length} bytes) {le:02X}", hex(&command[..5]))
        }
        [start @ .., _] if command.len() == 5 && is_end_of_file(command) => {
            format!("{} ..", hex(start))
        }
        [start @ .., _, _, _] if is_end_of_file(command) => format!("{} ..", hex(start)),
        _ => hex(command),
    }
}

/// A READ BINARY for what is left of a certificate, which may be a byte more or less another time.
fn is_end_of_file(command: &[u8]) -> bool {
    matches!(
        command,
        [0x00, 0xB0, 0x00..=0x7F, _, 1..=0xFF] | [0x00, 0xB0, 0x00..=0x7F, _, 0x00, _, _]
    )
}

/// A READ BINARY with an extended Le that was answered with fewer bytes.
fn is_shorter_than_asked(command: &[u8], bytes: usize) -> bool {
    matches!(*command, [0x00, 0xB0, _, _, 0x00, high, low]
        if usize::from(u16::from_be_bytes([high, low])) > bytes)
}
