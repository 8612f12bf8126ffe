//! The command line.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use jpki_pkcs11::card::files::Role;
use jpki_pkcs11::messages::Language;
use jpki_pkcs11::messages::doctor::Phrase;
use lexopt::Arg::{Long, Short, Value};
use lexopt::{Parser, ValueExt};

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) task: Task,
    pub(crate) language: Language,
    pub(crate) json: bool,
    pub(crate) module: Option<PathBuf>,
    pub(crate) reader: Option<String>,
    pub(crate) system: bool,
    pub(crate) root: Option<PathBuf>,
    pub(crate) dry_run: bool,
    pub(crate) verbose: bool,
}

pub(crate) enum Task {
    CheckUp {
        sign_test: Option<Role>,
    },
    Tls {
        host: String,
        port: u16,
    },
    Register(Vec<Target>),
    Unregister(Vec<Target>),
    CheckPin(Role),
    ChangePin(Role),
    SshPubkey,
    /// Examine the card and make a file of it.
    Report {
        with_pin: bool,
        output: Option<PathBuf>,
    },
    Watch {
        seconds: Option<u64>,
    },
    Phone {
        way: Way,
        program: Vec<String>,
    },
    /// A part of `Phone`, inside the namespaces of its service.
    PhoneRelay,
    Help,
    Version,
}

/// How the phone is to reach this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    Usb,
    /// The phone forwards a port of its own to the socket.
    Ssh,
    /// This computer's address in a tunnel.
    Address(IpAddr),
}

/// The options and words as they came, before anybody asks whether they go together.
#[derive(Default)]
struct Raw {
    words: Vec<String>,
    language: Option<Language>,
    sign_test: Option<Role>,
    seconds: Option<u64>,
    json: bool,
    module: Option<PathBuf>,
    reader: Option<String>,
    system: bool,
    root: Option<PathBuf>,
    wireless: Option<String>,
    dry_run: bool,
    no_pin: bool,
    output: Option<PathBuf>,
    verbose: bool,
    help: bool,
    version: bool,
}

/// Understands a command line, its first word being the program.
///
/// # Errors
/// The complaint for the user.
pub(crate) fn parse(
    words: impl IntoIterator<Item = OsString>,
    by_locale: Language,
) -> Result<Arguments, String> {
    let mut raw = Raw::default();
    let read = raw.read(Parser::from_iter(words));
    let language = raw.language.unwrap_or(by_locale);
    let task = read
        .map_err(|word| (Phrase::UsageUnknown, word))
        .and_then(|()| raw.task());
    Ok(Arguments {
        task: task.map_err(|(phrase, word)| phrase.say(language, &[("word", word)]))?,
        language,
        json: raw.json,
        module: raw.module,
        reader: raw.reader,
        system: raw.system,
        root: raw.root,
        dry_run: raw.dry_run,
        verbose: raw.verbose,
    })
}

impl Raw {
    /// # Errors
    /// The word that is not understood.
    fn read(&mut self, mut parser: Parser) -> Result<(), String> {
        let text = |error: lexopt::Error| error.to_string();
        while let Some(argument) = parser.next().map_err(text)? {
            match argument {
                Long("lang") => {
                    self.language = Some(match value(&mut parser)?.as_str() {
                        "ja" => Language::Japanese,
                        "en" => Language::English,
                        other => return Err(other.to_owned()),
                    });
                }
                Long("sign-test") => {
                    self.sign_test = Some(match parser.optional_value() {
                        None => Role::Authentication,
                        Some(word) => role(&word.to_string_lossy())
                            .ok_or_else(|| word.to_string_lossy().into_owned())?,
                    });
                }
                Long("for") => {
                    let seconds = value(&mut parser)?;
                    self.seconds = Some(seconds.parse().map_err(|_| seconds)?);
                }
                Long("json") => self.json = true,
                Long("module") => self.module = Some(parser.value().map_err(text)?.into()),
                Long("reader") => self.reader = Some(value(&mut parser)?),
                Long("system") => self.system = true,
                Long("root") => self.root = Some(parser.value().map_err(text)?.into()),
                Long("wireless") => self.wireless = Some(value(&mut parser)?),
                Long("no-pin") => self.no_pin = true,
                Long("output") => self.output = Some(parser.value().map_err(text)?.into()),
                Long("dry-run") => self.dry_run = true,
                Short('v') | Long("verbose") => self.verbose = true,
                Short('h') | Long("help") => self.help = true,
                Long("version") => self.version = true,
                Value(word) => self.words.push(word.to_string_lossy().into_owned()),
                Short(_) | Long(_) => return Err(argument.unexpected().to_string()),
            }
        }
        Ok(())
    }

