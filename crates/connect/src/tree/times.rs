//! Times of what is there already.

use verisim_core::{Effect, FileKind, TimesChange, TimesOutcome};
use verisim_sys::Root;

use super::look;
use super::problem::{Outcome, Problem};

/// Sets the times of entries, in order.
pub(crate) fn set_times(root: &Root, changes: &[TimesChange]) -> Vec<Outcome<TimesOutcome>> {
    changes.iter().map(|change| set_one(root, change)).collect()
}

fn set_one(root: &Root, change: &TimesChange) -> Outcome<TimesOutcome> {
    let path = &change.path;
    let failed = Problem::changing(path);
    let unsure = |error| Problem::changing(path)(error).with_effect(Effect::Applied);
    if path.file_name().is_none() {
        let dir = root.directory(path).map_err(&failed)?;
        if change.kind != FileKind::Directory {
            return Ok(TimesOutcome::Foreign(Some(dir.meta().map_err(&failed)?.file_stat(None))));
        }
        dir.require_real().map_err(&failed)?;
        if !dir.set_times(change.atime, change.mtime).map_err(&failed)? {
            let what = format!("{path}: the times of the decoy's root may not be set");
            return Err(Problem::new(verisim_core::FailureKind::Denied, what));
        }
        return Ok(TimesOutcome::Set(dir.meta().map_err(unsure)?.file_stat(None)));
    }
    let Some((dir, name)) = look::holder(root, path)? else { return Ok(TimesOutcome::Foreign(None)) };
    let Some(entry) = dir.entry(name).map_err(&failed)? else { return Ok(TimesOutcome::Foreign(None)) };
    let meta = entry.meta();
    let is_meant = match meta.kind {
        // A second name may lie outside of the decoy, and the inode is what bears the times.
        FileKind::Regular => meta.links == 1,
        FileKind::Directory => true,
        FileKind::Symlink | FileKind::Special => false,
    };
    if !is_meant || meta.kind != change.kind {
        return Ok(TimesOutcome::Foreign(Some(meta.file_stat(None))));
    }
    entry.set_times(change.atime, change.mtime).map_err(&failed)?;
    let after = dir.entry(name).map_err(unsure)?;
    Ok(match after {
        Some(after) if after.meta().identity == meta.identity => {
            TimesOutcome::Set(after.meta().file_stat(None))
        }
        other => TimesOutcome::Foreign(other.map(|other| other.meta().file_stat(None))),
    })
}
