//! Which codes a function may answer: what the standard lists for it, and nothing else.

use crate::cryptoki::rv::Rv;

/// A line for each function: its name and its codes. `tests/tools/return-codes` makes it from the standard's text.
const LISTED: &str = include_str!("return_codes.txt");

/// The code itself if the standard lists it for the function, else the one that says it there.
pub(super) fn listed(function: &str, rv: Rv) -> Rv {
    let is_listed = |rv: Rv| may_answer(function, rv);
    if is_listed(rv) {
        return rv;
    }
    let instead = match rv {
        Rv::DataInvalid => Rv::DataLenRange,
        Rv::OperationActive => Rv::OperationNotInitialized,
        Rv::TokenNotPresent => Rv::DeviceRemoved,
        // The login has ended in this call, and with it the private object is gone.
        Rv::UserNotLoggedIn => Rv::ObjectHandleInvalid,
        _ => Rv::FunctionFailed,
    };
    match is_listed(instead) {
        true => instead,
        false => Rv::FunctionFailed,
    }
}

fn may_answer(function: &str, rv: Rv) -> bool {
    // PKCS#11, 5.1.1 to 5.1.3: these may come from every function, from every one with a session, from every
    // one that uses a token.
    if matches!(
        rv,
        Rv::GeneralError
            | Rv::HostMemory
            | Rv::FunctionFailed
            | Rv::FunctionNotSupported
            | Rv::CryptokiNotInitialized
            | Rv::SessionHandleInvalid
            | Rv::DeviceRemoved
            | Rv::DeviceError
    ) {
        return true;
    }
    let mut lines = LISTED.lines().map(|line| line.split(' '));
    let line = lines.find_map(|mut words| (words.next() == Some(function)).then_some(words));
    // The text names no codes for two functions that are not offered.
    line.is_none_or(|mut codes| codes.any(|code| code == rv.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_are_not_listed_are_replaced() {
        for (function, rv, told) in [
            ("C_Sign", Rv::DataInvalid, Rv::DataInvalid),
            ("C_SignFinal", Rv::DataInvalid, Rv::DataLenRange),
            ("C_Sign", Rv::MechanismInvalid, Rv::FunctionFailed),
            (
                "C_GetAttributeValue",
                Rv::UserNotLoggedIn,
                Rv::ObjectHandleInvalid,
            ),
            (
                "C_VerifySignature",
                Rv::OperationActive,
                Rv::OperationNotInitialized,
            ),
            (
                "C_GetSessionValidationFlags",
                Rv::ArgumentsBad,
                Rv::FunctionFailed,
            ),
            ("C_Login", Rv::PinIncorrect, Rv::PinIncorrect),
            (
                "C_WrapKey",
                Rv::FunctionNotSupported,
                Rv::FunctionNotSupported,
            ),
        ] {
            assert_eq!(listed(function, rv), told, "{function} {}", rv.name());
        }
    }
}
