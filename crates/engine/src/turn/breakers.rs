//! Decoys that do not answer: left alone, asked now and then, and what is too late for them skipped.

use std::sync::{Arc, PoisonError};

use verisim_core::{
    ActivityEvent, DecoyName, EventPayload, Intervention, JobState, NewEvent, Schedule, StoreResult,
    Timestamp, Topic,
};

use super::{End, Loop};
use crate::activity::not_done;
use crate::breaker::{Breaker, BreakerState, Change, Sign};
use crate::contact::{NoContact, contact};
use crate::shared::{Cause, Shared, Silence, not_under_way};

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

    /// Takes note of what a batch says about its decoy; `cause` says why it may have to be left alone.
    pub(super) fn note_signs(
        &mut self,
        decoy: &DecoyName,
        signs: &[Sign],
        cause: Option<&Cause>,
        now: Timestamp,
    ) {
        let settings = &self.shared.settings;
        let breaker = self.breakers.entry(decoy.clone()).or_insert_with(|| Breaker::new(settings));
        let changes: Vec<_> = signs.iter().filter_map(|sign| breaker.note(*sign, now, settings)).collect();
        for change in changes {
            match change {
                Change::Closed => self.announce_back(decoy, now),
                Change::Opened => self.announce_silent(decoy, cause.cloned().unwrap_or_else(unsaid), now),
            }
        }
    }

    fn announce_back(&mut self, decoy: &DecoyName, now: Timestamp) {
        self.shared.silent.lock().unwrap_or_else(PoisonError::into_inner).remove(decoy);
        self.announce(decoy, true, "it answers again".to_owned(), now);
    }

    fn announce_silent(&mut self, decoy: &DecoyName, cause: Cause, now: Timestamp) {
        let detail = match &cause {
            Cause::Stranger(found) => found.clone(),
            Cause::NoAnswer(why) => format!("it does not answer: {why}"),
        };
        self.remember(decoy, cause, now);
        // Whatever answers next must be recognised first.
        self.shared.admitted.lock().unwrap_or_else(PoisonError::into_inner).remove(decoy);
        self.announce(decoy, false, detail, now);
    }

    fn remember(&self, decoy: &DecoyName, cause: Cause, now: Timestamp) {
        let mut silent = self.shared.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let since = silent.get(decoy).map_or(now, |silence| silence.since);
        silent.insert(decoy.clone(), Silence { since, cause });
    }

    fn announce(&mut self, decoy: &DecoyName, reachable: bool, detail: String, now: Timestamp) {
        let payload = EventPayload::Reachable { reachable };
        let event = NewEvent::of_decoy(decoy, Topic::reachable(decoy), detail, payload, now);
        self.unsent.push_back(NewEvent { success: reachable, ..event });
    }

    /// Asks every silent decoy whose time has come.
    pub(super) fn probe_open_decoys(&mut self, now: Timestamp) {
        let recalled =
            std::mem::take(&mut *self.shared.recalled.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, breaker) in &mut self.breakers {
            if recalled.contains(name) {
                breaker.hasten(now);
            }
            if !breaker.begin_probe(now) {
                continue;
            }
            let (shared, decoy, stop) = (Arc::clone(&self.shared), name.clone(), self.stop_early.clone());
            self.tasks.spawn(async move {
                let answer = match shared.fleet.get(&decoy) {
                    Some(member) => match contact(&shared, &stop, &member).await {
                        Ok(_) => Ok(()),
                        Err(NoContact::Stranger(failure)) => Err(Some(Cause::Stranger(failure.detail))),
                        Err(NoContact::Failed(failure)) => Err(Some(Cause::NoAnswer(failure.detail))),
                        Err(NoContact::Cancelled) => Err(None),
                        Err(NoContact::Store(error)) => {
                            shared.report_trouble(&error);
                            Err(None)
                        }
                    },
                    // Whoever is not in the fleet any more has nothing to wait for.
                    None => Ok(()),
                };
                if answer.is_err()
                    && let Err(error) = skip_late(&shared, &decoy).await
                {
                    shared.report_trouble(&error);
                }
                End::Probe { decoy, answer }
            });
        }
    }

    pub(super) fn end_probe(&mut self, decoy: &DecoyName, answer: Result<(), Option<Cause>>, now: Timestamp) {
        let Some(breaker) = self.breakers.get_mut(decoy) else { return };
        let change = breaker.end_probe(answer.is_ok(), now, &self.shared.settings);
        match (change, answer) {
            (Some(Change::Closed), _) => self.announce_back(decoy, now),
            (Some(Change::Opened), Err(Some(cause))) => self.announce_silent(decoy, cause, now),
            (Some(Change::Opened), _) => self.announce_silent(decoy, unsaid(), now),
            (None, Err(Some(Cause::Stranger(found)))) if !self.is_stranger(decoy) => {
                // It was silent, and now another one answers in its place: that is told once.
                self.announce_silent(decoy, Cause::Stranger(found), now);
            }
            // Whoever asks sees why it did not answer the last time.
            (None, Err(Some(cause))) => self.remember(decoy, cause, now),
            (None, _) => {}
        }
    }

    /// Whether it is left alone because another one answers in its place.
    fn is_stranger(&self, decoy: &DecoyName) -> bool {
        let silent = self.shared.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get(decoy).is_some_and(|silence| matches!(silence.cause, Cause::Stranger(_)))
    }
}

/// For a decoy that fell silent, and nobody said why.
fn unsaid() -> Cause {
    Cause::NoAnswer("nothing was said".to_owned())
}

/// Skips what is too late for a silent decoy (INV-10). Jobs that were started wait: whether they happened is asked when it
/// answers again.
async fn skip_late(shared: &Shared, decoy: &DecoyName) -> StoreResult<()> {
    let mut before = None;
    loop {
        let filter = not_under_way(decoy, before, SWEEP_PAGE);
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
            let detail = "too late: the decoy did not answer in time";
            let change = Intervention {
                job: job.id,
                from: job.state,
                to: JobState::Activity(to),
                at: now,
                schedule: Schedule::Parked,
                counters: None,
                overrides: None,
                events: not_done(&job, to, None, detail.into(), now).into_iter().collect(),
            };
            shared.store.intervene(change).await?;
        }
    }
}
