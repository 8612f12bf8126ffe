//! Changes files: whole, or not at all, and says so.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jpki_pkcs11::messages::Language;
use jpki_pkcs11::messages::doctor::Phrase;

use crate::terminal;

/// Makes changes, or only says what it would change.
pub(crate) struct Changes {
    language: Language,
    dry_run: bool,
    /// Something was changed, or would be.
    pub(crate) made: bool,
    /// Something could not be done.
    pub(crate) trouble: bool,
}

impl Changes {
    pub(crate) fn new(language: Language, dry_run: bool) -> Changes {
        Changes {
            language,
            dry_run,
            made: false,
            trouble: false,
        }
    }

    /// Says something.
    pub(crate) fn say(&self, phrase: Phrase, fields: &[(&'static str, String)]) {
        terminal::say(&phrase.say(self.language, fields));
    }

    /// Says that something could not be done.
    pub(crate) fn trouble(&mut self, phrase: Phrase, fields: &[(&'static str, String)]) {
        self.trouble = true;
        terminal::complain(&phrase.say(self.language, fields));
    }

    /// Is nothing to be done in truth?
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Gives a file new content. `mode`: of a file that is new.
    pub(crate) fn write(&mut self, path: &Path, text: &str, mode: u32) {
        let exists = path.exists();
        let (did, would) = if exists {
            (Phrase::Wrote, Phrase::WouldWrite)
        } else {
            (Phrase::Created, Phrase::WouldCreate)
        };
        self.act(path, did, would, || atomic_write(path, text, mode));
    }

    /// Removes a file and the folders above it that this leaves empty, at most so many.
    pub(crate) fn remove(&mut self, path: &Path, folders: usize) {
        self.act(path, Phrase::Removed, Phrase::WouldRemove, || {
            fs::remove_file(path)?;
            for folder in path.ancestors().skip(1).take(folders) {
                // One that holds something else stays.
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
            Ok(())
        });
    }

    fn act(
        &mut self,
        path: &Path,
        did: Phrase,
        would: Phrase,
        deed: impl FnOnce() -> io::Result<()>,
    ) {
        let mut fields = vec![("path", path.display().to_string())];
        self.made = true;
        if self.dry_run {
            self.say(would, &fields);
            return;
        }
        match deed() {
            Ok(()) => self.say(did, &fields),
            Err(error) => {
                fields.push(("reason", error.to_string()));
                self.trouble(Phrase::FileTrouble, &fields);
            }
        }
    }
}

/// Writes a new file beside the old one and puts it in its place, with the old one's permissions.
fn atomic_write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // A symbolic link stays one.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mode = match fs::metadata(&target) {
        Ok(old) => old.permissions().mode() & 0o7777,
        Err(_) => mode,
    };
    let mut new = tempfile::Builder::new()
        .prefix(".jpki-doctor-")
        .tempfile_in(folder)?;
    new.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(&target)?;
    Ok(())
}
