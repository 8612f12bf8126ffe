//! Settings out of a TOML file.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostic::{Diagnostic, Place, Problem};
use super::keys::{key, similar_key};
use super::values::{RawValue, Readers, shortened};
use super::{Config, MOST_COMPLAINTS};

/// Puts the settings of a file into `config`: the general part, then the part of this program.
///
/// A mistake in a value costs that value. A mistake anywhere else, in a name or a `[heading]`, costs
/// all that follows, since nobody knows to what it belongs: what stands below a broken
/// `[program.batch` must not become a setting for everybody.
pub(super) fn apply(
    config: &mut Config,
    path: &Path,
    text: &str,
    complaints: &mut Vec<Diagnostic>,
) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut broken: Vec<Broken> = errors.iter().map(|one| Broken::new(one, text)).collect();
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
    } else if let Some(end) = file.usable_end(table.get_ref()) {
        file.complain_of_syntax();
        file.complain(Some(end), Problem::RestLeftOut);
        let (table, errors) = DeTable::parse_recoverable(text.get(..end).unwrap_or_default());
        file.broken
            .extend(errors.iter().map(|one| Broken::new(one, text)));
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
    found: Vec<(usize, Diagnostic)>,
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
            // who wrote it sees the mistake now.
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
                Some(readers) => RawValue::Patterns(readers),
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

    fn is_broken(&self, value: &Range<usize>) -> bool {
        self.broken.iter().any(|one| one.is_in(value, self.text))
    }

    /// Where the line of the first mistake begins that is not in a value.
    fn usable_end(&self, table: &DeTable<'_>) -> Option<usize> {
        let mut values = Vec::new();
        if !self.broken.is_empty() {
            collect_values(table, self.text, &mut values);
        }
        let in_a_value = |one: &&Broken| values.iter().any(|value| one.is_in(value, self.text));
        let first = self.broken.iter().find(|one| !in_a_value(one))?;
        let before = self.text.get(..first.span.start)?;
        Some(before.rfind('\n').map_or(0, |at| at + 1))
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
            .push((at.unwrap_or(usize::MAX), Diagnostic { place, problem }));
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

    /// Is the mistake in this value, or behind it on its last line?
    fn is_in(&self, value: &Range<usize>, text: &str) -> bool {
        let starts_before_line_end = || {
            let between = text.get(value.end..self.span.start);
            between.is_none_or(|between| !between.contains('\n'))
        };
        value.start <= self.span.end && starts_before_line_end()
    }
}

/// The places of all values that stand behind a `=`. What a `[heading]` makes does not.
fn collect_values(table: &DeTable<'_>, text: &str, values: &mut Vec<Range<usize>>) {
    for value in table.values() {
        let span = value.span();
        let before = text.get(..span.start).unwrap_or_default();
        if before.trim_end().ends_with('=') {
            values.push(span);
        } else if let Some(table) = value.get_ref().as_table() {
            collect_values(table, text, values);
        }
    }
}

fn given(value: &Spanned<DeValue<'_>>, text: &str) -> RawValue {
    match value.get_ref() {
        DeValue::String(string) => RawValue::Text(string.to_string()),
        DeValue::Boolean(flag) => RawValue::Flag(*flag),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            RawValue::Other(text.get(value.span()).unwrap_or_default().to_owned())
        }
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
