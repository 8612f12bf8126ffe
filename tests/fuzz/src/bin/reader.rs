//! What a reader's driver says of itself by PC/SC part 10.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "private to the floor of PC/SC")]
#[path = "../../../../src/pcsc/part10.rs"]
mod part10;

fuzz_target!(|bytes: &[u8]| {
    let _ = part10::properties_request(bytes);
    let _ = part10::verify_pin_request(bytes);
    let _ = part10::modify_pin_request(bytes);
    let _ = part10::max_apdu_data(bytes);
});
