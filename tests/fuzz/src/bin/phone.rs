//! What arrives on the wire between a phone and the driver, in pieces: messages come out as they were sent, and
//! nothing else.
#![no_main]

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;

#[allow(
    dead_code,
    missing_docs,
    reason = "a part of jpki-doctor, which is no library"
)]
#[path = "../../../../src/bin/jpki-doctor/phone/wire.rs"]
mod wire;

use wire::{Lost, Wire};

fuzz_target!(|bytes: &[u8]| {
    let (mut sender, receiver) = UnixStream::pair().expect("a pair of sockets");
    let mut wire = Wire::new(receiver.into());
    sender.write_all(bytes).expect("room for the input");
    drop(sender);
    let mut rest = bytes;
    loop {
        let expected = rest.split_first_chunk::<2>().and_then(|(length, rest)| {
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        });
        match (wire.receive(Duration::from_secs(1)), expected) {
            (Ok(payload), Some((message, after))) => {
                assert_eq!(payload, message);
                rest = after;
            }
            (Err(Lost::Closed), None) => return,
            (answer, expected) => panic!("{answer:?} in place of {expected:?}"),
        }
    }
});
