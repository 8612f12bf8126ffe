//! The commands of the examination, as bytes. Those that the module never sends are here too (docs/card.md, section 3).

use jpki_pkcs11::card::files::{FileId, JPKI_AID};

/// SELECT of the master file: 6A86 at power-up, 9000 without effect later (3.1: one source).
pub(super) const SELECT_ROOT: [u8; 4] = [0x00, 0xA4, 0x00, 0x00];

/// AIDs of the plastic card's other applications (1.2).
pub(super) const OTHER_APPLICATIONS: [(&str, [u8; 10]); 4] = [
    ("select-common", other(0x01, 0x00)),
    ("select-resident", other(0x04, 0x01)),
    ("select-face", other(0x04, 0x02)),
    ("select-input-support", other(0x04, 0x08)),
];

const fn other(group: u8, number: u8) -> [u8; 10] {
    [
        0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, group, number,
    ]
}

/// SELECT by name, without an answer.
pub(super) fn select(aid: &[u8]) -> Vec<u8> {
    named(0x0C, aid)
}

/// SELECT of JPKI with its file control information: what that holds is not published.
pub(super) fn select_with_fci() -> Vec<u8> {
    let mut command = named(0x00, &JPKI_AID);
    command.push(0x00);
    command
}

fn named(p2: u8, aid: &[u8]) -> Vec<u8> {
    let length = u8::try_from(aid.len()).unwrap_or(u8::MAX);
    [&[0x00, 0xA4, 0x04, p2, length], aid].concat()
}

/// SELECT of an elementary file.
pub(super) fn select_file(id: u8) -> [u8; 7] {
    [0x00, 0xA4, 0x02, 0x0C, 0x02, 0x00, id]
}

/// READ BINARY of the current file, 1 to 256 bytes.
pub(super) fn read(offset: usize, length: usize) -> [u8; 5] {
    let [high, low] = u16::try_from(offset).unwrap_or(0x7FFF).to_be_bytes();
    let le = u8::try_from(length).unwrap_or(0x00);
    [0x00, 0xB0, high & 0x7F, low, le]
}

/// READ BINARY by a short identifier, 256 bytes.
pub(super) fn read_short(id: u8) -> [u8; 5] {
    [0x00, 0xB0, 0x80 | id, 0x00, 0x00]
}

/// READ BINARY of the current file with an extended Le that asks for everything (section 1).
pub(super) const READ_EXTENDED: [u8; 7] = [0x00, 0xB0, 0x00, 0x00, 0x00, 0x00, 0x00];

/// The question for the tries left: exactly four bytes (3.3). `reference`: P2.
pub(super) fn query(reference: u8) -> [u8; 4] {
    [0x00, 0x20, 0x00, reference]
}

/// P2 that means the current file.
pub(super) const CURRENT: u8 = 0x80;

/// GET CHALLENGE, 1 to 256 bytes (3.6).
pub(super) fn challenge(length: usize) -> [u8; 5] {
    [0x00, 0x84, 0x00, 0x00, u8::try_from(length).unwrap_or(0x00)]
}

/// COMPUTE DIGITAL SIGNATURE (3.5).
pub(super) fn sign(scheme: u8, reference: u8, input: &[u8]) -> Vec<u8> {
    let length = u8::try_from(input.len()).unwrap_or(u8::MAX);
    [&[0x80, 0x2A, scheme, reference, length], input, &[0x00]].concat()
}

/// The number of a file: the low byte of its identifier, which is its short identifier too (section 2).
pub(super) fn number(file: FileId) -> u8 {
    file.short() & 0x1F
}
