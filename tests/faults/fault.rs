//! The faults, and the codes that each may lead to.

use std::time::Duration;

use cryptoki_sys::*;
use jpki_card_simulator::{Misbehaviour, VirtualReader};

use super::verb::Verb;

/// Something that goes wrong at one APDU, or from there on.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Once.
    Once(Misbehaviour),
    /// At this APDU and at all that follow.
    Always(Misbehaviour),
}

/// All of them.
pub(crate) fn all() -> Vec<Fault> {
    use Misbehaviour as M;
    let answer = |status: u16| M::AnswerInstead(status.to_be_bytes().to_vec());
    let after = |status: u16| M::AnswerAfter(status.to_be_bytes().to_vec());
    let once = [
        M::RemovedBefore,
        M::RemovedAfter,
        M::ResetBefore,
        M::ResetAfter,
        M::PowerCycledBefore,
        M::PowerCycledAfter,
        M::PowerLostBefore,
        M::OtherApplicationBefore,
        answer(0x6F00),
        after(0x6F00),
        answer(0x6E00),
        // An answer that asks for something else once: nothing that costs may be sent again for it.
        answer(0x6100),
        after(0x6110),
        answer(0x6C10),
        after(0x6C00),
        M::OneByte,
        M::LastByteWrong,
        M::Empty,
        M::Truncated,
        M::Random,
        M::Oversized,
        M::Endless61,
        M::Endless6C,
        M::Delay(Duration::from_millis(2)),
    ];
    let always = [answer(0x6F00), M::OneByte, M::PowerCycledBefore];
    let always = always.into_iter().map(Fault::Always);
    once.into_iter().map(Fault::Once).chain(always).collect()
}

impl Fault {
    /// Tells the reader.
    pub(crate) fn plan(&self, reader: &VirtualReader, position: u64) {
        match self {
            Fault::None => {}
            Fault::Once(what) => reader.misbehave(position, what.clone()),
            Fault::Always(what) => {
                for later in 0..100 {
                    reader.misbehave(position + later, what.clone());
                }
            }
        }
    }

    fn kind(&self) -> Option<&Misbehaviour> {
        match self {
            Fault::None => None,
            Fault::Once(what) | Fault::Always(what) => Some(what),
        }
    }

    /// Can it look like another kind of card?
    pub(crate) fn denies(&self) -> bool {
        matches!(
            self.kind(),
            Some(
                Misbehaviour::AnswerInstead(_)
                    | Misbehaviour::AnswerAfter(_)
                    | Misbehaviour::Random
            )
        )
    }

    /// May the verb end with this code when this fault happens?
    pub(crate) fn allows(&self, code: CK_RV, verb: &Verb) -> bool {
        use Misbehaviour as M;
        // What the verb says when nothing is wrong but the PIN.
        if verb.wrong && code == CKR_PIN_INCORRECT {
            return true;
        }
        match self.kind() {
            None | Some(M::Delay(_)) => false,
            Some(M::RemovedBefore | M::RemovedAfter) => match code {
                CKR_DEVICE_REMOVED => true,
                CKR_TOKEN_NOT_PRESENT => verb.opens,
                _ => false,
            },
            Some(
                M::ResetBefore
                | M::ResetAfter
                | M::PowerCycledBefore
                | M::PowerCycledAfter
                | M::PowerLostBefore
                | M::OtherApplicationBefore
                | M::OtherCommandBefore(_),
            ) => match code {
                CKR_DEVICE_ERROR => true,
                CKR_USER_NOT_LOGGED_IN => !verb.opens,
                _ => false,
            },
            Some(
                M::AnswerInstead(_)
                | M::AnswerAfter(_)
                | M::OneByte
                | M::Empty
                | M::Truncated
                | M::Oversized
                | M::Endless61
                | M::Endless6C,
            ) => match code {
                CKR_DEVICE_ERROR => true,
                CKR_TOKEN_NOT_RECOGNIZED => verb.opens && self.denies(),
                _ => false,
            },
            // A damaged first block is that of another card.
            Some(M::LastByteWrong) => matches!(code, CKR_DEVICE_ERROR | CKR_DEVICE_REMOVED),
            // It may look like any status word, if seldom.
            Some(M::Random) => matches!(
                code,
                CKR_DEVICE_ERROR
                    | CKR_DEVICE_REMOVED
                    | CKR_TOKEN_NOT_RECOGNIZED
                    | CKR_USER_NOT_LOGGED_IN
                    | CKR_PIN_INCORRECT
                    | CKR_PIN_LOCKED
                    | CKR_MECHANISM_INVALID
                    | CKR_DATA_INVALID
                    | CKR_PIN_INVALID
            ),
        }
    }
}
