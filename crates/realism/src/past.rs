//! A short past: what would be on a decoy now had its personas worked there for some days. Planted before the decoy is
//! exposed; what happens later is never back-dated.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use verisim_core::{Action, Body, DecoyPath, FileTimes, PlantFile, TextEdit, apply_edits};

use crate::day::{instant, timestamp};
use crate::decide::{Decision, slot_seed};
use crate::random::{Generator, Purpose, Seed, whole};
use crate::rotate;
use crate::simulate::Simulation;
use crate::world::{DecoyIndex, World};

/// What some days of life leave on a decoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The files, in the order of their times.
    pub files: Vec<PastFile>,
    /// The directories in which anything came or went, also what is not there any more; in the order of their paths.
    pub directories: Vec<PastDirectory>,
}

/// A file that has been there for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastFile {
    /// When it came to be.
    pub born: Timestamp,
    /// How often it was changed since.
    pub edits: u32,
    /// When it was last changed.
    pub at: Timestamp,
    /// What changed it last, by whom, in which session and why.
    pub decision: Decision,
    /// A plant of what it has become, with [`FileTimes::Past`].
    pub action: Action,
}

/// A directory with a past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastDirectory {
    /// Which.
    pub path: DecoyPath,
    /// When an entry first came.
    pub first: Timestamp,
    /// When an entry last came or went: what its modification time shows.
    pub last: Timestamp,
    /// When somebody last looked into it; at or after `last`.
    pub read: Timestamp,
}

/// No file of a past is longer.
const BYTES_MAX: usize = 1024 * 1024;
/// How long after its last change something is read again, in the median, and the spread of its logarithm.
const READ_AFTER_MINUTES: (f64, f64) = (240.0, 2.0);

/// What `days` of ordinary life before `until` leave on a decoy: each file as it has become through all its edits, none of a
/// time that its persona does not work. Pace and busy mode do not count.
#[must_use]
pub fn past(world: &Arc<World>, decoy: DecoyIndex, days: u32, until: Timestamp) -> Past {
    let span = SignedDuration::from_hours(24 * i64::from(days.min(36_500)));
    let from = until.saturating_sub(span).unwrap_or(Timestamp::MIN);
    let mut shelf = Shelf::default();
    for step in Simulation::ordinary(world, decoy, from, until) {
        if let Some(action) = step.action {
            shelf.happen(action, step.decision);
        }
    }
    let mut files: Vec<PastFile> = shelf.files.into_values().map(|file| aged(world, file, until)).collect();
    files.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.action.paths().cmp(&b.action.paths())));
    let seed = world.decoy_seed(decoy, Purpose::Reading);
    let directory = |(path, (first, last)): (DecoyPath, (Timestamp, Timestamp))| {
        let read = read_after(seed.bytes(path.as_bytes()), last, until);
        PastDirectory { path, first, last, read }
    };
    Past { files, directories: shelf.directories.into_iter().map(directory).collect() }
}

/// What is there at an instant of the past.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<DecoyPath, Kept>,
    directories: BTreeMap<DecoyPath, (Timestamp, Timestamp)>,
}

#[derive(Clone)]
struct Kept {
    plant: PlantFile,
    born: Timestamp,
    edits: u32,
    last: Decision,
}

impl Shelf {
    fn happen(&mut self, action: Action, decision: Decision) {
        let at = decision.slot.at;
        match action {
            Action::Plant(plant) => {
                self.stir(&plant.path, at);
                self.files.insert(plant.path.clone(), Kept { plant, born: at, edits: 0, last: decision });
            }
            Action::Append(append) => {
                self.rotate(&append.path, at);
                let is_new =
                    self.files.get(&append.path).is_some_and(|kept| kept.plant.body.as_bytes().is_empty());
                let edit = TextEdit::Append { text: append.body };
                self.change(&append.path, &[edit], decision);
                if let Some(kept) = self.files.get_mut(&append.path).filter(|_| is_new) {
                    // What was rotated away is begun anew by the first line.
                    (kept.born, kept.edits) = (at, 0);
                }
            }
            Action::Edit(edit) => self.change(&edit.path, &edit.edits, decision),
            Action::Move(rename) => {
                // A rename leaves the modification time, and so the last change, as they were.
                if let Some(mut kept) = self.files.remove(&rename.from) {
                    self.stir(&rename.from, at);
                    self.stir(&rename.to, at);
                    kept.plant.path = rename.to.clone();
                    self.files.insert(rename.to, kept);
                }
            }
            Action::Remove(remove) => {
                self.stir(&remove.path, at);
                self.files.remove(&remove.path);
            }
            Action::Traffic(_) | Action::Email(_) => {}
        }
    }

    fn change(&mut self, path: &DecoyPath, edits: &[TextEdit], decision: Decision) {
        if let Some(kept) = self.files.get_mut(path)
            && let Ok(body) = apply_edits(kept.plant.body.as_bytes(), edits, BYTES_MAX)
        {
            kept.plant.body = Body::from(body);
            kept.edits = kept.edits.saturating_add(1);
            kept.last = decision;
        }
    }

    /// Rotates a log, where the weekly run lies between its last line and now.
    fn rotate(&mut self, path: &DecoyPath, at: Timestamp) {
        let due = |kept: &Kept| rotate::is_due(kept.last.slot.at, at) && rotate::is_rotated(path);
        let Some(mut kept) = self.files.get(path).filter(|kept| due(kept)).cloned() else { return };
        self.stir(path, at);
        for number in (1..rotate::KEPT).rev() {
            let (Some(from), Some(to)) = (rotate::name(path, number), rotate::name(path, number + 1)) else {
                continue;
            };
            if let Some(mut older) = self.files.remove(&from) {
                if number == 1 {
                    older.plant.body = Body::from(rotate::compressed(older.plant.body.as_bytes()));
                }
                older.plant.path = to.clone();
                self.files.insert(to, older);
            }
        }
        if let Some(to) = rotate::name(path, 1) {
            if let Some(now) = self.files.get_mut(path) {
                now.plant.body = Body::default();
            }
            kept.plant.path = to.clone();
            self.files.insert(to, kept);
        }
    }

    /// An entry came or went.
    fn stir(&mut self, path: &DecoyPath, at: Timestamp) {
        if let Some(dir) = path.parent() {
            let known = self.directories.entry(dir).or_insert((at, at));
            *known = (known.0.min(at), known.1.max(at));
        }
    }
}

/// Gives a file its times: changed at its last slot, read at some moment after it.
fn aged(world: &World, kept: Kept, until: Timestamp) -> PastFile {
    let Kept { mut plant, born, edits, last: decision } = kept;
    let at = decision.slot.at;
    let atime = read_after(slot_seed(world, &decision.slot, Purpose::Reading), at, until);
    plant.times = FileTimes::Past { mtime: at, atime };
    PastFile { born, edits, at, decision, action: Action::Plant(plant) }
}

/// When something that was changed at `at` was last read, before `until`.
fn read_after(seed: Seed, at: Timestamp, until: Timestamp) -> Timestamp {
    let mut draw = Generator::new(seed);
    let left = instant(until).saturating_sub(instant(at)).max(1);
    let minutes = draw.lognormal(READ_AFTER_MINUTES.0, READ_AFTER_MINUTES.1).min(1e6);
    let later = 1 + i64::try_from(whole(minutes * 60e9)).unwrap_or(0) % left;
    timestamp(instant(at).saturating_add(later))
}
