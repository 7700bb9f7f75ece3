//! Another content for a file that is ours.
//!
//! SFTP has no exchange. The new file is made beside the old one, which gets a second name meanwhile; then the new one takes
//! its name in one step, so that whoever looks sees the old or the new file and nothing else, also when the connection
//! breaks in the middle. What was displaced is kept under the second name until it was hashed once more: a change that was
//! made to it before that is seen, and put back, inode and all. What is not seen is a file that somebody renames over the
//! same name in the instant between the last two requests, which the server carries out one right after the other.

use verisim_core::{Digest, Effect, FileMode, FileWrite, OwnerPolicy, WriteOutcome};

use super::create::{Done, confirmed, seconds, stage};
use super::look::{self, as_found};
use super::problem::{Outcome, appearing, changing, explained, unsure};
use super::remote::{Fetched, Making, Remote};
use super::settle::{Names, put_back, settle_in};
use crate::tree::MODE_DEFAULT;

/// Replaces a file whose content hashes to `expected`.
pub(super) async fn replace(remote: &dyn Remote, file: &FileWrite, expected: Digest) -> Outcome<Done> {
    let path = &file.path;
    let foreign = |found| Ok(Done { outcome: WriteOutcome::Foreign(found), before: None });
    let Some(names) = Names::of(path, file.staging) else { return foreign(look::found(remote, b"/").await) };
    let failed = changing(path);
    let (old, before) =
        tokio::join!(look::evidence(remote, names.name()), remote.directory(names.dir.as_bytes()));
    let old = match old.map_err(&failed)? {
        Fetched::File(content) if content.digest == Some(expected) => content.attributes,
        other => return foreign(as_found(&other)),
    };
    let before = before.map_err(&failed)?.map(|before| (names.dir.clone(), Some(before)));
    let ours = [expected, Digest::of(&file.body)];
    if let Some(found) = settle_in(remote, &names, &ours).await.map_err(&failed)? {
        return foreign(found);
    }
    let owner = match file.owner {
        OwnerPolicy::Set(owner) => Some(owner),
        OwnerPolicy::Keep => old.owner,
    };
    let mode = file.mode.or(old.mode()).map_or(MODE_DEFAULT, |mode| FileMode::new(mode.bits()));
    let making = Making { body: &file.body, mode, owner, times: seconds(file.times), durable: file.durable };
    // The second name, taken early, shows whether one can be had at all.
    let (staged, linked) =
        tokio::join!(stage(remote, &names, making), remote.link(names.name(), &names.kept));
    if staged.is_err() || linked.is_err() {
        drop_staged(remote, &names, linked.is_ok()).await;
    }
    let owner_set = staged?;
    if let Err(error) = linked {
        if error.is_answer() && remote.lstat(names.name()).await.map_err(&failed)?.is_none() {
            return foreign(look::nothing());
        }
        return Err(explained(remote, &names.dir, 0, error, failed).await);
    }
    if let Err(error) = remote.displace(names.name(), &names.kept, &names.partial).await {
        let problem = appearing(path)(error);
        if problem.effect() == Effect::NotApplied {
            drop_staged(remote, &names, true).await;
        }
        return Err(problem);
    }
    let (displaced, found) =
        tokio::join!(look::digest(remote, &names.kept), look::evidence(remote, names.name()));
    match displaced {
        Ok(Some(digest)) if digest == expected => {
            remote.remove(&names.kept).await.map_err(unsure(path))?;
        }
        Err(error) if !error.is_answer() => return Err(unsure(path)(error)),
        // What cannot be read is not what we could read a moment ago.
        _ if remote.lstat(&names.kept).await.map_err(unsure(path))?.is_some() => {
            let found = put_back(remote, &names, &ours).await.map_err(unsure(path))?;
            return foreign(found);
        }
        _ => {}
    }
    confirmed(path, found, owner_set).map(|outcome| Done { outcome, before })
}

/// Takes back what was prepared. What will not go is met by the next use of the names.
async fn drop_staged(remote: &dyn Remote, names: &Names, kept: bool) {
    let _ = remote.remove(&names.partial).await;
    if kept {
        let _ = remote.remove(&names.kept).await;
    }
}
