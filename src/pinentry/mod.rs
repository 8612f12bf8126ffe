//! A dialog of the desktop that asks for a PIN: GnuPG's pinentry. What is typed goes from its socket into locked
//! memory. A leaf: it imports `platform`, and the texts of `messages`.

mod assuan;

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::assuan::{Line, request, unescape};
use crate::messages::DialogText;
use crate::platform::{LockedPage, Subprocess, terminal_name};

/// Where `pinentry` is looked for: folders that nobody but the system's administrator writes to.
const FOLDERS: [&str; 3] = ["/usr/bin", "/bin", "/usr/local/bin"];

/// What a dialog needs of the host's environment: screen, session, language, terminal. Nothing else is passed on, so
/// that a host's LD_PRELOAD or GTK_MODULES does not reach the program that sees the PIN.
const ENVIRONMENT: [&str; 17] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "GPG_TTY",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LOGNAME",
    "TERM",
    "USER",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CURRENT_DESKTOP",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
];

/// How long pinentry may take for an answer that needs nobody, and how much longer than its own limit for one that
/// somebody has to give. A desktop under load takes a second to start it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often is looked whether the dialog is still wanted.
const TICK: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error("no pinentry was found")]
    NotFound,
    /// It could not be started, or could not show a dialog.
    #[error("{0}")]
    Failed(String),
    /// The holder has cancelled it, or answered no.
    #[error("cancelled")]
    Cancelled,
    /// The holder has not answered in time.
    #[error("nobody answered")]
    TimedOut,
    /// It was closed because nobody waits for its answer any more.
    #[error("closed")]
    Closed,
}

/// How dialogs are shown.
#[derive(Debug, Clone)]
pub struct Pinentry {
    /// The program; `None`: `pinentry` in one of the system's folders.
    program: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    limit: Duration,
}

impl Pinentry {
    /// With the environment of the host as it is now. `program`: its absolute path; `None`: the system's. `limit`:
    /// for the holder's answer.
    pub fn new(program: Option<PathBuf>, limit: Duration) -> Pinentry {
        let passed_on = ENVIRONMENT.into_iter();
        let set = passed_on.filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let mut environment: Vec<(OsString, OsString)> = set.collect();
        environment.push(("PATH".into(), "/usr/bin:/bin".into()));
        Pinentry {
            program,
            environment,
            limit,
        }
    }

    /// Is the program there?
    pub fn is_installed(&self) -> bool {
        self.program().is_ok_and(|program| program.exists())
    }

    /// Asks for a PIN and hands it to `take`, which sees it where it lies in locked memory.
    /// `wanted` is asked ten times a second; when it says no, the dialog is closed.
    ///
    /// # Errors
    /// All of [`Error`].
    pub fn ask<T>(
        &self,
        dialog: &DialogText,
        wanted: &dyn Fn() -> bool,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Error> {
        let mut talk = self.show(dialog, wanted)?;
        talk.send("SETPROMPT", &dialog.prompt)?;
        let length = talk.request("GETPIN", "", self.limit + PATIENCE)?;
        let answer = take(talk.data(length));
        talk.bye();
        Ok(answer)
    }

    /// Asks for yes or no.
    ///
    /// # Errors
    /// All of [`Error`]; [`Error::Cancelled`] is no.
    pub fn confirm(&self, dialog: &DialogText, wanted: &dyn Fn() -> bool) -> Result<(), Error> {
        let mut talk = self.show(dialog, wanted)?;
        talk.request("CONFIRM", "", self.limit + PATIENCE)?;
        talk.bye();
        Ok(())
    }

    fn show<'a>(
        &self,
        dialog: &DialogText,
        wanted: &'a dyn Fn() -> bool,
    ) -> Result<Conversation<'a>, Error> {
        let program = self.program()?;
        let process =
            Subprocess::start(&program, &self.environment).map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::NotFound,
                _ => Error::Failed(format!("{}: {error}", program.display())),
            })?;
        let mut talk = Conversation {
            process,
            wanted,
            buffer: LockedPage::new().ok_or_else(|| Error::Failed("no memory".to_owned()))?,
            filled: 0,
        };
        talk.answer(PATIENCE)?;
        for (option, value) in self.terminal() {
            // One that pinentry does not know does no harm.
            let _ = talk.send("OPTION", &format!("{option}={value}"));
        }
        talk.send("SETTIMEOUT", &self.limit.as_secs().to_string())?;
        talk.send("SETTITLE", &dialog.title)?;
        talk.send("SETDESC", &dialog.description)?;
        talk.send("SETOK", &dialog.agree)?;
        talk.send("SETCANCEL", &dialog.cancel)?;
        if !dialog.error.is_empty() {
            talk.send("SETERROR", &dialog.error)?;
        }
        Ok(talk)
    }

    fn program(&self) -> Result<PathBuf, Error> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let places = FOLDERS
            .iter()
            .map(|folder| Path::new(folder).join("pinentry"));
        let found = places.into_iter().find(|place| place.exists());
        found.ok_or(Error::NotFound)
    }

    fn variable(&self, name: &str) -> Option<&OsStr> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        Some(&*found?.1).filter(|value| !value.is_empty())
    }

    /// What pinentry must know to ask at the host's terminal, when it has no screen, and in which character set.
    fn terminal(&self) -> Vec<(&'static str, String)> {
        let variable = |name| Some(self.variable(name)?.to_string_lossy().into_owned());
        let mut options = Vec::new();
        if let Some(name) = variable("GPG_TTY").or_else(terminal_name) {
            options.push(("ttyname", name));
            options.extend(variable("TERM").map(|kind| ("ttytype", kind)));
        }
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        options.push(("lc-ctype", locale.unwrap_or_else(|| "C.UTF-8".to_owned())));
        options
    }
}

