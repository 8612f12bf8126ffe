//! Rules for the source text that the compiler does not check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the top down. Each may name the next one below, and the leaves.
const FLOORS: [&str; 4] = ["ffi", "cryptoki", "card", "pcsc"];

/// What every floor may name. A leaf names no floor.
const LEAVES: [&str; 6] = [
    "config", "logging", "messages", "pinentry", "platform", "vendor",
];

/// The companion program stands on the lower floors of the same crate.
const DOCTOR: [&str; 2] = ["card", "pcsc"];

/// A file of `src`: its place below `src`, and its text without comments and without tests.
struct Source {
    place: String,
    code: String,
}

impl Source {
    /// The part of the crate that it belongs to.
    fn part(&self) -> &str {
        let first = self.place.split('/').next().unwrap();
        first.trim_end_matches(".rs")
    }

    /// The parts that it names.
    fn names(&self) -> BTreeSet<String> {
        let root = if self.part() == "bin" {
            "jpki_pkcs11::"
        } else {
            "crate::"
        };
        let mut names = BTreeSet::new();
        for after in self.code.split(root).skip(1) {
            match after.strip_prefix('{') {
                // use crate::{card, transport::{…}};
                Some(group) => names.extend(first_level(group)),
                None => names.extend(word(after)),
            }
        }
        names
    }
}

/// The first words between the braces of a `use`.
fn first_level(group: &str) -> Vec<String> {
    let (mut depth, mut wanted, mut words) = (1, true, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => wanted = true,
            _ if wanted && !letter.is_whitespace() => {
                words.extend(word(&group[at..]));
                wanted = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    words
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let word = text.get(..end.unwrap_or(text.len()))?;
    // `crate::CRYPTOKI_VERSION` and the like name no part.
    (!word.is_empty() && word == word.to_lowercase()).then(|| word.to_owned())
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let source = |file: PathBuf| {
        let place = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let is_test = place.contains("/tests/") || place.ends_with("tests.rs");
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code = code.map(|line| format!("{line}\n")).collect();
        (!is_test).then(|| Source {
            place: place.to_owned(),
            code,
        })
    };
    let sources: Vec<Source> = files.into_iter().filter_map(source).collect();
    assert!(sources.len() > 40, "only {} files", sources.len());
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The files, other than those allowed, in which a text stands.
fn elsewhere(text: &str, allowed: &[&str]) -> Vec<String> {
    let found = sources().into_iter().filter(|source| {
        source.code.contains(text) && !allowed.iter().any(|place| source.place.starts_with(place))
    });
    found.map(|source| source.place).collect()
}

const NOWHERE: [String; 0] = [];

#[test]
fn each_floor_names_the_next_one_and_the_leaves() {
    for source in sources().iter().filter(|source| source.part() != "lib") {
        let part = source.part();
        let below = match FLOORS.iter().position(|floor| *floor == part) {
            Some(floor) => FLOORS.get(floor + 1).map_or(&[][..], std::slice::from_ref),
            None if part == "bin" => &DOCTOR,
            None => &[],
        };
        for name in source.names() {
            let name = name.as_str();
            let allowed = name == part || below.contains(&name) || LEAVES.contains(&name);
            assert!(allowed, "{} names {name}", source.place);
        }
    }
}

#[test]
fn the_reader_of_names_reads_names() {
    let source = |code: &str| Source {
        place: "cryptoki/x.rs".to_owned(),
        code: code.to_owned(),
    };
    let names = |code| Vec::from_iter(source(code).names());
    assert_eq!(
        names("use crate::{card, pcsc::{self, Error}};"),
        ["card", "pcsc"]
    );
    assert_eq!(names("use crate::ffi::input::In;"), ["ffi"]);
    assert_eq!(names("let x = crate::vendor::X;"), ["vendor"]);
}

#[test]
fn unsafe_stands_in_two_places() {
    assert_eq!(elsewhere("unsafe ", &["ffi/", "platform/"]), NOWHERE);
    assert_eq!(elsewhere("*mut ", &["ffi/", "platform/"]), NOWHERE);
    assert_eq!(elsewhere("*const ", &["ffi/", "platform/"]), NOWHERE);
    assert_eq!(elsewhere("extern \"C\"", &["ffi/", "platform/"]), NOWHERE);
    assert_eq!(elsewhere("static mut", &[]), NOWHERE);
}

#[test]
fn the_pcsc_crate_stands_in_one_place() {
    for text in [
        "pcsc::{Card",
        "pcsc::Card",
        "pcsc::Context",
        "pcsc::ReaderState",
    ] {
        assert_eq!(elsewhere(text, &["pcsc/service/"]), NOWHERE, "{text}");
    }
}

#[test]
fn the_card_knows_no_pkcs11_and_the_leaves_neither() {
    for part in ["card/", "pcsc/", "config/", "messages/"] {
        for source in sources().iter().filter(|it| it.place.starts_with(part)) {
            assert!(!source.code.contains("cryptoki_sys"), "{}", source.place);
            assert!(!source.code.contains("CKR_"), "{}", source.place);
        }
    }
}

#[test]
fn threads_are_started_in_one_place() {
    for text in ["thread::spawn", "thread::Builder", "thread::scope"] {
        assert_eq!(elsewhere(text, &["bin/", "pcsc/worker/"]), NOWHERE);
    }
}

#[test]
fn one_place_makes_a_code_of_a_cause() {
    assert_eq!(elsewhere("fn rv(&self)", &["cryptoki/rv.rs"]), NOWHERE);
}

#[test]
fn the_list_of_locks_is_that_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let library = read("lib.rs");
    let locks = library.split("# Locks").nth(1).unwrap();
    for number in 1..=5 {
        assert!(locks.contains(&format!("//! {number}. ")), "{number}");
    }
    assert!(!locks.contains("//! 6. "));
    for (file, words) in [
        ("ffi/process.rs", "The first lock of the house"),
        ("cryptoki/module.rs", "/// Lock 2"),
        ("cryptoki/session.rs", "/// Lock 3"),
        ("cryptoki/slot.rs", "/// Lock 4"),
        ("card/reader.rs", "/// Lock 5"),
    ] {
        assert!(read(file).contains(words), "{file}: {words}");
    }
}

#[test]
fn parts_lie_in_levels_without_circles() {
    let arrows: BTreeSet<(String, String)> = sources()
        .iter()
        .filter(|source| !["lib", "bin"].contains(&source.part()))
        .flat_map(|source| {
            let part = source.part().to_owned();
            source
                .names()
                .into_iter()
                .map(move |name| (part.clone(), name))
        })
        .filter(|(part, name)| part != name)
        .collect();
    let mut left: BTreeSet<&str> = FLOORS.into_iter().chain(LEAVES).collect();
    let mut levels = 0;
    while !left.is_empty() {
        let stands_on = |part: &str| {
            let below = arrows.iter().filter(|(from, _)| from == part);
            below.filter(|(_, to)| left.contains(to.as_str())).count()
        };
        let lowest: Vec<&str> = left
            .iter()
            .copied()
            .filter(|it| stands_on(it) == 0)
            .collect();
        assert!(!lowest.is_empty(), "a circle in {left:?}");
        left.retain(|part| !lowest.contains(part));
        levels += 1;
    }
    assert!(levels <= 5, "{levels} levels");
    assert!(arrows.len() <= 20, "{arrows:?}");
}

#[test]
fn comments_name_pages_that_are_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    collect(&root.join("tests"), &mut files);
    let mut pages = 0;
    for file in files.iter().filter(|file| !file.ends_with("layering.rs")) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let Some((_, comment)) = line.split_once("//") else {
                continue;
            };
            let end = |c: char| !(c.is_ascii_alphanumeric() || "._-/".contains(c));
            for page in comment.split(end).filter(|word| word.ends_with(".md")) {
                let here = [root, file.parent().unwrap()].map(|it| it.join(page).exists());
                assert!(here.contains(&true), "{}: {page}", file.display());
                pages += 1;
            }
        }
    }
    assert!(pages > 40, "only {pages}");
}

