//! What the check-up found, as lines for people or as JSON.

use std::path::{Path, PathBuf};

use jpki_pkcs11::messages::doctor::{Fields, Finding, Phrase};
use jpki_pkcs11::messages::{Language, Message};
use serde_json::{Map, Value, json};

use crate::context::Outcome;
use crate::terminal;

/// Version of the JSON's shape. Keys may be added to it, never taken away or changed.
const FORMAT: u32 = 1;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing; the exit status does not mind.
    Note,
    /// The user should do something.
    Todo,
    /// Nothing works until something is done.
    Fail,
}

/// The chapters of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Module,
    Programs,
    Service,
    Cards,
    Phone,
    Tls,
}

struct Entry {
    section: Section,
    /// What was looked at: stable.
    check: &'static str,
    /// What was found: stable, the same in every language.
    finding: &'static str,
    severity: Severity,
    says: String,
    next: String,
    facts: Map<String, Value>,
}

/// Grows while the checks run.
pub(crate) struct Report {
    language: Language,
    home: Option<PathBuf>,
    section: Section,
    entries: Vec<Entry>,
}

impl Report {
    pub(crate) fn new(language: Language, home: Option<PathBuf>) -> Report {
        Report {
            language,
            home,
            section: Section::Module,
            entries: Vec::new(),
        }
    }

    /// What comes now belongs there.
    pub(crate) fn section(&mut self, section: Section) {
        self.section = section;
    }

    /// Is this finding in it already?
    pub(crate) fn has(&self, finding: &str) -> bool {
        self.entries.iter().any(|entry| entry.finding == finding)
    }

    /// The language of its sentences.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// Adds a finding of the doctor's own.
    pub(crate) fn add(
        &mut self,
        check: &'static str,
        severity: Severity,
        finding: Finding,
        fields: Fields<'_>,
        facts: Value,
    ) {
        let [says, next] = finding.say(self.language, fields);
        self.push(check, severity, finding.id(), says, next, facts);
    }

    /// Adds a sentence that says what to do by itself.
    pub(crate) fn phrase(
        &mut self,
        check: &'static str,
        severity: Severity,
        phrase: Phrase,
        fields: Fields<'_>,
        facts: Value,
    ) {
        let says = phrase.say(self.language, fields);
        self.push(check, severity, phrase.id(), says, String::new(), facts);
    }

    /// Adds what the module's own log would say.
    pub(crate) fn message(
        &mut self,
        check: &'static str,
        severity: Severity,
        message: &Message,
        facts: Value,
    ) {
        let parts = message.parts(self.language);
        let says = match self.language {
            Language::Japanese => format!("{}{}", parts.happened, parts.meaning),
            Language::English => format!("{} {}", parts.happened, parts.meaning),
        };
        self.push(check, severity, message.id(), says, parts.next, facts);
    }

    fn push(
        &mut self,
        check: &'static str,
        severity: Severity,
        finding: &'static str,
        says: String,
        next: String,
        facts: Value,
    ) {
        let facts = match facts {
            Value::Object(map) => map
                .into_iter()
                .map(|(name, value)| (name, self.redact_value(value)))
                .collect(),
            _ => Map::new(),
        };
        self.entries.push(Entry {
            section: self.section,
            check,
            finding,
            severity,
            says: self.redact(&says),
            next: self.redact(&next),
            facts,
        });
    }

    fn outcome(&self) -> Outcome {
        let todo = |entry: &Entry| matches!(entry.severity, Severity::Todo | Severity::Fail);
        if self.entries.iter().any(todo) {
            Outcome::Todo
        } else {
            Outcome::Fine
        }
    }

    /// Prints it and says how the program ends.
    pub(crate) fn print(&self, as_json: bool) -> Outcome {
        if as_json {
            let text = serde_json::to_string_pretty(&self.as_json()).unwrap_or_default();
            terminal::say(&text);
        } else {
            for line in self.lines() {
                terminal::say(&line);
            }
        }
        self.outcome()
    }

