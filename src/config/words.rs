//! Settings out of the two sources that are plain words: the parameters of `C_Initialize` and the environment.

use std::ffi::OsStr;

use super::Config;
use super::diagnostic::{Diagnostic, Place, Problem};
use super::keys::{KEYS, Key, VARIABLE_PREFIX, key, similar_key};
use super::values::{RawValue, shortened};

/// Puts the settings of the parameter string into `config`. NSS hands the same string to every
/// module and has keys of its own in it; a name that is not ours and does not look like ours is
/// left alone.
pub(super) fn apply_parameters(config: &mut Config, text: &str, complaints: &mut Vec<Diagnostic>) {
    let mut complain = |problem| {
        complaints.push(Diagnostic {
            place: Place::Parameters,
            problem,
        })
    };
    for parameter in parameters(text) {
        let name = parameter.name.to_ascii_lowercase();
        match (key(&name), parameter.value) {
            (Some(key), Some(value)) => {
                if let Err(problem) = put(config, key, value) {
                    complain(problem);
                }
            }
            (Some(key), None) => complain(Problem::NoValue { key }),
            (None, _) => {
                if let Some(similar) = similar_key(&name)
                    && !NSS_NAMES.contains(&name.as_str())
                {
                    complain(Problem::UnknownKey {
                        name: shortened(&parameter.name),
                        similar: Some(similar),
                    });
                }
            }
        }
    }
}

/// Puts one environment variable into `config`, if it is ours. An empty one counts as not set.
pub(super) fn apply_variable(
    config: &mut Config,
    name: &OsStr,
    value: &OsStr,
    complaints: &mut Vec<Diagnostic>,
) {
    let Some(name) = name.to_str() else { return };
    let Some(ours) = name.strip_prefix(VARIABLE_PREFIX) else {
        return;
    };
    if value.is_empty() {
        return;
    }
    let found = KEYS
        .iter()
        .find(|key| key.name.to_ascii_uppercase() == ours);
    let outcome = match (found, value.to_str()) {
        (Some(key), Some(value)) => put(config, key, value.to_owned()),
        (Some(_), None) => Err(Problem::NotUtf8),
        (None, _) => Err(Problem::UnknownKey {
            name: shortened(&ours.to_ascii_lowercase()),
            similar: similar_key(ours),
        }),
    };
    if let Err(problem) = outcome {
        let place = Place::Variable(shortened(name));
        complaints.push(Diagnostic { place, problem });
    }
}

fn put(config: &mut Config, key: &'static Key, value: String) -> Result<(), Problem> {
    let given = RawValue::Text(value);
    (key.set)(config, &given).ok_or_else(|| Problem::WrongValue {
        key,
        given: given.shown(),
    })
}

/// One `name=value`.
struct Parameter {
    name: String,
    /// `None`: there is no `=`, or a quote that was opened is not closed.
    value: Option<String>,
}

/// Splits `name=value name="value with blanks"`. As in NSS, quotes are `'`, `"` and the four kinds
/// of brackets, and a backslash inside them takes the next character as it is; brackets may hold
/// parameters of their own, which are not ours.
fn parameters(text: &str) -> Vec<Parameter> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return found;
        }
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| !c.is_whitespace() && *c != '=') {
            name.push(c);
        }
        let value = match rest.next_if_eq(&'=') {
            Some(_) => value(&mut rest),
            None => None,
        };
        found.push(Parameter { name, value });
    }
}

fn value(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut value = String::new();
    let close = rest.peek().and_then(|open| {
        let (_, close) = QUOTES.iter().find(|(quote, _)| quote == open)?;
        Some(*close)
    });
    let Some(close) = close else {
        while let Some(c) = rest.next_if(|c| !c.is_whitespace()) {
            value.push(c);
        }
        return Some(value);
    };
    let open = rest.next()?;
    let mut depth = 1;
    loop {
        match rest.next()? {
            '\\' => value.push(rest.next()?),
            c if c == close => {
                depth -= 1;
                if depth == 0 {
                    return Some(value);
                }
                value.push(c);
            }
            c => {
                // Brackets nest, quotes do not: there `open` and `close` are the same.
                depth += usize::from(c == open);
                value.push(c);
            }
        }
    }
}

const QUOTES: [(char, char); 6] = [
    ('\'', '\''),
    ('"', '"'),
    ('(', ')'),
    ('{', '}'),
    ('[', ']'),
    ('<', '>'),
];

/// Names that NSS uses and that look like ours (`NSS=`, and our `pss`).
const NSS_NAMES: &[&str] = &["nss"];
