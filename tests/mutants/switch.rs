//! Which mutant is on. tests/mutants puts this file beside the sources of its copy of the project.

use std::fs::File;
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The mutant that this process has: none without the variable.
static ON: LazyLock<Option<usize>> = LazyLock::new(|| std::env::var("MUTANT").ok()?.parse().ok());

/// Where to write down which mutants were come upon, if that is asked for.
static MET: LazyLock<Option<File>> = LazyLock::new(|| {
    let path = std::env::var_os("MUTANTS_MET")?;
    File::options().append(true).create(true).open(path).ok()
});

static SEEN: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

/// Is this mutant on?
pub(crate) fn on(mutant: usize) -> bool {
    if let Some(mut file) = MET.as_ref()
        && !SEEN[mutant].swap(true, Ordering::Relaxed)
    {
        let _ = file.write_all(format!("{mutant}\n").as_bytes());
    }
    *ON == Some(mutant)
}
