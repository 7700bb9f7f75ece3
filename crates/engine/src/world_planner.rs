//! The planner of `realism` as the engine uses it: slots as they come, decided with what is known of the decoys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use verisim_core::{
    Action, AppendFile, Body, DecoyName, EditFile, FileClass, IdempotencyKey, LedgerChange, LedgerEntry,
    RecordKeeping, TextEdit, Timestamp, Work,
};
use verisim_realism::{
    Decision as Choice, DecoyIndex, Doing, Grown, LedgerIndex, Planner, RecordKeeper, Slot, World, compose,
    decide,
};

use crate::planner::{Decision, Draft, LifePlanner, Planned, Preview};

/// No session is longer; in busy mode each ends with its quarter of an hour.
const REOPEN: Duration = Duration::from_secs(16 * 60 * 60);
const REOPEN_BUSY: Duration = Duration::from_secs(16 * 60);
/// How far ahead a preview looks at the most.
const PREVIEW_HORIZON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The personas of a world, one slot after the other.
pub struct WorldPlanner {
    world: Arc<World>,
    slots: Option<Planner>,
    ledger: LedgerIndex,
    /// Whoever keeps records of sessions, by decoy.
    keepers: BTreeMap<DecoyIndex, RecordKeeper>,
    patience: Duration,
}

/// The numbers from which on what records get counts within a session: beyond those of what is worked on.
const LOGIN_FROM: u32 = 1 << 20;
const LOGOUT_FROM: u32 = LOGIN_FROM + 64;

/// How long before a logout the last thing is begun, so that it is done by then.
const LEAVES_BEFORE: SignedDuration = SignedDuration::from_millis(1500);

impl WorldPlanner {
    /// A planner for this world. An action that has not begun `patience` after its slot is skipped (INV-10).
    #[must_use]
    pub fn new(world: Arc<World>, patience: Duration) -> Self {
        let ledger = LedgerIndex::new(&world);
        Self { world, slots: None, ledger, keepers: BTreeMap::new(), patience }
    }

    /// Notes what is under way, so that the next slot does not choose the same file.
    fn begin(&mut self, choice: &Choice) {
        let deadline = choice.slot.at.saturating_add(self.patience).unwrap_or(Timestamp::MAX);
        self.ledger.begin(choice, deadline);
    }

    fn keeper(&mut self, decoy: &DecoyName) -> Option<&mut RecordKeeper> {
        self.keepers.get_mut(&self.world.decoy_named(decoy)?)
    }

    /// What a login or a logout writes into the records of a decoy that has some.
    fn record(&mut self, slot: &Slot) -> Option<Decision> {
        let keeper = self.keepers.get_mut(&slot.decoy)?;
        let (grown, from, why) = match slot.doing {
            Doing::Login => (keeper.login(&self.world, slot), LOGIN_FROM, "logs in"),
            Doing::Logout => (keeper.logout(&self.world, slot, &self.ledger), LOGOUT_FROM, "logs out"),
            Doing::Work | Doing::Look => return None,
        };
        let (decoy, persona) = (self.world.decoy(slot.decoy)?, self.world.persona(slot.persona)?);
        let can = decoy.capabilities;
        let action = |Grown { path, body, offset }: Grown| match offset {
            None => Action::Append(AppendFile { path, body, class: FileClass::Record }),
            Some(offset) => {
                let edits = vec![TextEdit::Patch { offset, bytes: body }];
                Action::Edit(EditFile { path, edits, shared: true })
            }
        };
        let planned = |(grown, number): (Grown, u32)| Planned {
            key: IdempotencyKey::for_action(&persona.name, &slot.session.id(), number),
            at: slot.at,
            deadline: slot.at.saturating_add(self.patience).unwrap_or(Timestamp::MAX),
            decoy: decoy.name.clone(),
            persona: persona.name.clone(),
            session: slot.session.id(),
            action: action(grown),
            why: format!("{} {why}", persona.login),
        };
        let planned: Vec<Planned> = grown
            .into_iter()
            .zip(from..)
            .filter(|(grown, _)| if grown.offset.is_some() { can.edit } else { can.append })
            .map(planned)
            .collect();
        (!planned.is_empty()).then_some(Decision::Several { at: slot.at, planned })
    }

    /// Opens again, with whoever keeps records, the sessions that are under way at an instant.
    fn reopen(&mut self, from: Timestamp) {
        self.keepers.values_mut().for_each(RecordKeeper::restart);
        if self.keepers.is_empty() {
            return;
        }
        let back = if self.world.settings().busy { REOPEN_BUSY } else { REOPEN };
        let mut slots =
            Planner::with_sessions(&self.world, from.saturating_sub(back).unwrap_or(Timestamp::MIN));
        while let Some(slot) = slots.pop_until(from) {
            // What they wrote is there.
            drop(self.record(&slot));
        }
        self.keepers.values_mut().for_each(RecordKeeper::go_on);
    }

