//! Writing files, in order, and what all ways of writing share.

use std::collections::{HashMap, HashSet};

use verisim_core::{
    DecoyPath, Effect, FailureKind, FileMode, FileTimes, FileWrite, Owner, OwnerPolicy, WriteMode,
    WriteOutcome, Written,
};
use verisim_sys::{Directory, Error, Regular, Root};

use super::problem::{Outcome, Problem};
use super::{FILE_BYTES_MAX, append, create, look, replace};

/// From how many files on that must reach the disk their file systems are flushed once for all of them.
const FLUSHED_TOGETHER_MIN: usize = 16;

/// Writes files in order. After a failure nothing more is written to the same path.
pub(crate) fn write(root: &Root, files: &[FileWrite]) -> Vec<Outcome<WriteOutcome>> {
    if files.iter().filter(|file| file.durable).count() < FLUSHED_TOGETHER_MIN {
        return write_all(root, files);
    }
    let loose: Vec<FileWrite> =
        files.iter().map(|file| FileWrite { durable: false, ..file.clone() }).collect();
    let mut outcomes = write_all(root, &loose);
    flush(root, files, &mut outcomes);
    outcomes
}

/// Flushes every file system that took a file which must reach the disk. What cannot be flushed is there, and not confirmed.
fn flush(root: &Root, files: &[FileWrite], outcomes: &mut [Outcome<WriteOutcome>]) {
    let mut flushed: HashSet<(u32, u32)> = HashSet::new();
    for (file, outcome) in files.iter().zip(outcomes) {
        let is_there = matches!(outcome, Ok(WriteOutcome::Written(_)));
        let (true, true, Some(parent)) = (file.durable, is_there, file.path.parent()) else { continue };
        let dir = root.directory(&parent);
        let done = dir.and_then(|dir| {
            let (major, minor, _) = dir.meta()?.identity;
            if !flushed.contains(&(major, minor)) {
                dir.sync_file_system()?;
                flushed.insert((major, minor));
            }
            Ok(())
        });
        if let Err(error) = done {
            *outcome = Err(Problem::changing(&file.path)(error).with_effect(Effect::Applied));
        }
    }
}

fn write_all(root: &Root, files: &[FileWrite]) -> Vec<Outcome<WriteOutcome>> {
    let mut failed: HashMap<&DecoyPath, FailureKind> = HashMap::new();
    files
        .iter()
        .map(|file| {
            if let Some(kind) = failed.get(&file.path) {
                let detail = format!("{}: an earlier write to it in the same batch failed", file.path);
                return Err(Problem::new(*kind, detail));
            }
            let outcome = write_one(root, file);
            if let Err(problem) = &outcome {
                failed.insert(&file.path, problem.kind());
            }
            outcome
        })
        .collect()
}

fn write_one(root: &Root, file: &FileWrite) -> Outcome<WriteOutcome> {
    if file.body.len() as u64 > FILE_BYTES_MAX {
        let detail = format!("{}: {} bytes are more than a file may have", file.path, file.body.len());
        return Err(Problem::new(FailureKind::Config, detail));
    }
    match file.how {
        WriteMode::Create => create::create(root, file),
        WriteMode::Replace { expected } => replace::replace(root, file, expected),
        WriteMode::Append => append::append(root, file),
    }
}

/// Fills a file that has no name yet, and gives it owner, mode and times, in this order: a change of owner takes set-id
/// bits away, and every change moves the times. Whether the owner is as it should be.
pub(super) fn fill(
    staged: &Regular,
    file: &FileWrite,
    mode: FileMode,
    owner: Option<Owner>,
) -> Result<bool, Error> {
    staged.write(&file.body).map_err(|(_, error)| error)?;
    let owner = match file.owner {
        OwnerPolicy::Set(owner) => Some(owner),
        OwnerPolicy::Keep => owner,
    };
    let owner_set = match owner {
        Some(owner) => staged.meta()?.owner == owner || staged.set_owner(owner)?,
        None => true,
    };
    staged.set_mode(file.mode.unwrap_or(mode))?;
    if let FileTimes::Past { mtime, atime } = file.times {
        staged.set_times(atime, mtime)?;
    }
    if file.durable {
        staged.sync()?;
    }
    Ok(owner_set)
}

/// What the caller learns beside what is read back.
pub(super) struct Facts {
    pub(super) owner_set: bool,
    pub(super) made_parents: Vec<DecoyPath>,
}

/// Reads back what stands under the name now (INV-5). Where that is the file that was written, it is read through the
/// descriptor that wrote it, which neither a mode without read permission nor an access time stands against.
pub(super) fn confirm(
    dir: &Directory,
    name: &[u8],
    path: &DecoyPath,
    ours: &Regular,
    facts: Facts,
) -> Outcome<WriteOutcome> {
    let failed = |error| Problem::changing(path)(error).with_effect(Effect::Applied);
    let Some(entry) = dir.entry(name).map_err(failed)? else {
        let detail = format!("{path}: it was removed right after it appeared");
        return Err(Problem::new(FailureKind::Unknown, detail).with_effect(Effect::Applied));
    };
    let (digest, meta) = if entry.meta().identity == ours.meta().map_err(failed)?.identity {
        (ours.hash(FILE_BYTES_MAX).map_err(failed)?, ours.meta().map_err(failed)?)
    } else {
        (look::digest(&entry).map_err(failed)?, *entry.meta())
    };
    Ok(match digest {
        Some(sha256) => WriteOutcome::Written(Written {
            stat: meta.file_stat(digest),
            sha256,
            offset: 0,
            owner_set: facts.owner_set,
            made_parents: facts.made_parents,
        }),
        // It became something that is not ours any more.
        None => WriteOutcome::Foreign(look::found(dir, name)),
    })
}
