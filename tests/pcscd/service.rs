//! A pcscd that is stopped, restarted, hangs, is not there or refuses. Each wait is measured.

use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use cryptoki_sys::*;

use super::common::{AUTH, Caller};
use super::rig::{BACK, Rig, folder, signal, socket, start_pcscd, stop_pcscd, tries};

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

/// Processor time of this process.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    // utime and stime are fields 14 and 15; the state is field 3. In hundredths of a second.
    let ticks = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|it| it.parse::<u64>().unwrap());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn stopped_and_restarted_while_logged_in() {
    let rig = Rig::new();
    let session = rig.logged_in(AUTH);
    rig.sign_well(session, AUTH).unwrap();
    let caller = *rig;
    while rig.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
    let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
    thread::sleep(Duration::from_millis(300));
    stop_pcscd();
    let (slots, took) = timed(|| rig.slot_list(true).unwrap());
    assert!(slots.is_empty());
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(rig.slot_list(false).unwrap().len(), 4);
    // That nobody answers is no event and ends no session.
    assert_eq!(rig.state(session), Ok(CKS_RW_USER_FUNCTIONS));
    assert!(rig.open_session(AUTH, true).is_err());

    // Nothing spins meanwhile.
    let before = processor_time();
    thread::sleep(Duration::from_secs(3));
    let spent = processor_time() - before;
    println!("waiting 3 s without pcscd: {spent:?} of processor time");
    assert!(spent < Duration::from_millis(150), "{spent:?}");

    assert!(!waiter.is_finished());
    start_pcscd();
    // The connections to the cards have ended, and that is an event.
    assert!(waiter.join().unwrap().is_ok());
    rig.until(BACK, "the card after the restart", |it| {
        it.slot_list(true).unwrap().contains(&AUTH)
    });
    assert_eq!(rig.state(session), Err(CKR_SESSION_HANDLE_INVALID));
    let session = rig.logged_in(AUTH);
    assert_eq!(rig.sign_well(session, AUTH), Ok(()));
    assert_eq!(tries(), (3, 5));
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn waiting_costs_nothing_with_pcscd_there() {
    let rig = Rig::new();
    while rig.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
    let caller = *rig;
    let before = processor_time();
    let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
    thread::sleep(Duration::from_secs(3));
    let spent = processor_time() - before;
    println!("waiting 3 s with pcscd: {spent:?} of processor time");
    assert!(spent < Duration::from_millis(150), "{spent:?}");
    rig.finalize().unwrap();
    assert_eq!(waiter.join().unwrap(), Err(CKR_CRYPTOKI_NOT_INITIALIZED));
}

/// Lets pcscd go on however the test ends.
struct Stopped;

impl Stopped {
    fn now() -> Stopped {
        signal("STOP");
        // What was felt of it just now is believed for half a second.
        thread::sleep(Duration::from_millis(700));
        Stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("CONT");
    }
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn a_pcscd_that_hangs_does_not_hang_us() {
    let rig = Rig::new();
    let session = rig.logged_in(AUTH);
    let stopped = Stopped::now();
    let mut longest = Duration::ZERO;
    let calls: [fn(&Caller, CK_SESSION_HANDLE) -> bool; 5] = [
        |it, _| it.slot_list(true) == Ok(vec![]),
        |it, _| it.slot_info(AUTH).is_ok(),
        |it, _| it.token_info(AUTH).is_err(),
        // That nobody answers ends no session.
        |it, session| it.state(session) == Ok(CKS_RW_USER_FUNCTIONS),
        |it, _| it.open_session(AUTH, true).is_err(),
    ];
    let before = processor_time();
    for _ in 0..20 {
        for call in calls {
            let (right, took) = timed(|| call(&rig, session));
            assert!(right);
            longest = longest.max(took);
        }
        thread::sleep(Duration::from_millis(100));
    }
    println!("pcscd hangs: the longest of 100 calls took {longest:?}");
    assert!(longest < Duration::from_secs(6), "{longest:?}");
    assert!(processor_time() - before < Duration::from_millis(300));

    drop(stopped);
    rig.until(BACK, "the card after the hang", |it| {
        it.slot_list(true).unwrap().contains(&AUTH)
    });
    assert_eq!(rig.sign_well(session, AUTH), Ok(()));
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn finalize_and_initialise_while_pcscd_hangs() {
    let rig = Rig::new();
    let session = rig.logged_in(AUTH);
    rig.sign_well(session, AUTH).unwrap();
    let caller = *rig;
    while rig.wait_for_slot_event(CKF_DONT_BLOCK).is_ok() {}
    let waiter = thread::spawn(move || caller.wait_for_slot_event(0));
    let stopped = Stopped::now();
    let (answer, took) = timed(|| rig.finalize());
    println!("pcscd hangs: C_Finalize took {took:?}");
    assert_eq!(answer, Ok(()));
    assert!(took < Duration::from_secs(10), "{took:?}");
    let ((), took) = timed(|| rig.start());
    println!("pcscd hangs: C_Initialize and a first look took {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    drop(stopped);
    let _ = waiter.join().unwrap();
    rig.until(BACK, "the card after the hang", |it| {
        it.slot_list(true).unwrap().contains(&AUTH)
    });
    let session = rig.logged_in(AUTH);
    assert_eq!(rig.sign_well(session, AUTH), Ok(()));
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn a_socket_that_is_missing_and_comes_back() {
    let rig = Rig::new();
    rig.finalize().unwrap();
    let away = folder().join("run/away");
    fs::rename(socket(), &away).unwrap();
    let ((), took) = timed(|| rig.start());
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(rig.slot_list(false), Ok(vec![]));
    assert_eq!(rig.slot_info(AUTH).unwrap_err(), CKR_SLOT_ID_INVALID);
    fs::rename(&away, socket()).unwrap();
    assert_eq!(rig.slot_list(false).unwrap().len(), 4);
    let session = rig.logged_in(AUTH);
    assert_eq!(rig.sign_well(session, AUTH), Ok(()));
}

/// polkit is not here. What it comes to for us is a service that does not let us in: this program as
/// another user, and a socket that only root may use.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn a_service_that_does_not_let_us_in() {
    let (output, took) = timed(|| {
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "service::child_that_is_not_let_in"])
            .output()
            .unwrap()
    });
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// The other user's part; by itself, with rights, it fails.
#[test]
#[ignore = "a part of a_service_that_does_not_let_us_in"]
fn child_that_is_not_let_in() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let caller = Caller::new();
    let pcsc = Box::new(super::common::module::pcsc_service());
    super::common::module::initialize_with(pcsc, crate::common::config::Config::default()).unwrap();
    assert_eq!(caller.slot_list(false), Ok(vec![]));
    assert_eq!(
        caller.wait_for_slot_event(CKF_DONT_BLOCK),
        Err(CKR_NO_EVENT)
    );
    caller.finalize().unwrap();
}
