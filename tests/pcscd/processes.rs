//! Several processes on the same cards, and many cycles in one.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use cryptoki_sys::*;

use super::common::module::{pcsc::Transport, pcsc_service};
use super::common::{AUTH, SIGN};
use super::rig::{Rig, tries};

/// Open files and resident memory in KiB.
fn size_of_this_process() -> (usize, u64) {
    let files = fs::read_dir("/proc/self/fd").unwrap().count();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let memory = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (files, memory)
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn hundreds_of_cycles_leave_nothing_behind() {
    let rig = Rig::new();
    let cycle = || {
        let session = rig.logged_in(AUTH);
        rig.sign_well(session, AUTH).unwrap();
        let _ = rig.wait_for_slot_event(CKF_DONT_BLOCK);
        rig.finalize().unwrap();
        rig.start();
    };
    for _ in 0..50 {
        cycle();
    }
    let before = size_of_this_process();
    let start = Instant::now();
    for _ in 0..300 {
        cycle();
    }
    let after = size_of_this_process();
    println!(
        "300 cycles over pcscd in {:?}: {before:?} -> {after:?} (files, KiB)",
        start.elapsed()
    );
    assert_eq!(before.0, after.0);
    assert!(after.1 < before.1 + 1024, "{before:?} -> {after:?}");
}

/// libpcsclite reads its list of contexts in `SCardDisconnect` while another thread may change it.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn connections_begin_and_end_on_many_threads_at_once() {
    let _rig = Rig::new();
    let readers = pcsc_service().survey().unwrap();
    let connections = || {
        for _ in 0..1500 {
            for reader in &readers {
                pcsc_service().connect(&reader.name).unwrap();
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(connections);
        }
    });
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn three_processes_use_both_tokens_at_once() {
    let _rig = Rig::new();
    let children: Vec<Child> = (0..3)
        .map(|_| {
            Command::new(env::current_exe().unwrap())
                .args(["--ignored", "--exact", "processes::child_that_signs"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(tries(), (3, 5));
}

/// One of the three: signs with both tokens for some seconds, logged in all the time.
#[test]
#[ignore = "a part of three_processes_use_both_tokens_at_once"]
fn child_that_signs() {
    let rig = Rig::new();
    let sessions = [AUTH, SIGN].map(|slot| (slot, rig.logged_in(slot)));
    let start = Instant::now();
    let mut signatures = 0;
    while start.elapsed() < Duration::from_secs(5) {
        for (slot, session) in sessions {
            assert_eq!(rig.sign_well(session, slot), Ok(()), "after {signatures}");
            assert_eq!(rig.state(session), Ok(CKS_RW_USER_FUNCTIONS));
            signatures += 1;
        }
    }
    assert!(signatures > 10, "{signatures}");
}
