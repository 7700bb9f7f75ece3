//! The record of a run: a line for each thing that was committed about it, and for each try that began, one JSON object a line.
//!
//! Ours stands in the job's work folder, where nobody else writes, and only grows. What stands beside the data, here and at the
//! destination (`.verisim/lifecycle.jsonl`), is a copy of it that is replaced as a whole: whoever can write into a
//! capture can change or remove the copy, but not what the next one says. It is no part of the manifest and proves
//! nothing; the store's events are the truth, and a kill between a commit and its line costs that line.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use verisim_core::manifest::LIFECYCLE_PATH;
use verisim_core::{
    Capture, CaptureProof, Committed, Digest, EventPayload, Failure, FailureKind, Findings, Inventory,
    NewEvent, SyncPayload, SyncProgress, SyncState, SyncTask, Timestamp, Topic,
};

use crate::errno::{Side, failure};
use crate::native::folder;
use crate::{private, source};

const OPERATION: &str = "sync.lifecycle";
/// Ours, in the job's work folder.
pub(crate) const RECORD: &str = "lifecycle.jsonl";
/// The one that travels, in the job's work folder.
const TRAVELS: &str = "lifecycle.sent";
/// How long a record may become: a run has some dozens of lines. One that waits can be made to say something new again and
/// again by whoever writes into it, and to be tried again and again, so that half of the room is for what comes after that.
const BYTES_MAX: u64 = 1 << 20;
const WAITING_BYTES_MAX: u64 = BYTES_MAX / 2;
/// How much of a text goes into a line.
const TEXT_CHARS_MAX: usize = 1000;
/// The version of a line's shape.
const VERSION: u32 = 1;

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    time: Timestamp,
    /// The state that was reached, or `gate` for a decision about its gate.
    state: &'a str,
    capture: &'a str,
    job: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<&'a str>,
    /// Which try of a push or a verification it is, in a row.
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inventory: Option<Inventory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a CaptureProof>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureKind>,
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<bool>,
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// The line of an event, and how long the record may be with it; `None` for an event that is not about the run's own way.
fn line(what: &Committed, event: &NewEvent) -> Option<(Vec<u8>, u64)> {
    let blank = Line {
        v: VERSION,
        time: event.time,
        state: "",
        capture: "",
        job: what.job.0,
        remote: None,
        attempt: what.attempt,
        manifest: what.manifest,
        inventory: None,
        pass: None,
        failure: event.failure,
        why: String::new(),
        by: None,
        rule: None,
        revoked: None,
    };
    let line = match &event.payload {
        EventPayload::Sync(sync) => {
            let said = [event.detail.as_str(), sync.note.as_deref().unwrap_or_default()];
            let why: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
            Line {
                state: &sync.state,
                capture: &sync.capture,
                remote: Some(&sync.remote),
                inventory: sync.inventory,
                pass: sync.proof.as_ref(),
                why: cut(&why.join("; ")),
                ..blank
            }
        }
        EventPayload::Gate { capture, rule, by, reason, revoked } => Line {
            state: "gate",
            capture,
            why: cut(reason),
            by: Some(by),
            rule: Some(rule),
            revoked: Some(*revoked),
            ..blank
        },
        _ => return None,
    };
    let mut bytes = serde_json::to_vec(&line).ok()?;
    bytes.push(b'\n');
    let goes_round = [SyncState::Waiting, SyncState::Queued, SyncState::Running];
    let is_round = goes_round.iter().any(|state| state.name() == line.state);
    Some((bytes, if is_round { WAITING_BYTES_MAX } else { BYTES_MAX }))
}

fn lost(error: &io::Error) -> Failure {
    failure(Side::State, OPERATION, "writing the record of the run", error)
}

/// Adds what was committed to our record. Durable. Answers whether there was anything to add.
pub(crate) fn add(work_dir: &Path, what: &Committed) -> Result<bool, Failure> {
    let lines: Vec<(Vec<u8>, u64)> = what.events.iter().filter_map(|event| line(what, event)).collect();
    match lines.is_empty() {
        true => Ok(false),
        false => append(work_dir, &lines).map_err(|error| lost(&error)),
    }
}

fn append(work_dir: &Path, lines: &[(Vec<u8>, u64)]) -> io::Result<bool> {
    fs::create_dir_all(work_dir)?;
    let path = work_dir.join(RECORD);
    let mut file = private::open(&path, File::options().read(true).append(true).create(true))?;
    let length = file.metadata()?.len();
    let mut all = Vec::new();
    // A kill in the midst of a line left its begin: it stays a line of its own, which says nothing.
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        all.extend((last != *b"\n").then_some(b'\n'));
    }
    for (line, bytes_max) in lines {
        if length + (all.len() + line.len()) as u64 <= *bytes_max {
            all.extend_from_slice(line);
        }
    }
    if all.len() <= 1 {
        return Ok(false);
    }
    // In one piece: whoever reads it meanwhile, and whoever adds to it at once, meets whole lines.
    file.write_all(&all)?;
    file.sync_data()?;
    if length == 0 {
        File::open(work_dir)?.sync_all()?;
    }
    Ok(true)
}

