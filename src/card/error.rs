//! What can go wrong with a card, in the card's own words. `crate::error` makes codes of it.

use crate::pcsc;

/// What can go wrong with a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes did not get through.
    #[error(transparent)]
    Pcsc(#[from] pcsc::Error),
    /// It does not know the JPKI application.
    #[error("this is not a My Number card")]
    NotJpki,
    /// It was reset, and is another card than before; or what was read of it before was torn, so that it looks like one.
    #[error("this is another card than before")]
    AnotherCard,
    /// It was reset, and cannot be proved to be the card that was logged in to. The PIN was not sent.
    #[error("this cannot be proved to be the same card as before")]
    Unproven,
    /// Wrong PIN.
    #[error("wrong PIN, {left} tries left")]
    PinIncorrect {
        /// Tries left, at least 1.
        left: u8,
    },
    /// No tries left.
    #[error("the PIN is locked")]
    PinLocked,
    /// One try is left, and nobody allowed to spend it. The PIN was not sent.
    #[error("the last try was not spent")]
    LastTryKept,
    /// The card refused this very value before. The PIN was not sent.
    #[error("this PIN was refused before")]
    RefusedBefore,
    /// The holder has cancelled at the PIN pad of the reader, or typed nothing. Nothing was sent.
    #[error("no PIN was typed on the reader")]
    PadCancelled,
    /// A PIN must be verified first.
    #[error("not verified")]
    NotVerified,
    /// The kept PIN was sent and refused.
    #[error("the PIN of the login is not right any more, {left} tries left")]
    KeptPinRefused {
        /// Tries left, at least 1.
        left: u8,
    },
    /// Somebody has failed since the kept PIN was right: it may have been changed. It was not sent.
    #[error("the PIN may have been changed, {left} tries left")]
    PinMayHaveChanged {
        /// Tries left.
        left: u8,
    },
    /// No such file on this card.
    #[error("no such file")]
    FileAbsent,
    /// The card does not pad in this way.
    #[error("the card does not know this signature scheme")]
    SchemeRefused,
    /// The card has no GET CHALLENGE.
    #[error("the card makes no random numbers")]
    NoChallenge,
    /// The card does not sign these data.
    #[error("the card refused the data")]
    InputRefused,
    /// The card refused the new PIN. The old one is still the right one.
    #[error("the card refused the new PIN")]
    NewPinRefused,
    /// A change of the PIN had no clear end: the old PIN or the new one is right.
    #[error("the change of the PIN had no clear end: {0}")]
    ChangeUnclear(Box<Error>),
    /// A status word that has no meaning for us after this command.
    #[error("{command} was answered {status:04X}")]
    Unexplained {
        /// The command's name.
        command: &'static str,
        /// SW1-SW2.
        status: u16,
    },
    /// Something that no card may answer.
    #[error("{0}")]
    Malformed(&'static str),
    /// A signature that does not verify with the key's own certificate.
    #[error("the card's signature does not verify")]
    SignatureWrong,
}
