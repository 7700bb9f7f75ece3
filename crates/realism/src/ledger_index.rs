//! The planner's view of what is on the decoys: small enough to hold a fleet, quick enough for every decision.

use jiff::Timestamp;
use verisim_core::{DecoyName, DecoyPath, FileClass, LedgerChange, LedgerEntry, OwnershipPolicy};

use crate::day::instant;
use crate::decide::{Change, Decision};
use crate::random::Generator;
use crate::world::{DeskIndex, World};

/// What a persona has on a decoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) path: DecoyPath,
    /// When it was last changed, in nanoseconds since 1970.
    pub(crate) changed_at: i64,
    /// Until when an effect of it may be under way, in nanoseconds; it is left alone until then.
    busy_until: i64,
    pub(crate) size: u32,
    pub(crate) edits: u16,
    pub(crate) class: FileClass,
    /// Foreign content was found there: nobody touches it, nobody uses its name again.
    frozen: bool,
}

/// What is on the decoys, per persona and decoy, sorted by path: the same ledger is the same index, whatever the order in
/// which it was learned. Bodies are not held. About 40 bytes and the path for each file.
#[derive(Debug, Clone)]
pub struct LedgerIndex {
    desks: Vec<Vec<Held>>,
}

/// How many files of a desk a decision looks at: a bound that keeps its cost the same for desks of any size.
const LOOK_MAX: usize = 24;

impl LedgerIndex {
    /// Nothing is on any decoy.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self { desks: vec![Vec::new(); world.desk_count()] }
    }

    /// Learns an entry of the ledger, as at a start. Entries of unknown decoys, or of nobody who works there, are none of the
    /// planner's business.
    pub fn put(&mut self, world: &World, entry: &LedgerEntry) {
        let persona = entry.persona.as_ref().and_then(|name| world.persona_named(name));
        let decoy = world.decoy_named(&entry.decoy);
        let Some(desk) = persona.zip(decoy).and_then(|(persona, decoy)| world.desk(persona, decoy)) else {
            return;
        };
        self.hold(
            desk,
            Held {
                path: entry.path.clone(),
                changed_at: instant(entry.changed_at),
                busy_until: i64::MIN,
                size: u32::try_from(entry.size).unwrap_or(u32::MAX),
                edits: u16::try_from(entry.edits).unwrap_or(u16::MAX),
                class: entry.class,
                frozen: entry.ownership == OwnershipPolicy::HandsOff,
            },
        );
    }

    /// Learns what an outcome changed.
    pub fn apply(&mut self, world: &World, change: &LedgerChange) {
        match change {
            LedgerChange::Put(entry) => self.put(world, entry),
            LedgerChange::Remove { decoy, path } => {
                let _ = self.take(world, decoy, path);
            }
            LedgerChange::Rename { decoy, from, to } => {
                if let Some((desk, mut held)) = self.take(world, decoy, from) {
                    held.path = to.clone();
                    held.busy_until = i64::MIN;
                    self.hold(desk, held);
                }
            }
            LedgerChange::Freeze { decoy, path, .. } => {
                if let Some((desk, mut held)) = self.take(world, decoy, path) {
                    held.frozen = true;
                    self.hold(desk, held);
                }
            }
        }
    }

    /// Notes that a decision is under way: until `deadline` its paths are not chosen again, and a name it takes is taken.
    pub fn begin(&mut self, world: &World, decision: &Decision, deadline: Timestamp) {
        let slot = &decision.slot;
        let Some(desk) = world.desk(slot.persona, slot.decoy) else { return };
        let busy_until = instant(deadline);
        if let Some(held) = decision.change.known().and_then(|path| self.find_mut(desk, path)) {
            held.busy_until = busy_until;
        }
        if let Some(class) = decision.change.class()
            && let Some(path) = decision.change.taken()
        {
            let changed_at = instant(slot.at);
            let path = path.clone();
            self.hold(desk, Held { path, changed_at, busy_until, size: 0, edits: 0, class, frozen: false });
        }
    }

    /// Takes it that a decision has been carried out, as a simulation does. `bytes` is the length of what was written.
    pub fn assume(&mut self, world: &World, decision: &Decision, bytes: usize) {
        let slot = &decision.slot;
        let Some(desk) = world.desk(slot.persona, slot.decoy) else { return };
        let changed_at = instant(slot.at);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        match &decision.change {
            Change::Create { path, class } => {
                let path = path.clone();
                let busy_until = i64::MIN;
                let held = Held {
                    path,
                    changed_at,
                    busy_until,
                    size: bytes,
                    edits: 0,
                    class: *class,
                    frozen: false,
                };
                self.hold(desk, held);
            }
            Change::Edit { path, .. } | Change::Append { path, .. } => {
                if let Some(held) = self.find_mut(desk, path) {
                    held.changed_at = changed_at;
                    held.edits = held.edits.saturating_add(1);
                    held.size = held.size.saturating_add(bytes);
                }
            }
            Change::Rename { from, to, .. } => {
                if let Some(mut held) = self.take_from(desk, from) {
                    held.path = to.clone();
                    self.hold(desk, held);
                }
            }
            Change::Remove { path, .. } => {
                let _ = self.take_from(desk, path);
            }
        }
    }

    /// How many files there are in all.
    #[must_use]
    pub fn files(&self) -> usize {
        self.desks.iter().map(Vec::len).sum()
    }

    /// What is known on a desk, for decisions: a bounded number of files that can be chosen at `at`, and how many there are.
    pub(crate) fn look(&self, desk: DeskIndex, at: Timestamp, draw: &mut Generator) -> (Vec<&Held>, usize) {
        let all = self.desks.get(desk.0 as usize).map_or(&[][..], Vec::as_slice);
        let now = instant(at);
        let first = if all.len() > LOOK_MAX { draw.index(all.len()) } else { 0 };
        let seen = all.iter().cycle().skip(first).take(all.len().min(LOOK_MAX));
        (seen.filter(|held| !held.frozen && held.busy_until <= now).collect(), all.len())
    }

    /// Whether the name is taken on this desk.
    pub(crate) fn has(&self, desk: DeskIndex, path: &DecoyPath) -> bool {
        self.desks.get(desk.0 as usize).is_some_and(|desk| place(desk, path).is_ok())
    }

    fn hold(&mut self, desk: DeskIndex, held: Held) {
        if let Some(desk) = self.desks.get_mut(desk.0 as usize) {
            match place(desk, &held.path) {
                Ok(at) => desk[at] = held,
                Err(at) => desk.insert(at, held),
            }
        }
    }

    fn find_mut(&mut self, desk: DeskIndex, path: &DecoyPath) -> Option<&mut Held> {
        let desk = self.desks.get_mut(desk.0 as usize)?;
        let at = place(desk, path).ok()?;
        desk.get_mut(at)
    }

    fn take_from(&mut self, desk: DeskIndex, path: &DecoyPath) -> Option<Held> {
        let desk = self.desks.get_mut(desk.0 as usize)?;
        place(desk, path).ok().map(|at| desk.remove(at))
    }

    /// Takes a path off whichever desk of the decoy it is on.
    fn take(&mut self, world: &World, decoy: &DecoyName, path: &DecoyPath) -> Option<(DeskIndex, Held)> {
        let decoy = world.decoy_named(decoy)?;
        let desks = world.desks_of(decoy).iter();
        desks.map(|(_, desk)| *desk).find_map(|desk| self.take_from(desk, path).map(|held| (desk, held)))
    }
}

fn place(desk: &[Held], path: &DecoyPath) -> Result<usize, usize> {
    desk.binary_search_by(|held| held.path.cmp(path))
}
