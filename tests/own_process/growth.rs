//! Memory and open files of the process after logins.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail like tests"
)]

#[path = "../it/common/mod.rs"]
mod common;

use common::config::Config;
use common::{AUTH, Fixture};
use cryptoki_sys::*;
use jpki_card_simulator::Misbehaviour;

/// What the kernel counts of this process, in KiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Ten thousand times in docs/robustness.md: `CYCLES=10000 cargo test --release --test growth`.
#[test]
fn login_cycles_do_not_grow() {
    let cycles = std::env::var("CYCLES").map_or(500, |text| text.parse().unwrap());
    let fixture = Fixture::plastic();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let cycle = |number: u32| {
        let session = fixture.logged_in(AUTH);
        fixture.signature(session).unwrap();
        fixture.take_out();
        while fixture.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
        fixture.put_back();
        if number.is_multiple_of(10) {
            fixture.finalize().unwrap();
            fixture.initialize(Config::default()).unwrap();
            fixture.slot_list(false).unwrap();
        }
        // The log of the simulator would grow.
        fixture.reader().reset_log();
    };
    for number in 0..100 {
        cycle(number);
    }
    let before = (files(), status("VmRSS:"));
    for number in 0..cycles {
        cycle(number);
    }
    let after = (files(), status("VmRSS:"));
    eprintln!("{cycles} cycles: {before:?} -> {after:?} (files, KiB)");
    assert_eq!(before.0, after.0);
    assert!(after.1 < before.1 + 2048, "{before:?} -> {after:?}");
}

#[test]
fn kept_pin_is_given_up_with_its_card_and_with_the_module() {
    type End = fn(&Fixture);
    let ends: [(&str, End); 4] = [
        ("logout", |fixture| {
            fixture.logout(fixture.open(AUTH)).unwrap()
        }),
        ("removal", |fixture| {
            fixture.take_out();
            while fixture.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
        }),
        ("removal that a signature finds", |fixture| {
            fixture.reader().misbehave(1, Misbehaviour::RemovedBefore);
            let signed = fixture.signature(fixture.open(AUTH));
            assert_eq!(signed, Err(CKR_DEVICE_REMOVED));
        }),
        ("finalize", |fixture| fixture.finalize().unwrap()),
    ];
    for (end, ends) in ends {
        let fixture = Fixture::plastic();
        let before = status("VmLck:");
        fixture.logged_in(AUTH);
        assert!(status("VmLck:") > before, "{end}");
        ends(&fixture);
        assert_eq!(status("VmLck:"), before, "{end}");
    }
}
