//! Which program has loaded the module, and what follows from its name.

use std::path::Path;

/// The name of the executable that this process runs, without its folder; empty when nobody can
/// tell.
pub fn program_name() -> String {
    let file_name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let name = std::env::current_exe()
        .ok()
        .and_then(|path| file_name(&path))
        .or_else(|| {
            let first = std::env::args_os().next()?;
            file_name(Path::new(&first))
        })
        .unwrap_or_default();
    plain_name(&name).to_owned()
}

/// The name without what the system adds to it: Linux marks an executable that an upgrade has
/// replaced while it runs, NixOS wraps `firefox` into `.firefox-wrapped`, and on Windows it is `firefox.exe`.
pub(super) fn plain_name(name: &str) -> &str {
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    let name = match name.rsplit_once('.') {
        Some((before, end)) if end.eq_ignore_ascii_case("exe") => before,
        _ => name,
    };
    name.strip_prefix('.')
        .and_then(|rest| rest.strip_suffix("-wrapped"))
        .unwrap_or(name)
}

/// Web browsers: they offer every certificate they see to every server that asks for one.
pub(super) fn is_browser(program: &str) -> bool {
    among(BROWSERS, program)
}

/// Does it take every certificate that it sees for one of the user's? OpenSSH makes a key of each, CA certificates too,
/// and then fails with "Too many authentication failures"; kinit wants exactly one; SSSD offers each at a login.
pub(super) fn takes_all_for_own(program: &str) -> bool {
    among(TAKE_ALL_FOR_OWN, program)
}

/// Does it fail at a key that needs its PIN for each use (`CKA_ALWAYS_AUTHENTICATE`)?
pub(super) fn logs_in_once(program: &str) -> bool {
    let is_version = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || c == '.');
    among(LOG_IN_ONCE, program)
        || INTERPRETERS
            .iter()
            .any(|name| program.strip_prefix(name).is_some_and(is_version))
}

/// In whatever case: Windows keeps what somebody typed.
fn among(names: &[&str], program: &str) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(program))
}

/// Programs that were seen to fail at the second signature of a login, or at the first one, when the key wants
/// its PIN for each (`tests/consumers/run`, docs/consumers.md).
const LOG_IN_ONCE: &[&str] = &[
    // SunPKCS11 logs in once for a token and signs no second time: `java`, and tools with a launcher of their own.
    "java",
    "javaw",
    "jarsigner",
    "keytool",
    // libp11 asks at the terminal for each use, whatever PIN it was given, and fails without one.
    "openssl",
    "osslsigncode",
    // pkcs11-helper 1.30 (Debian 13) begins the signature, makes no context login, and fails.
    "gnupg-pkcs11-scd",
    // An agent has nobody to ask.
    "ssh-agent",
    "ssh-pkcs11-helper",
];

/// Interpreters, whose names end with a version: PyKCS11 signs once for each login. python-pkcs11 and pyHanko, which
/// can log in for a use, work with and without.
const INTERPRETERS: &[&str] = &["python", "pypy"];

/// Names of executables, not of packages or start scripts: Google Chrome and most things made of
/// Chromium run as `chrome`. The scripts' names are here for builds that keep them.
const BROWSERS: &[&str] = &[
    "WebKitNetworkProcess",
    "brave",
    "brave-browser",
    "chrome",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "epiphany",
    "epiphany-browser",
    "falkon",
    "firefox",
    "firefox-beta",
    "firefox-bin",
    "firefox-dev",
    "firefox-developer-edition",
    "firefox-devedition",
    "firefox-esr",
    "firefox-nightly",
    "firefox-trunk",
    "firefox.real",
    "floorp",
    "floorp-bin",
    "google-chrome",
    "google-chrome-beta",
    "google-chrome-stable",
    "google-chrome-unstable",
    "headless_shell",
    "icecat",
    "iceweasel",
    "librewolf",
    "librewolf-bin",
    "microsoft-edge",
    "msedge",
    "mullvadbrowser",
    "mullvadbrowser.real",
    "opera",
    "opera-beta",
    "opera-developer",
    "palemoon",
    "ungoogled-chromium",
    "vivaldi",
    "vivaldi-bin",
    "vivaldi-stable",
    "waterfox",
    "waterfox-bin",
    "yandex_browser",
    "zen",
    "zen-bin",
];

const TAKE_ALL_FOR_OWN: &[&str] = &[
    "kinit",
    "kinit.mit",
    "krb5_child",
    "p11_child",
    "ssh",
    "ssh-add",
    "ssh-agent",
    "ssh-keygen",
    "ssh-pkcs11-helper",
];
