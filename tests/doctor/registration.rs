//! `register` and `unregister` in a private home and a private system: done twice nothing more happens,
//! undone nothing is left. NSS's and p11-kit's own tools say whether the module is loaded.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{DOCTOR, Doctor, Folder};

const LIST: &str = "library=\nname=NSS Internal PKCS #11 Module\nparameters=configdir='sql:x' flags= \nNSS=Flags=internal\n\nlibrary=/usr/lib/opensc-pkcs11.so\nname=OpenSC\n\n";

const PROFILE: &str = ".config/mozilla/firefox/abc.default";
const OLD_PROFILE: &str = ".mozilla/firefox/old.default";

fn module() -> PathBuf {
    Path::new(DOCTOR).with_file_name("libjpki_pkcs11.so")
}

/// A home with two profiles of Firefox and Chromium's database.
fn furnished() -> Doctor<'static> {
    let doctor = Doctor::new(None);
    let home = &doctor.home;
    home.write(
        ".config/mozilla/firefox/profiles.ini",
        "[Profile0]\nIsRelative=1\nPath=abc.default\n",
    );
    home.write(
        ".mozilla/firefox/profiles.ini",
        "[Profile0]\nPath=old.default\n",
    );
    for list in [PROFILE, OLD_PROFILE, ".pki/nssdb"] {
        home.write(&format!("{list}/pkcs11.txt"), LIST);
    }
    let list = home.path().join(PROFILE).join("pkcs11.txt");
    std::fs::set_permissions(list, std::fs::Permissions::from_mode(0o600)).unwrap();
    doctor
}

#[test]
fn everything_is_registered_once_and_undone_without_a_trace() {
    let doctor = furnished();
    let before = doctor.home.tree();

    let (text, status) = doctor.text(&["register", "--dry-run"]);
    assert_eq!(
        (status, text.matches("would change").count()),
        (0, 3),
        "{text}"
    );
    assert_eq!(doctor.home.tree(), before, "a dry run changes nothing");

    // Where the package is installed, p11-kit knows the module already.
    let packaged = Path::new("/usr/share/p11-kit/modules/jpki-pkcs11.module").exists();
    let (text, status) = doctor.text(&["register"]);
    assert_eq!(status, 0, "{text}");
    assert_eq!(
        text.matches("changed: ").count() + text.matches("created: ").count(),
        if packaged { 3 } else { 4 },
        "{text}"
    );
    let registered = doctor.home.tree();
    let library = format!("library={}\n", module().canonicalize().unwrap().display());
    for list in [PROFILE, OLD_PROFILE, ".pki/nssdb"] {
        let text = doctor.home.read(&format!("{list}/pkcs11.txt"));
        assert!(text.starts_with(LIST) && text.contains(&library), "{text}");
    }
    let mode = std::fs::metadata(doctor.home.path().join(PROFILE).join("pkcs11.txt"));
    assert_eq!(mode.unwrap().permissions().mode() & 0o777, 0o600);

    let (text, status) = doctor.text(&["register", "--lang", "ja"]);
    assert_eq!(
        (status, text.matches("登録済みです").count()),
        (0, 4),
        "{text}"
    );
    assert_eq!(doctor.home.tree(), registered);

    let (report, _) = doctor.json(&[]);
    let lines = report["checks"].as_array().unwrap().iter();
    let found = |finding: &str| {
        lines
            .clone()
            .filter(|line| line["finding"] == finding)
            .count()
    };
    // Root's own file is not read by p11-kit, and the doctor says so.
    assert!(
        found("registered") >= 3 && found("registered-nowhere") == 0,
        "{report}"
    );
    // One more where p11-kit has OpenSC.
    assert!(found("opensc-beside") >= 3, "{report}");

    assert_eq!(doctor.text(&["unregister"]).1, 0);
    assert_eq!(doctor.home.tree(), before);
    assert_eq!(doctor.text(&["unregister"]).1, 0);
    assert_eq!(doctor.home.tree(), before);
}