    /// Until when what is done at a slot may begin; where records are kept, not when its session is over: nobody works who has
    /// logged out.
    fn deadline(&self, slot: &Slot) -> Timestamp {
        let patient = slot.at.saturating_add(self.patience).unwrap_or(Timestamp::MAX);
        let slots = self.slots.as_ref().filter(|_| self.keepers.contains_key(&slot.decoy));
        let Some(ends) = slots.and_then(|slots| slots.session_ends(slot)) else { return patient };
        let margin = (ends.duration_since(slot.at) / 2).min(LEAVES_BEFORE);
        patient.min(ends.saturating_sub(margin).unwrap_or(ends))
    }

    fn show(&self, choice: &Choice) -> Option<Preview> {
        let planned = planned(&self.world, self.deadline(&choice.slot), choice, None)?;
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
fn planned(world: &World, deadline: Timestamp, choice: &Choice, body: Option<&Body>) -> Option<Planned> {
    let slot = &choice.slot;
    let action = compose(world, choice, body.map(Body::as_bytes)).ok()?;
    Some(Planned {
        key: slot.key(world)?,
        at: slot.at,
        deadline,
        decoy: world.decoy(slot.decoy)?.name.clone(),
        persona: world.persona(slot.persona)?.name.clone(),
        session: slot.session.id(),
        action,
        why: choice.why.to_string(),
    })
}

impl LifePlanner for WorldPlanner {
    fn keep(&mut self, decoy: &DecoyName, keeping: &RecordKeeping) {
        if let Some(decoy) = self.world.decoy_named(decoy) {
            self.keepers.insert(decoy, RecordKeeper::new(decoy, keeping));
        }
    }

    fn stop_keeping(&mut self, decoy: &DecoyName) {
        if let Some(decoy) = self.world.decoy_named(decoy) {
            self.keepers.remove(&decoy);
        }
    }

    fn load(&mut self, entry: LedgerEntry) {
        if let Some(keeper) = self.keeper(&entry.decoy) {
            keeper.load(&entry);
        }
        self.ledger.put(&self.world, &entry);
    }

    fn learn(&mut self, change: &LedgerChange) {
        let decoy = match change {
            LedgerChange::Put(entry) => &entry.decoy,
            LedgerChange::Remove { decoy, .. }
            | LedgerChange::Rename { decoy, .. }
            | LedgerChange::Freeze { decoy, .. } => decoy,
        };
        if let Some(keeper) = self.keeper(decoy) {
            keeper.learn(change);
        }
        self.ledger.apply(&self.world, change);
    }

    fn expect(&mut self, work: &Work, until: Timestamp) {
        if let Work::Activity { decoy, action, persona: Some(persona), .. } = work {
            self.ledger.expect(&self.world, (decoy, persona), action, until);
        }
    }

    fn seek(&mut self, from: Timestamp) {
        self.reopen(from);
        let slots = if self.keepers.is_empty() { Planner::new } else { Planner::with_sessions };
        self.slots = Some(slots(&self.world, from));
    }

    fn next_at(&self) -> Option<Timestamp> {
        self.slots.as_ref().and_then(Planner::peek)
    }

    fn next(&mut self, now: Timestamp) -> Option<Decision> {
        // Slots lie strictly before the limit; the one at `now` is due.
        let limit = now.saturating_add(Duration::from_nanos(1)).unwrap_or(Timestamp::MAX);
        let slot = self.slots.as_mut()?.pop_until(limit)?;
        let at = slot.at;
        if !matches!(slot.doing, Doing::Work | Doing::Look) {
            return Some(self.record(&slot).unwrap_or(Decision::LeaveAlone { at }));
        }
        if self.keepers.get(&slot.decoy).is_some_and(|keeper| keeper.has_missed(&slot)) {
            return Some(Decision::LeaveAlone { at });
        }
        let deadline = self.deadline(&slot);
        let decision = decide(&self.world, &slot, &self.ledger).and_then(|choice| {
            let decoy = self.world.decoy(slot.decoy)?.name.clone();
            self.begin(&choice);
            if let Some(keeper) = self.keepers.get_mut(&slot.decoy) {
                keeper.decided(&choice);
            }
            match choice.change.wants().cloned() {
                Some(path) => {
                    let world = Arc::clone(&self.world);
                    let finish =
                        Box::new(move |body: Option<&Body>| planned(&world, deadline, &choice, body));
                    Some(Decision::Needs(Draft { at, decoy, path, finish }))
                }
                None => planned(&self.world, deadline, &choice, None)
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
