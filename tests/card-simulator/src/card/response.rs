//! The T=0 habits 61xx and 6Cxx (section 12, point 12), around the commands themselves.

use super::Card;
use crate::{
    apdu::{Command, Response, Status},
    profile::Answers,
};

impl Card {
    /// Executes the command and gives its data the way the profile says.
    pub(super) fn hand_over(&mut self, command: &Command<'_>) -> Response {
        if (command.class, command.instruction) == (0x00, 0xC0) {
            return self.get_response(command);
        }
        self.volatile.pending = None;
        let answers = self.profile.answers;
        let had_data = command.data.is_some();
        if matches!(answers, Answers::ExactLength | Answers::T0)
            && let (false, Some(le)) = (had_data, command.expected)
        {
            return self.exact_length(command, le);
        }
        let response = self.dispatch(command);
        let fetched = answers == Answers::GetResponse || answers == Answers::T0 && had_data;
        if !fetched || response.data.is_empty() {
            return response;
        }
        let announcement = more(response.data.len());
        self.volatile.pending = Some(response);
        announcement.into()
    }

    /// A case 2 command: right if it gives Le bytes, otherwise `6Cxx`. Case 2 commands change nothing, so running one to
    /// learn its length is no harm.
    fn exact_length(&mut self, command: &Command<'_>, le: usize) -> Response {
        let response = self.dispatch(command);
        match response.data.len() {
            0 => response,
            length if length == le => response,
            length => exact(length).into(),
        }
    }

    /// `00 C0 00 00 Le`: as much as is asked for, and what is left as 61xx.
    fn get_response(&mut self, command: &Command<'_>) -> Response {
        if matches!(self.profile.answers, Answers::Whole | Answers::ExactLength) {
            return Status::NO_INSTRUCTION.into();
        }
        let (0, 0, None, Some(le)) = (command.p1, command.p2, command.data, command.expected)
        else {
            return Status::BAD_PARAMETERS.into();
        };
        let Some(mut pending) = self.volatile.pending.take() else {
            return Status::CONDITIONS.into();
        };
        if le > pending.data.len() && le < 256 {
            let refusal = exact(pending.data.len());
            self.volatile.pending = Some(pending);
            return refusal.into();
        }
        if le >= pending.data.len() {
            return pending;
        }
        let rest = pending.data.split_off(le);
        let data = std::mem::replace(&mut pending.data, rest);
        let status = more(pending.data.len());
        self.volatile.pending = Some(pending);
        Response { data, status }
    }
}

/// `61xx`, 00 for 256 or more.
fn more(length: usize) -> Status {
    Status(0x6100 | low_byte(length))
}

/// `6Cxx`, 00 for 256 or more.
fn exact(length: usize) -> Status {
    Status(0x6C00 | low_byte(length))
}

fn low_byte(length: usize) -> u16 {
    u8::try_from(length).unwrap_or(0).into()
}
