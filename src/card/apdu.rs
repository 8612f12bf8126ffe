//! Commands, answers and status words (ISO 7816-4, short form).

use std::fmt;

use zeroize::Zeroizing;

use super::files::{FileId, ISSUER_SECURITY_DOMAIN_AID, JPKI_AID, Scheme};
use crate::card::pin::Pin;

/// Header, Lc, data and Le of the longest short command, in bytes.
const MAX_COMMAND: usize = 4 + 1 + 255 + 1;

/// Le that asks for 256 bytes.
const LE_256: u8 = 0x00;

/// INS of the commands that carry a PIN.
const VERIFY: u8 = 0x20;
const CHANGE: u8 = 0x24;

/// INS of the commands that only read.
const READ_BINARY: u8 = 0xB0;
const GET_CHALLENGE: u8 = 0x84;
const GET_RESPONSE: u8 = 0xC0;

/// One command, in a buffer that wipes itself.
pub(super) struct Command(Zeroizing<Vec<u8>>);

impl Command {
    fn header(cla: u8, ins: u8, p1: u8, p2: u8) -> Command {
        // The whole room at once: a buffer that grows leaves its old bytes on the heap.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_COMMAND));
        bytes.extend_from_slice(&[cla, ins, p1, p2]);
        Command(bytes)
    }

    fn data(mut self, data: &[u8]) -> Command {
        // Every caller is bounded by a constant of `files`; 255 is never exceeded.
        self.0.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(data);
        self
    }

    fn extended_le(self, length: u16) -> Command {
        let [high, low] = length.to_be_bytes();
        self.le(0).le(high).le(low)
    }

    fn le(mut self, le: u8) -> Command {
        self.0.push(le);
        self
    }

    /// `None` when the PIN's memory is not there (a forked child).
    fn pin(mut self, pin: &Pin) -> Option<Command> {
        self.0.push(u8::try_from(pin.length()).ok()?);
        pin.write_to(&mut self.0).then_some(self)
    }

    /// SELECT the JPKI application, without an answer (docs/card.md, 3.1).
    pub(super) fn select_jpki() -> Command {
        Command::header(0x00, 0xA4, 0x04, 0x0C).data(&JPKI_AID)
    }

    /// SELECT the Issuer Security Domain: leave JPKI, which forgets both PINs (docs/card.md, 3.1).
    pub(super) fn leave_jpki() -> Command {
        Command::header(0x00, 0xA4, 0x04, 0x0C).data(&ISSUER_SECURITY_DOMAIN_AID)
    }

    /// SELECT an EF under the current application (docs/card.md, 3.1).
    pub(super) fn select_file(file: FileId) -> Command {
        Command::header(0x00, 0xA4, 0x02, 0x0C).data(&file.long())
    }

    /// READ BINARY of a file by its short identifier, from its start; makes it the current EF (docs/card.md, 3.2).
    pub(super) fn read_short(file: FileId, length: usize) -> Command {
        Command::header(0x00, READ_BINARY, file.short(), 0x00).le(le(length))
    }

    /// READ BINARY of the current EF, offset below 32768 (docs/card.md, 3.2).
    pub(super) fn read(offset: u16, length: usize) -> Command {
        let [high, low] = offset.to_be_bytes();
        Command::header(0x00, READ_BINARY, high & 0x7F, low).le(le(length))
    }

    /// [`Command::read_short`] with an extended Le, for more than 256 bytes (docs/card.md, section 1).
    pub(super) fn read_short_extended(file: FileId, length: u16) -> Command {
        Command::header(0x00, READ_BINARY, file.short(), 0x00).extended_le(length)
    }

    /// [`Command::read`] with an extended Le.
    pub(super) fn read_extended(offset: u16, length: u16) -> Command {
        let [high, low] = offset.to_be_bytes();
        Command::header(0x00, READ_BINARY, high & 0x7F, low).extended_le(length)
    }