/// What a step will have committed when it ends as it is about to.
pub(crate) fn to_come(
    task: &SyncTask,
    state: SyncState,
    progress: &SyncProgress,
    pass: Option<CaptureProof>,
) -> NewEvent {
    let capture = &task.spec.capture;
    let relative = capture.relative.as_ref().map_or_else(String::new, |path| format!("/{path}"));
    let remote = &task.spec.remote;
    NewEvent {
        job: Some(task.job),
        ..NewEvent::new(
            Topic::sync(task.job, state),
            EventPayload::Sync(SyncPayload {
                state: state.name().to_owned(),
                capture: format!("{}{relative}", capture.rule),
                remote: format!("{}:{}", remote.destination, remote.path),
                inventory: progress.inventory,
                proof: pass.or_else(|| progress.passes.last().copied()),
                note: if state == SyncState::Cleaned { progress.note.clone() } else { None },
                findings: Findings::default(),
            }),
            task.now,
        )
    }
}

/// Makes the copy that travels: our record, and what this very step found out and will be committed after it. `None` where
/// nothing is known of the run.
pub(crate) fn travelling(work_dir: &Path, what: &Committed) -> Result<Option<PathBuf>, Failure> {
    let copy = || {
        let mut all = match File::open(work_dir.join(RECORD)) {
            Ok(file) => {
                let mut all = Vec::new();
                file.take(BYTES_MAX).read_to_end(&mut all)?;
                all
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        if all.last().is_some_and(|last| *last != b'\n') {
            all.push(b'\n');
        }
        all.extend(what.events.iter().filter_map(|event| line(what, event)).flat_map(|(line, _)| line));
        if all.is_empty() {
            return Ok(None);
        }
        let (path, new) = (work_dir.join(TRAVELS), work_dir.join("lifecycle.new"));
        private::write(&new, &all)?;
        fs::rename(&new, &path)?;
        Ok(Some(path))
    };
    copy().map_err(|error| lost(&error))
}

/// Puts a copy beside the data here, where a pass of verification has put our marker: a capture that is not complete yet is
/// left as it is, and one that we may only read stays without.
pub(crate) fn publish_here(capture: &Capture, owner: &str, record: &Path) -> Result<(), Failure> {
    let root = match source::open(capture, OPERATION) {
        Ok(root) => root,
        Err(failure) if failure.kind == FailureKind::SourceVanished => return Ok(()),
        Err(failure) => return Err(failure),
    };
    if source::refuse_foreign_metadata(&root, owner, OPERATION).is_err()
        || !folder::owner(&root, b"").is_ok_and(|found| found.as_deref() == Some(owner))
    {
        return Ok(());
    }
    let put = File::open(record)
        .and_then(|file| folder::replace(&root, LIFECYCLE_PATH, &mut file.take(BYTES_MAX * 2)));
    match put {
        Err(error) if !is_read_only(&error) => {
            Err(failure(Side::Source, OPERATION, "writing .verisim/lifecycle.jsonl", &error))
        }
        _ => Ok(()),
    }
}

/// Whether an error says that we may only read a capture.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use verisim_core::{CaptureName, JobId, RelPath, Remote, RootIdentity, SyncSpec};

    use super::*;

    fn committed(state: SyncState, why: &str) -> Committed {
        let root = PathBuf::from("/captures/run");
        let identity = RootIdentity { device: 1, inode: 1, born_ns: None };
        let rule = CaptureName::new("lab").unwrap();
        let capture = Capture { rule, relative: None, root, identity, generation: 1 };
        let path = RelPath::new("lab/run").unwrap();
        let remote = Remote { destination: "nas".parse().unwrap(), path, owner: "us".into() };
        let sync = SyncPayload {
            state: state.name().into(),
            capture: "lab/run".into(),
            remote: "nas:lab/run".into(),
            inventory: None,
            proof: None,
            note: Some(why.into()),
            findings: Findings::default(),
        };
        let event = NewEvent {
            job: Some(JobId(7)),
            ..NewEvent::new(Topic::sync(JobId(7), state), EventPayload::Sync(sync), Timestamp::UNIX_EPOCH)
        };
        Committed {
            job: JobId(7),
            spec: SyncSpec { capture, remote },
            attempt: 1,
            manifest: None,
            events: vec![event],
        }
    }

    fn states(text: &str) -> Vec<String> {
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.map(|line| line["state"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn inv_12_a_line_that_a_kill_cut_short_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECORD);
        add(dir.path(), &committed(SyncState::Waiting, "x")).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            add(dir.path(), &committed(SyncState::Verified, "y")).unwrap();
            let now = fs::read_to_string(&path).unwrap();
            assert_eq!(states(&now).last().unwrap(), "VERIFIED", "cut at {cut}: {now}");
        }
    }

    #[test]
    fn whoever_makes_a_run_wait_again_and_again_does_not_hide_what_became_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let long = "\u{1b}[2J\n".repeat(5000);
        for _ in 0..2000 {
            add(dir.path(), &committed(SyncState::Waiting, &long)).unwrap();
        }
        assert!(!add(dir.path(), &committed(SyncState::Waiting, &long)).unwrap(), "that part is full");
        assert!(add(dir.path(), &committed(SyncState::Verified, "home")).unwrap());
        let text = fs::read_to_string(dir.path().join(RECORD)).unwrap();
        assert!(text.len() < 600_000 && states(&text).last().unwrap() == "VERIFIED", "{}", text.len());
        assert!(!text.contains('\u{1b}') && text.lines().all(|line| line.len() < 8000));
        let travels = travelling(dir.path(), &committed(SyncState::Cleaned, "")).unwrap().unwrap();
        assert_eq!(states(&fs::read_to_string(travels).unwrap()).last().unwrap(), "CLEANED");
        assert_eq!(states(&fs::read_to_string(dir.path().join(RECORD)).unwrap()).last().unwrap(), "VERIFIED");
    }
}