    fn as_json(&self) -> Value {
        let checks: Vec<Value> = self
            .entries
            .iter()
            .map(|entry| {
                json!({
                    "section": entry.section.key(),
                    "check": entry.check,
                    "finding": entry.finding,
                    "mark": entry.severity.key(),
                    "says": entry.says,
                    "next": entry.next,
                    "facts": entry.facts,
                })
            })
            .collect();
        json!({
            "format": FORMAT,
            "program": "jpki-doctor",
            "version": env!("CARGO_PKG_VERSION"),
            "language": match self.language { Language::Japanese => "ja", Language::English => "en" },
            "result": match self.outcome() { Outcome::Fine => "fine", _ => "todo" },
            "checks": checks,
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut section = None;
        for entry in &self.entries {
            if section != Some(entry.section) {
                if section.is_some() {
                    lines.push(String::new());
                }
                section = Some(entry.section);
                lines.push(entry.section.title().say(self.language, &[]));
            }
            let severity = entry.severity.word().say(self.language, &[]);
            lines.push(format!("[{severity}] {}", entry.says));
            if !entry.next.is_empty() {
                let arrow = match self.language {
                    Language::Japanese => "→",
                    Language::English => "->",
                };
                lines.push(format!("       {arrow} {}", entry.next));
            }
        }
        let end = match self.outcome() {
            Outcome::Fine => Phrase::AllFine,
            _ => Phrase::SomethingToDo,
        };
        lines.push(String::new());
        lines.push(end.say(self.language, &[]));
        lines
    }

    fn redact(&self, text: &str) -> String {
        redact(text, self.home.as_deref())
    }

    fn redact_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(&text)),
            Value::Array(all) => all.into_iter().map(|one| self.redact_value(one)).collect(),
            other => other,
        }
    }
}

impl Severity {
    fn key(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Note => "note",
            Severity::Todo => "todo",
            Severity::Fail => "fail",
        }
    }

    fn word(self) -> Phrase {
        match self {
            Severity::Ok => Phrase::MarkOk,
            Severity::Note => Phrase::MarkNote,
            Severity::Todo => Phrase::MarkTodo,
            Severity::Fail => Phrase::MarkFail,
        }
    }
}

impl Section {
    fn key(self) -> &'static str {
        match self {
            Section::Module => "module",
            Section::Programs => "programs",
            Section::Service => "service",
            Section::Cards => "cards",
            Section::Phone => "phone",
            Section::Tls => "tls",
        }
    }

    fn title(self) -> Phrase {
        match self {
            Section::Module => Phrase::SectionModule,
            Section::Programs => Phrase::SectionPrograms,
            Section::Service => Phrase::SectionService,
            Section::Cards => Phrase::SectionCards,
            Section::Phone => Phrase::SectionPhone,
            Section::Tls => Phrase::SectionTls,
        }
    }
}

/// Without the user's home folder and without a reader's serial number, which some drivers put into
/// parentheses behind its name.
pub(crate) fn redact(text: &str, home: Option<&Path>) -> String {
    let text = match home.and_then(Path::to_str) {
        Some(home) if home.len() > 1 => text.replace(home, "~"),
        _ => text.to_owned(),
    };
    let mut safe = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('(') {
        safe.push_str(before);
        safe.push('(');
        rest = after;
        let serial = |word: &str| {
            word.len() >= 5
                && word.chars().all(|c| c.is_ascii_alphanumeric())
                && word.chars().filter(char::is_ascii_digit).count() >= 4
        };
        if let Some((inside, after)) = after.split_once(')')
            && serial(inside)
        {
            safe.push_str("...)");
            rest = after;
        }
    }
    safe.push_str(rest);
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_and_serial_numbers_are_not_told() {
        let home = Some(Path::new("/home/yamada"));
        assert_eq!(redact("in /home/yamada/.pki (x)", home), "in ~/.pki (x)");
        assert_eq!(
            redact("SONY FeliCa RC-S300/P (1234567) 00 00", home),
            "SONY FeliCa RC-S300/P (...) 00 00"
        );
        assert_eq!(redact("a (b) (c", None), "a (b) (c");
        assert_eq!(redact("/home/yamada", Some(Path::new("/"))), "/home/yamada");
    }
}
