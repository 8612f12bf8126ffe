//! Who loads the module: p11-kit, Firefox, Chromium; OpenSC beside it; browsers in a sandbox.

use std::fs;
use std::path::{Path, PathBuf};

use jpki_pkcs11::messages::doctor::{Finding, Phrase};
use serde_json::json;

use crate::context::Context;
use crate::module_file::{is_opensc, is_ours};
use crate::register::{nss, policies};
use crate::report::{Report, Severity};

/// A file that makes a program load modules.
struct List {
    check: &'static str,
    place: Phrase,
    file: PathBuf,
    libraries: Vec<String>,
    /// What sets it right.
    command: &'static str,
    /// A file that holds nothing of ours is worth a line: the program is there.
    expected: bool,
}

/// Checks all of them.
pub(crate) fn check(context: &Context, module: Option<&Path>, report: &mut Report) {
    let lists = lists(context);
    let mut anywhere = false;
    for list in &lists {
        anywhere |= tell(context, list, report);
    }
    if !anywhere && module.is_some() {
        report.add(
            "programs",
            Severity::Todo,
            Finding::RegisteredNowhere,
            &[],
            json!({}),
        );
    }
    beside(&lists, report);
    for (browser, kind) in context.paths.sandboxed() {
        let fields = [("browser", browser.to_owned()), ("kind", kind.to_owned())];
        let facts = json!({ "browser": browser, "kind": kind });
        let finding = match kind {
            "flatpak" => Finding::FlatpakBrowser,
            _ => Finding::SandboxedBrowser,
        };
        report.add("sandbox", Severity::Note, finding, &fields, facts);
    }
}

fn lists(context: &Context) -> Vec<List> {
    let paths = &context.paths;
    let mut lists: Vec<List> = paths
        .p11_kit_files()
        .into_iter()
        .map(|file| List {
            check: "p11-kit",
            place: Phrase::PlaceP11Kit,
            libraries: p11_kit_libraries(&read(&file)),
            file,
            command: "jpki-doctor register p11-kit",
            expected: false,
        })
        .collect();
    lists.extend(paths.chromium().into_iter().map(|list| List {
        check: "chromium",
        place: Phrase::PlaceChromium,
        libraries: nss::libraries(&read(&list.file)),
        expected: list.file.exists(),
        file: list.file,
        command: "jpki-doctor register chromium",
    }));
    lists.extend(paths.firefox().into_iter().map(|list| List {
        check: "firefox",
        place: Phrase::PlaceFirefox,
        libraries: nss::libraries(&read(&list.file)),
        file: list.file,
        command: "jpki-doctor register firefox",
        expected: true,
    }));
    lists.extend(paths.firefox_policies().into_iter().map(|file| List {
        check: "firefox-policy",
        place: Phrase::PlaceFirefoxPolicy,
        libraries: policies::libraries(&read(&file)),
        file,
        command: "jpki-doctor register firefox --system",
        expected: false,
    }));
    lists
}

/// A file that cannot be read loads nothing.
fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The library of a module file of p11-kit. A name without a folder is one in p11-kit's own folder.
fn p11_kit_libraries(text: &str) -> Vec<String> {
    let value = |line: &str| Some(line.trim().strip_prefix("module:")?.trim().to_owned());
    text.lines().filter_map(value).collect()
}

/// Returns whether it loads the module.
fn tell(context: &Context, list: &List, report: &mut Report) -> bool {
    let ours: Vec<&String> = list
        .libraries
        .iter()
        .filter(|library| is_ours(library))
        .collect();
    let fields = |library: &str| {
        [
            ("place", list.place.say(report.language(), &[])),
            ("file", list.file.display().to_string()),
            ("command", list.command.to_owned()),
            ("library", library.to_owned()),
        ]
    };
    let facts = json!({ "file": list.file.display().to_string(), "libraries": ours });
    let Some(library) = ours.first() else {
        if list.expected {
            let fields = fields("");
            report.add(
                list.check,
                Severity::Note,
                Finding::NotRegistered,
                &fields,
                facts,
            );
        }
        return false;
    };
    let fields = fields(library);
    let user_file = context.paths.user_p11_kit_file();
    let (severity, finding) = if Path::new(library).is_absolute() && !Path::new(library).exists() {
        (Severity::Todo, Finding::RegisteredGone)
    } else if context.paths.superuser && user_file.as_ref() == Some(&list.file) {
        (Severity::Todo, Finding::RootSkipsUserFile)
    } else {
        (Severity::Ok, Finding::Registered)
    };
    report.add(list.check, severity, finding, &fields, facts);
    severity == Severity::Ok
}

/// OpenSC in the same place as our module: the same card twice in one program.
fn beside(lists: &[List], report: &mut Report) {
    for list in lists {
        let Some(library) = list.libraries.iter().find(|library| is_opensc(library)) else {
            continue;
        };
        // p11-kit has a file for each module, the others have one for all.
        let mut same = lists.iter().filter(|other| match list.check {
            "p11-kit" => other.check == "p11-kit",
            _ => other.file == list.file,
        });
        if !same.any(|other| other.libraries.iter().any(|library| is_ours(library))) {
            continue;
        }
        let fields = [
            ("place", list.place.say(report.language(), &[])),
            ("file", list.file.display().to_string()),
        ];
        let facts = json!({ "file": list.file.display().to_string(), "library": library });
        report.add(
            "opensc",
            Severity::Note,
            Finding::OpenscBeside,
            &fields,
            facts,
        );
    }
}
