//! Sets up programs for the module and undoes it. It changes p11-kit's module files, NSS's lists of modules and
//! Firefox's policies.

mod change;
pub(crate) mod nss;
pub(crate) mod policies;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jpki_pkcs11::messages::doctor::{Finding, Phrase};

use crate::arguments::Target;
use crate::context::{Context, Outcome};
use crate::paths::ModuleList;
use crate::{module_file, terminal};
use change::Changes;

/// One run of `register` or `unregister`.
struct Work<'a> {
    context: &'a Context,
    changes: Changes,
    /// The module; `None`: unregister.
    module: Option<String>,
    /// Were these targets named? Then one that is not there is worth a complaint.
    named: bool,
}

/// Registers or unregisters.
pub(crate) fn run(context: &Context, targets: &[Target], register: bool) -> Outcome {
    let language = context.arguments.language;
    let module = if register {
        let found = module_file::find(context);
        let found = found.filter(|path| path.is_file() || inside(context, path).is_file());
        let Some(path) = found.and_then(|path| Some(path.to_str()?.to_owned())) else {
            terminal::complain(&Finding::ModuleMissing.say(language, &[]).join(" "));
            return Outcome::Todo;
        };
        Some(path)
    } else {
        None
    };
    let mut work = Work {
        context,
        changes: Changes::new(language, context.arguments.dry_run),
        module,
        named: targets.len() < Target::ALL.len(),
    };
    for target in targets {
        match (target, context.arguments.system) {
            (Target::P11Kit, false) => work.p11_kit(context.paths.user_p11_kit_file()),
            (Target::P11Kit, true) => work.p11_kit(Some(context.paths.system_p11_kit_file())),
            (Target::Firefox, false) => work.firefox(),
            (Target::Firefox, true) => work.policy(),
            (Target::Chromium, false) => work.chromium(),
            (Target::Chromium, true) => {
                if work.named {
                    work.trouble(Phrase::NoSystemWide, Target::Chromium, Path::new(""));
                }
            }
        }
    }
    if work.changes.made && !work.changes.trouble && !work.changes.is_dry_run() {
        work.changes.say(Phrase::StartAgain, &[]);
    }
    if work.changes.trouble {
        Outcome::Todo
    } else {
        Outcome::Fine
    }
}

/// The module's path in the system that `--root` names: what is written down there is the path
/// that it has once that system runs.
fn inside(context: &Context, path: &Path) -> PathBuf {
    context.paths.system(&path.to_string_lossy())
}

