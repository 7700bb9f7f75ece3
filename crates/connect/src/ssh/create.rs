//! A new file where nothing was.

use verisim_core::{Effect, FailureKind, FileTimes, FileWrite, OwnerPolicy, WriteOutcome, Written};
use verisim_ssh::Error;

use super::look::{self, as_found, file_stat};
use super::parents;
use super::places::{Parent, Places};
use super::problem::{Outcome, appearing, changing, confirming, explained};
use super::remote::{Fetched, Making, Remote};
use super::settle::{Names, discard};
use super::write::Before;
use crate::tree::{MODE_DEFAULT, Problem};

/// A file that was written, and what it means for the directories around it.
pub(super) struct Done {
    pub(super) outcome: WriteOutcome,
    /// The directory that gained an entry, as it was before.
    pub(super) before: Option<Before>,
}

/// Writes a file under the partial name, and lets it appear if nothing stands under its name, not even a dangling link.
pub(super) async fn create(remote: &dyn Remote, file: &FileWrite, places: &Places) -> Outcome<Done> {
    let Some(names) = Names::of(&file.path, file.staging) else {
        return Err(Problem::new(FailureKind::Denied, "/: the root of a decoy is no file"));
    };
    let parent = parents::find_or_make(remote, file, places).await?;
    let mut outcome = appear(remote, &names, &parent, file).await?;
    if let WriteOutcome::Written(written) = &mut outcome {
        written.made_parents = places.tell(&file.path);
    }
    Ok(Done { outcome, before: Some(parent.before) })
}

async fn appear(
    remote: &dyn Remote,
    names: &Names,
    parent: &Parent,
    file: &FileWrite,
) -> Outcome<WriteOutcome> {
    let path = &file.path;
    let needed = file.body.len() as u64;
    if parent.free_bytes.is_some_and(|free| free < needed) {
        let what = format!("{path}: {needed} bytes are more than the file system has left");
        return Err(Problem::new(FailureKind::NoSpace, what));
    }
    let owner = match file.owner {
        OwnerPolicy::Set(owner) => Some(owner),
        OwnerPolicy::Keep => None,
    };
    let mode = file.mode.unwrap_or(MODE_DEFAULT);
    let making = Making { body: &file.body, mode, owner, times: seconds(file.times), durable: file.durable };
    let owner_set = stage(remote, names, making).await?;
    let (appeared, found) = remote.appear(&names.partial, names.name(), &file.body, look::EVIDENCE).await;
    if let Err(error) = appeared {
        if !error.is_answer() {
            return Err(appearing(path)(error));
        }
        // What will not go is met by the next use of the name.
        let _ = remote.remove(&names.partial).await;
        return match found {
            Ok(found @ (Fetched::NotFile(_) | Fetched::NotReal(_) | Fetched::File(_))) => {
                Ok(WriteOutcome::Foreign(as_found(&found)))
            }
            _ => Err(explained(remote, &names.dir, needed, error, changing(path)).await),
        };
    }
    let owner_set = owner_set && parent.owner_set;
    confirmed(path, found, owner_set)
}

/// Makes the file under the partial name. What a killed process left there goes first.
pub(super) async fn stage(remote: &dyn Remote, names: &Names, making: Making<'_>) -> Outcome<bool> {
    let failed = changing(&names.path);
    let mut made = remote.make(&names.partial, making).await;
    if let Err(error) = &made
        && error.is_answer()
        && discard(remote, &names.partial).await.map_err(&failed)?
    {
        made = remote.make(&names.partial, making).await;
    }
    match made {
        Ok(owner_set) => Ok(owner_set),
        Err(error) => Err(explained(remote, &names.dir, making.body.len() as u64, error, failed).await),
    }
}

/// What was read back under the final name (INV-5).
pub(super) fn confirmed(
    path: &verisim_core::DecoyPath,
    found: Result<Fetched, Error>,
    owner_set: bool,
) -> Outcome<WriteOutcome> {
    match found.map_err(confirming(path))? {
        Fetched::Absent => {
            let detail = format!("{path}: it was removed right after it appeared");
            Err(Problem::new(FailureKind::Unknown, detail).with_effect(Effect::Applied))
        }
        Fetched::File(content) => match content.digest {
            Some(sha256) => Ok(WriteOutcome::Written(Written {
                stat: file_stat(&content.attributes, Some(sha256)),
                sha256,
                offset: 0,
                owner_set,
                made_parents: Vec::new(),
            })),
            // It became something that is not ours any more.
            None => Ok(WriteOutcome::Foreign(as_found(&Fetched::File(content)))),
        },
        found => Ok(WriteOutcome::Foreign(as_found(&found))),
    }
}

/// Access and change, in whole seconds, as SFTP can say them: from 1970 to 2106.
pub(super) fn seconds(times: FileTimes) -> Option<(u32, u32)> {
    let whole = |time: verisim_core::Timestamp| u32::try_from(time.as_second().max(0)).unwrap_or(u32::MAX);
    match times {
        FileTimes::Live => None,
        FileTimes::Past { mtime, atime } => Some((whole(atime), whole(mtime))),
    }
}
