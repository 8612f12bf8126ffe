//! Command APDUs in words, for the log. Shows asterisks where a PIN is.

use super::log::hex;
use crate::apdu::Command;

/// The name of a command, what it is about, and its bytes: `VERIFY auth PIN, 4 bytes [00 20 00 98 04 ** ** ** **]`.
pub fn describe(bytes: &[u8]) -> String {
    let words = match Command::parse(bytes) {
        Some(command) => words(&command),
        None => "malformed command".to_owned(),
    };
    format!("{words} [{}]", masked(bytes))
}

fn words(command: &Command<'_>) -> String {
    let Command { p1, p2, data, .. } = *command;
    let length = data.map_or(0, <[u8]>::len);
    let le = command.expected.unwrap_or(0);
    match (command.class, command.instruction) {
        (0x00, 0xA4) => match (p1, data) {
            (0x04, Some(aid)) => format!("SELECT {}", application(aid)),
            (0x02, Some(&[high, low])) => {
                format!("SELECT {}", file(u16::from_be_bytes([high, low])))
            }
            _ => "SELECT".to_owned(),
        },
        (0x00, 0xB0) if p1 & 0x80 != 0 => {
            let name = file(u16::from(p1 & 0x1F));
            format!("READ BINARY {name} from {p2}, {le} bytes")
        }
        (0x00, 0xB0) => {
            let offset = u16::from_be_bytes([p1, p2]);
            format!("READ BINARY from {offset}, {le} bytes")
        }
        (0x00, 0x20) if length == 0 => format!("VERIFY {}, query", reference(p2)),
        (0x00, 0x20) => format!("VERIFY {}, {length} bytes", reference(p2)),
        (0x00, 0x24) => format!("CHANGE REFERENCE DATA {}, {length} bytes", reference(p2)),
        (0x00, 0x84) => format!("GET CHALLENGE, {le} bytes"),
        (0x00, 0x88) => "INTERNAL AUTHENTICATE".to_owned(),
        (0x00, 0xC0) => format!("GET RESPONSE, {le} bytes"),
        (0x00, 0xCA) => format!("GET DATA {p1:02X}{p2:02X}"),
        (0x80, 0x2A) => format!("SIGN scheme {p1:02X} {}, {length} bytes", reference(p2)),
        (0x80, 0xFC) => "END OF USE".to_owned(),
        (class, instruction) => format!("unknown {class:02X} {instruction:02X}"),
    }
}

fn application(aid: &[u8]) -> &'static str {
    match aid {
        [0xD3, 0x92, 0xF0, ..] => "application JPKI",
        [0xA0, 0x00, 0x00, 0x01, 0x51, ..] => "the security domain",
        [0xD3, 0x92, 0x10, ..] => "another application of the card",
        _ => "an application",
    }
}

fn reference(p2: u8) -> String {
    match p2 {
        0x80 => "of the current EF".to_owned(),
        p2 => file(u16::from(p2 & 0x1F)),
    }
}

fn file(id: u16) -> String {
    let name = match id {
        0x0001 => "sign certificate",
        0x0002 => "sign CA certificate",
        0x0006 => "token information",
        0x0008 => "presence of certificates",
        0x000A => "auth certificate",
        0x000B => "auth CA certificate",
        0x0017 => "auth key",
        0x0018 => "auth PIN",
        0x001A => "sign key",
        0x001B => "sign password",
        _ => return format!("EF {id:04X}"),
    };
    name.to_owned()
}

/// Everything behind the header of VERIFY and of the commands that change a PIN is hidden, in malformed ones too.
fn masked(bytes: &[u8]) -> String {
    let secret = matches!(bytes, [_, 0x20 | 0x24 | 0x2C | 0x32, ..]);
    let (shown, hidden) = match secret {
        true => bytes.split_at_checked(5).unwrap_or((bytes, &[])),
        false => (bytes, &[][..]),
    };
    let stars = " **".repeat(hidden.len());
    format!("{}{stars}", hex(shown))
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn a_pin_is_never_shown() {
        assert_eq!(
            describe(b"\x00\x20\x00\x98\x041234"),
            "VERIFY auth PIN, 4 bytes [00 20 00 98 04 ** ** ** **]"
        );
        assert_eq!(
            describe(b"\x00\x24\x01\x80\x0412"),
            "malformed command [00 24 01 80 04 ** **]"
        );
        assert_eq!(
            describe(&[0, 0x20, 0, 0x9B]),
            "VERIFY sign password, query [00 20 00 9B]"
        );
        assert_eq!(describe(&[]), "malformed command []");
    }
}
