//! Where things live on a Linux system, in a user's home and in the system.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of this user and of the system.
pub(crate) struct Paths {
    /// The user's home.
    pub(crate) home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME` or `~/.config`.
    config: Option<PathBuf>,
    /// `$XDG_DATA_HOME` or `~/.local/share`.
    data: Option<PathBuf>,
    /// The system's root; another one for those who make a package or an image.
    root: PathBuf,
    /// Is this the superuser?
    pub(crate) superuser: bool,
}

/// A folder in which a browser keeps a list of modules.
pub(crate) struct ModuleList {
    /// `pkcs11.txt`, which may not exist yet.
    pub(crate) file: PathBuf,
    /// Exists while a browser is using it: a symbolic link that ends in the browser's process ID.
    pub(crate) locks: Vec<PathBuf>,
}

impl Paths {
    pub(crate) fn of_this_user(root: Option<PathBuf>) -> Paths {
        let folder = |name| {
            let path = PathBuf::from(std::env::var_os(name)?);
            path.is_absolute().then_some(path)
        };
        let home = folder("HOME");
        let below_home = |rest: &str| home.as_ref().map(|home| home.join(rest));
        Paths {
            config: folder("XDG_CONFIG_HOME").or_else(|| below_home(".config")),
            data: folder("XDG_DATA_HOME").or_else(|| below_home(".local/share")),
            home,
            root: root.unwrap_or_else(|| PathBuf::from("/")),
            superuser: rustix::process::geteuid().is_root(),
        }
    }

    /// A path of the system.
    pub(crate) fn system(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn in_home(&self, path: &str) -> Option<PathBuf> {
        Some(self.home.as_ref()?.join(path))
    }

    /// The module file of p11-kit for this user.
    pub(crate) fn user_p11_kit_file(&self) -> Option<PathBuf> {
        Some(
            self.config
                .as_ref()?
                .join("pkcs11/modules")
                .join(P11_KIT_FILE),
        )
    }

    /// The module file of p11-kit for all users, where an administrator puts it.
    pub(crate) fn system_p11_kit_file(&self) -> PathBuf {
        self.system("/etc/pkcs11/modules").join(P11_KIT_FILE)
    }

    /// Where p11-kit looks for module files of the system, packages' first.
    pub(crate) fn p11_kit_folders(&self) -> [PathBuf; 2] {
        ["/usr/share/p11-kit/modules", "/etc/pkcs11/modules"].map(|folder| self.system(folder))
    }

    /// All module files that p11-kit reads, those of packages first.
    pub(crate) fn p11_kit_files(&self) -> Vec<PathBuf> {
        let user = self.user_p11_kit_file();
        let folders = self
            .p11_kit_folders()
            .into_iter()
            .chain(user.and_then(|file| Some(file.parent()?.to_owned())));
        folders
            .flat_map(|folder| entries(&folder))
            .filter(|file| file.extension().is_some_and(|ending| ending == "module"))
            .collect()
    }

    /// The certificate databases of Chromium and its like. Old versions use the first, new ones the
    /// second when it exists.
    pub(crate) fn chromium(&self) -> Vec<ModuleList> {
        let old = self.in_home(".pki/nssdb");
        let new = self.data.as_ref().map(|data| data.join("pki/nssdb"));
        let locks: Vec<PathBuf> = [
            "chromium",
            "google-chrome",
            "microsoft-edge",
            "BraveSoftware/Brave-Browser",
            "vivaldi",
        ]
        .iter()
        .filter_map(|browser| Some(self.config.as_ref()?.join(browser).join("SingletonLock")))
        .collect();
        let new = new.filter(|folder| folder.is_dir());
        old.into_iter()
            .chain(new)
            .map(|folder| ModuleList {
                file: folder.join("pkcs11.txt"),
                locks: locks.clone(),
            })
            .collect()
    }

    /// Firefox's profiles: those with a list of modules, which a profile has once it was used.
    /// Firefox keeps them in `~/.mozilla`, since version 147 in `~/.config/mozilla`.
    pub(crate) fn firefox(&self) -> Vec<ModuleList> {
        let folders = [
            self.in_home(".mozilla/firefox"),
            self.config
                .as_ref()
                .map(|config| config.join("mozilla/firefox")),
        ];
        folders
            .into_iter()
            .flatten()
            .flat_map(|folder| profiles(&folder))
            .map(|profile| ModuleList {
                file: profile.join("pkcs11.txt"),
                locks: vec![profile.join("lock")],
            })
            .filter(|list| list.file.is_file())
            .collect()
    }

    /// Firefox's policies for all users: what an administrator writes, and what distributions write.
    pub(crate) fn firefox_policies(&self) -> [PathBuf; 4] {
        [
            "/etc/firefox/policies/policies.json",
            "/usr/lib/firefox/distribution/policies.json",
            "/usr/lib/firefox-esr/distribution/policies.json",
            "/usr/lib64/firefox/distribution/policies.json",
        ]
        .map(|path| self.system(path))
    }

    /// Browsers that run in a sandbox: name, kind.
    pub(crate) fn sandboxed(&self) -> Vec<(&'static str, &'static str)> {
        let here = |path: &str| self.system(path).exists();
        let at_home = |path: &str| self.in_home(path).is_some_and(|path| path.exists());
        let mut found = Vec::new();
        for (snap, name) in SNAPS {
            if here(&format!("/snap/{snap}")) || at_home(&format!("snap/{snap}")) {
                found.push((*name, "snap"));
            }
        }
        for (application, name) in FLATPAKS {
            if here(&format!("/var/lib/flatpak/app/{application}"))
                || at_home(&format!(".local/share/flatpak/app/{application}"))
                || at_home(&format!(".var/app/{application}"))
            {
                found.push((*name, "flatpak"));
            }
        }
        found
    }

    /// Is one of these programs installed?
    pub(crate) fn has_program(&self, names: &[&str]) -> bool {
        let folders = [
            "/usr/bin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/local/sbin",
            "/bin",
            "/sbin",
            "/opt/firefox",
        ];
        folders.iter().any(|folder| {
            names
                .iter()
                .any(|name| self.system(folder).join(name).exists())
        })
    }
}

/// The name of our file for p11-kit.
const P11_KIT_FILE: &str = "jpki-pkcs11.module";

const SNAPS: &[(&str, &str)] = &[("firefox", "Firefox"), ("chromium", "Chromium")];

const FLATPAKS: &[(&str, &str)] = &[
    ("org.mozilla.firefox", "Firefox"),
    ("org.chromium.Chromium", "Chromium"),
    ("com.google.Chrome", "Google Chrome"),
    ("com.brave.Browser", "Brave"),
    ("com.microsoft.Edge", "Microsoft Edge"),
    ("io.gitlab.librewolf-community", "LibreWolf"),
];

/// The profiles that `profiles.ini` names, in order.
fn profiles(folder: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(folder.join("profiles.ini")).unwrap_or_default();
    let paths = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Path="));
    // `join` with an absolute path is that path, as IsRelative=0 means it.
    paths.map(|path| folder.join(path)).collect()
}

/// What a folder holds, sorted; nothing if it is not there.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(read) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut all: Vec<PathBuf> = read.flatten().map(|entry| entry.path()).collect();
    all.sort();
    all
}
