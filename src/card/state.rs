//! What is known of a card from one transaction to the next.

use std::time::Instant;

use super::files::{FileId, Role};

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

impl Addressing {
    pub(super) fn pin(forms: &mut Addressings) -> &mut Addressing {
        &mut forms.pin
    }

    pub(super) fn key(forms: &mut Addressings) -> &mut Addressing {
        &mut forms.key
    }
}

impl FileId {
    pub(super) const fn certificate_of(role: Role) -> FileId {
        role.certificate().id()
    }
}

/// The tries left of both PINs as the card told them last.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tries {
    pub(super) authentication: Option<u8>,
    pub(super) signature: Option<u8>,
}

impl Tries {
    pub(super) fn of(&mut self, role: Role) -> &mut Option<u8> {
        match role {
            Role::Authentication => &mut self.authentication,
            Role::Signature => &mut self.signature,
        }
    }

    pub(super) fn set(&mut self, role: Role, left: u8) {
        *self.of(role) = Some(left);
    }

    pub(super) fn forget(&mut self, role: Role) {
        *self.of(role) = None;
    }
}

/// What we know of a card from one transaction to the next.
#[derive(Debug)]
pub(super) struct CardState {
    pub(super) form: Addressings,
    pub(super) tries: Tries,
    /// The start of the authentication certificate, when the card shows it without a PIN.
    pub(super) identity: Option<Vec<u8>>,
    /// The JPKI application was selected once.
    pub(super) recognised: bool,
    /// It is the card that was opened: nothing has reset it since, or it was compared.
    pub(super) proven: bool,
    /// SELECT of another application works.
    pub(super) leave_by_select: bool,
    /// The last reset was our own power-down, within one insertion.
    pub(super) powered_down_by_us: bool,
    /// Our last transaction ended with the JPKI application selected.
    pub(super) left_selected: bool,
    /// When our last transaction ended.
    pub(super) left_at: Option<Instant>,
}
