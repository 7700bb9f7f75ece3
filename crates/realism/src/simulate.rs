//! The plan under a virtual clock: everything is taken to succeed, and nothing is touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use verisim_core::{Action, DecoyPath, Digest, LEDGER_BODY_BYTES_MAX, OwnershipPolicy, apply_edits};

use crate::change::Change;
use crate::compose::compose;
use crate::day::Doing;
use crate::decide::{Decision, decide};
use crate::ledger_index::LedgerIndex;
use crate::planner::{Planner, Slot};
use crate::world::{DecoyIndex, DeskIndex, PersonaIndex, World};

/// No edit makes a file larger.
const EDITED_BYTES_MAX: usize = 16 << 20;

/// Whether a simulation makes the content too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Every action whole.
    Bodies,
    /// Decisions only, which is much faster.
    None,
}

/// One planned effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was decided, and why.
    pub decision: Decision,
    /// The action, where the content is made.
    pub action: Option<Action>,
}

/// What an effect writes: the whole of a file that is new or changed, the lines that a log grows by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many bytes.
    pub bytes: u64,
    /// Their hash.
    pub sha256: Digest,
}

/// What happens at a slot, with the sessions that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scene {
    /// A persona logs in.
    Login(Slot),
    /// A planned effect, and what it writes, where the content is made.
    Effect(Box<Step>, Option<Written>),
    /// A persona logs out.
    Logout(Slot),
}

/// The planned effects of a world in a stretch of time, in the order of time.
#[derive(Debug)]
pub struct Simulation {
    planner: Planner,
    ledger: LedgerIndex,
    until: Timestamp,
    only: Option<DecoyIndex>,
    shelf: Option<BTreeMap<(DeskIndex, DecoyPath), Vec<u8>>>,
    slots: u64,
}

impl Simulation {
    /// From decoys on which nothing is, from `from` up to and without `until`.
    #[must_use]
    pub fn new(world: &Arc<World>, from: Timestamp, until: Timestamp, content: Content) -> Self {
        let planner = Planner::new(world, from);
        Self::of(planner, until, None, content)
    }

    /// The same, told as sessions: from login to logout.
    pub fn scenes(
        world: &Arc<World>,
        from: Timestamp,
        until: Timestamp,
        content: Content,
    ) -> impl Iterator<Item = Scene> {
        Self::of(Planner::with_sessions(world, from), until, None, content).tell()
    }

