//! A new file where nothing was.

use verisim_core::{Effect, FileMode, FileWrite, WriteOutcome};
use verisim_sys::{Error, Regular, Root, Staged};

use super::look;
use super::parents::Parent;
use super::problem::{Outcome, Problem};
use super::write::{Facts, confirm, fill};

/// The mode of a new file that asks for none: what a umask of 022 leaves.
pub(crate) const MODE_DEFAULT: FileMode = FileMode::new(0o644);

/// Writes a file without a name, and lets it appear if nothing stands under its name, not even a dangling link.
pub(super) fn create(root: &Root, file: &FileWrite) -> Outcome<WriteOutcome> {
    let path = &file.path;
    let parent = Parent::find_or_make(root, file)?;
    let name = path.file_name().unwrap_or_default();
    match appear(&parent, name, file) {
        Ok((ours, owner_set)) => {
            let after = parent.settle_times(file.times).and_then(|()| match file.durable {
                true => parent.dir.sync(),
                false => Ok(()),
            });
            after.map_err(|error| Problem::changing(path)(error).with_effect(Effect::Applied))?;
            let facts = Facts { owner_set: owner_set && parent.owner_set, made_parents: parent.made() };
            confirm(&parent.dir, name, path, &ours, facts)
        }
        Err(error) => {
            parent.undo(file.times);
            if error.is_occupied() {
                return Ok(WriteOutcome::Foreign(look::found(&parent.dir, name)));
            }
            Err(Problem::changing(path)(error))
        }
    }
}

fn appear(parent: &Parent, name: &[u8], file: &FileWrite) -> Result<(Regular, bool), Error> {
    parent.dir.require_real()?;
    let partial = file.staging.partial_name();
    let staged = Staged::begin(&parent.dir, &partial)?;
    let owner_set = fill(staged.file(), file, MODE_DEFAULT, None)?;
    Ok((staged.appear(name)?, owner_set))
}
