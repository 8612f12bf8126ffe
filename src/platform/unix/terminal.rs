//! The terminal that the program was started at.

use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{isatty, ttyname};

/// The device of the first standard descriptor that is a terminal; `None`: none is.
pub(crate) fn terminal_name() -> Option<String> {
    let terminal = [stdin(), stdout(), stderr()]
        .into_iter()
        .find(|it| isatty(it))?;
    ttyname(terminal, Vec::new()).ok()?.into_string().ok()
}
