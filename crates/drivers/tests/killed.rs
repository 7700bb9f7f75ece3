//! A process that edits files is killed again and again: what it leaves is decidable, and never looks like tampering.
//!
//! The child keeps a journal outside of the decoy, as the store would: what it is about to do is written before it is done,
//! and what was confirmed after it. The parent plays recovery: it probes what was begun and not recorded.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "child, parent and journal are all parts of one test"
)]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use verisim_connect::RootfsConnector;
use verisim_core::{
    Action, ActivityDriver, AppendFile, Body, Connector, Decoy, DecoyName, DecoyPath, Digest, EditFile, Fate,
    FileClass, FileMode, FileTimes, Intended, JobId, LedgerEntry, OwnerPolicy, Payload, PlantFile,
    RemoveFile, Staging, Task, TextEdit, Timestamp,
};
use verisim_drivers::{Connectors, FileDriver};
use verisim_testkit::VirtualClock;

/// How many processes are killed.
const KILLS: usize = 120;
/// How many files the child works on in turns.
const FILES: i64 = 5;
/// Where the child finds its decoy; absent for everybody else.
const WORK: &str = "VERISIM_TEST_KILLED";

#[derive(Serialize, Deserialize)]
enum Line {
    Begun { job: i64, action: Action, intended: Intended },
    Done { job: i64, sha256: Option<Digest> },
}

/// What is known at any moment: what the store would answer.
#[derive(Default)]
struct Known {
    ledger: HashMap<DecoyPath, (FileClass, Digest)>,
    open: Option<(i64, Action, Intended)>,
    last_job: i64,
}

impl Known {
    fn learn(&mut self, line: Line) {
        match line {
            Line::Begun { job, action, intended } => {
                self.last_job = job;
                self.open = Some((job, action, intended));
            }
            Line::Done { job, sha256 } => {
                let (begun, action, _) = self.open.take().expect("what is done was begun");
                assert_eq!(begun, job);
                self.settle(&action, sha256);
            }
        }
    }

    fn settle(&mut self, action: &Action, sha256: Option<Digest>) {
        let path = action.paths().0.expect("it is about a file").clone();
        match (action, sha256) {
            (_, None) => {
                self.ledger.remove(&path);
            }
            (Action::Plant(plant), Some(sha256)) => {
                self.ledger.insert(path, (plant.class, sha256));
            }
            (_, Some(sha256)) => self.ledger.get_mut(&path).expect("it was planted").1 = sha256,
        }
    }

    fn task(&self, job: i64, action: Action) -> Task {
        let name = DecoyName::new("d").unwrap();
        let known = action.paths().0.and_then(|path| {
            self.ledger.get(path).map(|(class, sha256)| LedgerEntry {
                decoy: name.clone(),
                path: path.clone(),
                ownership: class.ownership(),
                sha256: *sha256,
                size: 0,
                class: *class,
                persona: None,
                edits: 0,
                body: None,
                planted_at: Timestamp::UNIX_EPOCH,
                changed_at: Timestamp::UNIX_EPOCH,
            })
        });
        let decoy = Decoy { name, services: Vec::new(), role: String::new(), address: None };
        Task {
            job: JobId(job),
            decoy: Arc::new(decoy),
            action: Arc::new(action),
            known,
            staging: Staging::derive(&[3; 32], JobId(job)),
        }
    }

    /// The next thing to do: every file is planted, worked on, and removed in its turn.
    fn next(&self, job: i64) -> Action {
        let number = job % FILES;
        let path = DecoyPath::new(format!("/srv/work/{number}")).unwrap();
        let text = |text: String| Body(text.into_bytes().into());
        match self.ledger.get(&path) {
            None => Action::Plant(PlantFile {
                path,
                body: text(format!("planted by {job}\n")),
                class: if number == 0 { FileClass::CronLog } else { FileClass::Note },
                mode: FileMode::new(0o640),
                owner: OwnerPolicy::Keep,
                times: FileTimes::Live,
            }),
            Some((FileClass::CronLog, _)) => {
                // Long enough that the kernel may stop in the middle of it.
                let body = text(format!("line {job} {}\n", "x".repeat(40_000)));
                Action::Append(AppendFile { path, body, class: FileClass::DaemonLog })
            }
            Some(_) if job % 7 == 0 => Action::Remove(RemoveFile { path }),
            Some(_) => {
                let edits = vec![TextEdit::Append { text: text(format!("edited by {job}\n")) }];
                Action::Edit(EditFile { path, edits, shared: false })
            }
        }
    }
}

fn driver(work: &Path) -> FileDriver {
    let clock = VirtualClock::new(Timestamp::UNIX_EPOCH);
    let connector: Arc<dyn Connector> = Arc::new(RootfsConnector::new(work.join("root"), clock));
    FileDriver::new([(DecoyName::new("d").unwrap(), connector)].into_iter().collect::<Connectors>())
}

fn journal(work: &Path) -> PathBuf {
    work.join("journal")
}

fn read_journal(work: &Path) -> Known {
    let mut known = Known::default();
    for line in fs::read(journal(work)).unwrap_or_default().lines() {
        // The last line may be torn: what it speaks of was not begun, or not recorded.
        if let Ok(line) = serde_json::from_str(&line.unwrap()) {
            known.learn(line);
        }
    }
    known
}

