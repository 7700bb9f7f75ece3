//! What a batch of files amounts to as an archive: what is free, what is to be replaced, which directories are missing.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use verisim_core::{
    DecoyPath, Failure, FailureKind, FileKind, FileMode, FileTimes, FileWrite, Owner, OwnerPolicy, Timestamp,
    WriteMode, WriteOutcome, place,
};

use super::look::{Look, Place, QUESTIONS_AT_ONCE, Seen, nothing};
use super::pack::Dress;
use crate::rooted::FILE_BYTES_MAX;

/// The mode of a new file that asks for none: what a umask of 022 leaves.
const MODE_DEFAULT: FileMode = FileMode::new(0o644);
/// The set-group-ID bit: what is made in such a directory belongs to its group, and directories inherit the bit.
const SET_GROUP_ID: u32 = 0o2000;

/// A batch as it will be sent.
pub(super) struct Plan {
    /// One answer or one file to send for each file of the batch.
    pub(super) steps: Vec<Result<Step, Failure>>,
    /// The directories that are sent along: missing ones, and those whose time must be put right.
    pub(super) directories: BTreeMap<DecoyPath, Dress>,
}

/// What is done about one file.
pub(super) enum Step {
    /// Nothing: this is the answer.
    Answer(WriteOutcome),
    /// It is sent.
    Send(Parcel),
}

/// A file to be sent.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    /// Where it goes, without links on the way.
    pub(super) real: DecoyPath,
    pub(super) dress: Dress,
    pub(super) made_parents: Vec<DecoyPath>,
}

/// Where a file would go, before it is known what stands there.
struct Target {
    place: Place,
    /// Its path without links.
    real: DecoyPath,
    is_parent_there: bool,
}

/// Plans a batch in which no path occurs twice. `now` is the time in the container.
pub(super) async fn plan(look: &Look<'_>, files: &[FileWrite], now: Timestamp) -> Plan {
    if let Err(failure) = look.ask_ahead(files.iter().filter_map(|file| file.path.parent())).await {
        let steps = files.iter().map(|_| Err(failure.clone())).collect();
        return Plan { steps, directories: BTreeMap::new() };
    }
    let mut targets = Vec::with_capacity(files.len());
    for file in files {
        targets.push(target(look, file).await);
    }
    let mut seen = Vec::with_capacity(files.len());
    for some in targets.chunks(QUESTIONS_AT_ONCE) {
        let questions = some.iter().map(|target| there(look, target));
        seen.extend(join_all(questions).await);
    }
    let mut plan = Plan { steps: Vec::with_capacity(files.len()), directories: BTreeMap::new() };
    for ((file, target), seen) in files.iter().zip(targets).zip(seen) {
        let step = match (target, seen) {
            (Ok(Ok(target)), Ok(seen)) => plan.step(look, file, target, seen, now).await,
            (Ok(Err(answer)), _) => Ok(Step::Answer(answer)),
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        };
        plan.steps.push(step);
    }
    plan
}

/// Where a file would go; or the answer, where nothing more need be known.
async fn target(look: &Look<'_>, file: &FileWrite) -> Result<Result<Target, WriteOutcome>, Failure> {
    let path = &file.path;
    if file.how == WriteMode::Append {
        return Err(look.failed(
            FailureKind::Unsupported,
            path,
            "nothing can be added to a file through an archive",
        ));
    }
    if file.body.len() as u64 > FILE_BYTES_MAX.0 {
        let what = format!("{} bytes are more than a file may have", file.body.len());
        return Err(look.failed(FailureKind::Config, path, &what));
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(look.failed(FailureKind::Denied, path, "the root of a decoy is no file"));
    };
    let is_new = file.how == WriteMode::Create;
    let place = look.directory(&parent).await?;
    let dir = match &place {
        Place::There(dir, _) => dir,
        Place::Missing { missing, base, .. } if is_new && file.make_parents => {
            missing.last().map_or(base, |(_, real)| real)
        }
        Place::Missing { .. } if is_new => {
            return Err(look.failed(FailureKind::NotFound, path, "its directory is not there"));
        }
        Place::Blocked if is_new => {
            return Err(look.failed(
                FailureKind::Denied,
                path,
                "something on the way to it is not a directory",
            ));
        }
        Place::Missing { .. } | Place::Blocked => return Ok(Err(WriteOutcome::Foreign(nothing()))),
    };
    let real = look.join(dir, name)?;
    Ok(Ok(Target { is_parent_there: matches!(place, Place::There(..)), place, real }))
}

/// What stands at a target.
async fn there(
    look: &Look<'_>,
    target: &Result<Result<Target, WriteOutcome>, Failure>,
) -> Result<Option<Seen>, Failure> {
    match target {
        Ok(Ok(target)) if target.is_parent_there => look.seen(&target.real).await,
        _ => Ok(None),
    }
}

