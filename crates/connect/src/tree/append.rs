//! Lines added to a file that others write too.

use memchr::memmem;
use verisim_core::{
    DecoyPath, Digest, Effect, FailureKind, FileKind, FileTimes, FileWrite, OwnerPolicy, WriteOutcome,
    Written,
};
use verisim_sys::{Directory, Regular, Root};

use super::look;
use super::problem::{Outcome, Problem};

/// How far behind the former end the added bytes are looked for, when others add too.
pub(crate) const SEARCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Adds the body at the end of an existing regular file, in one call, so that it does not mix with what others add.
///
/// A file with a second name is foreign: the other name may lie outside of the decoy, and the inode is what is written to.
pub(super) fn append(root: &Root, file: &FileWrite) -> Outcome<WriteOutcome> {
    let path = &file.path;
    let failed = Problem::changing(path);
    let Some((dir, name)) = look::holder(root, path)? else {
        return Ok(WriteOutcome::Foreign(look::nothing()));
    };
    let Some(entry) = dir.entry(name).map_err(&failed)? else {
        return Ok(WriteOutcome::Foreign(look::nothing()));
    };
    if entry.meta().kind != FileKind::Regular || entry.meta().links != 1 {
        return Ok(WriteOutcome::Foreign(look::found(&dir, name)));
    }
    // In this order: an overlay copies a file of its lower layer when it is opened for writing, and who opened it for
    // reading before goes on reading the old one.
    let writer = entry.append().map_err(&failed)?;
    let reader = entry.read().map_err(&failed)?;
    let owner_set = dress(&writer, file).map_err(&failed)?;
    let before = writer.meta().map_err(&failed)?;
    writer.reserve(before.size, file.body.len() as u64).map_err(&failed)?;
    writer.write(&file.body).map_err(|(written, error)| {
        let effect = if written == 0 { Effect::NotApplied } else { Effect::Unknown };
        Problem::changing(path)(error).with_effect(effect)
    })?;
    let applied = |error| Problem::changing(path)(error).with_effect(Effect::Applied);
    if let FileTimes::Past { mtime, atime } = file.times {
        // A file of somebody else's may be added to, but only its owner sets its times.
        let _ = writer.set_times(atime, mtime);
    }
    if file.durable {
        writer.sync().map_err(applied)?;
    }
    confirm(&dir, name, path, &reader, before.size, file, owner_set)
}

fn dress(writer: &Regular, file: &FileWrite) -> Result<bool, verisim_sys::Error> {
    let owner_set = match file.owner {
        OwnerPolicy::Keep => true,
        OwnerPolicy::Set(owner) => writer.meta()?.owner == owner || writer.set_owner(owner)?,
    };
    if let Some(mode) = file.mode {
        writer.set_mode(mode)?;
    }
    Ok(owner_set)
}

/// Finds the added bytes in the file that bears the name now: at its former end, or behind what others added meanwhile.
fn confirm(
    dir: &Directory,
    name: &[u8],
    path: &DecoyPath,
    reader: &Regular,
    former_size: u64,
    file: &FileWrite,
    owner_set: bool,
) -> Outcome<WriteOutcome> {
    let unsure = |detail: &str| {
        Problem::new(FailureKind::Unknown, format!("{path}: {detail}")).with_effect(Effect::Unknown)
    };
    let failed = |error| Problem::changing(path)(error).with_effect(Effect::Applied);
    let meta = reader.meta().map_err(failed)?;
    let entry = dir.entry(name).map_err(failed)?;
    if entry.is_none_or(|entry| entry.meta().identity != meta.identity) {
        return Err(unsure("it was replaced while we added to it"));
    }
    // A file that was cut short meanwhile is searched from its beginning.
    let length = file.body.len() as u64;
    let from = if meta.size < former_size + length { 0 } else { former_size };
    let window = reader.read_at(from, SEARCH_BYTES_MAX.max(file.body.len())).map_err(failed)?;
    let Some(at) = memmem::find(&window, &file.body) else {
        return Err(unsure("what was added is not there any more"));
    };
    let sha256 = Digest::of(&window[at..at + file.body.len()]);
    Ok(WriteOutcome::Written(Written {
        stat: meta.file_stat(None),
        sha256,
        offset: from + at as u64,
        owner_set,
        made_parents: Vec::new(),
    }))
}
