//! The lines of Assuan, the protocol of GnuPG's programs: requests with escaped text, and what the answers mean
//! (its manual, "Assuan Protocol"; pinentry's manual, "Protocol").

use super::Error;

/// The longest line, in bytes, without its end.
const LONGEST: usize = 1000;

/// A request line: `COMMAND text`, the text escaped and, where the line would be too long, cut.
pub(super) fn request(command: &str, text: &str) -> Vec<u8> {
    let mut line = command.as_bytes().to_vec();
    if !text.is_empty() {
        line.push(b' ');
    }
    for letter in text.chars() {
        let mut bytes = [0; 4];
        let escaped = match letter {
            '%' => "%25",
            '\n' => "%0A",
            '\r' => "",
            other => other.encode_utf8(&mut bytes),
        };
        if line.len() + escaped.len() > LONGEST {
            break;
        }
        line.extend_from_slice(escaped.as_bytes());
    }
    line.push(b'\n');
    line
}

/// What a line of an answer is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `D …`: these places of the line hold data, still escaped.
    Data,
    /// `OK`.
    Done,
    /// `ERR`.
    Refused(Error),
    /// A comment, or a report of progress.
    Remark,
}

impl Line {
    /// Of a line without its end.
    pub(super) fn of(line: &[u8]) -> Line {
        match line {
            [b'D', b' ', ..] => Line::Data,
            [b'O', b'K'] | [b'O', b'K', b' ', ..] => Line::Done,
            [b'E', b'R', b'R', b' ', rest @ ..] => {
                Line::Refused(error(&String::from_utf8_lossy(rest)))
            }
            _ => Line::Remark,
        }
    }
}

/// `83886179 Operation cancelled <Pinentry>`: the lower 16 bits are the code of libgpg-error, the upper ones its source.
fn error(text: &str) -> Error {
    let number = text.split(' ').next().unwrap_or_default();
    match number.parse::<u32>().map(|number| number & 0xFFFF) {
        // GPG_ERR_CANCELED, GPG_ERR_FULLY_CANCELED, GPG_ERR_NOT_CONFIRMED.
        Ok(99 | 198 | 114) => Error::Cancelled,
        // GPG_ERR_TIMEOUT.
        Ok(62) => Error::TimedOut,
        _ => Error::Failed(text.chars().filter(|c| !c.is_control()).take(100).collect()),
    }
}

/// Undoes the escapes of data in their place; returns how many bytes are left.
pub(super) fn unescape(data: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = data.get(from) {
        let escaped = match data.get(from..from + 3) {
            Some([b'%', high, low]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let (byte, length) = match escaped {
            Some((high, low)) => (high << 4 | low, 3),
            None => (byte, 1),
        };
        if let Some(place) = data.get_mut(to) {
            *place = byte;
        }
        from += length;
        to += 1;
    }
    to
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_however_its_text_looks() {
        assert_eq!(request("GETPIN", ""), b"GETPIN\n");
        assert_eq!(request("SETDESC", "a\nb 100%"), b"SETDESC a%0Ab 100%25\n");
        let long = request("SETDESC", &"暗証番号".repeat(200));
        assert!(long.len() <= LONGEST + 1 && long.ends_with(b"\n"));
        assert!(long.len() > LONGEST - 3, "no more is cut than has to be");
        let fits = "x".repeat(LONGEST - "SETDESC ".len());
        assert_eq!(request("SETDESC", &fits).len(), LONGEST + 1);
        assert!(String::from_utf8(long).is_ok());
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(Line::of(b"OK"), Line::Done);
        assert_eq!(Line::of(b"OK Pleased to meet you"), Line::Done);
        assert_eq!(Line::of(b"OKAY"), Line::Remark);
        assert_eq!(Line::of(b"D 1234"), Line::Data);
        assert_eq!(Line::of(b"# D 1234"), Line::Remark);
        assert_eq!(Line::of(b"S PIN_REPEATED"), Line::Remark);
        for (line, error) in [
            (
                "ERR 83886179 Operation cancelled <Pinentry>",
                Error::Cancelled,
            ),
            ("ERR 83886194 Not confirmed <Pinentry>", Error::Cancelled),
            ("ERR 83886142 Timeout <Pinentry>", Error::TimedOut),
            (
                "ERR 83918950 Inappropriate ioctl\u{7}",
                Error::Failed("83918950 Inappropriate ioctl".to_owned()),
            ),
        ] {
            assert_eq!(Line::of(line.as_bytes()), Line::Refused(error));
        }
    }

    #[test]
    fn escapes_are_undone_in_place() {
        for (escaped, plain) in [
            (&b"1234"[..], &b"1234"[..]),
            (b"%31%32", b"12"),
            (b"%4a%4F%6f", b"JOo"),
            (b"100%25", b"100%"),
            (b"%4", b"%4"),
            (b"%", b"%"),
            (b"%zz", b"%zz"),
            (b"", b""),
            (b"%0A", b"\n"),
        ] {
            let mut data = escaped.to_vec();
            let length = unescape(&mut data);
            assert_eq!(&data[..length], plain);
        }
    }
}
