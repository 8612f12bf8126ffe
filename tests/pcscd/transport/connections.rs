//! Connections and transactions.

use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use pcsc::{Protocols, ShareMode};

use super::super::common::module::pcsc::service::Pcsc;
use super::super::common::module::pcsc::{Channel, Disposition, Error, Exchange, Transport};
use super::super::rig::folder;
use super::{Floor, PATIENCE, begin, is_alive, is_open, open, was_reset};

#[test]
#[ignore = "needs tests/pcscd/run"]
fn reset_by_another_program_is_told_once() {
    let floor = Floor::new();
    let mut other = floor.other_program();
    let mut channel = floor.connect();
    let insertion = floor.insertion();
    assert!(!was_reset(&mut *channel));
    for _ in 0..2 {
        other
            .reconnect(
                ShareMode::Shared,
                Protocols::ANY,
                pcsc::Disposition::ResetCard,
            )
            .unwrap();
        assert!(is_alive(&mut *channel));
        assert!(was_reset(&mut *channel));
        assert!(!was_reset(&mut *channel));
    }
    assert_eq!(floor.insertion(), insertion, "it was not taken out");
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn transactions_leave_a_card_as_they_are_told() {
    type End = fn(Box<dyn Exchange + '_>);
    let ends: [(&str, End, bool); 3] = [
        ("left", |it| it.end(Disposition::Leave).unwrap(), true),
        (
            "powered down",
            |it| it.end(Disposition::PowerDown).unwrap(),
            false,
        ),
        ("dropped", |it| drop(it), false),
    ];
    let floor = Floor::new();
    let without_threads = Pcsc::new();
    for (name, end, stays_open) in ends {
        let others = without_threads.connect(&floor.reader).unwrap();
        for mut channel in [floor.connect(), others] {
            let mut exchange = begin(&mut *channel);
            open(&mut *exchange);
            end(exchange);
            assert_eq!(is_open(), stays_open, "{name}");
        }
    }
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn connections_leave_a_card_as_they_are_told() {
    type End = fn(Box<dyn Channel>);
    let ends: [(&str, End, bool); 3] = [
        ("left", |it| it.disconnect(Disposition::Leave), true),
        (
            "powered down",
            |it| it.disconnect(Disposition::PowerDown),
            false,
        ),
        ("dropped", |it| drop(it), true),
    ];
    let floor = Floor::new();
    let _another = floor.other_program();
    for (name, end, stays_open) in ends {
        let mut channel = floor.connect();
        let mut exchange = begin(&mut *channel);
        open(&mut *exchange);
        exchange.end(Disposition::Leave).unwrap();
        end(channel);
        // Nobody waits for it.
        let start = Instant::now();
        while is_open() && start.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(is_open(), stays_open, "{name}");
    }
}

/// What we did to a card ourselves is no reset by another program once the power is back.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn own_reset_and_own_power_down_are_not_told() {
    let floor = Floor::new();
    let mut channel = floor.connect();
    assert!(!was_reset(&mut *channel));
    let before = warm_resets();
    channel.reset().unwrap();
    assert_eq!(warm_resets(), before + 1);
    assert!(!was_reset(&mut *channel));

    let mut exchange = begin(&mut *channel);
    exchange.reset().unwrap();
    assert_eq!(warm_resets(), before + 2);
    open(&mut *exchange);
    exchange.end(Disposition::PowerDown).unwrap();
    channel.power_up().unwrap();
    assert!(!was_reset(&mut *channel));
}

/// Of all cards, since the start. Many a card keeps its PIN over one, so that this is all that is seen of it.
fn warm_resets() -> usize {
    let log = fs::read_to_string(folder().join("apdu.log")).unwrap();
    log.matches("warm reset").count()
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn card_that_another_program_has_just_powered_off() {
    let floor = Floor::new();
    let mut other = floor.other_program();
    let mut channel = floor.connect();
    assert!(!was_reset(&mut *channel));
    for _ in 0..3 {
        let transaction = other.transaction().unwrap();
        transaction
            .end(pcsc::Disposition::UnpowerCard)
            .map_err(|(_, error)| error)
            .unwrap();
        assert!(was_reset(&mut *channel));
        begin(&mut *floor.connect())
            .end(Disposition::Leave)
            .unwrap();
        other
            .reconnect(
                ShareMode::Shared,
                Protocols::ANY,
                pcsc::Disposition::LeaveCard,
            )
            .unwrap();
    }
}

/// As daemons do, and Python's subprocess; the next thing that is opened gets its number.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn host_that_closes_our_sockets() {
    let _alone = Floor::new();
    let status = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--test-threads=1"])
        .arg("transport::connections::child_that_closes_our_sockets")
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "a part of host_that_closes_our_sockets"]
fn child_that_closes_our_sockets() {
    let inherited = sockets();
    let transport = Pcsc::new();
    let reader = transport.survey().unwrap()[0].name.clone();
    let mut channel = transport.connect(&reader).unwrap();
    let mut ours = sockets();
    ours.retain(|number| !inherited.contains(number));
    assert_eq!(ours.len(), 2, "for questions, and of the connection");
    let theirs: Vec<_> = ours
        .into_iter()
        .map(|number| {
            let (near, far) = UnixStream::pair().unwrap();
            // SAFETY: what stood under this number is lost to its owner, which is the point.
            assert_eq!(unsafe { libc::dup2(near.as_raw_fd(), number) }, number);
            far
        })
        .collect();

    let gone = |answer| matches!(answer, Err(Error::NoService(_)));
    assert!(gone(channel.begin(PATIENCE).map(drop)));
    assert!(gone(channel.is_alive().map(drop)));
    assert!(transport.survey().is_ok(), "on a fresh socket");
    drop((channel, transport));
    for mut far in theirs {
        far.set_nonblocking(true).unwrap();
        let untouched = far.read(&mut [0]).unwrap_err();
        assert_eq!(untouched.kind(), ErrorKind::WouldBlock);
    }
}

/// The numbers of this process's sockets.
fn sockets() -> Vec<i32> {
    let open = fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap);
    open.filter(|it| {
        fs::read_link(it.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    })
    .map(|it| it.file_name().into_string().unwrap().parse().unwrap())
    .collect()
}
