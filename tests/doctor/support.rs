//! A private pcscd, a private home, the doctor in both, and a terminal to talk to it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const DOCTOR: &str = env!("CARGO_BIN_EXE_jpki-doctor");

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of this test alone, gone at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("jpki-doctor-test.{}.{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let file = self.0.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }

    /// Every file with its content, every folder with none.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut tree = BTreeMap::new();
        let mut open = vec![self.0.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path.clone());
                    tree.insert(path, Vec::new());
                } else {
                    let content = fs::read(&path).unwrap_or_default();
                    tree.insert(path, content);
                }
            }
        }
        tree
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A pcscd of this test alone, with virtual cards; ends with the value.
pub(crate) struct Pcscd {
    child: Child,
    /// The command inside ends when this is closed.
    input: Option<ChildStdin>,
    socket: String,
    control: String,
    simulator: PathBuf,
}

impl Pcscd {
    /// With these options of `tests/virtual-pcscd`.
    pub(crate) fn start(options: &[&str]) -> Pcscd {
        let simulator = simulator();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/virtual-pcscd");
        let inside = r#"echo "$PCSCLITE_CSOCK_NAME"; echo "$VIRTUAL_CARD_CONTROL"; read -r _"#;
        let mut child = Command::new(script)
            .args(options)
            .args(["--", "sh", "-c", inside])
            .env("VIRTUAL_CARD_SIMULATOR", &simulator)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tests/virtual-pcscd cannot be started: is bash there?");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (Some(Ok(socket)), Some(Ok(control))) = (lines.next(), lines.next()) else {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).ok();
            child.wait().ok();
            panic!(
                "no virtual card; apt-get install pcscd vsmartcard-vpcd python3 util-linux\n{said}"
            );
        };
        Pcscd {
            input: child.stdin.take(),
            child,
            socket,
            control,
            simulator,
        }
    }

    /// Says something to the simulator.
    pub(crate) fn control(&self, words: &[&str]) -> String {
        let output = Command::new(&self.simulator)
            .arg("ctl")
            .arg(&self.control)
            .args(words)
            .output()
            .unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(answer.starts_with("ok"), "{words:?}: {answer}");
        answer
    }

    /// Puts another card in, and waits until pcscd has seen it.
    pub(crate) fn swap(&self, card: &str) {
        self.take_out();
        self.control(&["insert", card]);
        // pcscd powers a card that it sees, and powers it off again when nobody uses it.
        for _ in 0..100 {
            if self.control(&["verified"]).contains("powered=yes") {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(Duration::from_millis(300));
    }

    /// Takes the card out, and waits until pcscd has surely seen that: it looks every 400 ms.
    pub(crate) fn take_out(&self) {
        self.control(&["remove"]);
        thread::sleep(Duration::from_millis(1500));
    }

    /// One of the counters of a card.
    pub(crate) fn counter(&self, card: &str, name: &str) -> u32 {
        let answer = self.control(&["counters", card]);
        let mut words = answer.split_whitespace();
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.expect(name).parse().unwrap()
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().ok();
    }
}

/// The simulator's program: the one that is named, or the newest that was built.
fn simulator() -> PathBuf {
    if let Some(named) = std::env::var_os("VIRTUAL_CARD_SIMULATOR") {
        return named.into();
    }
    let target = Path::new(DOCTOR).parent().unwrap().parent().unwrap();
    let built = ["release", "debug"].map(|kind| target.join(kind).join("jpki-card-simulator"));
    let there = built.into_iter().filter(|path| path.is_file());
    there
        .max_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).unwrap())
        .expect("no simulator; first: cargo build --release -p jpki-card-simulator")
}

/// The doctor with a home of its own.
pub(crate) struct Doctor<'a> {
    pub(crate) home: Folder,
    pcscd: Option<&'a Pcscd>,
}

impl<'a> Doctor<'a> {
    pub(crate) fn new(pcscd: Option<&'a Pcscd>) -> Doctor<'a> {
        let home = Folder::new();
        fs::create_dir(home.path().join(".config")).unwrap();
        Doctor { home, pcscd }
    }

    fn environment(&self, command: &mut Command) {
        let socket = self
            .pcscd
            .map_or("/nonexistent/socket", |pcscd| &pcscd.socket);
        command
            .env("HOME", self.home.path())
            .env("PCSCLITE_CSOCK_NAME", socket)
            .env("LC_ALL", "C.UTF-8")
            // A screen for the dialog, where a test sets one. Nothing is ever shown on it.
            .env("DISPLAY", ":99")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME");
    }

    /// Runs it without a terminal.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        // The tests may be run from a terminal, which the program would find.
        let mut command = Command::new("setsid");
        self.environment(&mut command);
        command
            .args(["--wait", DOCTOR])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What it says on standard output, and its exit status.
    pub(crate) fn text(&self, words: &[&str]) -> (String, i32) {
        let output = self.run(words);
        let text = String::from_utf8(output.stdout).unwrap();
        (text, output.status.code().unwrap())
    }

    /// Its report as JSON, and its exit status.
    pub(crate) fn json(&self, words: &[&str]) -> (Value, i32) {
        let (text, status) = self.text(&[words, &["--json"]].concat());
        (serde_json::from_str(&text).unwrap(), status)
    }

    /// Starts it on a pseudo terminal.
    pub(crate) fn talk(&self, words: &[&str]) -> Talk {
        let command = [&[DOCTOR], words].concat().join(" ");
        let mut script = Command::new("script");
        self.environment(&mut script);
        let mut child = script
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("script is not there: apt-get install bsdutils");
        let mut output = child.stdout.take().unwrap();
        let (sender, heard) = channel();
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut some) {
                if sender.send(some[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Talk {
            input: child.stdin.take(),
            child,
            heard,
            text: String::new(),
            read: 0,
        }
    }
}

/// A conversation on a pseudo terminal.
pub(crate) struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    heard: Receiver<Vec<u8>>,
    /// Everything that the screen has shown.
    text: String,
    /// So much of it was waited for already.
    read: usize,
}

impl Talk {
    /// Waits until the screen shows this, and types that.
    pub(crate) fn answer(&mut self, prompt: &str, typed: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.text[self.read..].contains(prompt) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("'{prompt}' did not come: {}", self.text),
            }
        }
        self.read = self.text.len();
        // The terminal is flushed when the echo goes off, before the prompt comes.
        writeln!(self.input.as_mut().unwrap(), "{typed}").unwrap();
    }

    /// Waits for the end: all that the screen has shown, and the exit status.
    pub(crate) fn end(mut self) -> (String, i32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                // Its output is closed.
                Err(_) if Instant::now() < deadline => break,
                Err(_) => panic!("it does not end: {}", self.text),
            }
        }
        drop(self.input.take());
        let status = self.child.wait().unwrap();
        (self.text, status.code().unwrap())
    }
}
