//! Decoys join and leave between two turns, and the planning is handed over.
//!
//! A planner is made for one world and knows a ledger. So a changed fleet takes another planner: a task loads it from the
//! store while the old one goes on; the paths that outcomes change meanwhile are noted, and read once more at the end; and
//! between two turns the new one takes its place, at the instant up to which the old one has decided. A persona's moments
//! do not depend on the decoys there are (only where they are spent does), so that a slot that comes again bears the key
//! that it had, and one key never stands for two moments.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};

use tokio::sync::oneshot;
use verisim_core::{
    ActivityEvent, DecoyName, EventPayload, FailureKind, Intervention, JobState, LedgerChange, NewEvent,
    Schedule, StoreResult, Timestamp, Topic, printable,
};

use super::{End, Loop};
use crate::activity::not_done;
use crate::change::{Arrival, Departure};
use crate::shared::{Shared, not_under_way};
use crate::{LifePlanner, life};

/// How many queued jobs of a decoy that left are looked at in one go.
const SWEEP_PAGE: usize = 256;

/// The planning passes from one planner to the next.
pub(super) struct Handover {
    /// The next one, once it knows the ledger.
    pub(super) planner: Option<Box<dyn LifePlanner>>,
    done: oneshot::Sender<()>,
}

impl Loop {
    /// Takes up the next change of the fleet, unless the last one is still under way.
    pub(super) fn take_change(&mut self, now: Timestamp) {
        if self.handover.is_some() || self.only.is_some() {
            return;
        }
        let mut changes = self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((change, done)) = changes.as_mut().and_then(VecDeque::pop_front) else { return };
        drop(changes);
        change.left.iter().for_each(|departure| self.leave(departure, now));
        change.changed.into_iter().for_each(|member| self.shared.fleet.put(member));
        change.joined.into_iter().for_each(|arrival| self.join(arrival, now));
        self.look = true;
        match change.planner {
            None => {
                *self.shared.planner.lock().unwrap_or_else(PoisonError::into_inner) = None;
                let _ = done.send(());
            }
            Some(planner) => {
                *self.shared.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(BTreeSet::new());
                self.handover = Some(Handover { planner: None, done });
                self.load(planner);
            }
        }
    }

    fn load(&mut self, mut planner: Box<dyn LifePlanner>) {
        let (shared, stop) = (Arc::clone(&self.shared), self.stop_early.clone());
        self.tasks.spawn(async move {
            let mut wait = shared.settings.store_retry_min;
            while let Err(error) = life::teach(&shared, planner.as_mut()).await {
                shared.report_trouble(&error);
                let until = shared.after(wait);
                let _nap = shared.idle.nap(until);
                tokio::select! {
                    () = shared.clock.sleep_until(until) => {}
                    () = stop.cancelled() => break,
                }
                wait = (wait * 2).min(shared.settings.store_retry_max);
            }
            End::Taught(planner)
        });
    }

    /// The next planner knows what the store knew.
    pub(super) fn end_teaching(&mut self, planner: Box<dyn LifePlanner>) {
        if let Some(handover) = &mut self.handover {
            handover.planner = Some(planner);
        }
    }

    /// Lets the next planner take over, once it knows what changed since it was taught.
    pub(super) async fn hand_over(&mut self, now: Timestamp) -> StoreResult<()> {
        let Some(handover) = &mut self.handover else { return Ok(()) };
        let Some(planner) = &mut handover.planner else { return Ok(()) };
        loop {
            let missed = {
                // Whoever learns something holds the planner first: nothing falls between the last look and the change.
                let mut current = self.shared.planner.lock().unwrap_or_else(PoisonError::into_inner);
                let mut missed = self.shared.missed.lock().unwrap_or_else(PoisonError::into_inner);
                let paths = missed.take().unwrap_or_default();
                if paths.is_empty() {
                    // What the old one has not decided yet is left to the new one; what it has is not decided again.
                    let decided = current.as_ref().and_then(|old| old.next_at());
                    planner.seek(decided.map_or(now, |at| at.min(now)));
                    *current = handover.planner.take();
                    break;
                }
                *missed = Some(BTreeSet::new());
                paths.into_iter().collect::<Vec<_>>()
            };
            let entries = match self.shared.store.ledger(&missed).await {
                Ok(entries) => entries,
                Err(error) => {
                    let mut again = self.shared.missed.lock().unwrap_or_else(PoisonError::into_inner);
                    again.get_or_insert_default().extend(missed);
                    return Err(error);
                }
            };
            for ((decoy, path), entry) in missed.into_iter().zip(entries) {
                match entry {
                    Some(entry) => planner.load(entry),
                    None => planner.learn(&LedgerChange::Remove { decoy, path }),
                }
            }
        }
        if let Some(handover) = self.handover.take() {
            let _ = handover.done.send(());
        }
        Ok(())
    }

