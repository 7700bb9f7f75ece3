//! The planner of `realism` as the engine uses it: slots as they come, decided with what is known of the decoys.

use std::sync::Arc;
use std::time::Duration;

use verisim_core::{Action, Body, LedgerChange, LedgerEntry, Timestamp, Work};
use verisim_realism::{Decision as Choice, LedgerIndex, Planner, World, compose, decide};

use crate::planner::{Decision, Draft, LifePlanner, Planned, Preview};

/// How far ahead a preview looks at the most.
const PREVIEW_HORIZON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The personas of a world, one slot after the other.
pub struct WorldPlanner {
    world: Arc<World>,
    slots: Option<Planner>,
    ledger: LedgerIndex,
    patience: Duration,
}

impl WorldPlanner {
    /// A planner for this world. An action that has not begun `patience` after its slot is skipped (INV-10).
    #[must_use]
    pub fn new(world: Arc<World>, patience: Duration) -> Self {
        let ledger = LedgerIndex::new(&world);
        Self { world, slots: None, ledger, patience }
    }

    /// Notes what is under way, so that the next slot does not choose the same file.
    fn begin(&mut self, choice: &Choice) {
        let deadline = choice.slot.at.saturating_add(self.patience).unwrap_or(Timestamp::MAX);
        self.ledger.begin(choice, deadline);
    }

    fn show(&self, choice: &Choice) -> Option<Preview> {
        let planned = planned(&self.world, self.patience, choice, None)?;
        let object = match &planned.action {
            Action::Traffic(traffic) => format!(" to {traffic}"),
            action => action.paths().0.map_or_else(String::new, |path| format!(" {path}")),
        };
        Some(Preview {
            at: planned.at,
            decoy: planned.decoy,
            persona: planned.persona,
            session: planned.session,
            what: format!("{}{object}: {}", planned.action.name(), planned.why),
        })
    }
}

/// The action of a choice; `body` is the content of the file that it changes.
fn planned(world: &World, patience: Duration, choice: &Choice, body: Option<&Body>) -> Option<Planned> {
    let slot = &choice.slot;
    let action = compose(world, choice, body.map(Body::as_bytes)).ok()?;
    Some(Planned {
        key: slot.key(world)?,
        at: slot.at,
        deadline: slot.at.saturating_add(patience).unwrap_or(Timestamp::MAX),
        decoy: world.decoy(slot.decoy)?.name.clone(),
        persona: world.persona(slot.persona)?.name.clone(),
        session: slot.session.id(),
        action,
        why: choice.why.to_string(),
    })
}

impl LifePlanner for WorldPlanner {
    fn load(&mut self, entry: LedgerEntry) {
        self.ledger.put(&self.world, &entry);
    }

    fn learn(&mut self, change: &LedgerChange) {
        self.ledger.apply(&self.world, change);
    }

    fn expect(&mut self, work: &Work, until: Timestamp) {
        if let Work::Activity { decoy, action, persona: Some(persona), .. } = work {
            self.ledger.expect(&self.world, (decoy, persona), action, until);
        }
    }

    fn seek(&mut self, from: Timestamp) {
        self.slots = Some(Planner::new(&self.world, from));
    }

    fn next_at(&self) -> Option<Timestamp> {
        self.slots.as_ref().and_then(Planner::peek)
    }

    fn next(&mut self, now: Timestamp) -> Option<Decision> {
        // Slots lie strictly before the limit; the one at `now` is due.
        let limit = now.saturating_add(Duration::from_nanos(1)).unwrap_or(Timestamp::MAX);
        let slot = self.slots.as_mut()?.pop_until(limit)?;
        let at = slot.at;
        let decision = decide(&self.world, &slot, &self.ledger).and_then(|choice| {
            let decoy = self.world.decoy(slot.decoy)?.name.clone();
            self.begin(&choice);
            match choice.change.wants().cloned() {
                Some(path) => {
                    let (world, patience) = (Arc::clone(&self.world), self.patience);
                    let finish =
                        Box::new(move |body: Option<&Body>| planned(&world, patience, &choice, body));
                    Some(Decision::Needs(Draft { at, decoy, path, finish }))
                }
                None => planned(&self.world, self.patience, &choice, None)
                    .map(|planned| Decision::Act(Box::new(planned))),
            }
        });
        Some(decision.unwrap_or(Decision::LeaveAlone { at }))
    }

    fn preview(&self, from: Timestamp, limit: usize) -> Vec<Preview> {
        let mut slots = Planner::new(&self.world, from);
        let mut ledger = self.ledger.clone();
        let horizon = from.saturating_add(PREVIEW_HORIZON).unwrap_or(Timestamp::MAX);
        let mut shown = Vec::new();
        while shown.len() < limit {
            let Some(slot) = slots.pop_until(horizon) else { break };
            let Some(choice) = decide(&self.world, &slot, &ledger) else { continue };
            ledger.assume(&choice, 0);
            shown.extend(self.show(&choice));
        }
        shown
    }
}
