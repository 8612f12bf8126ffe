//! The program `jpki-card-simulator` from outside: a vpcd of our own on one side, the control socket on the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests; clippy.toml covers #[test] functions only"
)]

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_jpki-card-simulator");

const JPKI: &[u8] = &[
    0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01,
];
const WRONG_PIN: &[u8] = b"\x00\x20\x00\x98\x049999";
const QUERY: &[u8] = &[0x00, 0x20, 0x00, 0x98];

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("jpki-sim-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running simulator and our vpcd.
struct Rig {
    child: Child,
    control: PathBuf,
    listener: TcpListener,
}

impl Rig {
    fn start(folder: &Path, options: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let control = folder.join("control");
        let child = Command::new(PROGRAM)
            .args(["serve", "--vpcd", &format!("127.0.0.1:{port}"), "--control"])
            .arg(&control)
            .args(options.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut rig = Self {
            child,
            control,
            listener,
        };
        let mut line = [0; 6];
        let out = rig.child.stdout.as_mut().unwrap();
        out.read_exact(&mut line).unwrap();
        assert_eq!(line, *b"ready ");
        rig
    }

    /// The next connection, as the driver accepts it.
    fn accept(&self) -> Line {
        self.listener.set_nonblocking(true).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    stream
                        .set_read_timeout(Some(Duration::from_secs(20)))
                        .unwrap();
                    return Line(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A connection with a powered card that has JPKI selected.
    fn jpki(&self) -> Line {
        let mut line = self.accept();
        line.send(&[1]);
        assert_eq!(line.ask(JPKI), [0x90, 0x00]);
        line
    }

    /// One command through the client: the answer, and whether it was a success.
    fn control(&self, command: &str) -> (String, bool) {
        let output = Command::new(PROGRAM)
            .arg("ctl")
            .arg(&self.control)
            .args(command.split_whitespace())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (text.trim_end().to_owned(), output.status.success())
    }

    #[track_caller]
    fn ok(&self, command: &str) -> String {
        let (answer, success) = self.control(command);
        assert!(success && answer.starts_with("ok"), "{command}: {answer}");
        answer
    }

    fn quit(mut self) {
        self.ok("quit");
        assert!(self.child.wait().unwrap().success());
        assert!(!self.control.exists());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A vpcd connection.
struct Line(TcpStream);

impl Line {
    fn send(&mut self, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap();
        // Two writes, as Debian's driver does it.
        self.0.write_all(&length.to_be_bytes()).unwrap();
        self.0.write_all(payload).unwrap();
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut payload = vec![0; u16::from_be_bytes(length).into()];
        self.0.read_exact(&mut payload).ok()?;
        Some(payload)
    }

    fn ask(&mut self, payload: &[u8]) -> Vec<u8> {
        self.send(payload);
        self.receive().expect("an answer")
    }
}

#[test]
fn a_session() {
    let folder = Folder::new("session");
    let rig = Rig::start(&folder.0, "--card me=plastic --card kid=child");
    let mut line = rig.accept();
    assert_eq!(
        line.ask(&[4])[..2],
        [0x3B, 0xE0],
        "the ATR tells presence, before any power"
    );
    line.send(&[1]);
    assert_eq!(line.ask(JPKI), [0x90, 0x00]);
    assert_eq!(line.ask(WRONG_PIN), [0x63, 0xC2]);
    assert_eq!(line.ask(b"\x00\x20\x00\x98\x041234"), [0x90, 0x00]);
    assert_eq!(
        rig.ok("verified"),
        "ok auth=yes sign=no jpki_selected=yes powered=yes"
    );
    assert_eq!(
        rig.ok("counters"),
        "ok auth_tries=3 sign_tries=5 auth_verifies=2 sign_verifies=0 auth_signatures=0 sign_signatures=0 reads=0 apdus=3"
    );
    assert!(rig.ok("counters kid").contains("sign_tries=0"));
    assert_eq!(rig.ok("apdus"), "ok apdus=3");
    rig.ok("reset-count");
    assert_eq!(rig.ok("apdus"), "ok apdus=0");
    line.send(&[2]);
    assert_eq!(line.ask(QUERY), [0x63, 0xC3]);
    line.send(&[0]);
    assert_eq!(line.ask(QUERY), [0x6F, 0x00]);
    rig.quit();
}

#[test]
fn the_deck() {
    let folder = Folder::new("deck");
    let rig = Rig::start(
        &folder.0,
        "--empty --card me=plastic --card kid=child,atr=contact-2024",
    );
    assert_eq!(rig.ok("status"), "ok inserted=- insertions=0 cards=me,kid");
    let (answer, success) = rig.control("counters");
    assert_eq!(
        (answer.as_str(), success),
        ("error there is no card", false)
    );
    rig.ok("insert");
    let mut line = rig.jpki();
    rig.ok("remove");
    assert_eq!(line.receive(), None, "removal is the end of the connection");
    rig.ok("insert kid");
    let mut line = rig.accept();
    assert_eq!(line.ask(&[4])[1], 0xDA);
    rig.ok("swap-silent me");
    assert_eq!(line.ask(&[4])[1], 0xE0, "another card, the same connection");
    rig.ok("swap kid");
    assert_eq!(line.receive(), None);
    assert_eq!(rig.accept().ask(&[4])[1], 0xDA);
    for command in [
        "insert nobody",
        "swap nobody",
        "dance",
        "misbehave",
        "misbehave 1 dance",
        "misbehave x empty",
    ] {
        let (answer, success) = rig.control(command);
        assert!(
            answer.starts_with("error ") && !success,
            "{command}: {answer}"
        );
    }
    assert!(rig.ok("status").starts_with("ok inserted=kid insertions=4"));
    rig.quit();
}

#[test]
fn misbehaviour() {
    let folder = Folder::new("misbehaviour");
    let rig = Rig::start(&folder.0, "--card me=plastic");
    let mut line = rig.jpki();
    rig.ok("misbehave 2 answer-instead 6F 00");
    assert_eq!(line.ask(QUERY), [0x63, 0xC3]);
    assert_eq!(line.ask(QUERY), [0x6F, 0x00]);
    rig.ok("misbehave 1 oversized");
    assert_eq!(line.ask(QUERY).len(), 65_535);
    rig.ok("misbehave 1 empty");
    assert_eq!(line.ask(QUERY), []);
    rig.ok("misbehave 1 endless-61");
    assert_eq!(line.ask(QUERY), [0x61, 0xFF]);
    assert_eq!(line.ask(QUERY), [0x61, 0xFF]);
    rig.ok("clear");
    assert_eq!(line.ask(QUERY), [0x63, 0xC3]);
    rig.ok("misbehave 1 removed-after");
    line.send(WRONG_PIN);
    assert_eq!(line.receive(), None);
    assert!(rig.ok("counters me").contains("auth_tries=2"));
    rig.quit();
}

#[test]
fn what_is_kept() {
    let folder = Folder::new("state");
    let (state, export) = (folder.0.join("state"), folder.0.join("export"));
    let options = |card: &str| {
        format!(
            "--state {} --export {} --card {card}",
            state.display(),
            export.display()
        )
    };
    let certificates = || {
        let read = |name: &str| fs::read(export.join(name)).unwrap();
        (
            read("me-auth.der"),
            read("me-sign.pem"),
            read("auth-ca.pem"),
            read("sign-ca.pem"),
        )
    };

    let rig = Rig::start(&folder.0, &options("me=plastic"));
    let mut line = rig.jpki();
    assert_eq!(line.ask(WRONG_PIN), [0x63, 0xC2]);
    let before = certificates();
    assert!(before.1.starts_with(b"-----BEGIN CERTIFICATE-----\n"));
    // Killed at any moment: the counter was written before the answer.
    drop(rig);

    let rig = Rig::start(&folder.0, &options("me=plastic,auth-tries=3"));
    let mut line = rig.jpki();
    assert_eq!(line.ask(QUERY), [0x63, 0xC2]);
    assert_eq!(certificates(), before);
    rig.quit();

    // Another kind of card under the same name is a new one, of the same authorities.
    let rig = Rig::start(&folder.0, &options("me=plastic,expired"));
    let mut line = rig.jpki();
    assert_eq!(line.ask(QUERY), [0x63, 0xC3]);
    let after = certificates();
    assert_ne!(after.0, before.0);
    assert_eq!(after.2, before.2);
    rig.quit();
}

#[test]
fn the_driver_may_come_and_go() {
    let folder = Folder::new("driver");
    let rig = Rig::start(&folder.0, "--card me=plastic");
    drop(rig.jpki());
    let mut line = rig.accept();
    assert_eq!(line.ask(QUERY), [0x6F, 0x00], "without power again");
    line.send(&[1]);
    assert_eq!(line.ask(JPKI), [0x90, 0x00]);
    rig.quit();
}

#[test]
fn no_answer_waits_for_an_acknowledgement() {
    let folder = Folder::new("speed");
    let rig = Rig::start(&folder.0, "--card me=plastic");
    let mut line = rig.jpki();
    let start = Instant::now();
    for _ in 0..50 {
        assert_eq!(line.ask(QUERY), [0x63, 0xC3]);
    }
    // 40 ms each without the quick acknowledgement; well below 1 ms with it.
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    rig.quit();
}

#[test]
fn the_log_and_the_mark() {
    let folder = Folder::new("log");
    let log = folder.0.join("log");
    let rig = Rig::start(
        &folder.0,
        &format!("--log {} --timing 1,1,1 --card me=plastic", log.display()),
    );
    let mut line = rig.jpki();
    line.ask(WRONG_PIN);
    rig.ok("log-mark from here");
    rig.ok("timing 0,0,0");
    rig.quit();
    let text = fs::read_to_string(log).unwrap();
    assert!(text.contains("SELECT application JPKI"), "{text}");
    assert!(text.contains("--- from here"), "{text}");
    assert!(!text.contains("39 39 39 39"), "{text}");
}

#[test]
fn usage() {
    let run = |words: &str| {
        let output = Command::new(PROGRAM)
            .args(words.split_whitespace())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, help, _) = run("--help");
    assert_eq!(code, Some(0));
    assert!(help.contains("swap-silent") && help.contains("android") && help.contains("filler="));
    let (code, _, error) = run("serve --vpcd 127.0.0.1:1");
    assert_eq!(code, Some(2));
    assert!(error.contains("--card or --like is needed"), "{error}");
    let (code, _, error) = run("ctl /nowhere/socket status");
    assert_eq!(code, Some(2));
    assert!(error.contains("no simulator at /nowhere/socket"), "{error}");
}
