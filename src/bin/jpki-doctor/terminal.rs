//! Standard streams and the terminal: lines out, PINs in without an echo.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use jpki_pkcs11::card::pin::MAX_LENGTH;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

/// A line on standard output. A reader that has gone away is no reason to complain.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A line on standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A line for standard error, in black on white whatever colours the screen has: what reads a QR code does not
/// take it for one when light and dark are exchanged.
pub(crate) fn dark_on_light(line: &str) -> String {
    match isatty(io::stderr()) {
        true => format!("\x1b[30;107m{line}\x1b[0m"),
        false => line.to_owned(),
    }
}

/// Is standard output a screen?
pub(crate) fn is_screen() -> bool {
    isatty(io::stdout())
}

/// Rewrites the line that the cursor is on.
pub(crate) fn rewrite(line: &str) {
    let mut out = io::stdout().lock();
    let _ = write!(out, "\r\x1b[K{line}");
    let _ = out.flush();
}

/// Why nothing was typed.
#[derive(Debug)]
pub(crate) enum NoInput {
    /// There is no terminal.
    NoTerminal,
    /// The user pressed Ctrl-C or Ctrl-D.
    Stopped,
}

/// The terminal of this process, whatever its standard streams are.
pub(crate) struct Terminal {
    device: File,
    before: Termios,
}

impl Terminal {
    pub(crate) fn open() -> Result<Terminal, NoInput> {
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .map_err(|_| NoInput::NoTerminal)?;
        let before = tcgetattr(&device).map_err(|_| NoInput::NoTerminal)?;
        Ok(Terminal { device, before })
    }

    /// Asks for something that may be seen.
    pub(crate) fn ask(&mut self, prompt: &str) -> Result<String, NoInput> {
        let mut line = Vec::new();
        self.write(prompt.as_bytes())?;
        loop {
            match self.byte()? {
                b'\n' | b'\r' => break,
                byte => line.push(byte),
            }
        }
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// Asks a question of yes or no. Either language's yes, whichever is easier to type.
    pub(crate) fn agrees(&mut self, question: &str) -> Result<bool, NoInput> {
        let answer = self.ask(question)?;
        Ok(answer.eq_ignore_ascii_case("yes") || answer == "はい")
    }

    /// Asks for something that nobody may see.
    pub(crate) fn ask_hidden(&mut self, prompt: &str) -> Result<Zeroizing<Vec<u8>>, NoInput> {
        // Byte by byte: a signal key must not end the program before the echo is back, and no line
        // of the terminal's own may keep the PIN.
        let mut hidden = self.before.clone();
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&self.device, OptionalActions::Flush, &hidden)
            .map_err(|_| NoInput::NoTerminal)?;
        let typed = self.write(prompt.as_bytes()).and_then(|()| self.edit());
        self.restore();
        self.write(b"\n")?;
        typed
    }

    /// A line with the editing keys that people use.
    fn edit(&mut self) -> Result<Zeroizing<Vec<u8>>, NoInput> {
        // Its own room from the start, and one byte more than any PIN has: growing would leave a
        // copy behind, and what is too long must be seen to be so.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LENGTH + 1));
        loop {
            match self.byte()? {
                b'\n' | b'\r' => return Ok(line),
                0x03 | 0x04 | 0x1B => return Err(NoInput::Stopped),
                0x08 | 0x7F => {
                    line.pop();
                }
                0x15 => line.clear(),
                byte if line.len() <= MAX_LENGTH => line.push(byte),
                _ => {}
            }
        }
    }

    fn byte(&mut self) -> Result<u8, NoInput> {
        let mut byte = Zeroizing::new([0u8]);
        match self.device.read(byte.as_mut()) {
            Ok(1) => {
                let [typed] = *byte;
                Ok(typed)
            }
            _ => Err(NoInput::Stopped),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), NoInput> {
        self.device
            .write_all(bytes)
            .map_err(|_| NoInput::NoTerminal)
    }

    fn restore(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.device, OptionalActions::Flush, &self.before);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}