/// What a file of the doctor takes from its other modules, without `self` and `super`.
#[test]
fn the_doctor_has_no_circles() {
    let place = |source: &Source| {
        let below = source.place.strip_prefix("bin/jpki-doctor/")?;
        let first = below.split('/').next()?;
        Some(first.trim_end_matches(".rs").to_owned())
    };
    let mut arrows: BTreeSet<(String, String)> = BTreeSet::new();
    let mut left: BTreeSet<String> = BTreeSet::new();
    for source in sources() {
        let Some(part) = place(&source) else { continue };
        for after in source.code.split("crate::").skip(1) {
            let names = match after.strip_prefix('{') {
                Some(group) => first_level(group),
                None => word(after).into_iter().collect(),
            };
            arrows.extend(names.into_iter().map(|name| (part.clone(), name)));
        }
        left.insert(part);
    }
    assert!(left.len() > 12, "{left:?}");
    while !left.is_empty() {
        let free: Vec<String> = left
            .iter()
            .filter(|part| {
                let mut below = arrows
                    .iter()
                    .filter(|(from, to)| from == *part && from != to);
                !below.any(|(_, to)| left.contains(to))
            })
            .cloned()
            .collect();
        assert!(!free.is_empty(), "a circle in {left:?}");
        left.retain(|part| !free.contains(part));
    }
}