    fn join(&mut self, arrival: Arrival, now: Timestamp) {
        let decoy = Arc::clone(&arrival.member.decoy);
        self.forget(&decoy.name);
        self.shared.left.remove(&decoy.name);
        self.to_sweep.remove(&decoy.name);
        self.shared.fleet.put(arrival.member);
        let payload = EventPayload::Joined {
            role: decoy.role.clone(),
            services: decoy.services.clone(),
            personas: arrival.personas,
        };
        let (topic, detail) = (Topic::joined(&decoy.name), printable(&arrival.detail));
        self.unsent.push_back(NewEvent::of_decoy(&decoy.name, topic, detail, payload, now));
    }

    fn leave(&mut self, departure: &Departure, now: Timestamp) {
        let name = &departure.decoy.name;
        self.shared.fleet.remove(name);
        self.forget(name);
        self.shared.left.add(departure, now);
        if !departure.keeps_work {
            self.to_sweep.insert(name.clone());
        }
        let payload = EventPayload::Left { reason: departure.reason.clone() };
        let detail = printable(&departure.detail);
        self.unsent.push_back(NewEvent::of_decoy(name, Topic::left(name), detail, payload, now));
    }

    /// What answers under this name next must be recognised, and begins with a clean sheet.
    fn forget(&mut self, decoy: &DecoyName) {
        self.breakers.remove(decoy);
        self.shared.silent.lock().unwrap_or_else(PoisonError::into_inner).remove(decoy);
        self.shared.admitted.lock().unwrap_or_else(PoisonError::into_inner).remove(decoy);
        self.shared.meetings.lock().unwrap_or_else(PoisonError::into_inner).remove(decoy);
    }

    /// Cancels what is queued for decoys that left.
    pub(super) fn sweep_left(&mut self) {
        for decoy in std::mem::take(&mut self.to_sweep) {
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move {
                let swept = cancel_queued(&shared, &decoy).await;
                End::Swept { decoy, swept }
            });
        }
    }

    pub(super) fn end_sweep(&mut self, decoy: DecoyName, swept: StoreResult<()>) {
        if let Err(error) = swept {
            self.shared.report_trouble(&error);
            if self.shared.left.has(&decoy) {
                self.to_sweep.insert(decoy);
            }
        }
    }
}

/// Cancels what is queued for a decoy that left, and has not begun. What was begun waits: should the decoy come back, it is
/// asked whether it happened (INV-4).
async fn cancel_queued(shared: &Shared, decoy: &DecoyName) -> StoreResult<()> {
    let mut before = None;
    loop {
        let page = shared.store.jobs(not_under_way(decoy, before, SWEEP_PAGE)).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        let Some(left) = shared.left.get(decoy) else { return Ok(()) };
        let now = shared.now();
        for job in page {
            let (JobState::Activity(from), None) = (job.state, &job.intended) else { continue };
            let Ok(to) = from.next(ActivityEvent::Cancelled) else { continue };
            let detail = format!("the decoy left the fleet: {}", left.detail);
            let change = Intervention {
                job: job.id,
                from: job.state,
                to: JobState::Activity(to),
                at: now,
                schedule: Schedule::Parked,
                counters: None,
                overrides: None,
                events: not_done(&job, to, Some(FailureKind::Cancelled), detail, now).into_iter().collect(),
            };
            shared.store.intervene(change).await?;
        }
    }
}
