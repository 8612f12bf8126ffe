//! Several processes on the same cards, and many cycles in one.

use std::io::{BufRead, BufReader};
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

/// A child without exec holds copies of its parent's sockets; pcscd ends a transaction when the last copy closes.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn killed_program_frees_the_reader_although_its_child_lives() {
    let rig = Rig::new();
    let session = rig.logged_in(AUTH);
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("processes::parent_in_a_transaction")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(parent.stdout.take().unwrap());
    let child = said
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("child ")?.1.trim().parse::<u32>().ok())
        .expect("it begins a transaction and forks");
    parent.kill().unwrap();
    parent.wait().unwrap();
    let start = Instant::now();
    let signed = rig.sign_well(session, AUTH);
    let waited = start.elapsed();
    let lived = fs::exists(format!("/proc/{child}")).unwrap();
    println!(
        "the reader is free {waited:?} after its user was killed; its child still lives: {lived}"
    );
    Command::new("kill")
        .arg(child.to_string())
        .status()
        .unwrap();
    assert_eq!((signed, lived), (Ok(()), true));
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

/// The program that is killed. Its child does nothing for a while.
#[test]
#[ignore = "a part of killed_program_frees_the_reader_although_its_child_lives"]
fn parent_in_a_transaction() {
    let readers = pcsc_service().survey().unwrap();
    let mut channels: Vec<_> = readers
        .iter()
        .filter_map(|reader| pcsc_service().connect(&reader.name).ok())
        .collect();
    let _transactions: Vec<_> = channels
        .iter_mut()
        .map(|channel| channel.begin(Duration::from_secs(1)).unwrap())
        .collect();
    // SAFETY: the child sleeps and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        thread::sleep(Duration::from_secs(30));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(0) };
    }
    println!("child {child}");
    thread::sleep(Duration::from_secs(30));
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