    /// VERIFY without data: how many tries are left? Costs none. Exactly four bytes: a fifth was
    /// answered 6700 (docs/card.md, 3.3).
    pub(super) fn tries_left(reference: u8) -> Command {
        Command::header(0x00, VERIFY, 0x00, reference)
    }

    /// VERIFY (docs/card.md, 3.3).
    pub(super) fn verify(reference: u8, pin: &Pin) -> Option<Command> {
        Command::header(0x00, VERIFY, 0x00, reference).pin(pin)
    }

    /// CHANGE REFERENCE DATA, new value only (docs/card.md, 3.4).
    pub(super) fn change(reference: u8, new: &Pin) -> Option<Command> {
        Command::header(0x00, CHANGE, 0x01, reference).pin(new)
    }

    /// COMPUTE DIGITAL SIGNATURE (docs/card.md, 3.5).
    pub(super) fn sign(scheme: Scheme, reference: u8, input: &[u8]) -> Command {
        Command::header(0x80, 0x2A, scheme.p1(), reference)
            .data(input)
            .le(LE_256)
    }

    /// GET CHALLENGE, 1 to 256 bytes (docs/card.md, 3.6).
    pub(super) fn challenge(length: usize) -> Command {
        Command::header(0x00, GET_CHALLENGE, 0x00, 0x00).le(le(length))
    }

    /// GET RESPONSE after 61xx (ISO 7816-3, T=0).
    pub(super) fn get_response(length: u8) -> Command {
        Command::header(0x00, GET_RESPONSE, 0x00, 0x00).le(length)
    }

    /// The same command with the Le that the card named in 6Cxx, if it is one that may be sent
    /// twice: those that read. In any other one the last byte may be the end of a PIN, and what
    /// the card did with it the first time is not known for sure.
    pub(super) fn with_le(mut self, le: u8) -> Option<Command> {
        let [_, READ_BINARY | GET_CHALLENGE | GET_RESPONSE, _, _, last] = &mut self.0[..] else {
            return None;
        };
        *last = le;
        Some(self)
    }

    /// Is it one that only fetches what another command left?
    pub(super) fn is_get_response(&self) -> bool {
        matches!(self.0[..], [_, GET_RESPONSE, ..])
    }

    /// As it goes to the card.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Le for a length of 1 to 256.
fn le(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(LE_256)
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            // The length of a command with a PIN in it is the length of the PIN.
            [cla, ins @ (VERIFY | CHANGE), p1, p2, _, _, ..] => {
                write!(f, "{cla:02X} {ins:02X} {p1:02X} {p2:02X} +PIN")
            }
            [cla, ins, p1, p2, rest @ ..] => {
                write!(
                    f,
                    "{cla:02X} {ins:02X} {p1:02X} {p2:02X} +{} bytes",
                    rest.len()
                )
            }
            _ => f.write_str("no command"),
        }
    }
}

/// What the card answered: data, then status word.
pub(super) struct Response {
    pub(super) data: Vec<u8>,
    pub(super) status: StatusWord,
}

impl Response {
    /// `None` if there are fewer than two bytes.
    pub(super) fn parse(mut bytes: Vec<u8>) -> Option<Response> {
        let at = bytes.len().checked_sub(2)?;
        let [sw1, sw2] = bytes.split_off(at).try_into().ok()?;
        Some(Response {
            data: bytes,
            status: StatusWord::from_bytes(sw1, sw2),
        })
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:?}", self.data.len(), self.status)
    }
}

/// SW1-SW2, named where we act on it; what it means depends on the command (docs/card.md, section 4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusWord {
    /// 9000.
    Ok,
    /// 6282: fewer bytes than asked, the end of the file.
    EndOfFile,
    /// 61xx: so many bytes wait (0: 256).
    MoreData(u8),
    /// 6Cxx: ask again with this Le.
    WrongLe(u8),
    /// 63Cx: x tries left.
    TriesLeft(u8),
    /// 6983 or 6984: the PIN is locked.
    Locked,
    /// 6982: a PIN must be verified first.
    SecurityStatus,
    /// 6A82: no such file or application.
    NotFound,
    /// Everything else.
    Other(u16),
}

