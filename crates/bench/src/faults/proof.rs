//! The proof: everything is read from the store, the captures and the destination after the daemon has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use verisim_core::{Digest, JobFilter, JobState, Store, SyncState, Timestamp, Work};
use verisim_testkit::VirtualClock;

use super::home::Home;
use crate::measure::Error;

/// Passes that a deletion takes.
const PASSES_MIN: u32 = 2;

impl Home {
    /// What is wrong.
    pub(super) fn prove(&self) -> Result<Vec<String>, Error> {
        let clock = VirtualClock::new(Timestamp::UNIX_EPOCH);
        let store = verisim_store::SqliteStore::open(&self.at("state/verisim.db"), clock)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let filter = JobFilter { limit: 1_000_000, ..JobFilter::default() };
        let jobs = runtime.block_on(store.jobs(filter))?;
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        let mut deleted = 0;
        for job in jobs {
            let (Work::Sync(spec), JobState::Sync(state)) = (&job.work, job.state) else { continue };
            let Some(name) = spec.capture.root.file_name().and_then(|name| name.to_str()) else { continue };
            let Some(files) = self.captured.get(name) else {
                wrong.push(format!("job {} is of {name}, which nobody made", job.id));
                continue;
            };
            if !seen.insert(name.to_owned()) {
                wrong.push(format!("{name} has two jobs"));
            }
            let is_flipped = self.flipped.iter().any(|flipped| flipped == name);
            let passes = job.progress.as_ref().map_or(0, |progress| progress.passes_total);
            match state {
                SyncState::Cleaned if passes < PASSES_MIN => {
                    wrong.push(format!("{name} was deleted after {passes} passes"));
                }
                SyncState::Cleaned => deleted += 1,
                SyncState::Verified => {}
                _ if is_flipped => {}
                state => wrong.push(format!("{name} ended as {state}: {:?}", job.last_failure)),
            }
            let is_here = &hashes(&spec.capture.root)? == files;
            if state != SyncState::Cleaned && !is_here {
                wrong.push(format!("{name} is not here as it was captured, and is {state}"));
            }
            if !is_flipped && &hashes(&self.there(name))? != files {
                wrong.push(format!("{name} is not there as it was captured, and is {state}"));
            }
        }
        for name in self.captured.keys().filter(|name| !seen.contains(*name)) {
            wrong.push(format!("{name} has no job"));
        }
        println!("{} captures, {deleted} of them deleted here after two verifications", seen.len());
        Ok(wrong)
    }
}

/// The hash of every file below a folder, without ours; nothing where the folder is not there.
fn hashes(root: &Path) -> Result<BTreeMap<PathBuf, Digest>, Error> {
    let mut out = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if entry.file_name() != ".verisim" {
                    open.push(path);
                }
            } else {
                out.insert(path.strip_prefix(root)?.to_owned(), Digest::of(&fs::read(&path)?));
            }
        }
    }
    Ok(out)
}
