//! Another content for a file that is ours.
//!
//! The new file is exchanged with the old one in one step, and then the old one is hashed once more, where nobody finds it
//! by its name any more. So a change that was made between our first look and the exchange is seen, and put back as it is,
//! inode and all. One thing remains that no program which saves by renaming can see: a process that opened the old file
//! before the exchange and writes to it after our second look writes to a file without a name.
//!
//! The inode changes, and the name alone is replaced: other names of the old file, inside or outside of the decoy, keep what
//! they had.

use verisim_core::{Digest, Effect, FileTimes, FileWrite, WriteOutcome};
use verisim_sys::{Directory, Error, Meta, Regular, Root, Staged};

use super::look;
use super::problem::{Outcome, Problem};
use super::settle::{put_back, settle_in};
use super::write::{Facts, confirm, fill};

/// Exchanges a file whose content hashes to `expected`.
pub(super) fn replace(root: &Root, file: &FileWrite, expected: Digest) -> Outcome<WriteOutcome> {
    let path = &file.path;
    let failed = Problem::changing(path);
    let Some((dir, name)) = look::holder(root, path)? else {
        return Ok(WriteOutcome::Foreign(look::nothing()));
    };
    dir.require_real().map_err(&failed)?;
    let Some(old) = dir.entry(name).map_err(&failed)? else {
        return Ok(WriteOutcome::Foreign(look::nothing()));
    };
    if look::digest(&old).map_err(&failed)? != Some(expected) {
        return Ok(WriteOutcome::Foreign(look::found(&dir, name)));
    }
    let ours = [expected, Digest::of(&file.body)];
    let staged_name = file.staging.file_name();
    if let Some(found) = settle_in(&dir, name, &staged_name, &ours).map_err(&failed)? {
        return Ok(WriteOutcome::Foreign(found));
    }
    let before = dir.meta().map_err(&failed)?;
    let (new, owner_set) = stage(&dir, file, &staged_name, old.meta()).map_err(&failed)?;
    if let Err(error) = dir.exchange(&staged_name, name) {
        // Only our own new content stands there.
        let _ = dir.unlink(&staged_name);
        if error.is_absent() {
            return Ok(WriteOutcome::Foreign(look::found(&dir, name)));
        }
        return Err(failed(error));
    }
    let unsure = |error| Problem::changing(path)(error).with_effect(Effect::Unknown);
    if let Some(displaced) = dir.entry(&staged_name).map_err(unsure)? {
        // What cannot be read is not what we could read a moment ago.
        if look::digest(&displaced).ok().flatten() != Some(expected) {
            let found = put_back(&dir, name, &staged_name, &ours).map_err(unsure)?;
            return Ok(WriteOutcome::Foreign(found));
        }
        dir.unlink(&staged_name).map_err(unsure)?;
    }
    let after = settle_times(&dir, file.times, &before).and_then(|()| match file.durable {
        true => dir.sync(),
        false => Ok(()),
    });
    after.map_err(|error| Problem::changing(path)(error).with_effect(Effect::Applied))?;
    confirm(&dir, name, path, &new, Facts { owner_set, made_parents: Vec::new() })
}

fn stage(
    dir: &Directory,
    file: &FileWrite,
    staged_name: &[u8],
    old: &Meta,
) -> Result<(Regular, bool), Error> {
    let partial = file.staging.partial_name();
    let staged = Staged::begin(dir, &partial)?;
    let owner_set = fill(staged.file(), file, old.mode, Some(old.owner))?;
    Ok((staged.appear(staged_name)?, owner_set))
}

fn settle_times(dir: &Directory, times: FileTimes, before: &Meta) -> Result<(), Error> {
    match times {
        FileTimes::Live => Ok(()),
        FileTimes::Past { mtime, .. } => dir.set_times(before.atime, before.mtime.max(mtime)).map(|_| ()),
    }
}
