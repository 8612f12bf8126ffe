//! The bottom floor by itself: what the floors above are told of readers and cards, and how a card is left.

use std::ffi::CString;
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use cryptoki_sys::CKU_USER;
use pcsc::{Card, Context, Protocols, Scope, ShareMode};

use super::common::AUTH;
use super::common::config::{Config, PinEntry};
use super::common::module::pcsc::service::Pcsc;
use super::common::module::pcsc::{
    Bounded, Channel, Disposition, Error, Exchange, InsertionId, Transport,
};
use super::common::module::{initialize_with, pcsc_service};
use super::rig::{Rig, SEEN, control, folder, number, start_pcscd, stop_pcscd};

/// SELECT of the application, VERIFY of the authentication PIN by its short identifier (docs/card.md).
const OPEN: [&[u8]; 2] = [
    &[
        0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01,
    ],
    &[0x00, 0x20, 0x00, 0x98, 0x04, b'1', b'2', b'3', b'4'],
];

/// Time in which pcscd and a thread of ours do anything that they were asked for.
const PATIENCE: Duration = Duration::from_secs(3);

/// A good card in the first reader, the bottom floor, and nothing above it.
struct Floor {
    transport: Bounded,
    reader: String,
    rig: Rig,
}

impl Floor {
    fn new() -> Floor {
        let rig = Rig::new();
        rig.finalize().unwrap();
        let transport = pcsc_service();
        let reader = transport.survey().unwrap()[0].name.clone();
        Floor {
            transport,
            reader,
            rig,
        }
    }

    fn connect(&self) -> Box<dyn Channel> {
        self.transport.connect(&self.reader).unwrap()
    }

    fn insertion(&self) -> Option<InsertionId> {
        self.transport.insertion(&self.reader).unwrap()
    }

    /// Another program's connection.
    fn other_program(&self) -> Card {
        let context = Context::establish(Scope::User).unwrap();
        let reader = CString::new(self.reader.clone()).unwrap();
        context
            .connect(&reader, ShareMode::Shared, Protocols::ANY)
            .unwrap()
    }