#[test]
fn a_list_of_a_running_browser_is_left_alone() {
    let doctor = furnished();
    let before = doctor.home.tree();
    let lock = doctor.home.path().join(PROFILE).join("lock");
    symlink(format!("127.0.1.1:+{}", std::process::id()), &lock).unwrap();
    let output = doctor.run(&["register", "firefox"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("is running")
    );
    assert_eq!(doctor.home.read(&format!("{PROFILE}/pkcs11.txt")), LIST);
    assert_ne!(doctor.home.read(&format!("{OLD_PROFILE}/pkcs11.txt")), LIST);
    assert_eq!(doctor.text(&["unregister", "firefox"]).1, 0);

    // What a crash leaves behind holds nothing; no process has this number.
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(doctor.home.tree(), before);
    symlink("127.0.1.1:+999999999", &lock).unwrap();
    assert_eq!(doctor.text(&["register", "firefox"]).1, 0);
}

#[test]
fn a_file_that_is_not_understood_is_left_alone() {
    let doctor = furnished();
    doctor.home.write(".pki/nssdb/pkcs11.txt", "what is this\n");
    let before = doctor.home.tree();
    assert_eq!(doctor.text(&["register", "chromium"]).1, 1);
    assert_eq!(doctor.home.tree(), before);
}

/// People keep such files elsewhere, under version control.
#[test]
fn symbolic_link_stays_one() {
    let doctor = furnished();
    let list = doctor.home.path().join(PROFILE).join("pkcs11.txt");
    let kept = "dotfiles/pkcs11.txt";
    doctor.home.write(kept, LIST);
    std::fs::remove_file(&list).unwrap();
    symlink(doctor.home.path().join(kept), &list).unwrap();
    for (verb, changed) in [("register", true), ("unregister", false)] {
        assert_eq!(doctor.text(&[verb, "firefox"]).1, 0);
        assert!(list.is_symlink(), "{verb}");
        assert_eq!(doctor.home.read(kept) != LIST, changed, "{verb}");
    }
}

#[test]
fn all_users_of_a_system_under_a_folder() {
    let doctor = Doctor::new(None);
    let system = Folder::new();
    let policies = "etc/firefox/policies/policies.json";
    system.write(
        policies,
        "{\n  \"policies\": {\n    \"DisableTelemetry\": true\n  }\n}\n",
    );
    system.write("usr/lib/pkcs11/jpki-pkcs11.so", "");
    let before = system.tree();
    let root = system.path().to_str().unwrap();
    let place = [
        "--system",
        "--root",
        root,
        "--module",
        "/usr/lib/pkcs11/jpki-pkcs11.so",
    ];
    for _ in 0..2 {
        let (text, status) =
            doctor.text(&[&["register", "firefox", "p11-kit"][..], &place].concat());
        assert_eq!(status, 0, "{text}");
        let policy: serde_json::Value = serde_json::from_str(&system.read(policies)).unwrap();
        let devices = &policy["policies"]["SecurityDevices"]["Add"];
        assert_eq!(
            devices["JPKI My Number Card"],
            "/usr/lib/pkcs11/jpki-pkcs11.so"
        );
        let file = system.read("etc/pkcs11/modules/jpki-pkcs11.module");
        assert!(
            file.contains("module: /usr/lib/pkcs11/jpki-pkcs11.so\n"),
            "{file}"
        );
    }
    let (text, status) = doctor.text(&[&["unregister"][..], &place].concat());
    assert_eq!(status, 0, "{text}");
    assert_eq!(
        system.tree().keys().filter(|path| path.is_file()).count(),
        2
    );
    assert_eq!(
        system.read(policies).into_bytes(),
        before[&system.path().join(policies)]
    );
    assert!(!system.path().join("etc/pkcs11").exists());
}

#[test]
fn nss_loads_what_was_registered() {
    let doctor = Doctor::new(None);
    // No database yet: it is made.
    let (text, status) = doctor.text(&["register", "chromium"]);
    assert_eq!(status, 0, "apt-get install libnss3-tools? {text}");
    let list = || {
        let output = Command::new("modutil")
            .arg("-list")
            .arg("-dbdir")
            .arg(format!("sql:{}/.pki/nssdb", doctor.home.path().display()))
            .env("PCSCLITE_CSOCK_NAME", "/nonexistent/socket")
            .output()
            .expect("modutil is not there: apt-get install libnss3-tools");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = list();
    assert!(
        shown.contains("JPKI My Number Card") && shown.contains("status: loaded"),
        "{shown}"
    );
    assert_eq!(doctor.text(&["unregister", "chromium"]).1, 0);
    assert!(!list().contains("JPKI My Number Card"));
}

#[test]
fn sandboxes_are_told() {
    let doctor = furnished();
    doctor.home.write(".var/app/org.mozilla.firefox/x", "");
    let (report, _) = doctor.json(&["--lang", "ja"]);
    let text = report.to_string();
    assert!(
        text.contains("flatpak-browser") && text.contains("flatpak としてインストール"),
        "{text}"
    );
}