    fn task(&self) -> Result<Task, (Phrase, String)> {
        if self.help {
            return Ok(Task::Help);
        }
        if self.version {
            return Ok(Task::Version);
        }
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let task = match *words.as_slice() {
            [] => Task::CheckUp {
                sign_test: self.sign_test,
            },
            ["tls", site] => host_and_port(site)
                .map(|(host, port)| Task::Tls { host, port })
                .ok_or((Phrase::UsageUnknown, site.to_owned()))?,
            ["tls"] => return Err((Phrase::UsageNeedsHost, String::new())),
            ["register", ref what @ ..] => Task::Register(targets(what)?),
            ["unregister", ref what @ ..] => Task::Unregister(targets(what)?),
            ["check-pin", which] => Task::CheckPin(role_word("check-pin", which)?),
            ["change-pin", which] => Task::ChangePin(role_word("change-pin", which)?),
            [word @ ("check-pin" | "change-pin")] => {
                return Err((Phrase::UsageNeedsToken, word.to_owned()));
            }
            ["ssh-pubkey"] => Task::SshPubkey,
            ["report"] => Task::Report {
                with_pin: !self.no_pin,
                output: self.output.clone(),
            },
            ["watch"] => Task::Watch {
                seconds: self.seconds,
            },
            ["phone", ref program @ ..] => Task::Phone {
                way: self.way()?,
                program: program.iter().map(|&word| word.to_owned()).collect(),
            },
            ["phone-relay"] => Task::PhoneRelay,
            ["help"] => Task::Help,
            ref words => return Err((Phrase::UsageUnknown, words.join(" "))),
        };
        // An option that would be silently without effect is a mistake of the user's.
        let (check_up, report, watch, phone, registers) = (
            matches!(task, Task::CheckUp { .. }),
            matches!(task, Task::Report { .. }),
            matches!(task, Task::Watch { .. }),
            matches!(task, Task::Phone { .. }),
            matches!(task, Task::Register(_) | Task::Unregister(_)),
        );
        let misplaced = [
            ("--sign-test", self.sign_test.is_some() && !check_up),
            ("--no-pin", self.no_pin && !report),
            ("--output", self.output.is_some() && !report),
            ("--for", self.seconds.is_some() && !watch),
            (
                "--json",
                self.json
                    && !(check_up || phone && self.dry_run || matches!(task, Task::Tls { .. })),
            ),
            ("--system", self.system && !registers),
            ("--dry-run", self.dry_run && !registers && !phone),
            ("--wireless", self.wireless.is_some() && !phone),
            ("--root", self.root.is_some() && !(registers && self.system)),
        ];
        match misplaced.iter().find(|(_, wrong)| *wrong) {
            Some((option, _)) => Err((Phrase::UsageUnknown, (*option).to_owned())),
            None => Ok(task),
        }
    }
}

impl Raw {
    /// How a phone is to reach this computer.
    fn way(&self) -> Result<Way, (Phrase, String)> {
        match self.wireless.as_deref() {
            None => Ok(Way::Usb),
            Some("ssh") => Ok(Way::Ssh),
            Some(word) => match word.parse() {
                Ok(address) => Ok(Way::Address(address)),
                Err(_) => Err((Phrase::UsageNeedsWay, word.to_owned())),
            },
        }
    }
}

fn value(parser: &mut Parser) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.string().map_err(|error| error.to_string())
}

fn role(word: &str) -> Option<Role> {
    match word {
        "auth" => Some(Role::Authentication),
        "sign" => Some(Role::Signature),
        _ => None,
    }
}

fn role_word(command: &str, word: &str) -> Result<Role, (Phrase, String)> {
    role(word).ok_or_else(|| (Phrase::UsageNeedsToken, command.to_owned()))
}

fn targets(words: &[&str]) -> Result<Vec<Target>, (Phrase, String)> {
    if words.is_empty() {
        return Ok(Target::ALL.to_vec());
    }
    words
        .iter()
        .map(|word| match *word {
            "firefox" => Ok(Target::Firefox),
            "chromium" => Ok(Target::Chromium),
            "p11-kit" => Ok(Target::P11Kit),
            other => Err((Phrase::UsageUnknown, other.to_owned())),
        })
        .collect()
}

/// `HOST`, `HOST:PORT`, `[V6]:PORT`, with or without `https://` and a path.
fn host_and_port(site: &str) -> Option<(String, u16)> {
    let site = site.strip_prefix("https://").unwrap_or(site);
    let site = site.split('/').next()?;
    let (host, port) = if let Some(rest) = site.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        (host, rest.strip_prefix(':'))
    } else {
        match site.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (site, None),
        }
    };
    let port = port.map_or(Some(443), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn sites_are_understood_as_people_paste_them() {
        let site = |text| host_and_port(text);
        let found = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(site("example.jp"), found("example.jp", 443));
        assert_eq!(site("example.jp:8443"), found("example.jp", 8443));
        assert_eq!(site("https://example.jp/a?b"), found("example.jp", 443));
        assert_eq!(site("[::1]:44"), found("::1", 44));
        assert_eq!(site("[::1]"), found("::1", 443));
        assert_eq!(site(":443"), None);
        assert_eq!(site("example.jp:x"), None);
    }
}

/// What can be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    P11Kit,
    Chromium,
    Firefox,
}

impl Target {
    pub(crate) const ALL: [Target; 3] = [Target::P11Kit, Target::Chromium, Target::Firefox];

    /// Its name for people.
    pub(crate) fn place(self) -> Phrase {
        match self {
            Target::P11Kit => Phrase::PlaceP11Kit,
            Target::Chromium => Phrase::PlaceChromium,
            Target::Firefox => Phrase::PlaceFirefox,
        }
    }
}
