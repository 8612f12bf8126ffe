//! The settings of the module: `/etc`, the user's file, the parameters of `C_Initialize`, the
//! environment. It uses std, `toml`, `rustix` and the language names of `messages`. It never fails:
//! what is wrong becomes a [`Diagnostic`] and the module works on.

mod diagnostic;
mod documentation;
mod keys;
mod program;
mod sources;
#[cfg(test)]
mod tests;
mod toml_file;
mod values;
mod words;

use std::path::PathBuf;
use std::time::Duration;

pub use diagnostic::{Diagnostic, Place, Problem};
pub use documentation::{documentation, manual};
pub use keys::{KEYS, Key, VARIABLE_PREFIX, Values, key};
pub use program::program_name;
pub use sources::Sources;
pub use values::{
    AlwaysAuthenticate, CaCertificates, Consent, ExtendedReads, LastTry, LoginState, PinEntry,
    RawValue, Readers, Slots,
};

use crate::messages::Language;
use crate::platform::system_locale;

/// The settings, each with its value. [`KEYS`] says what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Which tokens are shown; ask [`Config::slots_shown`].
    pub slots: Slots,
    /// May a login spend the last try of a PIN?
    pub last_try: LastTry,
    /// Which keys want their PIN for each signature; ask [`Config::always_authenticate_here`].
    pub always_authenticate: AlwaysAuthenticate,
    /// Where a login lives between two calls.
    pub login_state: LoginState,
    /// Are RSA-PSS mechanisms offered?
    pub pss: bool,
    /// Are SHA-1 signatures offered?
    pub sha1: bool,
    /// Are CA certificates shown; ask [`Config::ca_certificates_shown`].
    pub ca_certificates: CaCertificates,
    /// Are certificates read in few, long answers?
    pub extended_reads: ExtendedReads,
    /// Who asks for the PIN.
    pub pin_entry: PinEntry,
    /// For what the dialog asks for the signature password.
    pub consent: Consent,
    /// The program that shows the dialog; `None`: the system's pinentry.
    pub pinentry_program: Option<PathBuf>,
    /// How long the dialog waits for an answer, in whole seconds.
    pub pin_entry_timeout: Duration,
    /// Which readers are used.
    pub readers: Readers,
    /// The log's filter, in the notation of `env_logger`.
    pub log: String,
    /// Where the log goes; `None`: standard error.
    pub log_file: Option<PathBuf>,
    /// The language of messages; `None`: by locale. Ask [`Config::spoken_language`].
    pub language: Option<Language>,
    /// The name of the program's executable: not a setting, but what `auto` looks at.
    pub program: String,
}

impl Config {
    /// The configuration of this process, and what was wrong with it. `parameters` is the string in
    /// `pReserved` of `C_Initialize`.
    pub fn load(parameters: Option<&str>) -> (Config, Vec<Diagnostic>) {
        Config::from_sources(&Sources::of_this_process(parameters))
    }

    /// The configuration that these sources make.
    pub fn from_sources(sources: &Sources) -> (Config, Vec<Diagnostic>) {
        let mut config = Config {
            program: sources.program.clone(),
            ..Config::default()
        };
        let mut all = Vec::new();
        for path in &sources.files {
            let mut complaints = Vec::new();
            match sources::read(path) {
                Ok(Some(text)) => toml_file::apply(&mut config, path, &text, &mut complaints),
                Ok(None) => {}
                Err(problem) => {
                    let place = Place::File {
                        path: path.clone(),
                        line: None,
                    };
                    complaints.push(Diagnostic { place, problem });
                }
            }
            all.append(&mut a_few(complaints));
        }
        if let Some(text) = &sources.parameters {
            let mut complaints = Vec::new();
            words::apply_parameters(&mut config, text, &mut complaints);
            all.append(&mut a_few(complaints));
        }
        let mut complaints = Vec::new();
        for (name, value) in &sources.variables {
            words::apply_variable(&mut config, name, value, &mut complaints);
        }
        all.append(&mut a_few(complaints));
        if sources.privileged && config.pin_entry == PinEntry::Dialog {
            // The screen belongs to the caller, and so would the program that sees the PIN.
            config.pin_entry = PinEntry::Program;
        }
        (config, all)
    }

    /// The tokens that this program sees.
    pub fn slots_shown(&self) -> SlotsShown {
        let (auth, sign) = match self.slots {
            Slots::Auto => (true, !program::is_browser(&self.program)),
            Slots::Both => (true, true),
            Slots::Auth => (true, false),
            Slots::Sign => (false, true),
        };
        SlotsShown { auth, sign }
    }

    /// Does this program see the CA certificates?
    pub fn ca_certificates_shown(&self) -> bool {
        match self.ca_certificates {
            CaCertificates::Auto => !program::takes_all_for_own(&self.program),
            CaCertificates::On => true,
            CaCertificates::Off => false,
        }
    }

    /// Which keys want their PIN for each signature in this program: never [`AlwaysAuthenticate::Auto`] in one that
    /// does not log in for each use.
    pub fn always_authenticate_here(&self) -> AlwaysAuthenticate {
        match self.always_authenticate {
            AlwaysAuthenticate::Auto if program::logs_in_once(&self.program) => {
                AlwaysAuthenticate::No
            }
            setting => setting,
        }
    }

    /// The language to speak: the setting, else this process's locale.
    pub fn spoken_language(&self) -> Language {
        Language::detect(
            self.language,
            |name| std::env::var(name).ok(),
            system_locale,
        )
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            slots: Slots::default(),
            last_try: LastTry::default(),
            always_authenticate: AlwaysAuthenticate::default(),
            login_state: LoginState::default(),
            pss: true,
            sha1: true,
            ca_certificates: CaCertificates::default(),
            extended_reads: ExtendedReads::default(),
            pin_entry: PinEntry::default(),
            consent: Consent::default(),
            pinentry_program: None,
            pin_entry_timeout: Duration::from_secs(120),
            readers: Readers::default(),
            log: "warn".to_owned(),
            log_file: None,
            language: None,
            program: String::new(),
        }
    }
}

/// Which tokens of a reader are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotsShown {
    /// The authentication token (利用者証明用).
    pub auth: bool,
    /// The signature token (署名用).
    pub sign: bool,
}

/// The first complaints of one source, and how many there are besides.
fn a_few(mut complaints: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let more = complaints.len().saturating_sub(MOST_COMPLAINTS + 1);
    if more > 0 {
        complaints.truncate(MOST_COMPLAINTS + 1);
        let place = match complaints.last().map(|last| last.place.clone()) {
            Some(Place::File { path, .. }) => Place::File { path, line: None },
            Some(place) => place,
            None => return complaints,
        };
        complaints.push(Diagnostic {
            place,
            problem: Problem::More(more),
        });
    }
    complaints
}

/// So many complaints of one source are told; a file with more mistakes in its notation is no
/// configuration.
const MOST_COMPLAINTS: usize = 20;
