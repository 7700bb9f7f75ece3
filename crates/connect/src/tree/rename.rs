//! Another name for a file of ours.

use verisim_core::{Effect, FailureKind, Move, MoveOutcome};
use verisim_sys::Root;

use super::look;
use super::problem::{Outcome, Problem};

/// Renames a file whose content hashes to what is expected, where nothing stands under the new name. The hash is taken
/// before, and again under the new name: what was changed in between goes back.
pub(crate) fn rename(root: &Root, request: &Move) -> Outcome<MoveOutcome> {
    let failed = Problem::changing(&request.from);
    let Some((dir, name)) = look::holder(root, &request.from)? else {
        return Ok(MoveOutcome::Foreign(look::nothing()));
    };
    let (to_dir, to_name) = root.parent_of(&request.to).map_err(|error| match error.is_absent() {
        true => Problem::new(
            FailureKind::Config,
            format!("{}: the directory it should move to is not there", request.to),
        ),
        false => Problem::changing(&request.to)(error),
    })?;
    dir.require_real().map_err(&failed)?;
    to_dir.require_real().map_err(Problem::changing(&request.to))?;
    let Some(entry) = dir.entry(name).map_err(&failed)? else {
        return Ok(MoveOutcome::Foreign(look::nothing()));
    };
    if look::digest(&entry).map_err(&failed)? != Some(request.expected) {
        return Ok(MoveOutcome::Foreign(look::found(&dir, name)));
    }
    match dir.rename(name, &to_dir, to_name) {
        Ok(()) => {}
        Err(error) if error.is_occupied() => {
            return Ok(MoveOutcome::Occupied(look::found(&to_dir, to_name)));
        }
        Err(error) if error.is_absent() => return Ok(MoveOutcome::Foreign(look::found(&dir, name))),
        Err(error) => return Err(failed(error)),
    }
    let unsure = |error| Problem::changing(&request.to)(error).with_effect(Effect::Unknown);
    let Some(moved) = to_dir.entry(to_name).map_err(unsure)? else {
        let detail = format!("{}: it was removed right after it got its new name", request.to);
        return Err(Problem::new(FailureKind::Unknown, detail).with_effect(Effect::Applied));
    };
    let digest = look::digest(&moved).ok().flatten();
    if digest == Some(request.expected) {
        return Ok(MoveOutcome::Moved(moved.meta().file_stat(digest)));
    }
    match to_dir.rename(to_name, &dir, name) {
        Ok(()) => Ok(MoveOutcome::Foreign(look::found(&dir, name))),
        // Somebody made a new file under the old name; what moved is foreign too, and stays where it is.
        Err(error) if error.is_occupied() => Ok(MoveOutcome::Foreign(look::found(&to_dir, to_name))),
        Err(error) => Err(unsure(error)),
    }
}
