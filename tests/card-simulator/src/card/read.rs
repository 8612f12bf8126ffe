//! READ BINARY (section 3.2) and short EF identifiers.

use super::{
    Card,
    files::{Access, Content, File},
};
use crate::apdu::{Command, Response, Status};

impl Card {
    pub(super) fn read_binary(&mut self, command: &Command<'_>) -> Response {
        let (None, Some(le)) = (command.data, command.expected) else {
            return Status::WRONG_LENGTH.into();
        };
        if command.extended && !self.profile.extended_reads {
            return Status::WRONG_LENGTH.into();
        }
        let (short, offset) = match command.p1 {
            p1 if p1 & 0x80 == 0 => (None, u16::from_be_bytes([p1, command.p2])),
            p1 => (Some(p1), u16::from(command.p2)),
        };
        match self.read(short, usize::from(offset), le, command.extended) {
            Ok(response) => {
                self.counters.reads = self.counters.reads.saturating_add(1);
                response
            }
            Err(status) => status.into(),
        }
    }

    fn read(
        &mut self,
        short: Option<u8>,
        offset: usize,
        le: usize,
        extended: bool,
    ) -> Result<Response, Status> {
        // What a card gives at the most, and refuses, in one short answer says nothing of an extended one.
        let (cap, refuses_above) = match extended {
            true => (usize::MAX, usize::MAX),
            false => (
                usize::from(self.profile.read_cap),
                usize::from(self.profile.read_refuses_above),
            ),
        };
        let warns = self.profile.warns_at_end;
        let refuses_crossing = self.profile.refuses_crossing;
        let (auth, sign) = (self.volatile.auth_verified, self.volatile.sign_verified);
        let file = match short {
            None => self.current_file()?,
            Some(reference) => self.file_by_short_identifier(reference)?,
        };
        let Content::Transparent { bytes, access } = &file.content else {
            return Err(Status::WRONG_STRUCTURE);
        };
        match access {
            Access::Free => {}
            Access::Verified(super::Role::Auth) if auth => {}
            Access::Verified(super::Role::Sign) if sign => {}
            Access::Verified(_) | Access::Nobody => return Err(Status::NOT_VERIFIED),
        }
        let Some(rest @ [_, ..]) = bytes.get(offset..) else {
            return Err(Status::PAST_END);
        };
        if refuses_crossing && rest.len() < le {
            return Err(Status::PAST_END);
        }
        if le > refuses_above {
            return Err(Status::WRONG_LENGTH);
        }
        let data: Vec<u8> = rest.iter().take(le.min(cap)).copied().collect();
        let status = match rest.len() < le {
            true if warns => Status::END_OF_FILE,
            _ => Status::OK,
        };
        Ok(Response { data, status })
    }

    /// The file a P1 or P2 of `100xxxxx` names; it becomes the current one (JICSAP).
    pub(super) fn file_by_short_identifier(&mut self, reference: u8) -> Result<&File, Status> {
        let id = u16::from(reference & 0x1F);
        if reference & 0xE0 != 0x80 || !(1..=0x1E).contains(&id) || !self.profile.short_identifiers
        {
            return Err(Status::BAD_PARAMETERS);
        }
        if !self.is_jpki_selected() {
            return Err(Status::NOT_FOUND);
        }
        let file = self.files.find(id).ok_or(Status::NOT_FOUND)?;
        self.volatile.current = Some(id);
        Ok(file)
    }

    pub(super) fn current_file(&self) -> Result<&File, Status> {
        let current = self.volatile.current.and_then(|id| self.files.find(id));
        current.ok_or(Status::NO_CURRENT_FILE)
    }

    /// The file P2 means in VERIFY, CHANGE REFERENCE DATA and 80 2A: `80` the current one, `80|sfi` another one.
    pub(super) fn referenced_file(&mut self, p2: u8) -> Result<&File, Status> {
        match p2 {
            0x80 => self.current_file(),
            reference => self.file_by_short_identifier(reference),
        }
    }
}