impl StatusWord {
    fn from_bytes(sw1: u8, sw2: u8) -> StatusWord {
        match (sw1, sw2) {
            (0x90, 0x00) => StatusWord::Ok,
            (0x62, 0x82) => StatusWord::EndOfFile,
            (0x61, more) => StatusWord::MoreData(more),
            (0x6C, le) => StatusWord::WrongLe(le),
            (0x63, 0xC0..=0xCF) => StatusWord::TriesLeft(sw2 & 0x0F),
            (0x69, 0x83 | 0x84) => StatusWord::Locked,
            (0x69, 0x82) => StatusWord::SecurityStatus,
            (0x6A, 0x82) => StatusWord::NotFound,
            _ => StatusWord::Other(u16::from_be_bytes([sw1, sw2])),
        }
    }

    /// The number, as well as it is known (6983 and 6984 are one to us).
    pub(super) fn number(self) -> u16 {
        match self {
            StatusWord::Ok => 0x9000,
            StatusWord::EndOfFile => 0x6282,
            StatusWord::MoreData(more) => 0x6100 | u16::from(more),
            StatusWord::WrongLe(le) => 0x6C00 | u16::from(le),
            StatusWord::TriesLeft(left) => 0x63C0 | u16::from(left),
            StatusWord::Locked => 0x6984,
            StatusWord::SecurityStatus => 0x6982,
            StatusWord::NotFound => 0x6A82,
            StatusWord::Other(number) => number,
        }
    }

    /// Is it a checking error (ISO 7816-4, 5.1.3: 67xx to 6Exx)? The command was not carried out.
    pub(super) fn is_checking_error(self) -> bool {
        matches!(self.number() >> 8, 0x67..=0x6E)
    }

    /// Is it one that comes with data, or announces them?
    pub(super) fn brings_data(self) -> bool {
        matches!(
            self,
            StatusWord::Ok
                | StatusWord::EndOfFile
                | StatusWord::MoreData(_)
                | StatusWord::WrongLe(_)
        )
    }

    /// Can only a card answer so that has understood what the command names?
    pub(super) fn proves_the_form(self) -> bool {
        matches!(
            self,
            StatusWord::Ok
                | StatusWord::EndOfFile
                | StatusWord::TriesLeft(_)
                | StatusWord::Locked
                | StatusWord::SecurityStatus
        )
    }

    /// Is it one by which a card says that it does not know this form of a command (P1, P2, INS or
    /// length), having done nothing?
    pub(super) fn refuses_the_form(self) -> bool {
        // 6986: an SFI read taken for a read of the current EF, of which there is none.
        // 6B00: taken for an offset. 6A81, 6A86, 6A88: P1-P2. 6D00: INS. 6700: length.
        matches!(
            self,
            StatusWord::Other(0x6700 | 0x6986 | 0x6A81 | 0x6A86 | 0x6A88 | 0x6B00 | 0x6D00)
        )
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.number())
    }
}

