//! fork, exec, dlopen and exit (PKCS#11 3.2, 5.4: a forked child starts with an empty module).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

#[path = "../it/common/mod.rs"]
mod common;

use std::process::{Command, Output};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use common::config::Config;
use common::{AUTH, Fixture, Mechanism, PIN, Template};
use cryptoki_sys::*;

/// Does this in a forked child, and gives the child's exit code: 0 when it is true. `None`: a signal
/// ended the child, among them the alarm after ten seconds.
fn forked(work: impl FnOnce() -> bool) -> Option<i32> {
    // SAFETY: the child calls `work` and leaves without unwinding or running anybody's destructors.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: an alarm of our own process; its default is to end it.
        unsafe { libc::alarm(10) };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let code = if matches!(done, Ok(true)) { 0 } else { 1 };
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(code) }
    }
    let mut status = -1;
    // SAFETY: `status` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
}

/// In a child: the module is empty, and can be initialised for itself.
fn works_by_itself(fixture: &Fixture) -> bool {
    let caller = fixture.caller();
    if caller.slot_list(true) != Err(CKR_CRYPTOKI_NOT_INITIALIZED)
        || caller.finalize() != Err(CKR_CRYPTOKI_NOT_INITIALIZED)
    {
        return false;
    }
    // A FakePcsc of its own: with the parent's, its copy in the child would be used.
    let pcsc = common::FakePcsc::default();
    pcsc.plug("Reader of the child", common::reader_with("plastic"));
    let fresh = common::module::initialize_with(Box::new(pcsc), Config::default());
    fresh.is_ok() && caller.slot_list(true).is_ok_and(|slots| slots.len() == 2) && {
        let session = caller.open_session(AUTH, true);
        session.is_ok_and(|session| {
            caller.login(session, CKU_USER, PIN).is_ok()
                && caller
                    .find(session, &Template::class(CKO_PRIVATE_KEY))
                    .is_ok_and(|it| it.len() == 1)
        })
    }
}

#[test]
fn forked_child_starts_empty_and_the_parent_continues() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    for _ in 0..10 {
        let (status, apdus) = fixture.apdus(|| forked(|| works_by_itself(&fixture)));
        assert_eq!(status, Some(0));
        assert_eq!(apdus, 0, "the child used the parent's card");
        assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
    }
    fixture.signature(session).unwrap();
}

#[test]
fn grandchild_starts_empty() {
    let fixture = Fixture::plastic();
    let _session = fixture.logged_in(AUTH);
    let status =
        forked(|| works_by_itself(&fixture) && forked(|| works_by_itself(&fixture)) == Some(0));
    assert_eq!(status, Some(0));
}

#[test]
fn fork_while_other_threads_call() {
    let fixture = Fixture::plastic();
    let session = fixture.logged_in(AUTH);
    let key = fixture.private_key(session);
    let end = Instant::now() + Duration::from_secs(4);
    let mut children = 0;
    thread::scope(|scope| {
        for number in 0..4 {
            let caller = fixture.caller();
            scope.spawn(move || {
                let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
                while Instant::now() < end {
                    if number == 0 {
                        caller.sign_once(session, &mechanism, key, b"data").unwrap();
                    } else {
                        caller.slot_list(true).unwrap();
                        caller.token_info(AUTH).unwrap();
                        let _ = caller.wait_for_slot_event(CKF_DONT_BLOCK);
                    }
                }
            });
        }
        while Instant::now() < end {
            // Nothing of the simulator is used here: its locks may be held by a thread that the child
            // does not have. What is asked of the module needs none of them.
            let caller = fixture.caller();
            let empty = || {
                caller.slot_list(true) == Err(CKR_CRYPTOKI_NOT_INITIALIZED)
                    && caller.state(session) == Err(CKR_CRYPTOKI_NOT_INITIALIZED)
                    && caller.finalize() == Err(CKR_CRYPTOKI_NOT_INITIALIZED)
            };
            assert_eq!(forked(empty), Some(0));
            children += 1;
        }
    });
    assert!(children > 20, "{children}");
    assert_eq!(fixture.state(session), Ok(CKS_RW_USER_FUNCTIONS));
    assert_eq!(fixture.tries(), (3, 5));
}

/// The built library, and a small C program that uses it as programs do. It is compiled by the C
/// compiler that the linker of Rust needs anyway.
fn c_program(name: &str, log: &str) -> Output {
    let here = env!("CARGO_MANIFEST_DIR");
    let program = env::temp_dir().join(format!("jpki-fork-{}-{name}", std::process::id()));
    let compiled = Command::new("cc")
        .args(["-Wall", "-Werror", "-pthread", "-o"])
        .arg(&program)
        .arg(format!("{here}/tests/c-programs/loader.c"))
        .arg("-ldl")
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let output = Command::new("timeout")
        .arg("30")
        .arg(&program)
        .args([name.as_ref(), library().as_os_str()])
        .env("JPKI_PKCS11_LOG", log)
        // Without pcscd: only loading and unloading is tested.
        .env("PCSCLITE_CSOCK_NAME", "/nonexistent/pcscd.comm")
        .output()
        .unwrap();
    fs::remove_file(program).unwrap();
    output
}

/// `libjpki_pkcs11.so`, which cargo builds for each test beside its own program's folder.
fn library() -> std::path::PathBuf {
    let program = env::current_exe().unwrap();
    let folder = program.parent().unwrap();
    let places = [
        folder.join("libjpki_pkcs11.so"),
        folder.with_file_name("libjpki_pkcs11.so"),
    ];
    let found = places.into_iter().find(|place| place.exists());
    found.unwrap_or_else(|| panic!("no libjpki_pkcs11.so beside {}", program.display()))
}

#[test]
fn c_program_loads_forks_and_exits() {
    for (name, log) in [
        ("reload", "off"),
        ("exit", "off"),
        ("fork", "off"),
        ("exec", "off"),
        ("threads", "off"),
        // A log that has a lock hangs the children of a program whose other threads write to it.
        ("threads", "trace"),
    ] {
        let output = c_program(name, log);
        let text = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{name}: {} {}",
            output.status,
            String::from_utf8_lossy(&text)
        );
    }
}
