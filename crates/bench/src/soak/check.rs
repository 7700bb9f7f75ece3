//! The proof: everything here is read from the store, the decoys and the vault after the daemon has stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use verisim_core::{
    ActivityState, Digest, Event, EventId, EventPayload, EventQuery, Job, JobFilter, JobId, JobState,
    Payload, Store, SyncState, TopicFilter, Work,
};

/// Every regular file below the roots with its hash, before anything happened.
pub(crate) type Snapshot = BTreeMap<(String, Vec<u8>), Digest>;

/// Takes a snapshot.
pub(crate) fn snapshot(roots: &[(String, PathBuf)]) -> Result<Snapshot, String> {
    let mut out = Snapshot::new();
    for (name, root) in roots {
        walk(root, &mut |path| {
            let relative = path.strip_prefix(root).map_err(|error| error.to_string())?;
            let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let mut key = vec![b'/'];
            key.extend(relative.as_os_str().as_bytes());
            out.insert((name.clone(), key), Digest::of(&bytes));
            Ok(())
        })?;
    }
    Ok(out)
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&Path) -> Result<(), String>) -> Result<(), String> {
    for entry in fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))? {
        let entry = entry.map_err(|error| error.to_string())?;
        let kind = entry.file_type().map_err(|error| error.to_string())?;
        if kind.is_dir() {
            walk(&entry.path(), visit)?;
        } else if kind.is_file() {
            visit(&entry.path())?;
        }
    }
    Ok(())
}

/// The capture folders in the vault that hold a sealed manifest.
pub(crate) fn sealed(vault: &Path) -> Vec<PathBuf> {
    fn find(dir: &Path, out: &mut Vec<PathBuf>) {
        if dir.join(".verisim/checksums.sha256").is_file() {
            out.push(dir.to_owned());
            return;
        }
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                find(&entry.path(), out);
            }
        }
    }
    let mut out = Vec::new();
    find(vault, &mut out);
    out
}

/// What was learnt, and what is wrong.
#[derive(Default)]
struct Findings {
    wrong: Vec<String>,
}

impl Findings {
    fn expect(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(text());
        }
    }
}

/// Proves the run. Prints what was proved, and what is wrong.
pub(crate) fn prove(
    store: &dyn Store,
    roots: &[(String, PathBuf)],
    before: &Snapshot,
    captures: &Path,
    vault: &Path,
    made: u32,
) -> Result<bool, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let (jobs, events) =
        runtime.block_on(async { Ok::<_, String>((all_jobs(store).await?, all_events(store).await?)) })?;
    let mut findings = Findings::default();
    jobs_are_whole(&jobs, &events, &mut findings);
    let expected = replay(&jobs, &events, before, &mut findings);
    let now = snapshot(roots)?;
    decoys_are_as_replayed(&expected, &now, &mut findings);
    captures_came_home(&jobs, captures, vault, made, &mut findings)?;
    let done = jobs.iter().filter(|job| job.state == JobState::Activity(ActivityState::Done)).count();
    println!(
        "{} jobs ({done} actions done), {} events, {} files on decoys, {} captures in the vault",
        jobs.len(),
        events.len(),
        now.len(),
        sealed(vault).len()
    );
    for text in findings.wrong.iter().take(50) {
        println!("WRONG: {text}");
    }
    println!("{} things wrong", findings.wrong.len());
    Ok(findings.wrong.is_empty())
}

async fn all_jobs(store: &dyn Store) -> Result<Vec<Job>, String> {
    let mut out: Vec<Job> = Vec::new();
    loop {
        let filter = JobFilter { before: out.last().map(|job| job.id), limit: 1000, ..JobFilter::default() };
        let page = store.jobs(filter).await.map_err(|error| error.to_string())?;
        if page.is_empty() {
            out.reverse();
            return Ok(out);
        }
        out.extend(page);
    }
}

async fn all_events(store: &dyn Store) -> Result<Vec<Event>, String> {
    let (mut out, mut after) = (Vec::new(), EventId(0));
    loop {
        let query = EventQuery { after, topics: TopicFilter::all(), limit: 1000 };
        let page = store.events(query).await.map_err(|error| error.to_string())?;
        if page.seen == after {
            return Ok(out);
        }
        after = page.seen;
        out.extend(page.events);
    }
}

/// No id is missing, every job has come to an end that its events agree with, and no effect is confirmed twice.
fn jobs_are_whole(jobs: &[Job], events: &[Event], findings: &mut Findings) {
    for pair in jobs.windows(2) {
        findings.expect(pair[1].id.0 == pair[0].id.0 + 1, || {
            format!("no job between {} and {}", pair[0].id, pair[1].id)
        });
    }
    let mut confirmed: BTreeMap<JobId, u32> = BTreeMap::new();
    for event in events {
        if let (Some(job), EventPayload::Activity(_)) = (event.body.job, &event.body.payload) {
            *confirmed.entry(job).or_default() += 1;
        }
    }
    for job in jobs {
        let JobState::Activity(state) = job.state else { continue };
        let times = confirmed.get(&job.id).copied().unwrap_or(0);
        let expected = u32::from(state == ActivityState::Done);
        findings.expect(times == expected, || {
            format!("job {} is {state} and was confirmed {times} times", job.id)
        });
        findings.expect(state.is_final(), || format!("job {} ended as {state}", job.id));
        findings.expect(
            !matches!(state, ActivityState::Tampered | ActivityState::Unknown | ActivityState::Failed),
            || {
                format!(
                    "job {} became {state} though nobody touched the decoys: {:?}",
                    job.id, job.last_failure
                )
            },
        );
    }
}

