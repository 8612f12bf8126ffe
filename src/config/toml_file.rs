//! Settings out of a TOML file. It uses the `toml` crate's spans for line numbers. It never uses a
//! value of a line that is not well written.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::complaint::{Complaint, Place, Problem};
use super::keys::{key, similar_key};
use super::values::{Given, Readers, shortened};
use super::{Config, MOST_COMPLAINTS};

/// Puts the settings of a file into `config`: the general part, then the part of this program.
pub(super) fn apply(config: &mut Config, path: &Path, text: &str, complaints: &mut Vec<Complaint>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut broken: Vec<Broken> = errors
        .iter()
        .map(|error| Broken::new(error, text))
        .collect();
    broken.sort_by_key(|one| one.span.start);
    let mut file = File {
        path,
        text,
        broken,
        found: Vec::new(),
    };

    if file.broken.len() > MOST_COMPLAINTS {
        file.complain_of_syntax();
        file.found.truncate(MOST_COMPLAINTS);
        file.complain(None, Problem::AllLeftOut);
    } else if let Some(heading) = file.broken_heading() {
        // What stands below the heading must not become a general setting.
        let (table, _) = DeTable::parse_recoverable(text.get(..heading).unwrap_or_default());
        file.complain_of_syntax();
        file.complain(Some(heading), Problem::RestLeftOut);
        file.put_all(config, table.get_ref());
    } else {
        file.complain_of_syntax();
        file.put_all(config, table.get_ref());
    }

    file.found.sort_by_key(|(at, _)| *at);
    complaints.extend(file.found.into_iter().map(|(_, complaint)| complaint));
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    broken: Vec<Broken>,
    found: Vec<(usize, Complaint)>,
}

impl File<'_> {
    fn put_all(&mut self, config: &mut Config, table: &DeTable<'_>) {
        let programs = |name: &Spanned<DeString<'_>>| name.get_ref() == PROGRAM;
        for (name, value) in table.iter().filter(|(name, _)| !programs(name)) {
            self.put(config, name, value);
        }
        for (name, value) in table.iter().filter(|(name, _)| programs(name)) {
            self.put_programs(config, name, value);
        }
    }

    fn put_programs(
        &mut self,
        config: &mut Config,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let Some(programs) = value.get_ref().as_table() else {
            return self.complain_not_a_table(name);
        };
        for (program, settings) in programs.iter() {
            let Some(settings) = settings.get_ref().as_table() else {
                self.complain_not_a_table(program);
                continue;
            };
            // Another program's part is checked as well, on a configuration that is thrown away:
            // whoever wrote it sees the mistake now.
            let mut elsewhere = Config::default();
            let ours = program.get_ref().as_ref() == config.program;
            let target = if ours { &mut *config } else { &mut elsewhere };
            for (name, value) in settings.iter() {
                self.put(target, name, value);
            }
        }
    }

    fn put(
        &mut self,
        config: &mut Config,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let Some(key) = key(name.get_ref()) else {
            let problem = Problem::UnknownKey {
                name: shortened(name.get_ref()),
                similar: similar_key(name.get_ref()),
            };
            return self.complain(Some(name.span().start), problem);
        };
        if self.is_broken(&value.span()) {
            return; // The complaint is there already.
        }
        let given = match value.get_ref().as_table() {
            Some(table) if key.name == READERS => match self.readers(table) {
                Some(readers) => Given::Patterns(readers),
                None => return,
            },
            _ => given(value, self.text),
        };
        if (key.set)(config, &given).is_none() {
            let problem = Problem::WrongValue {
                key,
                given: given.shown(),
            };
            self.complain(Some(value.span().start), problem);
        }
    }

    /// The table of `readers`; `None`: something in it is wrong, and was complained of.
    fn readers(&mut self, table: &DeTable<'_>) -> Option<Readers> {
        let mut readers = Readers::default();
        let mut right = true;
        for (name, value) in table.iter() {
            let patterns = match name.get_ref().as_ref() {
                "allow" => &mut readers.allow,
                "ignore" => &mut readers.ignore,
                _ => {
                    let problem = Problem::UnknownKey {
                        name: format!("{READERS}.{}", shortened(name.get_ref())),
                        similar: None,
                    };
                    self.complain(Some(name.span().start), problem);
                    right = false;
                    continue;
                }
            };
            match strings(value.get_ref()) {
                _ if self.is_broken(&value.span()) => right = false,
                Some(strings) => *patterns = strings,
                None => {
                    if let Some(key) = key(READERS) {
                        let given = given(value, self.text).shown();
                        let problem = Problem::WrongValue { key, given };
                        self.complain(Some(value.span().start), problem);
                    }
                    right = false;
                }
            }
        }
        right.then_some(readers)
    }

    fn is_broken(&self, span: &Range<usize>) -> bool {
        self.broken
            .iter()
            .any(|one| one.span.start <= span.end && span.start <= one.span.end)
    }

    /// Where the first line begins that is a heading and is not well written.
    fn broken_heading(&self) -> Option<usize> {
        self.broken.iter().find_map(|one| {
            let before = self.text.get(..one.span.start)?;
            let start = before.rfind('\n').map_or(0, |at| at + 1);
            self.text
                .get(start..)?
                .trim_start()
                .starts_with('[')
                .then_some(start)
        })
    }

    fn complain_of_syntax(&mut self) {
        for one in std::mem::take(&mut self.broken) {
            self.complain(Some(one.span.start), Problem::Syntax(one.what.clone()));
            self.broken.push(one);
        }
    }

    fn complain_not_a_table(&mut self, name: &Spanned<DeString<'_>>) {
        let problem = Problem::NotATable {
            name: shortened(name.get_ref()),
        };
        self.complain(Some(name.span().start), problem);
    }

    fn complain(&mut self, at: Option<usize>, problem: Problem) {
        // Lines are counted for those complaints alone that will be read.
        let line = at
            .filter(|_| self.found.len() <= MOST_COMPLAINTS)
            .map(|at| line_of(self.text, at));
        let place = Place::File {
            path: self.path.to_owned(),
            line,
        };
        self.found
            .push((at.unwrap_or(usize::MAX), Complaint { place, problem }));
    }
}

/// A spot that is not well written.
struct Broken {
    span: Range<usize>,
    what: String,
}

impl Broken {
    fn new(error: &toml::de::Error, text: &str) -> Broken {
        Broken {
            span: error.span().unwrap_or(0..text.len()),
            what: error.message().replace('\n', "; "),
        }
    }
}

fn given(value: &Spanned<DeValue<'_>>, text: &str) -> Given {
    match value.get_ref() {
        DeValue::String(string) => Given::Text(string.to_string()),
        DeValue::Boolean(flag) => Given::Flag(*flag),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => Given::Other(text.get(value.span()).unwrap_or_default().to_owned()),
    }
}

/// A list of strings; a lone string is a list of one.
fn strings(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::String(string) => Some(vec![string.to_string()]),
        DeValue::Array(array) => array
            .iter()
            .map(|one| one.get_ref().as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

/// The line, counted from 1, of a position. The end of the text belongs to the last line that has
/// something in it.
fn line_of(text: &str, at: usize) -> usize {
    let at = at.min(text.trim_end().len());
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

const PROGRAM: &str = "program";
const READERS: &str = "readers";