impl Plan {
    async fn step(
        &mut self,
        look: &Look<'_>,
        file: &FileWrite,
        target: Target,
        seen: Option<Seen>,
        now: Timestamp,
    ) -> Result<Step, Failure> {
        let foreign = |found| Ok(Step::Answer(WriteOutcome::Foreign(found)));
        let (mode, owner) = match (file.how, &seen) {
            (WriteMode::Replace { expected }, Some(seen)) if seen.kind == FileKind::Regular => {
                let found = look.found(&target.real, seen).await?;
                let Some(stat) = found.stat.as_ref().filter(|_| found.sha256 == Some(expected)) else {
                    return foreign(found);
                };
                (stat.mode, stat.owner)
            }
            (WriteMode::Replace { .. }, None) => return foreign(nothing()),
            (_, Some(seen)) => return foreign(look.found(&target.real, seen).await?),
            (_, None) => (MODE_DEFAULT, Owner::ROOT),
        };
        let (mtime, atime) = match file.times {
            FileTimes::Live => (now, now),
            FileTimes::Past { mtime, atime } => (mtime, atime),
        };
        let owner = match file.owner {
            OwnerPolicy::Set(owner) => owner,
            OwnerPolicy::Keep => owner,
        };
        let dress = Dress { mode: file.mode.unwrap_or(mode), owner, mtime, atime };
        let made_parents = self.parents(look, file, &target.place, dress).await?;
        Ok(Step::Send(Parcel { real: target.real, dress, made_parents }))
    }

    /// Sends missing directories along, and, for a file with a past, the one that gets the entry. Answers which are made.
    async fn parents(
        &mut self,
        look: &Look<'_>,
        file: &FileWrite,
        place: &Place,
        entry: Dress,
    ) -> Result<Vec<DecoyPath>, Failure> {
        let is_past = matches!(file.times, FileTimes::Past { .. });
        let (mut holder, seen, missing) = match place {
            Place::There(dir, seen) => (dir, seen, &[][..]),
            Place::Missing { base, seen, missing } => (base, seen, &missing[..]),
            Place::Blocked => return Ok(Vec::new()),
        };
        let first_new = missing.iter().find(|(_, real)| !self.directories.contains_key(real));
        let inherited = match first_new {
            // Only the archive of a directory tells its group.
            Some(_) if seen.mode.bits() & SET_GROUP_ID != 0 => {
                Some(self.as_it_is(look, holder, seen).await?.owner.gid)
            }
            _ => None,
        };
        let mut made = Vec::new();
        for (asked, real) in missing {
            if self.directories.contains_key(real) {
                holder = real;
                continue;
            }
            if is_past {
                self.touch(look, holder, seen, entry.mtime).await?;
            }
            let (mut owner, mut mode) = place::directory(asked, entry.owner);
            if let Some(gid) = inherited {
                owner.gid = gid;
                mode = FileMode::new(mode.bits() | SET_GROUP_ID);
            }
            self.directories.insert(real.clone(), Dress { mode, owner, ..entry });
            made.push(asked.clone());
            holder = real;
        }
        if is_past && made.is_empty() {
            self.touch(look, holder, seen, entry.mtime).await?;
        }
        Ok(made)
    }

    /// Lets a directory bear the time of an entry that it gains, unless its own is later.
    async fn touch(
        &mut self,
        look: &Look<'_>,
        dir: &DecoyPath,
        seen: &Seen,
        mtime: Timestamp,
    ) -> Result<(), Failure> {
        if !self.directories.contains_key(dir) {
            let dress = self.as_it_is(look, dir, seen).await?;
            self.directories.insert(dir.clone(), dress);
        }
        if let Some(dress) = self.directories.get_mut(dir) {
            dress.mtime = dress.mtime.max(mtime);
            dress.atime = dress.atime.max(dress.mtime);
        }
        Ok(())
    }

    /// A directory that is there, as it would be sent without changing it.
    /// Its owner stands only in its archive, which costs the engine a process; one that still has the mode and the time, to
    /// the nanosecond, that we left it with is taken to have the owner, too.
    async fn as_it_is(&self, look: &Look<'_>, dir: &DecoyPath, seen: &Seen) -> Result<Dress, Failure> {
        if let Some(left) = look.left(dir).filter(|left| left.mode == seen.mode && left.mtime == seen.mtime) {
            return Ok(left);
        }
        let Some((_, head)) = look.fetch(dir).await? else {
            return Err(look.failed(FailureKind::Unknown, dir, "it was removed meanwhile"));
        };
        Ok(Dress { mode: head.mode, owner: head.owner, mtime: seen.mtime, atime: seen.mtime })
    }
}
