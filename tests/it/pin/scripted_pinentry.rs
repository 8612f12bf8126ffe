//! A pinentry that answers by a script and writes down what it was asked.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A program in a folder of its own, which goes with it.
pub(super) struct ScriptedPinentry {
    folder: TempDir,
}

/// `FOLDER` is replaced. Each dialog takes the next line of the file `answers`.
const PROGRAM: &str = r#"#!/bin/sh
echo "OK Pleased to meet you"
while read -r line; do
    echo "$line" >> FOLDER/asked
    case $line in
    GETPIN | CONFIRM)
        number=$(($(cat FOLDER/number) + 1))
        echo $number > FOLDER/number
        answer=$(sed -n "${number}p" FOLDER/answers)
        case $answer in
        "pin "*) echo "D ${answer#pin }" ; echo OK ;;
        "slow "*) sleep 1 ; echo "D ${answer#slow }" ; echo OK ;;
        yes | empty) echo OK ;;
        cancel) echo "ERR 83886179 Operation cancelled <Pinentry>" ;;
        no) echo "ERR 83886194 Not confirmed <Pinentry>" ;;
        timeout) echo "ERR 83886142 Timeout <Pinentry>" ;;
        wait) echo $$ > FOLDER/waits ; exec sleep 60 ;;
        noise) head -c 100000 /dev/zero | tr '\0' x ;;
        *) exit 1 ;;
        esac ;;
    BYE) echo OK ; exit ;;
    *) echo OK ;;
    esac
done
"#;

impl ScriptedPinentry {
    /// One answer for each dialog: `pin 1234`, `slow 1234` (after a second), `empty`, `yes`, `no`, `cancel`, `timeout`, `wait` (until it is ended),
    /// `noise`, `die`.
    pub(super) fn new(answers: &[&str]) -> ScriptedPinentry {
        let pinentry = ScriptedPinentry {
            folder: tempfile::tempdir().unwrap(),
        };
        let folder = pinentry.folder.path();
        fs::write(folder.join("answers"), answers.join("\n")).unwrap();
        fs::write(folder.join("number"), "0").unwrap();
        fs::write(folder.join("asked"), "").unwrap();
        let text = PROGRAM.replace("FOLDER", folder.to_str().unwrap());
        fs::write(pinentry.program(), text).unwrap();
        let program = pinentry.program();
        let executable = Command::new("chmod").arg("700").arg(program).status();
        assert!(executable.unwrap().success());
        pinentry
    }

    /// Its path.
    pub(super) fn program(&self) -> PathBuf {
        self.folder.path().join("pinentry")
    }

    /// How many dialogs were shown.
    pub(super) fn dialogs(&self) -> u32 {
        let number = fs::read_to_string(self.folder.path().join("number")).unwrap();
        number.trim().parse().unwrap()
    }

    /// Every request, line by line.
    pub(super) fn asked(&self) -> String {
        fs::read_to_string(self.folder.path().join("asked")).unwrap()
    }

    /// The texts of one command, without escapes.
    pub(super) fn texts(&self, command: &str) -> Vec<String> {
        let asked = self.asked();
        let lines = asked
            .lines()
            .filter_map(|line| line.strip_prefix(command)?.strip_prefix(' '));
        lines
            .map(|text| text.replace("%0A", "\n").replace("%25", "%"))
            .collect()
    }

    /// Waits until a dialog waits for an answer that does not come.
    pub(super) fn until_it_waits(&self) {
        let end = Instant::now() + Duration::from_secs(10);
        while !self.waiting().exists() {
            assert!(Instant::now() < end, "no dialog was shown");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Has the dialog that waited been closed?
    pub(super) fn is_closed(&self) -> bool {
        let process = fs::read_to_string(self.waiting()).unwrap();
        let state = fs::read_to_string(format!("/proc/{}/stat", process.trim()));
        state.is_err()
    }

    fn waiting(&self) -> PathBuf {
        self.folder.path().join("waits")
    }
}
