//! `jpki-doctor`: is everything right with the My Number card on this computer, and what is to be
//! done if not? It uses the lower floors of the module (`card`, `transport`, `pin`, `config`, `messages`).
//! It never loads the module itself, never asks for a PIN unless told to, and prints no personal data.
#![forbid(unsafe_code)]

mod arguments;
mod cards;
mod change;
mod dates;
mod handshake;
mod module_file;
mod nss;
mod pins;
mod places;
mod policies;
mod programs;
mod readers;
mod register;
mod report;
mod service;
mod sign_test;
mod ssh;
mod terminal;
mod tls;
mod watch;

use std::process::ExitCode;

use arguments::{Arguments, Task};
use jpki_pkcs11::config::Config;
use jpki_pkcs11::messages::doctor::Phrase;
use places::Places;
use report::{Report, Section};

/// What every task may look at.
struct Doctor {
    arguments: Arguments,
    config: Config,
    complaints: Vec<String>,
    places: Places,
}

/// How a task ended: the exit status of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing to do.
    Fine,
    /// The user has something to do.
    Todo,
    /// The command line is wrong.
    Usage,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Todo => 1,
            Outcome::Usage => 2,
        })
    }
}

fn main() -> ExitCode {
    let (config, complaints) = Config::load(None);
    let arguments = match arguments::parse(std::env::args_os(), config.spoken_language()) {
        Ok(arguments) => arguments,
        Err(complaint) => {
            terminal::complain(&complaint);
            return Outcome::Usage.into();
        }
    };
    if arguments.verbose {
        // A second logger cannot be there: this is the start of the program.
        let _ = env_logger::Builder::new()
            .parse_filters("warn,jpki_pkcs11=debug")
            .try_init();
    }
    let language = arguments.language;
    let doctor = Doctor {
        complaints: complaints.iter().map(|one| one.text(language)).collect(),
        places: Places::of_this_user(arguments.root.clone()),
        arguments,
        config,
    };
    doctor.run().into()
}

impl Doctor {
    fn run(&self) -> Outcome {
        let language = self.arguments.language;
        match &self.arguments.task {
            Task::Help => {
                terminal::say(Phrase::Usage.say(language, &[]).trim_end());
                Outcome::Fine
            }
            Task::Version => {
                terminal::say(concat!("jpki-doctor ", env!("CARGO_PKG_VERSION")));
                Outcome::Fine
            }
            Task::CheckUp { sign_test } => {
                let mut report = Report::new(language, self.places.home.clone());
                report.section(Section::Module);
                let module = module_file::check(self, &mut report);
                report.section(Section::Programs);
                programs::check(self, module.as_deref(), &mut report);
                report.section(Section::Service);
                if let Some(readers) = service::check(&mut report) {
                    report.section(Section::Cards);
                    cards::check(self, &readers, &mut report);
                }
                if let Some(role) = *sign_test {
                    report.section(Section::Cards);
                    sign_test::run(self, role, &mut report);
                }
                report.print(self.arguments.json)
            }
            Task::Tls { host, port } => {
                let mut report = Report::new(language, self.places.home.clone());
                report.section(Section::Tls);
                tls::check(self, host, *port, &mut report);
                report.print(self.arguments.json)
            }
            Task::Register(targets) => register::run(self, targets, true),
            Task::Unregister(targets) => register::run(self, targets, false),
            Task::CheckPin(role) => pins::check(self, *role),
            Task::ChangePin(role) => pins::change(self, *role),
            Task::SshPubkey => ssh::public_key(self),
            Task::Watch { seconds } => watch::run(self, *seconds),
        }
    }
}