/// A pinentry that runs.
struct Conversation<'a> {
    process: Subprocess,
    wanted: &'a dyn Fn() -> bool,
    /// What it has said and nobody has looked at yet; the PIN comes this way.
    buffer: LockedPage,
    filled: usize,
}

impl Conversation<'_> {
    /// A request that needs nobody.
    fn send(&mut self, command: &str, text: &str) -> Result<(), Error> {
        self.request(command, text, PATIENCE).map(|_| ())
    }

    /// A request and its answer; how many bytes of data came with it.
    fn request(&mut self, command: &str, text: &str, limit: Duration) -> Result<usize, Error> {
        let sent = self.process.write(&request(command, text));
        sent.map_err(|error| Error::Failed(error.to_string()))?;
        self.answer(limit)
    }

    /// Waits for the end of an answer. Its data stand at the start of the buffer then.
    fn answer(&mut self, limit: Duration) -> Result<usize, Error> {
        let end = Instant::now() + limit;
        let mut data = 0;
        loop {
            while let Some(line) = self.line(data) {
                match Line::of(self.bytes(data, line)) {
                    Line::Data => data += self.keep(data, line),
                    other => {
                        self.drop_line(data, line);
                        match other {
                            Line::Done => return Ok(data),
                            Line::Refused(error) => return Err(error),
                            Line::Data | Line::Remark => {}
                        }
                    }
                }
            }
            if !(self.wanted)() {
                return Err(Error::Closed);
            }
            if Instant::now() >= end {
                return Err(Error::TimedOut);
            }
            let free = self.buffer.bytes_mut().get_mut(self.filled..);
            let free = free.filter(|free| !free.is_empty());
            let free = free.ok_or_else(|| Error::Failed("too long an answer".to_owned()))?;
            match self.process.read(free, TICK) {
                Ok(length) => self.filled += length.unwrap_or(0),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(Error::Failed("pinentry has ended".to_owned()));
                }
                Err(error) => return Err(Error::Failed(error.to_string())),
            }
        }
    }

    /// The length of the line that begins there, without its end; `None`: it is not all there.
    fn line(&self, start: usize) -> Option<usize> {
        let said = self.buffer.bytes().get(start..self.filled)?;
        said.iter().position(|&byte| byte == b'\n')
    }

    fn bytes(&self, start: usize, length: usize) -> &[u8] {
        let line = self.buffer.bytes().get(start..start + length);
        line.unwrap_or_default()
    }

    /// The data of the last answer.
    fn data(&self, length: usize) -> &[u8] {
        self.bytes(0, length)
    }

    /// Makes plain data of the data line that begins there; returns their length.
    fn keep(&mut self, start: usize, length: usize) -> usize {
        // "D ".
        self.remove(start, 2);
        let line = self
            .buffer
            .bytes_mut()
            .get_mut(start..start + length.saturating_sub(2));
        let plain = line.map_or(0, unescape);
        self.remove(start + plain, length.saturating_sub(2) - plain + 1);
        plain
    }

    fn drop_line(&mut self, start: usize, length: usize) {
        self.remove(start, length + 1);
    }

    /// Takes bytes out of the buffer; what moves up leaves no copy behind.
    fn remove(&mut self, start: usize, length: usize) {
        let filled = self.filled;
        let Some(said) = self.buffer.bytes_mut().get_mut(..filled) else {
            return;
        };
        if start + length <= filled {
            said.copy_within(start + length.., start);
            self.filled = filled - length;
        }
        if let Some(tail) = self.buffer.bytes_mut().get_mut(self.filled..filled) {
            tail.fill(0);
        }
    }

    /// Lets it end by itself.
    fn bye(&self) {
        // One that does not hear it is ended with the conversation.
        let _ = self.process.write(b"BYE\n");
    }
}

#[cfg(test)]
mod tests;
