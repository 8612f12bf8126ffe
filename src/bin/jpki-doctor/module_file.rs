//! Where the module's file is, and whether it is what it should be.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{env, fs};

use jpki_pkcs11::config::PinEntry;
use jpki_pkcs11::messages::Message;
use jpki_pkcs11::messages::doctor::Finding;
use jpki_pkcs11::pinentry::{self, Pinentry};
use jpki_pkcs11::vendor::VERSION_TEXT;
use serde_json::json;

use crate::context::Context;
use crate::report::{Report, Severity};

/// The installed name, and the name that Cargo gives.
const NAMES: [&str; 2] = ["jpki-pkcs11.so", "libjpki_pkcs11.so"];

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Is this library ours, by its name?
pub(crate) fn is_ours(library: &str) -> bool {
    let name = Path::new(library)
        .file_name()
        .and_then(|name| name.to_str());
    name.is_some_and(|name| NAMES.contains(&name))
}

/// Is this library OpenSC?
pub(crate) fn is_opensc(library: &str) -> bool {
    let name = Path::new(library)
        .file_name()
        .and_then(|name| name.to_str());
    name.is_some_and(|name| {
        name.starts_with("opensc-pkcs11.") || name.starts_with("onepin-opensc-pkcs11.")
    })
}

/// The module: the one that the user names, the one beside this program, the installed one.
pub(crate) fn find(context: &Context) -> Option<PathBuf> {
    if let Some(named) = &context.arguments.module {
        return Some(fs::canonicalize(named).unwrap_or_else(|_| named.clone()));
    }
    let beside = env::current_exe()
        .ok()
        .and_then(|program| Some(fs::canonicalize(program).ok()?.parent()?.to_owned()));
    let mut folders = Vec::new();
    if let Some(folder) = beside {
        folders.push(folder.clone());
        if let Some(prefix) = folder.parent() {
            folders.extend(library_folders(prefix));
        }
    }
    for prefix in ["/usr/local", "/usr"] {
        folders.extend(library_folders(&context.paths.system(prefix)));
    }
    folders
        .iter()
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|path| path.is_file())
        .map(|path| fs::canonicalize(&path).unwrap_or(path))
}

/// Where distributions keep PKCS#11 modules below a prefix, and where OpenSC's is besides.
fn library_folders(prefix: &Path) -> Vec<PathBuf> {
    let triplet = format!("lib/{}-linux-gnu", env::consts::ARCH);
    [triplet.as_str(), "lib64", "lib"]
        .iter()
        .flat_map(|library| [prefix.join(library).join("pkcs11"), prefix.join(library)])
        .collect()
}

/// What is wrong with a file.
enum Fault {
    Unreadable(String),
    NoModule,
}

/// Looks for the marks of a PKCS#11 module of ours in a file: the machine it is made for, the names of
/// the functions, the version.
fn examine(path: &Path) -> Result<Option<String>, Fault> {
    let file = fs::read(path).map_err(|error| Fault::Unreadable(error.to_string()))?;
    let own = own_start().unwrap_or_default();
    // ELF: magic, class and byte order, then the machine (gABI, figure 4-3). This program runs here,
    // so its own header says what fits.
    let header = |bytes: &[u8]| Some((bytes.get(..6)?.to_vec(), bytes.get(18..20)?.to_vec()));
    let fits = header(&file).is_some() && header(&file) == header(&own);
    let has = |text: &str| position(&file, text.as_bytes()).is_some();
    if !fits || !has("C_GetFunctionList") {
        return Err(Fault::NoModule);
    }
    Ok(version_in(&file))
}

/// The start of this program's own file.
fn own_start() -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    let file = fs::File::open(env::current_exe()?)?;
    file.take(64).read_to_end(&mut start)?;
    Ok(start)
}

fn version_in(file: &[u8]) -> Option<String> {
    let (before, after) = VERSION_TEXT.split_once(OWN_VERSION)?;
    let start = position(file, before.as_bytes())? + before.len();
    let rest = file.get(start..)?;
    let length = position(rest.get(..32)?, after.as_bytes())?;
    let version = std::str::from_utf8(rest.get(..length)?).ok()?;
    Some(version.to_owned())
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// Checks the module's file and the configuration. Returns the file's path.
pub(crate) fn check(context: &Context, report: &mut Report) -> Option<PathBuf> {
    let module = find(context);
    match &module {
        None => report.add(
            "module",
            Severity::Fail,
            Finding::ModuleMissing,
            &[],
            json!({}),
        ),
        Some(path) => tell(path, report),
    }
    for complaint in &context.complaints {
        let message = Message::ConfigComplaint {
            complaint: complaint.clone(),
        };
        report.message("configuration", Severity::Todo, &message, json!({}));
    }
    let config = &context.config;
    let pinentry = Pinentry::new(config.pinentry_program.clone(), config.pin_entry_timeout);
    let no_dialog = config.pin_entry == PinEntry::Dialog && !pinentry.is_installed();
    if no_dialog {
        let reason = pinentry::Error::NotFound.to_string();
        let message = Message::NoDialog { reason };
        report.message("configuration", Severity::Todo, &message, json!({}));
    }
    if context.complaints.is_empty() && !no_dialog {
        report.add(
            "configuration",
            Severity::Ok,
            Finding::ConfigFine,
            &[],
            json!({}),
        );
    }
    module
}

fn tell(path: &Path, report: &mut Report) {
    let shown = path.display().to_string();
    let mut fields = vec![("path", shown.clone())];
    let (severity, finding, version) = match examine(path) {
        Err(Fault::Unreadable(reason)) => {
            fields.push(("reason", reason));
            (Severity::Fail, Finding::ModuleUnreadable, None)
        }
        Err(Fault::NoModule) => (Severity::Fail, Finding::ModuleUnfit, None),
        Ok(version) if version.as_deref() == Some(OWN_VERSION) => {
            (Severity::Ok, Finding::ModuleFound, version)
        }
        Ok(version) => (Severity::Todo, Finding::ModuleOtherVersion, version),
    };
    fields.push(("version", version.clone().unwrap_or_else(|| "?".to_owned())));
    fields.push(("own", OWN_VERSION.to_owned()));
    let facts = json!({ "path": shown, "version": version });
    report.add("module", severity, finding, &fields, facts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_known_by_their_names() {
        assert!(is_ours("/usr/lib/x86_64-linux-gnu/pkcs11/jpki-pkcs11.so"));
        assert!(is_ours("libjpki_pkcs11.so"));
        assert!(!is_ours("/usr/lib/opensc-pkcs11.so") && is_opensc("/usr/lib/opensc-pkcs11.so"));
        assert!(!is_opensc("/opt/opensc-pkcs11/other.so"));
    }

    #[test]
    fn a_version_is_found_in_a_file() {
        let text = VERSION_TEXT.replace(OWN_VERSION, "12.3.4");
        let file = format!("\0\0xx{text}yy{}", "\0".repeat(40));
        assert_eq!(version_in(file.as_bytes()).as_deref(), Some("12.3.4"));
        assert_eq!(version_in(b"nothing"), None);
    }
}
