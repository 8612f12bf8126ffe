//! `jpki-doctor`: is everything right with the My Number card on this computer, and what is to be done if not? The
//! module itself is not loaded, no PIN is asked for unless the command says so, and no personal data are printed.
#![forbid(unsafe_code)]

mod arguments;
mod checks;
mod commands;
mod context;
mod examination;
mod module_file;
mod paths;
mod phone;
mod pins;
mod readers;
mod register;
mod report;
mod service;
mod ssh;
mod terminal;
mod tls;
mod watch;

use std::process::ExitCode;

use arguments::Task;
use context::{Context, Outcome};
use jpki_pkcs11::config::Config;
use jpki_pkcs11::messages::doctor::Phrase;
use paths::Paths;
use report::{Report, Section};

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
    let context = Context {
        complaints: complaints.iter().map(|one| one.text(language)).collect(),
        paths: Paths::of_this_user(arguments.root.clone()),
        arguments,
        config,
    };
    run(&context).into()
}

/// Does what the command line says.
fn run(context: &Context) -> Outcome {
    let language = context.arguments.language;
    match &context.arguments.task {
        Task::Help => {
            terminal::say(Phrase::Usage.say(language, &[]).trim_end());
            Outcome::Fine
        }
        Task::Version => {
            terminal::say(concat!("jpki-doctor ", env!("CARGO_PKG_VERSION")));
            Outcome::Fine
        }
        Task::CheckUp { sign_test } => {
            let mut report = Report::new(language, context.paths.home.clone());
            report.section(Section::Module);
            let module = module_file::check(context, &mut report);
            report.section(Section::Programs);
            checks::programs::check(context, module.as_deref(), &mut report);
            report.section(Section::Service);
            let readers = service::check(&mut report);
            phone::port::check(&mut report);
            if let Some(readers) = readers {
                report.section(Section::Cards);
                checks::cards::check(context, &readers, &mut report);
            }
            if let Some(role) = *sign_test {
                report.section(Section::Cards);
                pins::sign_test::run(context, role, &mut report);
            }
            report.print(context.arguments.json)
        }
        Task::Tls { host, port } => {
            let mut report = Report::new(language, context.paths.home.clone());
            report.section(Section::Tls);
            tls::check(context, host, *port, &mut report);
            report.print(context.arguments.json)
        }
        Task::Register(targets) => register::run(context, targets, true),
        Task::Unregister(targets) => register::run(context, targets, false),
        Task::CheckPin(role) => pins::check(context, *role),
        Task::ChangePin(role) => pins::change(context, *role),
        Task::SshPubkey => ssh::public_key(context),
        Task::Report { with_pin, output } => {
            examination::run(context, *with_pin, output.as_deref())
        }
        Task::Watch { seconds } => watch::run(context, *seconds),
        Task::Phone { way, program } => phone::run(context, way, program),
        Task::PhoneRelay => phone::relay_inside(language),
    }
}
