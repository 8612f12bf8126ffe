//! What may go wrong, and when. Plain data and its text form.

use std::{error::Error, fmt, time::Duration};

/// Something that goes wrong at one exchange (section 12, points 12 and 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misbehaviour {
    /// The card is removed before the command reaches it.
    RemovedBefore,
    /// The card executes the command and is removed before it answers.
    RemovedAfter,
    /// The card is reset before the command reaches it.
    ResetBefore,
    /// The card is reset after it answered.
    ResetAfter,
    /// The card loses power and gets it back before the command reaches it.
    PowerCycledBefore,
    /// The card loses power and gets it back after it answered.
    PowerCycledAfter,
    /// The card loses its power or its field before the command reaches it, and the reader does not notice: no
    /// answer comes until the card is reset. (Not through vpcd, which drops a card that does not answer.)
    PowerLostBefore,
    /// Another program selects another application before the command.
    OtherApplicationBefore,
    /// Another program sends a command of its own before the command.
    OtherCommandBefore(Vec<u8>),
    /// The command is not executed and these bytes are the answer.
    AnswerInstead(Vec<u8>),
    /// The command is executed and these bytes are the answer.
    AnswerAfter(Vec<u8>),
    /// The command is executed; of the answer one byte arrives.
    OneByte,
    /// The last byte of data in the answer is inverted.
    LastByteWrong,
    /// The command is executed; an answer of 0 bytes arrives. (vpcd drops the card then.)
    Empty,
    /// The command is executed; half of the answer arrives.
    Truncated,
    /// The command is executed; as many random bytes arrive, at their end no status word of ISO 7816-4.
    Random,
    /// The command is executed; 64 KiB arrive. (65,535 bytes through vpcd, which can say no more.)
    Oversized,
    /// From here on every command is answered `61FF`, without execution.
    Endless61,
    /// From here on every command is answered `6CFF`, without execution.
    Endless6C,
    /// The answer comes later.
    Delay(Duration),
}

/// The text names no misbehaviour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMisbehaviour(String);

impl Misbehaviour {
    /// The words [`Misbehaviour::parse`] knows.
    pub const NAMES: &[&str] = &[
        "removed-before",
        "removed-after",
        "reset-before",
        "reset-after",
        "power-cycled-before",
        "power-cycled-after",
        "power-lost-before",
        "other-application-before",
        "other-command-before HEX",
        "answer-instead HEX",
        "answer-after HEX",
        "6f00",
        "6e00",
        "one-byte",
        "last-byte-wrong",
        "empty",
        "truncated",
        "random",
        "oversized",
        "endless-61",
        "endless-6c",
        "delay MS",
    ];

    /// Reads a word of [`Misbehaviour::NAMES`] with its argument.
    ///
    /// # Errors
    ///
    /// A word that is not there, or an argument too many, too few, or of the wrong form.
    pub fn parse(text: &str) -> Result<Self, UnknownMisbehaviour> {
        let (word, argument) = match text.trim().split_once(char::is_whitespace) {
            Some((word, argument)) => (word, Some(argument.trim())),
            None => (text.trim(), None),
        };
        let parsed = match (word, argument) {
            ("removed-before", None) => Some(Self::RemovedBefore),
            ("removed-after", None) => Some(Self::RemovedAfter),
            ("reset-before", None) => Some(Self::ResetBefore),
            ("reset-after", None) => Some(Self::ResetAfter),
            ("power-cycled-before", None) => Some(Self::PowerCycledBefore),
            ("power-cycled-after", None) => Some(Self::PowerCycledAfter),
            ("power-lost-before", None) => Some(Self::PowerLostBefore),
            ("other-application-before", None) => Some(Self::OtherApplicationBefore),
            ("other-command-before", Some(hex)) => from_hex(hex).map(Self::OtherCommandBefore),
            ("answer-instead", Some(hex)) => from_hex(hex).map(Self::AnswerInstead),
            ("answer-after", Some(hex)) => from_hex(hex).map(Self::AnswerAfter),
            ("6f00", None) => Some(Self::AnswerInstead(vec![0x6F, 0x00])),
            ("6e00", None) => Some(Self::AnswerInstead(vec![0x6E, 0x00])),
            ("one-byte", None) => Some(Self::OneByte),
            ("last-byte-wrong", None) => Some(Self::LastByteWrong),
            ("empty", None) => Some(Self::Empty),
            ("truncated", None) => Some(Self::Truncated),
            ("random", None) => Some(Self::Random),
            ("oversized", None) => Some(Self::Oversized),
            ("endless-61", None) => Some(Self::Endless61),
            ("endless-6c", None) => Some(Self::Endless6C),
            ("delay", Some(ms)) => ms
                .parse()
                .ok()
                .map(|ms| Self::Delay(Duration::from_millis(ms))),
            _ => None,
        };
        parsed.ok_or_else(|| UnknownMisbehaviour(text.to_owned()))
    }

