//! A report of jpki-doctor from somebody else: whatever it holds, the simulator refuses it or makes a card after it.
#![no_main]

use jpki_card_simulator::Profile;
use jpki_card_simulator::like::Like;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(like) = Like::from_report(text) {
        let _ = Profile::parse(&like.options);
    }
});
