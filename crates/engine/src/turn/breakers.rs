//! Decoys that do not answer: left alone, asked now and then, and what is too late for them skipped.

use std::sync::{Arc, PoisonError};

use verisim_core::{
    ActivityEvent, DecoyName, EventPayload, Intervention, JobFilter, JobKind, JobState, Lane, NewEvent,
    Schedule, StoreResult, Timestamp, Topic, Work,
};

use super::{End, Loop};
use crate::breaker::{Breaker, BreakerState, Change, Sign};
use crate::shared::Shared;

/// How many queued jobs of a silent decoy are looked at in one go.
const SWEEP_PAGE: usize = 256;

impl Loop {
    /// When the next silent decoy is asked.
    pub(super) fn breaker_due(&self) -> Option<Timestamp> {
        let until = |breaker: &Breaker| match breaker.state() {
            BreakerState::Open { until } => Some(until),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        };
        self.breakers.values().filter_map(until).min()
    }

    pub(super) fn note_signs(&mut self, decoy: &DecoyName, signs: &[Sign], now: Timestamp) {
        let settings = &self.shared.settings;
        let breaker = self.breakers.entry(decoy.clone()).or_insert_with(|| Breaker::new(settings));
        let changes: Vec<_> = signs.iter().filter_map(|sign| breaker.note(*sign, now, settings)).collect();
        for change in changes {
            self.announce(decoy, change, now);
        }
    }

    fn announce(&mut self, decoy: &DecoyName, change: Change, now: Timestamp) {
        let reachable = change == Change::Closed;
        let mut silent = self.shared.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if reachable {
            silent.remove(decoy);
        } else {
            silent.insert(decoy.clone(), now);
        }
        drop(silent);
        let detail = if reachable { "it answers again" } else { "it does not answer; it is left alone" };
        self.unsent.push_back(NewEvent {
            time: now,
            topic: Topic::reachable(decoy),
            job: None,
            decoy: Some(decoy.clone()),
            persona: None,
            session: None,
            success: reachable,
            failure: None,
            detail: detail.into(),
            payload: EventPayload::Reachable { reachable },
        });
    }

    /// Asks every silent decoy whose time has come.
    pub(super) fn probe_open_decoys(&mut self, now: Timestamp) {
        for (name, breaker) in &mut self.breakers {
            if !breaker.begin_probe(now) {
                continue;
            }
            let (shared, decoy, stop) = (Arc::clone(&self.shared), name.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                let answers = match shared.fleet.get(&decoy) {
                    Some(member) => {
                        matches!(shared.bounded(&stop, member.connector.probe()).await, Ok(Ok(_)))
                    }
                    // Whoever is not in the fleet any more has nothing to wait for.
                    None => true,
                };
                if !answers && let Err(error) = skip_late(&shared, &decoy).await {
                    shared.report_trouble(&error);
                }
                End::Probe { decoy, answers }
            });
        }
    }

    pub(super) fn end_probe(&mut self, decoy: &DecoyName, answers: bool, now: Timestamp) {
        let Some(breaker) = self.breakers.get_mut(decoy) else { return };
        if let Some(change) = breaker.end_probe(answers, now, &self.shared.settings) {
            self.announce(decoy, change, now);
        }
    }
}

/// Skips what is too late for a silent decoy (INV-10). Jobs that were started wait: whether they happened is asked when it
/// answers again.
async fn skip_late(shared: &Shared, decoy: &DecoyName) -> StoreResult<()> {
    let mut before = None;
    loop {
        let filter = JobFilter {
            kind: Some(JobKind::Activity),
            states: vec!["QUEUED".into(), "BLOCKED".into()],
            lane: Some(Lane(format!("decoy/{decoy}").into())),
            before,
            limit: SWEEP_PAGE,
        };
        let page = shared.store.jobs(filter).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        let now = shared.now();
        for job in page {
            let is_late = job.deadline.is_some_and(|deadline| deadline < now);
            let (JobState::Activity(from), true, None) = (job.state, is_late, &job.intended) else {
                continue;
            };
            let Ok(to) = from.next(ActivityEvent::Stale) else { continue };
            let Work::Activity { decoy, action, persona, session, .. } = &job.work else { continue };
            let event = NewEvent {
                time: now,
                topic: Topic::activity(action.driver(), decoy),
                job: Some(job.id),
                decoy: Some(decoy.clone()),
                persona: persona.clone(),
                session: session.clone(),
                success: false,
                failure: None,
                detail: "too late: the decoy did not answer in time".into(),
                payload: EventPayload::NotDone {
                    action: action.name().into(),
                    path: action.paths().0.cloned(),
                    state: to.name().into(),
                },
            };
            let change = Intervention {
                job: job.id,
                from: job.state,
                to: JobState::Activity(to),
                at: now,
                schedule: Schedule::Parked,
                counters: None,
                events: vec![event],
            };
            shared.store.intervene(change).await?;
        }
    }
}
