//! A file of ours goes, or an empty directory.

use verisim_core::{DecoyPath, DirectoryOutcome, Effect, FailureKind, FileKind, Removal, RemoveOutcome};
use verisim_sys::Root;

use super::look;
use super::problem::{Outcome, Problem};
use super::settle::{put_back, settle_in};

/// Takes a file away under its staging name, hashes it there, and removes it; or puts it back.
pub(crate) fn remove(root: &Root, request: &Removal) -> Outcome<RemoveOutcome> {
    let path = &request.path;
    let failed = Problem::changing(path);
    let Some((dir, name)) = look::holder(root, path)? else {
        return Ok(RemoveOutcome::Gone { by_us: false });
    };
    dir.require_real().map_err(&failed)?;
    let ours = [request.expected];
    let staged_name = request.staging.file_name();
    if let Some(found) = settle_in(&dir, name, &staged_name, &ours).map_err(&failed)? {
        return Ok(RemoveOutcome::Foreign(found));
    }
    let Some(entry) = dir.entry(name).map_err(&failed)? else {
        return Ok(RemoveOutcome::Gone { by_us: false });
    };
    if look::digest(&entry).map_err(&failed)? != Some(request.expected) {
        return Ok(RemoveOutcome::Foreign(look::found(&dir, name)));
    }
    match dir.rename(name, &dir, &staged_name) {
        Err(error) if error.is_absent() => return Ok(RemoveOutcome::Gone { by_us: false }),
        renamed => renamed.map_err(&failed)?,
    }
    let unsure = |error| Problem::changing(path)(error).with_effect(Effect::Unknown);
    let Some(taken) = dir.entry(&staged_name).map_err(unsure)? else {
        return Ok(RemoveOutcome::Gone { by_us: false });
    };
    if look::digest(&taken).ok().flatten() == Some(request.expected) {
        let by_us = dir.unlink(&staged_name).map_err(unsure)?;
        return Ok(RemoveOutcome::Gone { by_us });
    }
    put_back(&dir, name, &staged_name, &ours).map(RemoveOutcome::Foreign).map_err(unsure)
}

/// Removes a directory, if nothing is in it.
pub(crate) fn remove_directory(root: &Root, path: &DecoyPath) -> Outcome<DirectoryOutcome> {
    let failed = Problem::changing(path);
    if path.file_name().is_none() {
        return Err(Problem::new(FailureKind::Denied, "/: the root of a decoy is not removed"));
    }
    let Some((dir, name)) = look::holder(root, path)? else {
        return Ok(DirectoryOutcome::Gone { by_us: false });
    };
    dir.require_real().map_err(&failed)?;
    match dir.entry(name).map_err(&failed)? {
        None => return Ok(DirectoryOutcome::Gone { by_us: false }),
        Some(entry) if entry.meta().kind != FileKind::Directory => return Ok(DirectoryOutcome::Foreign),
        Some(_) => {}
    }
    match dir.remove_directory(name) {
        Ok(by_us) => Ok(DirectoryOutcome::Gone { by_us }),
        Err(error) if error.is_not_empty() => Ok(DirectoryOutcome::NotEmpty),
        Err(error) if error.is_absent() => Ok(DirectoryOutcome::Foreign),
        Err(error) => Err(failed(error)),
    }
}