    /// The first answer that is one, and that is as it should be.
    fn until<T>(&self, what: &str, answer: impl Fn(&Bounded) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = answer(&self.transport) {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE + SEEN, "{what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn begin(channel: &mut dyn Channel) -> Box<dyn Exchange + '_> {
    channel.begin(PATIENCE).unwrap()
}

/// Has a PIN verified by the card.
fn open(exchange: &mut dyn Exchange) {
    for command in OPEN {
        assert_eq!(exchange.transmit(command), Ok(vec![0x90, 0x00]));
    }
    assert!(is_open());
}

fn is_open() -> bool {
    control("verified").contains("auth=yes")
}

fn was_reset(channel: &mut dyn Channel) -> bool {
    let exchange = begin(channel);
    let was_reset = exchange.was_reset();
    exchange.end(Disposition::Leave).unwrap();
    was_reset
}

/// It may be held back for a moment.
fn is_alive(channel: &mut dyn Channel) -> bool {
    let start = Instant::now();
    loop {
        match channel.is_alive() {
            Err(Error::Stuck) if start.elapsed() < PATIENCE => {}
            answer => return answer.unwrap(),
        }
    }
}

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
fn card_that_is_taken_out_and_put_back() {
    let floor = Floor::new();
    let mut channel = floor.connect();
    let first = floor.insertion().unwrap();
    assert!(is_alive(&mut *channel));
    control("remove");
    floor.until("the removal", |it| {
        it.insertion(&floor.reader).unwrap().is_none().then_some(())
    });
    assert_eq!(floor.transport.survey().unwrap()[0].insertion, None);
    assert!(!is_alive(&mut *channel));
    assert!(channel.begin(PATIENCE).is_err());
    assert_eq!(
        floor.transport.connect(&floor.reader).err(),
        Some(Error::NoCard)
    );
    control("insert me");
    let second = floor.until("the insertion", |it| it.insertion(&floor.reader).unwrap());
    assert_ne!(second, first);
    let seen = &floor.transport.survey().unwrap()[0];
    assert_eq!(seen.insertion, Some(second));
    assert!(!seen.atr.is_empty());
    assert!(!is_alive(&mut *channel), "it was made to the card before");
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn reader_that_is_not_there() {
    let floor = Floor::new();
    let before = floor.insertion();
    let name = "No such reader 00 00";
    assert_eq!(floor.transport.insertion(name), Err(Error::NoReader));
    assert_eq!(floor.transport.connect(name).err(), Some(Error::NoReader));
    assert_eq!(floor.insertion(), before, "the service is the same");
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn card_that_another_program_has_just_powered_off() {
    let floor = Floor::new();
    for _ in 0..3 {
        let other = floor.other_program();
        other
            .disconnect(pcsc::Disposition::UnpowerCard)
            .map_err(|(_, error)| error)
            .unwrap();
        let mut channel = floor.connect();
        begin(&mut *channel).end(Disposition::Leave).unwrap();
    }
}

/// It counts insertions from the start again.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn insertion_before_a_restart_is_none_after_it() {
    let floor = Floor::new();
    let mut insertions = vec![floor.insertion().unwrap()];
    for _ in 0..3 {
        stop_pcscd();
        assert!(floor.transport.survey().is_err());
        start_pcscd();
        let insertion = floor.until("the card after the restart", |it| {
            it.insertion(&floor.reader).ok().flatten()
        });
        assert!(!insertions.contains(&insertion), "{insertions:?}");
        insertions.push(insertion);
    }
}

#[test]
#[ignore = "needs tests/pcscd/run"]
fn watch_ends_with_an_event_and_when_it_is_cancelled() {
    let floor = Floor::new();
    let long = Duration::from_secs(60);
    let mut watch = floor.transport.watch().unwrap();
    // What it has not seen yet is an event.
    watch.wait(long).unwrap();
    let quiet = Duration::from_secs(1);
    let start = Instant::now();
    watch.wait(quiet).unwrap();
    assert!(start.elapsed() >= quiet, "nothing has happened");

    control("remove");
    let start = Instant::now();
    watch.wait(long).unwrap();
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(floor.insertion(), None);

    let canceller = watch.canceller();
    let waiting = thread::spawn(move || {
        let answer = loop {
            match watch.wait(long) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        (watch.wait(long), answer)
    });
    thread::sleep(SEEN);
    let start = Instant::now();
    canceller.cancel();
    let answers = waiting.join().unwrap();
    assert_eq!(answers, (Err(Error::Cancelled), Error::Cancelled));
    assert!(start.elapsed() < PATIENCE);
    // The thread inside libpcsclite has ended too.
    floor.until("the end of the thread", |_| {
        (!has_thread("jpki-events")).then_some(())
    });
}

fn has_thread(name: &str) -> bool {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads
        .filter_map(|it| fs::read_to_string(it.unwrap().path().join("comm")).ok())
        .any(|it| it.trim_end() == name)
}

/// As daemons do, and Python's subprocess; the next thing that is opened gets its number.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn host_that_closes_our_sockets() {
    let _alone = Floor::new();
    let status = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--test-threads=1"])
        .arg("transport::child_that_closes_our_sockets")
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

/// PC/SC cuts a long name in the middle of a character. The reader is of tests/reader-driver, at a pcscd of its own.
#[test]
#[ignore = "needs tests/pcscd/run"]
fn reader_with_a_pin_pad_and_a_long_name() {
    let folder = tempfile::tempdir().unwrap();
    let typed = folder.path().join("typed");
    fs::write(&typed, "1234\n1234\n").unwrap();
    let output = Command::new("tests/virtual-pcscd")
        .args(["--name", &"読".repeat(41)])
        .arg("--reader")
        .arg(format!("apdu=65536:pad={}", typed.display()))
        .arg("--")
        .arg(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "transport::child_at_that_reader"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "a part of reader_with_a_pin_pad_and_a_long_name"]
fn child_at_that_reader() {
    let floor = Floor::new();
    let (name, cut) = floor.reader.split_at(40 * "読".len());
    assert_eq!(name, "読".repeat(40));
    assert!(cut.starts_with(char::REPLACEMENT_CHARACTER), "{cut}");
    assert!(floor.insertion().is_some());
    let mut channel = floor.connect();
    let abilities = channel.abilities();
    assert_eq!(abilities.max_apdu_data, 65_536);
    // SCARD_CTL_CODE(2000 + tag) of pcsc-lite.
    assert_eq!(abilities.verify_pin, Some(0x4200_07D6));
    assert_eq!(abilities.modify_pin, Some(0x4200_07D7));
    let mut exchange = begin(&mut *channel);
    assert!(exchange.control(0x4200_0000, &[]).is_err());
    exchange.end(Disposition::Leave).unwrap();
    drop(channel);

    let config = Config {
        pin_entry: PinEntry::Pinpad,
        ..Config::default()
    };
    let rig = floor.rig;
    initialize_with(Box::new(pcsc_service()), config).unwrap();
    let session = rig.open_session(AUTH, true).unwrap();
    rig.login_without_pin(session, CKU_USER).unwrap();
    rig.sign_well(session, AUTH).unwrap();
    rig.finalize().unwrap();
    assert_eq!(number(&control("counters me"), "auth_verifies"), 2);
    assert!(!is_open());
}
