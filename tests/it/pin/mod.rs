//! Which PINs reach the card, what a login is good for, and how it ends.

mod always_authenticate;
mod dialog;
mod kept_pin;
mod login;
mod pad;
mod pin_protection;
mod scripted_pinentry;
mod set_pin;

/// Values that the authentication PIN cannot have.
fn no_pins() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "", "123", "12345", "ABC123", "12a4", "-123", " 1234", "1234\n", "12 4",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    all.extend(shapes_of_neither());
    all
}

/// Values that the signature password cannot have.
fn no_passwords() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "",
        "1234",
        "ABC12",
        "ABC1234567890ABCD",
        "ABC-123",
        "ABC 123",
        "ABC123\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    all.extend(shapes_of_neither());
    all
}

fn shapes_of_neither() -> Vec<Vec<u8>> {
    let text = [
        "１２３４",
        "ＡＢＣ１２３",
        "暗証番号",
        "ABCé12",
        "12\u{0}4",
        "1234\u{0}",
        "ABC123\u{0}",
        "\u{0}\u{0}\u{0}\u{0}",
    ];
    let mut all: Vec<Vec<u8>> = text.map(|text| text.as_bytes().to_vec()).to_vec();
    all.push(vec![b'1'; 300]);
    all.push(vec![0xFF; 4]);
    all.push(vec![0x80; 8]);
    all
}