fn sha256_of(payload: &Payload) -> Option<Digest> {
    match payload {
        Payload::Plant(plant) => Some(plant.sha256),
        Payload::Edit(edit) => Some(edit.after),
        Payload::Append(append) => Some(append.sha256),
        _ => None,
    }
}

/// Works until it is killed. Not a check of its own: run as part of the one below.
#[test]
fn child_that_works_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "the parent says so in the environment")]
    let Ok(work) = std::env::var(WORK) else { return };
    let work = PathBuf::from(work);
    let mut known = read_journal(&work);
    assert!(known.open.is_none(), "the parent recovers first");
    let mut journal = fs::OpenOptions::new().append(true).create(true).open(journal(&work)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let driver = driver(&work);
    let mut note = |known: &mut Known, line: Line| {
        let mut text = serde_json::to_vec(&line).unwrap();
        text.push(b'\n');
        journal.write_all(&text).unwrap();
        known.learn(line);
    };
    loop {
        let job = known.last_job + 1;
        let task = known.task(job, known.next(job));
        let action = (*task.action).clone();
        let prepared = runtime.block_on(driver.prepare(vec![task])).remove(0).unwrap();
        note(&mut known, Line::Begun { job, action, intended: prepared.intended.clone() });
        let payload = runtime.block_on(driver.run(&[prepared])).remove(0).unwrap();
        note(&mut known, Line::Done { job, sha256: sha256_of(&payload) });
    }
}

/// INV-4, INV-12: at whatever instant it happens.
#[test]
fn inv_4_inv_12_a_process_killed_at_any_instant_is_not_tampering() {
    let held = tempfile::tempdir().unwrap();
    let work = held.path();
    fs::create_dir(work.join("root")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let driver = driver(work);
    let (mut applied, mut not_applied) = (0, 0);
    for kill in 0..KILLS {
        run_and_kill(work, kill);
        let known = read_journal(work);
        let torn = fs::read(journal(work)).unwrap_or_default().last().is_some_and(|byte| *byte != b'\n');
        let mut journal = fs::OpenOptions::new().append(true).create(true).open(journal(work)).unwrap();
        if torn {
            journal.write_all(b"\n").unwrap();
        }
        if let Some((job, action, intended)) = known.open.clone() {
            let task = known.task(job, action);
            let done = |payload: &Payload| Line::Done { job, sha256: sha256_of(payload) };
            let line = match runtime.block_on(driver.probe(&task, &intended)).unwrap() {
                Fate::Applied(payload) => {
                    applied += 1;
                    done(&payload)
                }
                Fate::NotApplied => {
                    not_applied += 1;
                    let prepared = verisim_core::Prepared { content: None, task: task.clone(), intended };
                    let prepared = match &*task.action {
                        // An edit's new content is worked out anew, from the same old one.
                        Action::Edit(_) => runtime.block_on(driver.prepare(vec![task])).remove(0).unwrap(),
                        _ => prepared,
                    };
                    done(&runtime.block_on(driver.run(&[prepared])).remove(0).unwrap())
                }
                fate => panic!("kill {kill}, job {job}: {fate:?}"),
            };
            journal.write_all(&[serde_json::to_vec(&line).unwrap(), b"\n".to_vec()].concat()).unwrap();
        }
        check_tree(work, &read_journal(work), kill);
    }
    assert!(
        applied > 0 && not_applied > 0,
        "{applied} applied, {not_applied} not: the kills hit only one side"
    );
}

fn run_and_kill(work: &Path, kill: usize) {
    #[expect(clippy::disallowed_methods, reason = "this very test is the program that is killed")]
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_works_until_it_is_killed"])
        .env(WORK, work)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let before = fs::metadata(journal(work)).map_or(0, |meta| meta.len());
    while fs::metadata(journal(work)).map_or(0, |meta| meta.len()) == before {
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        std::thread::sleep(Duration::from_micros(500));
    }
    // A different instant each time, spread over some tens of actions.
    std::thread::sleep(Duration::from_micros((kill as u64 * 7_919) % 9_000));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Everything the journal tells of is there, and nothing else.
fn check_tree(work: &Path, known: &Known, kill: usize) {
    let root = work.join("root");
    assert!(known.open.is_none());
    let dir = root.join("srv/work");
    let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), known.ledger.len(), "kill {kill}: {names:?}");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1, "kill {kill}: no staging name is left");
    for (path, (class, sha256)) in &known.ledger {
        let there = fs::read(root.join(path.to_string().trim_start_matches('/'))).unwrap();
        if *class == FileClass::CronLog {
            let mut lines: Vec<&[u8]> = there.split(|byte| *byte == b'\n').skip(1).collect();
            assert_eq!(lines.pop(), Some(&b""[..]), "kill {kill}: the last line ends");
            let numbers: Vec<i64> = lines.iter().map(|line| job_of(line, kill)).collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "kill {kill}: a line is there twice: {numbers:?}");
        } else {
            assert_eq!(Digest::of(&there), *sha256, "kill {kill}: {path}");
        }
    }
}

fn job_of(line: &[u8], kill: usize) -> i64 {
    let text = std::str::from_utf8(line).unwrap();
    let (head, tail) = text.rsplit_once(' ').unwrap();
    assert_eq!(tail.len(), 40_000, "kill {kill}: a line is torn: {head}");
    head.strip_prefix("line ").unwrap().parse().unwrap()
}
