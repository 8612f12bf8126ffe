//! VERIFY and CHANGE REFERENCE DATA (sections 3.3, 3.4, 5). Counts before it compares.

use super::{Card, Role, files::Content};
use crate::{
    apdu::{Command, Response, Status},
    profile::LockedQuery,
};

/// A PIN with its tries, in memory that needs no power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    value: Vec<u8>,
    tries: u8,
    role: Role,
}

impl Pin {
    pub(super) fn new(value: &str, tries: u8, role: Role) -> Self {
        Self {
            value: value.as_bytes().to_vec(),
            tries: tries.min(full(role)),
            role,
        }
    }

    pub(super) fn tries(&self) -> u8 {
        self.tries
    }

    pub(super) fn value(&self) -> &[u8] {
        &self.value
    }

    pub(super) fn restore(&mut self, value: Vec<u8>, tries: u8) {
        self.value = value;
        self.tries = tries.min(full(self.role));
    }

    /// `None` if locked; otherwise whether it is right.
    fn compare(&mut self, value: &[u8]) -> Option<bool> {
        self.tries = self.tries.checked_sub(1)?;
        let right = value == self.value;
        if right {
            self.tries = full(self.role);
        }
        Some(right)
    }
}

impl Card {
    pub(super) fn verify(&mut self, command: &Command<'_>) -> Response {
        if command.p1 != 0x00 {
            return Status::BAD_PARAMETERS.into();
        }
        let value = match (command.data, command.expected, command.extended) {
            (None, None, false) => None,
            (Some(value), None, false) if value.len() <= LONGEST => Some(value),
            (None, Some(_), false) if self.profile.five_byte_query => None,
            // Among them the five-byte query `00 20 00 80 00`.
            _ => return Status::WRONG_LENGTH.into(),
        };
        match (self.referenced_pin(command.p2), value) {
            (Err(status), _) => status.into(),
            (Ok(role), None) => self.query(role).into(),
            (Ok(role), Some(value)) => self.present(role, value).into(),
        }
    }

    /// `00 24 01 P2 Lc new`, after a VERIFY of the same PIN.
    pub(super) fn change_reference_data(&mut self, command: &Command<'_>) -> Response {
        if command.p1 != 0x01 {
            return Status::BAD_PARAMETERS.into();
        }
        let value = match (command.data, command.expected, command.extended) {
            (Some(value), None, false) if value.len() <= LONGEST => value,
            _ => return Status::WRONG_LENGTH.into(),
        };
        match self.referenced_pin(command.p2) {
            Err(status) => status.into(),
            Ok(role) => self.change(role, value).into(),
        }
    }

    fn query(&mut self, role: Role) -> Status {
        if self.profile.query_tells_verified && self.is_verified(role) {
            return Status::OK;
        }
        match (self.pin(role).tries, self.profile.locked_query) {
            (0, LockedQuery::Locked) => Status::LOCKED,
            (0, LockedQuery::Blocked) => Status::BLOCKED,
            (tries, _) => Status::tries(tries),
        }
    }

    fn present(&mut self, role: Role, value: &[u8]) -> Status {
        let verifies = match role {
            Role::Auth => &mut self.counters.auth_verifies,
            Role::Sign => &mut self.counters.sign_verifies,
        };
        *verifies = verifies.saturating_add(1);
        match self.pin(role).compare(value) {
            None => self.locked(),
            Some(true) => {
                self.set_verified(role, true);
                Status::OK
            }
            Some(false) => {
                let tries = self.pin(role).tries;
                // A PIN that just got locked opens nothing, whatever the switch says.
                if self.profile.failed_verify_clears || tries == 0 {
                    self.set_verified(role, false);
                }
                Status::tries(tries)
            }
        }
    }

    fn change(&mut self, role: Role, value: &[u8]) -> Status {
        if self.pin(role).tries == 0 {
            return self.locked();
        }
        if !self.is_verified(role) {
            return Status::NOT_VERIFIED;
        }
        if self.profile.change_checks_form && !well_formed(role, value) {
            return Status::BAD_DATA;
        }
        self.pin(role).value = value.to_vec();
        if self.profile.change_clears {
            self.set_verified(role, false);
        }
        Status::OK
    }

    fn locked(&self) -> Status {
        match self.profile.locked_is_6983 {
            true => Status::BLOCKED,
            false => Status::LOCKED,
        }
    }

    fn referenced_pin(&mut self, p2: u8) -> Result<Role, Status> {
        match self.referenced_file(p2)?.content {
            Content::Pin(role) => Ok(role),
            _ => Err(Status::WRONG_STRUCTURE),
        }
    }
}

/// Section 5: four digits; 6 to 16 of A-Z and 0-9.
fn well_formed(role: Role, value: &[u8]) -> bool {
    match role {
        Role::Auth => value.len() == 4 && value.iter().all(u8::is_ascii_digit),
        Role::Sign => {
            let allowed = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            (6..=LONGEST).contains(&value.len()) && value.iter().all(allowed)
        }
    }
}

/// Section 5: the tries of a PIN nobody has got wrong.
fn full(role: Role) -> u8 {
    match role {
        Role::Auth => 3,
        Role::Sign => 5,
    }
}

/// Section 3.3: VERIFY carries 1 to 16 bytes.
const LONGEST: usize = 16;
