//! Lines added to a file that others write too.

use memchr::memmem;
use verisim_core::{Digest, Effect, FailureKind, FileKind, FileWrite, OwnerPolicy, WriteOutcome, Written};

use super::create::{Done, seconds};
use super::look::{self, file_stat};
use super::problem::{Outcome, changing, confirming, explained};
use super::remote::{Adding, Fetched, Remote, Wanted};
use crate::tree::{Problem, SEARCH_BYTES_MAX};

/// Adds the body at the end of an existing regular file with one name.
pub(super) async fn append(remote: &dyn Remote, file: &FileWrite) -> Outcome<Done> {
    let path = &file.path;
    let failed = changing(path);
    let foreign = |found| Ok(Done { outcome: WriteOutcome::Foreign(found), before: None });
    let Some(dir) = path.parent() else { return foreign(look::found(remote, b"/").await) };
    let (there, space) = tokio::join!(remote.lstat(path.as_bytes()), remote.space(path.as_bytes()));
    let Some(there) = there.map_err(&failed)? else { return foreign(look::nothing()) };
    if there.kind() != Some(FileKind::Regular) {
        return foreign(look::found(remote, path.as_bytes()).await);
    }
    let space = space.map_err(&failed)?;
    if space.is_some_and(|space| space.blocks == 0) {
        let what = format!("{path}: it is on a file system that holds no files of its own");
        return Err(Problem::new(FailureKind::Denied, what));
    }
    let needed = file.body.len() as u64;
    if space.is_some_and(|space| space.free_bytes < needed) {
        let what = format!("{path}: {needed} bytes are more than the file system has left");
        return Err(Problem::new(FailureKind::NoSpace, what));
    }
    match remote.links(path).await.map_err(&failed)? {
        Some(1) => {}
        Some(_) => return foreign(look::found(remote, path.as_bytes()).await),
        None => {
            let what = format!("{path}: the server does not say whether the file has other names");
            return Err(Problem::new(FailureKind::Unsupported, what));
        }
    }
    let adding = Adding {
        body: &file.body,
        mode: file.mode,
        owner: match file.owner {
            OwnerPolicy::Set(owner) => Some(owner),
            OwnerPolicy::Keep => None,
        },
        times: seconds(file.times),
        durable: file.durable,
    };
    let mut written = false;
    match remote.append(path.as_bytes(), adding, &mut written).await {
        Ok(appended) => {
            let outcome = confirm(remote, file, appended.size_before, appended.owner_set).await?;
            Ok(Done { outcome, before: None })
        }
        Err(error) => {
            let sent = written || !error.is_answer();
            let problem = explained(remote, &dir, needed, error, failed).await;
            Err(if sent { problem.with_effect(Effect::Unknown) } else { problem })
        }
    }
}

/// Finds the added bytes in the file that bears the name now: at its former end, or behind what others added meanwhile.
async fn confirm(
    remote: &dyn Remote,
    file: &FileWrite,
    former_size: u64,
    owner_set: bool,
) -> Outcome<WriteOutcome> {
    let path = &file.path;
    let lost = |detail: &str| {
        Problem::new(FailureKind::Unknown, format!("{path}: {detail}")).with_effect(Effect::Unknown)
    };
    let length = SEARCH_BYTES_MAX.max(file.body.len()) as u64;
    // A file that was cut short meanwhile is searched from its beginning.
    for from in [former_size, 0] {
        let wanted = Wanted { offset: from, length, hash_max: None };
        let content = match remote.fetch(path.as_bytes(), wanted).await.map_err(confirming(path))? {
            Fetched::File(content) => content,
            _ => return Err(lost("it was replaced while we added to it")),
        };
        if let Some(at) = memmem::find(&content.bytes, &file.body) {
            let sha256 = Digest::of(&content.bytes[at..at + file.body.len()]);
            return Ok(WriteOutcome::Written(Written {
                stat: file_stat(&content.attributes, None),
                sha256,
                offset: from + at as u64,
                owner_set,
                made_parents: Vec::new(),
            }));
        }
    }
    Err(lost("what was added is not there any more"))
}