/// What the confirmed outcomes, in their order, must have left: hashes of whole files, and sizes of files that grow.
struct Expected {
    whole: BTreeMap<(String, Vec<u8>), Digest>,
    grown: BTreeMap<(String, Vec<u8>), (u64, u32)>,
}

fn replay(jobs: &[Job], events: &[Event], before: &Snapshot, findings: &mut Findings) -> Expected {
    let decoys: BTreeMap<JobId, String> = jobs
        .iter()
        .filter_map(|job| match &job.work {
            Work::Activity { decoy, .. } => Some((job.id, decoy.to_string())),
            Work::Sync(_) => None,
        })
        .collect();
    let mut out = Expected { whole: before.clone(), grown: BTreeMap::new() };
    for event in events {
        let (Some(job), EventPayload::Activity(payload)) = (event.body.job, &event.body.payload) else {
            continue;
        };
        let Some(decoy) = decoys.get(&job) else {
            findings.wrong.push(format!("event {} speaks of job {job}, which is not there", event.id));
            continue;
        };
        let key = |path: &verisim_core::DecoyPath| (decoy.clone(), path.as_bytes().to_vec());
        match payload {
            Payload::Plant(plant) => {
                let old = out.whole.insert(key(&plant.path), plant.sha256);
                out.grown.insert(key(&plant.path), (plant.bytes, 0));
                findings.expect(old.is_none(), || format!("job {job} planted {} over something", plant.path));
            }
            Payload::Edit(edit) => {
                let old = out.whole.insert(key(&edit.path), edit.after);
                findings
                    .expect(old == Some(edit.before), || format!("job {job} edited another {}", edit.path));
            }
            Payload::Append(append) => {
                let grown = out.grown.entry(key(&append.path)).or_default();
                let gap = append.offset != grown.0;
                *grown = (append.offset + append.bytes, grown.1 + 1);
                out.whole.remove(&key(&append.path));
                findings.expect(!gap, || format!("job {job} appended to {} not where it ended", append.path));
            }
            Payload::Move(rename) => {
                let old = out.whole.remove(&key(&rename.from));
                out.whole.insert(key(&rename.to), rename.sha256);
                findings.expect(old == Some(rename.sha256), || {
                    format!("job {job} moved another {}", rename.from)
                });
            }
            Payload::Remove(remove) => {
                let known = out.whole.remove(&key(&remove.path)).is_some();
                let grown = out.grown.remove(&key(&remove.path)).is_some();
                findings.expect(known || grown, || format!("job {job} removed an unknown {}", remove.path));
            }
            Payload::Traffic(_) | Payload::Email(_) => {}
        }
    }
    out
}

/// The decoys hold just what the outcomes say: nothing is missing, nothing is there that no outcome explains.
fn decoys_are_as_replayed(expected: &Expected, now: &Snapshot, findings: &mut Findings) {
    for (key, digest) in &expected.whole {
        let found = now.get(key);
        findings.expect(found == Some(digest), || {
            format!("{}:{} should have {digest}, has {found:?}", key.0, String::from_utf8_lossy(&key.1))
        });
    }
    for key in now.keys() {
        let explained = expected.whole.contains_key(key) || expected.grown.contains_key(key);
        findings.expect(explained, || {
            format!("{}:{} is explained by nothing", key.0, String::from_utf8_lossy(&key.1))
        });
    }
}

/// Every capture has one job, is verified, and `sha256sum -c` accepts it in the vault.
fn captures_came_home(
    jobs: &[Job],
    captures: &Path,
    vault: &Path,
    made: u32,
    findings: &mut Findings,
) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for job in jobs {
        let Work::Sync(spec) = &job.work else { continue };
        let root = &spec.capture.root;
        // What never got its sentinel is not complete, and must not have been touched.
        let complete = root.join("run_complete").exists();
        if complete {
            findings.expect(seen.insert(root.clone()), || format!("two jobs for {}", root.display()));
        }
        let expected = if complete { SyncState::Verified } else { SyncState::Waiting };
        findings.expect(job.state == JobState::Sync(expected), || {
            format!("job {} for {} is {}: {:?}", job.id, root.display(), job.state, job.last_failure)
        });
    }
    findings.expect(seen.len() == made as usize, || {
        format!("{made} captures were made, {} have a job", seen.len())
    });
    let home = sealed(vault);
    findings.expect(home.len() == made as usize, || {
        format!("{made} captures were made, {} are sealed", home.len())
    });
    for folder in home {
        let checked = Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", ".verisim/checksums.sha256"])
            .current_dir(&folder)
            .output()
            .map_err(|error| format!("sha256sum: {error}"))?;
        findings.expect(checked.status.success(), || {
            format!("{}: {}", folder.display(), String::from_utf8_lossy(&checked.stdout))
        });
        let name = folder.file_name().unwrap_or_default();
        let differs = Command::new("diff")
            .args(["--recursive", "--brief", "--no-dereference", "--exclude=.verisim", "--exclude=link"])
            .args([captures.join(name).as_os_str(), folder.as_os_str()])
            .output()
            .map_err(|error| format!("diff: {error}"))?;
        findings.expect(differs.status.success(), || {
            format!(
                "{} is not what was captured: {}",
                folder.display(),
                String::from_utf8_lossy(&differs.stdout)
            )
        });
    }
    Ok(())
}
