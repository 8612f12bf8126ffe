//! The faults, and the codes that each may lead to.

use std::time::Duration;

use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;

use super::common::module::pcsc::Error;
use super::common::{Call, Failure, Fixture};
use super::verb::Verb;

/// Something that goes wrong at one APDU or at one call to PC/SC, or from there on.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Once.
    Once(Misbehaviour),
    /// At this APDU and at all that follow.
    Always(Misbehaviour),
    /// A call to PC/SC fails.
    Call(Failure),
    /// This call to PC/SC and all that follow fail.
    Calls(Failure),
}

/// All that fail as PC/SC fails.
pub(crate) fn failures() -> Vec<Fault> {
    let words = || "injected".to_owned();
    let usual = [
        Error::Failed(words()),
        Error::Busy,
        Error::Stuck,
        Error::NoService(words()),
    ];
    let others = [
        Error::NotAuthorised,
        Error::NoDescriptor,
        Error::NoReader,
        Error::NoCard,
    ];
    let removed = [Error::Removed];
    let once = usual.iter().chain(&removed).chain(&others).cloned();
    let lost = usual.iter().chain(&removed).cloned();
    let calls = once.map(Failure::of).chain(lost.map(Failure::lost));
    let always = usual.iter().cloned().map(Failure::of);
    calls
        .map(Fault::Call)
        .chain(always.map(Fault::Calls))
        .collect()
}

/// All that go wrong between reader and card.
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
    /// Lets it happen, from 1.
    pub(crate) fn plan(&self, fixture: &Fixture, position: usize) {
        let reader = fixture.reader();
        match self {
            Fault::None => {}
            Fault::Once(what) => reader.misbehave(position as u64, what.clone()),
            Fault::Always(what) => {
                for later in 0..100 {
                    reader.misbehave(position as u64 + later, what.clone());
                }
            }
            Fault::Call(failure) => fixture.pcsc.failures(|failures| {
                failures.add(position - 1, 1, failure.clone());
            }),
            Fault::Calls(failure) => fixture.pcsc.failures(|failures| {
                failures.add(position - 1, 100, failure.clone());
            }),
        }
    }

    fn kind(&self) -> Option<&Misbehaviour> {
        match self {
            Fault::Once(what) | Fault::Always(what) => Some(what),
            Fault::None | Fault::Call(_) | Fault::Calls(_) => None,
        }
    }

    /// The answer of PC/SC.
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Fault::Call(failure) | Fault::Calls(failure) => Some(&failure.error),
            Fault::None | Fault::Once(_) | Fault::Always(_) => None,
        }
    }

    /// Can this call go wrong so? The service itself refuses a user, runs out of descriptors and knows no such reader.
    pub(crate) fn is_of(&self, call: Call) -> bool {
        match self.error() {
            Some(Error::NotAuthorised | Error::NoDescriptor | Error::NoReader | Error::NoCard) => {
                matches!(call, Call::Survey | Call::Insertion | Call::Connect)
            }
            _ => true,
        }
    }

    /// Is it PC/SC's word that the card is gone?
    pub(crate) fn says_gone(&self) -> bool {
        matches!(
            self.error(),
            Some(Error::Removed | Error::NoReader | Error::NoCard)
        )
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
        if let Some(error) = self.error() {
            return match code {
                CKR_DEVICE_ERROR => !self.says_gone(),
                // The second one after a search that has noticed it.
                CKR_DEVICE_REMOVED | CKR_SESSION_HANDLE_INVALID => self.says_gone(),
                // Over another connection nothing but its PIN proves an Android phone.
                CKR_USER_NOT_LOGGED_IN => verb.may_end_login,
                // A card that another program holds for itself is no present token.
                CKR_TOKEN_NOT_PRESENT => {
                    verb.by_slot && (self.says_gone() || *error == Error::Busy)
                }
                _ => false,
            };
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
            Some(M::Random) => match code {
                CKR_DEVICE_ERROR | CKR_DEVICE_REMOVED => true,
                CKR_TOKEN_NOT_RECOGNIZED => verb.opens,
                _ => false,
            },
        }
    }
}