impl Work<'_> {
    fn fields(&self, target: Target, file: &Path) -> [(&'static str, String); 2] {
        let place = target.place().say(self.context.arguments.language, &[]);
        [("place", place), ("file", file.display().to_string())]
    }

    fn trouble(&mut self, phrase: Phrase, target: Target, file: &Path) {
        let fields = self.fields(target, file);
        self.changes.trouble(phrase, &fields);
    }

    fn unchanged(&self, target: Target, file: &Path) {
        let phrase = match self.module {
            Some(_) => Phrase::AlreadyRegistered,
            None => Phrase::NotRegisteredHere,
        };
        self.changes.say(phrase, &self.fields(target, file));
    }

    fn p11_kit(&mut self, file: Option<PathBuf>) {
        let target = Target::P11Kit;
        let Some(file) = file else {
            return self.trouble(Phrase::NoProfile, target, Path::new("~"));
        };
        // The file of a package serves everybody already.
        let [packaged, ..] = self.context.paths.p11_kit_folders();
        let packaged = packaged.join(file.file_name().unwrap_or_default());
        if self.module.is_some() && packaged.is_file() && !file.exists() {
            return self.unchanged(target, &packaged);
        }
        let before = fs::read_to_string(&file).ok();
        let after = self
            .module
            .as_ref()
            .map(|module| format!("# Written by jpki-doctor register\nmodule: {module}\n"));
        match after {
            _ if before == after => self.unchanged(target, &file),
            Some(text) => self.changes.write(&file, &text, 0o644),
            // Our own file in our own name; `modules` and `pkcs11` go too if nothing else is there.
            None => self.changes.remove(&file, 2),
        }
    }

    fn firefox(&mut self) {
        let lists = self.context.paths.firefox();
        let installed = self.context.paths.has_program(&["firefox", "firefox-esr"]);
        if lists.is_empty() && self.module.is_some() && (self.named || installed) {
            self.trouble(Phrase::NoProfile, Target::Firefox, Path::new(""));
        }
        for list in lists {
            self.list(Target::Firefox, &list);
        }
    }

    fn chromium(&mut self) {
        let lists = self.context.paths.chromium();
        if !lists.iter().any(|list| list.file.exists()) {
            match lists.first() {
                Some(first) if self.module.is_some() => self.new_database(&first.file),
                _ => return,
            }
        }
        for list in lists.iter().filter(|list| list.file.exists()) {
            self.list(Target::Chromium, list);
        }
    }

    /// Chromium makes its database at the first start; before that NSS's own tool does.
    fn new_database(&mut self, file: &Path) {
        let browsers = [
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
            "microsoft-edge",
            "brave-browser",
            "vivaldi",
        ];
        if !self.named && !self.context.paths.has_program(&browsers) {
            return;
        }
        let Some(folder) = file.parent() else { return };
        if self.changes.is_dry_run() {
            self.changes.write(file, "", 0o600);
            return;
        }
        let made = fs::create_dir_all(folder).and_then(|()| {
            Command::new("certutil")
                .arg("-N")
                .arg("--empty-password")
                .arg("-d")
                .arg(format!("sql:{}", folder.display()))
                .output()
        });
        match made {
            Ok(output) if output.status.success() => {
                let fields = [("path", folder.display().to_string())];
                self.changes.say(Phrase::Created, &fields);
            }
            _ => self.trouble(Phrase::NoDatabaseTool, Target::Chromium, file),
        }
    }

    /// A list of modules of NSS.
    fn list(&mut self, target: Target, list: &ModuleList) {
        let before = match fs::read_to_string(&list.file) {
            Ok(text) => text,
            Err(error) => {
                let path = list.file.display().to_string();
                let fields = [("path", path), ("reason", error.to_string())];
                return self.changes.trouble(Phrase::FileTrouble, &fields);
            }
        };
        let after = match &self.module {
            Some(module) => nss::with(&before, module),
            None => nss::without(&before),
        };
        match after {
            None => {
                let fields = [("path", list.file.display().to_string())];
                self.changes.trouble(Phrase::NotUnderstoodFile, &fields);
            }
            Some(after) if after == before => self.unchanged(target, &list.file),
            Some(_) if list.locks.iter().any(|lock| is_held(lock)) => {
                self.trouble(Phrase::BrowserRunning, target, &list.file);
            }
            Some(after) => self.changes.write(&list.file, &after, 0o600),
        }
    }

    fn policy(&mut self) {
        let target = Target::Firefox;
        let [file, ..] = self.context.paths.firefox_policies();
        let before = fs::read_to_string(&file).ok();
        let after = match (&self.module, &before) {
            (Some(module), _) => policies::with(before.as_deref(), module),
            (None, Some(before)) => policies::without(before),
            (None, None) => return self.unchanged(target, &file),
        };
        match after {
            None => {
                let fields = [("path", file.display().to_string())];
                self.changes.trouble(Phrase::NotUnderstoodFile, &fields);
            }
            after if after == before => self.unchanged(target, &file),
            Some(after) if after.is_empty() => self.changes.remove(&file, 2),
            Some(after) => self.changes.write(&file, &after, 0o644),
        }
    }
}

/// Is a browser running with this lock? Firefox's link says `127.0.1.1:+PID`, Chromium's `HOST-PID`.
fn is_held(lock: &Path) -> bool {
    let Ok(target) = fs::read_link(lock) else {
        return false;
    };
    let target = target.to_string_lossy().into_owned();
    let digits = target.rsplit(|c: char| !c.is_ascii_digit()).next();
    let process = digits.and_then(|digits| digits.parse::<i32>().ok());
    let process = process.and_then(rustix::process::Pid::from_raw);
    // A browser that crashed leaves its link behind.
    process.is_some_and(|process| {
        !matches!(
            rustix::process::test_kill_process(process),
            Err(rustix::io::Errno::SRCH)
        )
    })
}
