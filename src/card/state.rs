//! What is known of a card from one transaction to the next.

use std::collections::HashMap;
use std::time::Instant;

use log::info;

use super::certificate::Certificate;
use super::files::{CertificateFile, FileId, Role};
use super::pin::{Pin, RejectedPins};
use crate::config::LastTry;

/// How a key, a PIN or a file is named in a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Addressing {
    /// By its short identifier, which this card has not yet accepted or refused.
    #[default]
    Untried,
    /// By its short identifier, which this card knows.
    Short,
    /// By SELECT EF first: this card refused the short identifier.
    Long,
}

#[derive(Debug, Default)]
pub(super) struct Addressings {
    pub(super) reading: Addressing,
    pub(super) pin: Addressing,
    pub(super) key: Addressing,
}

impl FileId {
    pub(super) const fn certificate_of(role: Role) -> FileId {
        role.certificate().id()
    }
}

/// Where a PIN comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The holder has just typed it; may the last try be spent?
    Typed(LastTry),
    /// It was right once, and was kept since.
    Kept,
}

/// How a PIN reaches the card.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    /// In a command of ours.
    Pin(&'a Pin),
    /// From the pad of the reader, by this control code.
    Pad(u32),
}

/// What is known of one PIN of the card.
#[derive(Debug, Default)]
pub(super) struct PinState {
    /// Tries left as the card told them last; `None`: not asked yet, or a VERIFY had no clear end.
    pub(super) tries: Option<u8>,
    /// Tries that our own last VERIFY left, right or wrong.
    pub(super) left_by_us: Option<u8>,
    /// Our own successful VERIFY is the last thing that can have happened to the counter.
    pub(super) current: bool,
    /// The values that this card refused.
    pub(super) rejected: RejectedPins,
}

/// Both PINs.
#[derive(Debug, Default)]
pub(super) struct PinStates {
    authentication: PinState,
    signature: PinState,
}

impl PinStates {
    pub(super) fn of(&mut self, role: Role) -> &mut PinState {
        match role {
            Role::Authentication => &mut self.authentication,
            Role::Signature => &mut self.signature,
        }
    }

    /// Anything can have happened to the counters since.
    pub(super) fn outdate(&mut self) {
        self.authentication.current = false;
        self.signature.current = false;
    }
}

/// How a card that was opened by a PIN is closed, as far as this card has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closing {
    /// By SELECT of another application. No key was tried afterwards yet.
    #[default]
    Unproved,
    /// By SELECT of another application: a key was refused afterwards.
    BySelect,
    /// By taking its power. No key was tried afterwards yet.
    ByPowerDownUnproved,
    /// By taking its power: a key was refused afterwards.
    ByPowerDown,
    /// Neither: a key still worked afterwards (a phone used as the reader cannot switch the card off).
    Impossible,
}

/// What a card did not understand, or not as the cards that were published, and what is done instead. One line of the
/// log (info) and of `jpki-doctor` each: it is what the next table of cards needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// The first SELECT after power-up was answered 6F00 and was sent again.
    SelectAgain,
    /// Files are selected before they are read.
    FilesSelected,
    /// Files of PINs are selected before a VERIFY.
    PinsSelected,
    /// Files of keys are selected before a signature.
    KeysSelected,
    /// Certificates are read in short answers, although the reader takes long ones.
    ShortReads,
    /// The reader takes the power away after a PIN, because leaving the application does not close the card.
    PowerDown,
    /// Nothing that was tried takes a verified PIN away.
    NeverClosed,
    /// RSA-PSS is not offered.
    NoPss,
}

impl Fallback {
    fn log(self) -> &'static str {
        match self {
            Fallback::SelectAgain => "the first SELECT was answered 6F00; it was sent again",
            Fallback::FilesSelected => "no short identifiers in READ BINARY; files are selected",
            Fallback::PinsSelected => "no short identifiers in VERIFY; PINs are selected",
            Fallback::KeysSelected => "no short identifiers in 80 2A; keys are selected",
            Fallback::ShortReads => "no extended READ BINARY; short ones are used",
            Fallback::PowerDown => "leaving does not close it; the power is taken away after a PIN",
            Fallback::NeverClosed => "a PIN stays verified whatever is done",
            Fallback::NoPss => "no RSA-PSS",
        }
    }
}

impl CardState {
    /// Remembers a fallback, and logs it the first time.
    pub(super) fn fall_back(&mut self, fallback: Fallback) {
        if !self.fallbacks.contains(&fallback) {
            info!("this card: {}", fallback.log());
            self.fallbacks.push(fallback);
        }
    }
}

/// What we know of a card from one transaction to the next.
#[derive(Debug, Default)]
pub(super) struct CardState {
    /// What this card made us do otherwise.
    pub(super) fallbacks: Vec<Fallback>,
    pub(super) form: Addressings,
    pub(super) pins: PinStates,
    /// The start of the authentication certificate, when the card shows it without a PIN.
    pub(super) identity: Option<Vec<u8>>,
    /// The certificates as they were read last.
    pub(super) certificates: HashMap<CertificateFile, Certificate>,
    /// Most bytes that one extended READ BINARY is asked for; up to 256: it is not used.
    pub(super) extended: usize,
    /// The JPKI application was selected once.
    pub(super) recognised: bool,
    /// It is the card that was opened: nothing has reset it since, or it was compared.
    pub(super) proven: bool,
    /// A VERIFY with data went out, and the card was not closed since.
    pub(super) open: bool,
    /// The PINs for which it is left open on purpose (`login_state = "card"`). None of them: it is closed.
    pub(super) left_open: Vec<Role>,
    /// How this card is closed.
    pub(super) closing: Closing,
    /// How often in a row this card refused the SELECT that leaves JPKI.
    pub(super) leaves_refused: u8,
    /// Our last transaction ended with the JPKI application selected.
    pub(super) left_selected: bool,
    /// When our last transaction ended.
    pub(super) left_at: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fallback_is_remembered_once() {
        let mut state = CardState::default();
        for fallback in [Fallback::NoPss, Fallback::PowerDown, Fallback::NoPss] {
            state.fall_back(fallback);
        }
        assert_eq!(state.fallbacks, [Fallback::NoPss, Fallback::PowerDown]);
    }
}
