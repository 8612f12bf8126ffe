//! The PIN pad of a reader: the blocks that have it ask for the authentication PIN, and what its answers mean (PC/SC
//! part 10, 2.5, 2.6.1 and 2.6.3). A pad has no letters, so the signature password cannot be typed on one.

use super::apdu::{Response, StatusWord};
use super::error::Error;

/// How long the pad waits for a key, in seconds. The worker waits longer for the whole exchange.
const TIMEOUT: u8 = 20;

/// Digits of the PIN, least and most. A pad that is asked for more lets five digits through, which cost a try.
const DIGITS: u8 = 4;

const UNITS_ARE_BYTES: u8 = 0x80;
const ASCII: u8 = 0x02;
const CONFIRMATION_KEY: u8 = 0x02;
const JAPANESE: [u8; 2] = 0x0411_u16.to_le_bytes();

/// How both blocks begin: `bTimeOut`, `bTimeOut2`, `bmFormatString`, `bmPINBlockString` and `bmPINLengthFormat`. The length
/// of the PIN is not written into the command.
const PIN_FORMAT: [u8; 5] = [TIMEOUT, TIMEOUT, UNITS_ARE_BYTES | ASCII, DIGITS, 0x00];

/// `PIN_VERIFY_STRUCTURE` (part 10, 2.6.1.2) for VERIFY with this reference: ASCII digits from the first byte of the
/// data on, exactly four, ended by the key that confirms.
pub(super) fn verify_block(reference: u8) -> Vec<u8> {
    const ONE_MESSAGE: u8 = 0x01;
    let [low, high] = JAPANESE;
    let mut block = PIN_FORMAT.to_vec();
    block.extend_from_slice(&[
        // wPINMaxExtraDigit, least significant byte first: most, least.
        DIGITS,
        DIGITS,
        CONFIRMATION_KEY,
        ONE_MESSAGE,
        low,
        high,
        // The first message of the reader.
        0x00,
        // bTeoPrologue, for T=1 alone.
        0x00,
        0x00,
        0x00,
    ]);
    command(&mut block, [0x00, 0x20, 0x00, reference]);
    block
}

/// `PIN_MODIFY_STRUCTURE` (part 10, 2.6.3.2) for CHANGE REFERENCE DATA with this reference, the new PIN alone: it is
/// typed twice and compared by the reader.
pub(super) fn modify_block(reference: u8) -> Vec<u8> {
    const CONFIRM_NEW: u8 = 0x01;
    const TWO_MESSAGES: u8 = 0x02;
    let [low, high] = JAPANESE;
    let mut block = PIN_FORMAT.to_vec();
    block.extend_from_slice(&[
        // Where the old and the new PIN stand in the data: there is no old one.
        0x00,
        0x00,
        // wPINMaxExtraDigit, least significant byte first: most, least.
        DIGITS,
        DIGITS,
        CONFIRM_NEW,
        CONFIRMATION_KEY,
        TWO_MESSAGES,
        low,
        high,
        // The messages of the reader: enter the new PIN, confirm it.
        0x01,
        0x02,
        0x00,
        // bTeoPrologue, for T=1 alone.
        0x00,
        0x00,
        0x00,
    ]);
    command(&mut block, [0x00, 0x24, 0x01, reference]);
    block
}

/// The command at the end of a block, with room for the PIN.
fn command(block: &mut Vec<u8>, header: [u8; 4]) {
    let command = [&header[..], &[DIGITS], &[0xFF; DIGITS as usize]].concat();
    let length = u32::try_from(command.len()).unwrap_or_default();
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(&command);
}

/// The card's answer; an error when the pad sent nothing to it.
pub(super) fn answer(bytes: Vec<u8>) -> Result<Response, Error> {
    let response = Response::parse(bytes).ok_or(Error::Malformed("no answer of the PIN pad"))?;
    match response.status {
        // Nobody typed, cancelled, PINs differ, wrong length (part 10, 2.5.1).
        StatusWord::Other(0x6400..=0x6403) => Err(Error::PadCancelled),
        _ => Ok(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_asks_for_exactly_four_digits() {
        let block = verify_block(0x98);
        assert_eq!(block.len(), 19 + 9);
        assert_eq!(block[..5], [20, 20, 0x82, 4, 0]);
        assert_eq!(block[5..7], [4, 4]);
        assert_eq!(block[15..19], [9, 0, 0, 0]);
        assert_eq!(block[19..], [0, 0x20, 0, 0x98, 4, 0xFF, 0xFF, 0xFF, 0xFF]);
    }

    #[test]
    fn block_for_a_new_pin_has_it_typed_twice() {
        let block = modify_block(0x80);
        assert_eq!(block.len(), 24 + 9);
        assert_eq!(block[..5], [20, 20, 0x82, 4, 0]);
        assert_eq!(block[7..10], [4, 4, 1]);
        assert_eq!(block[20..24], [9, 0, 0, 0]);
        assert_eq!(block[24..], [0, 0x24, 1, 0x80, 4, 0xFF, 0xFF, 0xFF, 0xFF]);
    }

    #[test]
    fn what_the_pad_answers_itself_is_no_answer_of_the_card() {
        assert_eq!(answer(vec![0x90, 0]).unwrap().status, StatusWord::Ok);
        assert!(answer(vec![0x63, 0xC2]).is_ok());
        for sent in [[0x64, 0], [0x64, 1], [0x64, 3]] {
            assert_eq!(answer(sent.to_vec()).unwrap_err(), Error::PadCancelled);
        }
        assert!(matches!(answer(Vec::new()), Err(Error::Malformed(_))));
    }
}
