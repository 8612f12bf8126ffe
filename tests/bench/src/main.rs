//! The program behind `tests/bench/run` and `tests/bench/check`: runs the steps and prints the table.
//! It runs below `tests/virtual-pcscd`. It asks nobody anything.

use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, thread};

use jpki_bench::card::{MODELS, Timing, tell};
use jpki_bench::meter::{Cost, least};
use jpki_bench::programs::{Program, Scene, in_a_process};
use jpki_bench::report::{self, Row};
use jpki_bench::step::Step;
use jpki_bench::{Result, client, floor, hot, parallel};
use serde_json::{Map, Value, json};

const USAGE: &str = "\
jpki-bench table MODULE OPENSC RUNS JSON   the whole table; the figures also go to the file JSON
jpki-bench count MODULE                    APDUs of each step and program, one a line
jpki-bench client MODULE STEP              one step with any PKCS#11 module
jpki-bench floor STEP                      one step with bare PC/SC
jpki-bench peak MODULE                     KiB at the most of a process that logs in and signs once
jpki-bench hot CALL ROUNDS                 one call of this module in-process, for callgrind
jpki-bench allocations                     allocations of each call of this module
jpki-bench record                          a new tests/bench/card.trace";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "jpki-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match *words {
        ["table", module, opensc, runs, path] => {
            let contest = Contest {
                module: module.into(),
                opensc: Some(opensc.into()),
                runs: runs.parse()?,
                result: Cost::median,
            };
            let figures = contest.tables()?;
            Ok(fs::write(path, serde_json::to_vec_pretty(&figures)?)?)
        }
        ["count", module] => {
            let contest = Contest {
                module: module.into(),
                opensc: None,
                runs: 3,
                result: least,
            };
            contest.counts()
        }
        ["client", module, name] => {
            let step = Step::parse(name).ok_or("no such step")?;
            print(&client::run(step, Path::new(module))?.to_json())
        }
        ["floor", name] => print(&floor::run(Step::parse(name).ok_or("no such step")?)?.to_json()),
        ["peak", module] => {
            client::run(Step::LoginAuthentication, Path::new(module))?;
            let status = fs::read_to_string("/proc/self/status")?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|peak| peak.split_whitespace().next());
            print(&peak.ok_or("the kernel does not tell")?)
        }
        ["hot", call, rounds] => hot::repeat(call, rounds.parse()?),
        ["record"] => print(&hot::record()?),
        ["allocations"] => hot::allocations().and_then(|text| print(&text)),
        _ => Err(USAGE.into()),
    }
}

fn print(text: &dyn std::fmt::Display) -> Result<()> {
    Ok(writeln!(stdout(), "{text}")?)
}

struct Contest {
    module: PathBuf,
    opensc: Option<PathBuf>,
    runs: usize,
    /// What counts of several runs.
    result: fn(&[Cost]) -> Cost,
}

impl Contest {
    fn tables(&self) -> Result<Value> {
        let scene = Scene::new()?;
        scene.authorize(&self.module)?;
        let mut all = Map::new();
        for timing in MODELS {
            let rows = self.rows(timing, &scene)?;
            print(&report::table(timing, &rows))?;
            tell("VIRTUAL_CARD_CONTROL_2", "insert")?;
            settle();
            timing.set()?;
            let parallel = parallel::run(&self.module, timing)?;
            tell("VIRTUAL_CARD_CONTROL_2", "remove")?;
            settle();
            print(&parallel::sentence(&parallel))?;
            let figures = json!({ "steps": report::json(&rows), "parallel": parallel });
            all.insert(timing.name.to_owned(), figures);
        }
        Ok(Value::Object(all))
    }

    fn rows(&self, timing: Timing, scene: &Scene) -> Result<Vec<Row>> {
        timing.set()?;
        let mut rows = Vec::new();
        for step in Step::ALL {
            let foreign = step == Step::ForeignCard;
            if foreign {
                tell("VIRTUAL_CARD_CONTROL", "swap other")?;
                settle();
            }
            rows.push(self.step(step)?);
            if foreign {
                tell("VIRTUAL_CARD_CONTROL", "swap me")?;
                settle();
            }
        }
        for program in Program::ALL {
            rows.push(self.program(program, scene)?);
        }
        Ok(rows)
    }

    fn step(&self, step: Step) -> Result<Row> {
        let runs = match self.opensc {
            Some(_) => step.runs(self.runs),
            None => self.runs,
        };
        let client = |module: &Path, ours| {
            let module = module.to_str().ok_or("the module's path is not UTF-8")?;
            self.several(runs, || in_a_process(step, &["client", module], ours))
        };
        let peer = self.opensc.as_deref().filter(|_| !step.is_ours_alone());
        Ok(Row {
            name: step.name(),
            title: step.title(),
            ours: Some(client(&self.module, true)?),
            opensc: peer.map(|module| client(module, false)).transpose()?,
            floor: match self.opensc {
                Some(_) => Some(self.several(runs, || in_a_process(step, &["floor"], false))?),
                None => None,
            },
        })
    }

    fn program(&self, program: Program, scene: &Scene) -> Result<Row> {
        let run = |module: &Path| self.several(self.runs, || scene.run(program, module));
        // OpenSC has no RSA-PSS for this card, and TLS 1.3 knows nothing else for RSA keys.
        let peer = self.opensc.as_deref().filter(|_| program != Program::Tls13);
        Ok(Row {
            name: program.name(),
            title: program.title(),
            ours: Some(run(&self.module)?),
            opensc: peer.map(run).transpose()?,
            floor: None,
        })
    }

    fn several(&self, runs: usize, mut run: impl FnMut() -> Result<Cost>) -> Result<Cost> {
        let costs = (0..runs).map(|_| run()).collect::<Result<Vec<Cost>>>()?;
        Ok((self.result)(&costs))
    }

    /// `NAME APDUS BYTES`, one line each: what `tests/bench/check` compares.
    fn counts(&self) -> Result<()> {
        let scene = Scene::new()?;
        scene.authorize(&self.module)?;
        for row in self.rows(MODELS[0], &scene)? {
            let Some(ours) = row.ours else { continue };
            print(&format!("{} {} {}", row.name, ours.apdus, ours.bytes))?;
        }
        Ok(())
    }
}

/// pcscd was seen to take up to 0.9 s to notice what happened on a vpcd reader.
fn settle() {
    thread::sleep(Duration::from_millis(1200));
}