    /// Whether the card gets to execute the command.
    pub(super) fn executes(&self) -> bool {
        !matches!(
            self,
            Self::AnswerInstead(_) | Self::Endless61 | Self::Endless6C
        )
    }

    /// What becomes of the answer on its way.
    pub(super) fn distort(&self, answer: &mut Vec<u8>) {
        match self {
            Self::AnswerInstead(bytes) | Self::AnswerAfter(bytes) => answer.clone_from(bytes),
            Self::OneByte => answer.truncate(1),
            Self::LastByteWrong => {
                // The last byte of data: two of status follow it.
                let last = answer.len().checked_sub(3);
                if let Some(byte) = last.and_then(|last| answer.get_mut(last)) {
                    *byte ^= 0xFF;
                }
            }
            Self::Empty => answer.clear(),
            Self::Truncated => answer.truncate(answer.len() / 2),
            Self::Random => {
                // Without randomness the true answer arrives.
                let _ = getrandom::fill(answer);
                // 6x and 9x would be an answer that means something.
                let first = answer.len().checked_sub(2);
                if let Some(byte) = first.and_then(|first| answer.get_mut(first))
                    && matches!(*byte >> 4, 6 | 9)
                {
                    *byte ^= 0x80;
                }
            }
            Self::Oversized => answer.resize(65_536, 0xA5),
            Self::Endless61 => *answer = vec![0x61, 0xFF],
            Self::Endless6C => *answer = vec![0x6C, 0xFF],
            Self::RemovedBefore
            | Self::RemovedAfter
            | Self::ResetBefore
            | Self::ResetAfter
            | Self::PowerCycledBefore
            | Self::PowerCycledAfter
            | Self::PowerLostBefore
            | Self::OtherApplicationBefore
            | Self::OtherCommandBefore(_)
            | Self::Delay(_) => {}
        }
    }

    fn is_endless(&self) -> bool {
        matches!(self, Self::Endless61 | Self::Endless6C)
    }
}

/// The misbehaviours to come.
#[derive(Debug, Default)]
pub(super) struct Plan(Vec<(u64, Misbehaviour)>);

impl Plan {
    pub(super) fn add(&mut self, n: u64, misbehaviour: Misbehaviour) {
        self.0.push((n.max(1), misbehaviour));
    }

    /// Counts one exchange and returns what goes wrong at it.
    pub(super) fn due(&mut self) -> Vec<Misbehaviour> {
        for (left, _) in &mut self.0 {
            *left = left.saturating_sub(1);
        }
        let now = self.0.iter().filter(|(left, _)| *left == 0);
        let due = now.map(|(_, misbehaviour)| misbehaviour.clone()).collect();
        self.0
            .retain(|(left, misbehaviour)| *left > 0 || misbehaviour.is_endless());
        due
    }
}

impl fmt::Display for UnknownMisbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is none of: {}",
            self.0,
            Misbehaviour::NAMES.join(", ")
        )
    }
}

impl Error for UnknownMisbehaviour {}

/// Hexadecimal digits in pairs; spaces between pairs do not matter.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let [high, low] = *pair;
        u8::try_from(digit(high)? * 16 + digit(low)?).ok()
    };
    pairs.iter().map(byte).collect()
}