    /// The ordinary life of those who work on a decoy, wherever they do, told as sessions, without content: on that decoy
    /// what [`crate::past`] lets happen.
    pub(crate) fn lived(
        world: &Arc<World>,
        decoy: DecoyIndex,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = Scene> {
        let personas: Vec<PersonaIndex> =
            world.seats().of_decoy(decoy).iter().map(|(persona, _)| *persona).collect();
        let planner = Planner::by_day(world, personas.into_iter(), from, true);
        Self::of(planner, until, None, Content::None).tell()
    }

    fn tell(mut self) -> impl Iterator<Item = Scene> {
        std::iter::from_fn(move || {
            loop {
                let slot = self.slot()?;
                match slot.doing {
                    Doing::Login => return Some(Scene::Login(slot)),
                    Doing::Logout => return Some(Scene::Logout(slot)),
                    Doing::Work | Doing::Look => {
                        if let Some(step) = self.step(&slot) {
                            let written = self.written(&step);
                            return Some(Scene::Effect(Box::new(step), written));
                        }
                    }
                }
            }
        })
    }

    /// Of the ordinary life on one decoy, whatever pace is set.
    pub(crate) fn ordinary(world: &Arc<World>, decoy: DecoyIndex, from: Timestamp, until: Timestamp) -> Self {
        let personas: Vec<PersonaIndex> =
            world.seats().of_decoy(decoy).iter().map(|(persona, _)| *persona).collect();
        let planner = Planner::by_day(world, personas.into_iter(), from, false);
        Self::of(planner, until, Some(decoy), Content::Bodies)
    }

    fn of(planner: Planner, until: Timestamp, only: Option<DecoyIndex>, content: Content) -> Self {
        let ledger = LedgerIndex::new(planner.world());
        let shelf = (content == Content::Bodies).then(BTreeMap::new);
        Self { planner, ledger, until, only, shelf, slots: 0 }
    }

    /// How many slots there were, those included at which everything was left alone.
    #[must_use]
    pub const fn slots(&self) -> u64 {
        self.slots
    }

    /// What is on the decoys now.
    #[must_use]
    pub const fn ledger(&self) -> &LedgerIndex {
        &self.ledger
    }

    /// The next slot. What is known of the desk of the one after it is on its way to the processor meanwhile.
    fn slot(&mut self) -> Option<Slot> {
        let slot = self.planner.pop_until(self.until)?;
        if let Some(desk) = self.planner.coming() {
            self.ledger.fetch(desk);
        }
        Some(slot)
    }

    /// What a step that was just taken wrote.
    fn written(&self, step: &Step) -> Option<Written> {
        let of = |bytes: &[u8]| Written { bytes: bytes.len() as u64, sha256: Digest::of(bytes) };
        match step.action.as_ref()? {
            Action::Plant(plant) => Some(of(plant.body.as_bytes())),
            Action::Append(append) => Some(of(append.body.as_bytes())),
            Action::Edit(edit) => {
                let body = self.shelf.as_ref()?.get(&(step.decision.slot.desk, edit.path.clone()))?;
                Some(of(body))
            }
            Action::Email(email) => Some(of(email.message.as_bytes())),
            Action::Move(_) | Action::Remove(_) | Action::Traffic(_) => None,
        }
    }

    fn step(&mut self, slot: &Slot) -> Option<Step> {
        let world = Arc::clone(self.planner.world());
        let decision = decide(&world, slot, &self.ledger)?;
        let (action, bytes) = match &mut self.shelf {
            None => (None, 0),
            Some(shelf) => {
                let desk = slot.desk;
                let wanted = decision.change.wants().map(|path| (desk, path.clone()));
                let current = wanted.and_then(|key| shelf.get(&key)).map(Vec::as_slice);
                // The ledger keeps no larger bodies, so nothing is known of them.
                let current = current.filter(|body| body.len() <= LEDGER_BODY_BYTES_MAX);
                let action = compose(&world, &decision, current).ok()?;
                let bytes = shelve(shelf, desk, &decision.change, &action);
                (Some(action), bytes)
            }
        };
        self.ledger.assume(&decision, bytes);
        Some(Step { decision, action })
    }
}

impl Iterator for Simulation {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let slot = self.slot()?;
            if self.only.is_some_and(|only| only != slot.decoy) {
                continue;
            }
            self.slots += 1;
            let step = self.step(&slot);
            if step.is_some() {
                return step;
            }
        }
    }
}

/// Keeps the content that later edits need, as the ledger does: logs are left out. Answers how many bytes were written.
fn shelve(
    shelf: &mut BTreeMap<(DeskIndex, DecoyPath), Vec<u8>>,
    desk: DeskIndex,
    change: &Change,
    action: &Action,
) -> usize {
    match action {
        Action::Plant(plant) => {
            let bytes = plant.body.as_bytes();
            if change.class().is_some_and(|class| class.ownership() != OwnershipPolicy::Append) {
                shelf.insert((desk, plant.path.clone()), bytes.to_vec());
            }
            bytes.len()
        }
        Action::Edit(edit) => {
            let Some(body) = shelf.get_mut(&(desk, edit.path.clone())) else { return 0 };
            if let Ok(now) = apply_edits(body, &edit.edits, EDITED_BYTES_MAX) {
                let grown = now.len().saturating_sub(body.len());
                *body = now;
                return grown;
            }
            0
        }
        Action::Append(append) => append.body.as_bytes().len(),
        Action::Move(rename) => {
            if let Some(body) = shelf.remove(&(desk, rename.from.clone())) {
                shelf.insert((desk, rename.to.clone()), body);
            }
            0
        }
        Action::Remove(remove) => {
            shelf.remove(&(desk, remove.path.clone()));
            0
        }
        Action::Traffic(_) | Action::Email(_) => 0,
    }
}
