//! GET CHALLENGE (section 3.6): 1 to 256 bytes, in every application. Uses the system's randomness.

use crate::apdu::{Command, Response, Status};

/// `00 84 00 00 Le`; an extended Le is 6985.
pub(super) fn get_challenge(command: &Command<'_>) -> Response {
    if (command.p1, command.p2) != (0, 0) {
        return Status::BAD_PARAMETERS.into();
    }
    match (command.data, command.expected) {
        (None, Some(_)) if command.extended => Status::CONDITIONS.into(),
        (None, Some(length)) => {
            let mut bytes = vec![0; length];
            match getrandom::fill(&mut bytes) {
                Ok(()) => Response::ok(bytes),
                Err(_) => Status::UNKNOWN.into(),
            }
        }
        _ => Status::WRONG_LENGTH.into(),
    }
}
