//! A short past: what would be on a decoy now had its personas worked there for some days. Planted before the decoy is
//! exposed; what happens later is never back-dated.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use verisim_core::{Action, Body, DecoyPath, FileTimes, PlantFile, TextEdit, apply_edits};

use crate::day::{instant, timestamp};
use crate::decide::{Decision, slot_seed};
use crate::random::{Generator, Purpose, whole};
use crate::simulate::Simulation;
use crate::world::{DecoyIndex, World};

/// A file that has been there for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastFile {
    /// When it was last changed.
    pub at: Timestamp,
    /// What changed it last, by whom, in which session and why.
    pub decision: Decision,
    /// A plant of what it has become, with [`FileTimes::Past`].
    pub action: Action,
}

/// No file of a past is longer.
const BYTES_MAX: usize = 1024 * 1024;

/// The files that `days` of ordinary life before `until` leave on a decoy, in the order of their times: each as it has become
/// through all its edits, none of a time that its persona does not work. Pace and busy mode do not count.
#[must_use]
pub fn past(world: &Arc<World>, decoy: DecoyIndex, days: u32, until: Timestamp) -> Vec<PastFile> {
    let span = SignedDuration::from_hours(24 * i64::from(days.min(36_500)));
    let from = until.saturating_sub(span).unwrap_or(Timestamp::MIN);
    let mut files: BTreeMap<DecoyPath, (PlantFile, Decision)> = BTreeMap::new();
    for step in Simulation::ordinary(world, decoy, from, until) {
        if let Some(action) = step.action {
            happen(&mut files, action, step.decision);
        }
    }
    let mut all: Vec<PastFile> =
        files.into_values().map(|(plant, last)| aged(world, plant, last, until)).collect();
    all.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.action.paths().cmp(&b.action.paths())));
    all
}

fn happen(files: &mut BTreeMap<DecoyPath, (PlantFile, Decision)>, action: Action, decision: Decision) {
    match action {
        Action::Plant(plant) => {
            files.insert(plant.path.clone(), (plant, decision));
        }
        Action::Append(append) => {
            let edit = TextEdit::Append { text: append.body };
            change(files, &append.path, &[edit], decision);
        }
        Action::Edit(edit) => change(files, &edit.path, &edit.edits, decision),
        Action::Move(rename) => {
            // A rename leaves the modification time, and so the last change, as they were.
            if let Some((mut plant, last)) = files.remove(&rename.from) {
                plant.path = rename.to.clone();
                files.insert(rename.to, (plant, last));
            }
        }
        Action::Remove(remove) => {
            files.remove(&remove.path);
        }
        Action::Traffic(_) | Action::Email(_) => {}
    }
}

fn change(
    files: &mut BTreeMap<DecoyPath, (PlantFile, Decision)>,
    path: &DecoyPath,
    edits: &[TextEdit],
    decision: Decision,
) {
    if let Some((plant, last)) = files.get_mut(path)
        && let Ok(body) = apply_edits(plant.body.as_bytes(), edits, BYTES_MAX)
    {
        plant.body = Body::from(body);
        *last = decision;
    }
}

/// Gives a file its times: changed at its last slot, read at some moment after it.
fn aged(world: &World, mut plant: PlantFile, decision: Decision, until: Timestamp) -> PastFile {
    let at = decision.slot.at;
    let mut draw = Generator::new(slot_seed(world, &decision.slot, Purpose::Reading));
    let left = instant(until).saturating_sub(instant(at)).max(1);
    let minutes = draw.lognormal(240.0, 2.0).min(1e6);
    let later = 1 + i64::try_from(whole(minutes * 60e9)).unwrap_or(0) % left;
    plant.times = FileTimes::Past { mtime: at, atime: timestamp(instant(at).saturating_add(later)) };
    PastFile { at, decision, action: Action::Plant(plant) }
}