/// The reference to a PIN or key in P2: the current EF, or one by its short identifier.
pub(super) fn reference(file: Option<FileId>) -> u8 {
    file.map_or(0x80, FileId::short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::pin::Shape;

    #[test]
    fn commands_are_what_the_card_knows() {
        assert_eq!(
            Command::select_jpki().bytes(),
            [
                0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00,
                0x01
            ]
        );
        assert_eq!(
            Command::leave_jpki().bytes(),
            [
                0x00, 0xA4, 0x04, 0x0C, 0x07, 0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00
            ]
        );
        assert_eq!(
            Command::read_short(FileId::TOKEN_INFORMATION, 160).bytes(),
            [0x00, 0xB0, 0x86, 0x00, 0xA0]
        );
        assert_eq!(
            Command::read(0x0600, 256).bytes(),
            [0x00, 0xB0, 0x06, 0x00, 0x00]
        );
        assert_eq!(Command::tries_left(0x98).bytes(), [0x00, 0x20, 0x00, 0x98]);
        assert_eq!(
            Command::sign(Scheme::Pss, 0x97, &[0xAA, 0xBB]).bytes(),
            [0x80, 0x2A, 0x04, 0x97, 0x02, 0xAA, 0xBB, 0x00]
        );
        assert_eq!(
            Command::challenge(256).bytes(),
            [0x00, 0x84, 0x00, 0x00, 0x00]
        );
    }

    #[test]
    fn only_what_reads_is_sent_again_with_another_length() {
        let pin = Pin::parse(Shape::FourDigits, b"1234").unwrap();
        for command in [
            Command::select_jpki(),
            Command::select_file(FileId::TOKEN_INFORMATION),
            Command::tries_left(0x98),
            Command::verify(0x98, &pin).unwrap(),
            Command::change(0x98, &pin).unwrap(),
            Command::sign(Scheme::Pkcs1, 0x97, &[1]),
        ] {
            assert!(command.with_le(0x10).is_none());
        }
        for command in [
            Command::read(0, 256),
            Command::read_short(FileId::TOKEN_INFORMATION, 160),
            Command::challenge(8),
            Command::get_response(0),
        ] {
            assert_eq!(command.with_le(0x10).unwrap().bytes()[4..], [0x10]);
        }
    }

    #[test]
    fn a_command_with_a_pin_shows_no_pin_and_does_not_move() {
        let pin = Pin::parse(Shape::Password, b"ABCDEFGH12345678").unwrap();
        let command = Command::verify(0x9B, &pin).unwrap();
        assert_eq!(command.bytes(), b"\x00\x20\x00\x9B\x10ABCDEFGH12345678");
        assert_eq!(format!("{command:?}"), "00 20 00 9B +PIN");
        assert!(command.0.capacity() >= MAX_COMMAND);
    }

    #[test]
    fn every_status_word_survives_the_round_trip() {
        for number in 0..=u16::MAX {
            let [sw1, sw2] = number.to_be_bytes();
            let back = StatusWord::from_bytes(sw1, sw2).number();
            assert!(
                back == number || (number == 0x6983 && back == 0x6984),
                "{number:04X}"
            );
        }
    }

    #[test]
    fn status_words_are_told_apart() {
        let of = |number: u16| {
            let [sw1, sw2] = number.to_be_bytes();
            StatusWord::from_bytes(sw1, sw2)
        };
        assert_eq!(of(0x6282), StatusWord::EndOfFile);
        for number in [0x9000, 0x6282, 0x6110, 0x6C20] {
            assert!(of(number).brings_data(), "{number:04X}");
        }
        for number in [0x63C3, 0x6581, 0x6984, 0x6982, 0x6A82, 0x6F00] {
            assert!(!of(number).brings_data(), "{number:04X}");
        }
        for number in [0x6700, 0x6982, 0x6A82, 0x6B00, 0x6D00, 0x6E00] {
            assert!(of(number).is_checking_error(), "{number:04X}");
        }
        for number in [0x9000, 0x6282, 0x63C1, 0x6400, 0x6581, 0x6F00] {
            assert!(!of(number).is_checking_error(), "{number:04X}");
        }
        assert!(Command::get_response(4).is_get_response());
        assert!(!Command::read(0, 4).is_get_response());
    }

    #[test]
    fn an_answer_needs_a_status_word() {
        assert!(Response::parse(vec![]).is_none());
        assert!(Response::parse(vec![0x90]).is_none());
        let response = Response::parse(vec![1, 2, 0x63, 0xC2]).unwrap();
        assert_eq!(response.data, [1, 2]);
        assert_eq!(response.status, StatusWord::TriesLeft(2));
    }
}
