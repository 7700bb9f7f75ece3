//! What a killed process left under a staging name.

use verisim_core::{DecoyPath, Digest, Found, Staging};
use verisim_sys::{Directory, Entry, Error, Root, Staged};

use super::look;
use super::problem::{Outcome, Problem};

/// How often something is put back while somebody else keeps making and removing what stands in its place.
const PUT_BACK_ATTEMPTS_MAX: usize = 16;

/// Deals with the leftovers of a killed write beside `path`, as the port describes it.
pub(crate) fn settle(
    root: &Root,
    path: &DecoyPath,
    staging: Staging,
    ours: &[Digest],
) -> Outcome<Option<Found>> {
    let partial = staging.partial_name();
    let mut above = path.parent();
    while let Some(dir_path) = above {
        if let Ok(dir) = root.directory(&dir_path) {
            // What is torn is ours and goes; what will not go is somebody else's and stays.
            let _ = Staged::discard_partial(&dir, &partial);
        }
        above = dir_path.parent();
    }
    let Some((dir, name)) = look::holder(root, path)? else { return Ok(None) };
    settle_in(&dir, name, &staging.file_name(), ours).map_err(|error| Problem::changing(path)(error))
}

/// The same in a directory that is held already.
pub(super) fn settle_in(
    dir: &Directory,
    name: &[u8],
    staged_name: &[u8],
    ours: &[Digest],
) -> Result<Option<Found>, Error> {
    match dir.entry(staged_name)? {
        None => Ok(None),
        Some(entry) if is_one_of(&entry, ours) => dir.unlink(staged_name).map(|_| None),
        Some(_) => put_back(dir, name, staged_name, ours).map(Some),
    }
}

/// Puts foreign content, which we displaced, back under its name, and removes what comes out if it is ours. Where two
/// versions met that are both foreign, the later one keeps the name, and the earlier one is kept beside it as `NAME~`, the
/// way editors keep what they replace: nothing foreign is ever lost.
pub(super) fn put_back(
    dir: &Directory,
    name: &[u8],
    staged_name: &[u8],
    ours: &[Digest],
) -> Result<Found, Error> {
    for _ in 0..PUT_BACK_ATTEMPTS_MAX {
        match dir.exchange(staged_name, name) {
            Ok(()) => {
                match dir.entry(staged_name)? {
                    None => {}
                    Some(out) if is_one_of(&out, ours) => {
                        dir.unlink(staged_name)?;
                    }
                    Some(_) => keep_both(dir, name, staged_name)?,
                }
                return Ok(look::found(dir, name));
            }
            Err(error) if !error.is_absent() => return Err(error),
            Err(_) => {}
        }
        match dir.rename(staged_name, dir, name) {
            // That it is gone means that somebody else dealt with it.
            Ok(()) => return Ok(look::found(dir, name)),
            Err(error) if error.is_absent() => return Ok(look::found(dir, name)),
            Err(error) if error.is_occupied() => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Restless)
}

/// The later version is under the staging name now, and gets its name back.
fn keep_both(dir: &Directory, name: &[u8], staged_name: &[u8]) -> Result<(), Error> {
    match dir.exchange(staged_name, name) {
        Err(error) if error.is_absent() => return Ok(()),
        exchanged => exchanged?,
    }
    let beside = [name, b"~"].concat();
    match dir.rename(staged_name, dir, &beside) {
        // There is such a backup already, or the name is too long: then it stays under the staging name.
        Err(error) if error.is_occupied() || error.is_absent() => Ok(()),
        renamed => renamed,
    }
}

/// Whether it is a regular file with one of these contents. What cannot be read is not ours.
fn is_one_of(entry: &Entry, ours: &[Digest]) -> bool {
    look::digest(entry).ok().flatten().is_some_and(|digest| ours.contains(&digest))
}
