//! docs/functions.md is made from the comments in `src/ffi`; `UPDATE_GOLDEN=1` writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::common::module::Rv;

/// What the table says of a function.
struct Entry {
    does: String,
    chapter: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The `C_…` name that a line declares in `cryptoki!` or `unsupported!`.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim().trim_start_matches("fn ");
    let end = line.find('(')?;
    let name = &line[..end];
    let is_name =
        name.starts_with("C_") && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(name)
}

/// The first sentence-like line of a file: its chapter.
fn chapter(source: &str) -> String {
    let first = source.lines().next().unwrap().trim_start_matches("//! ");
    first
        .split(". ")
        .next()
        .unwrap()
        .trim_end_matches('.')
        .to_owned()
}

fn offered(source: &str, entries: &mut BTreeMap<String, Entry>) {
    let mut comment = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            comment.push(text);
        } else if line.starts_with("fn C_") {
            if let Some(name) = declared(line) {
                let entry = Entry {
                    does: comment.join(" "),
                    chapter: chapter(source),
                };
                entries.insert(name.to_owned(), entry);
            }
            comment.clear();
        } else {
            comment.clear();
        }
    }
}

fn refused(source: &str, entries: &mut BTreeMap<String, Entry>) {
    let (mut reason, mut code) = (Vec::new(), String::new());
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("// ") {
            reason.push(text);
        } else if let Some(rest) = line.strip_prefix("unsupported! { ") {
            let rv = rest.split([' ', ':']).next().unwrap();
            let known = Rv::ALL.iter().find(|known| format!("{known:?}") == rv);
            code = known.unwrap().name().to_owned();
        } else if line.is_empty() {
            reason.clear();
        } else if !code.is_empty()
            && let Some(name) = declared(line)
        {
            let said = reason.join(" ");
            let said = said
                .split_once(": ")
                .map_or(said.as_str(), |(_, why)| why)
                .to_owned();
            let entry = Entry {
                does: format!("`{code}`: {said}"),
                chapter: "Not offered".to_owned(),
            };
            entries.insert(name.to_owned(), entry);
        }
    }
}

#[test]
fn table_in_the_documentation_is_current() {
    let mut entries = BTreeMap::new();
    for file in std::fs::read_dir(root().join("src/ffi")).unwrap() {
        let path = file.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        match path.file_name().unwrap().to_str().unwrap() {
            "unsupported.rs" => refused(&source, &mut entries),
            _ => offered(&source, &mut entries),
        }
    }
    let functions = size_of::<cryptoki_sys::CK_FUNCTION_LIST_3_2>() / size_of::<usize>() - 1;
    assert_eq!(entries.len(), functions, "{:?}", entries.keys());
    let mut page = String::from(
        "# What each function does\n\nMade by `cargo test --test it functions` from the sources in `src/ffi`. \
         Every function of the lists 2.40, 3.0 and 3.2 is there; one that is not offered still looks whether \
         the module is initialised and the session exists.\n\n| function | what it does here | chapter |\n|---|---|---|\n",
    );
    for (name, entry) in &entries {
        assert!(!entry.does.is_empty(), "{name} has no comment");
        writeln!(page, "| `{name}` | {} | {} |", entry.does, entry.chapter).unwrap();
    }
    let path = root().join("docs/functions.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        page,
        "UPDATE_GOLDEN=1 writes it anew"
    );
}
