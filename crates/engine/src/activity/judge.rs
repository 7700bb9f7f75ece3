//! What an outcome means: the one policy applied to an activity job. Pure; every state comes out of
//! [`ActivityState::next`].

use std::time::Duration;

use verisim_core::{
    ActivityEvent, ActivityState, Counters, Decision, DriverKind, Failure, FailureKind, IllegalTransition,
    Job, JobState, Ladder, LeasedJob, LedgerEntry, NewEvent, OperationClass, PROBE_INTERVAL, Payload, Policy,
    Record, Schedule, Tamper, Timestamp, Work, policy,
};

use super::event;
use super::ledger::{self, Scene};
use crate::breaker::Sign;
use crate::jitter::jitter;
use crate::shared::Cause;

/// The step from "at the deadline", when a job may still run, to "after it".
const JUST_AFTER: Duration = Duration::from_millis(1);

/// What came of one job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The effect is there.
    Confirmed(Payload),
    /// Foreign content is there.
    Tampered(Box<Tamper>),
    /// It failed. `open` says that the effect was started and nobody knows whether it happened.
    Failed { failure: Failure, open: bool },
    /// Its fate cannot be found out, and it is not repeated.
    Unknowable,
    /// Its deadline passed before the effect was started.
    Stale,
    /// The decoy is not the one that we know: nothing is attempted; `open` as above.
    Withheld { failure: Failure, open: bool },
    /// We gave it up, because the daemon ends or a lease was lost; `open` as above.
    HandedBack { open: bool },
    /// What it lacked is there again.
    Unblocked,
    /// What it lacks is still missing.
    StillBlocked,
}

/// What is needed to judge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bench {
    pub(super) now: Timestamp,
    pub(super) seed: u64,
    pub(super) effect_settle: Duration,
}

/// What a failure leads to, before it is written down.
#[derive(Clone, Copy)]
struct Verdict {
    event: ActivityEvent,
    schedule: Schedule,
    counters: Counters,
    keep_intended: bool,
}

/// What a failed job's policy says, in its class: everything that an activity does, it does to a decoy.
pub(super) fn policy_of(failure: &Failure) -> Policy {
    policy(failure.kind, failure.effect, OperationClass::Decoy)
}

/// What an outcome says about whether the decoy can be reached. A connection that failed says nothing of the decoy that it
/// should have left from: it is mostly the other side that is not there.
pub(super) fn sign(leased: &LeasedJob, outcome: &Outcome) -> Sign {
    let is_connection = matches!(&leased.job.work, Work::Activity { action, .. }
        if action.driver() == DriverKind::Traffic);
    match outcome {
        Outcome::Withheld { failure, .. } => Sign::of(failure.kind),
        _ if is_connection => Sign::Nothing,
        Outcome::Confirmed(_) | Outcome::Tampered(_) => Sign::Answered,
        Outcome::Failed { failure, .. } => Sign::of(failure.kind),
        Outcome::Unknowable
        | Outcome::Stale
        | Outcome::HandedBack { .. }
        | Outcome::Unblocked
        | Outcome::StillBlocked => Sign::Nothing,
    }
}

/// Why the decoy may have to be left alone, where an outcome speaks for it.
pub(super) fn cause(sign: Sign, outcome: &Outcome) -> Option<Cause> {
    match outcome {
        Outcome::Withheld { failure, .. } => Some(Cause::Stranger(failure.detail.clone())),
        Outcome::Failed { failure, .. } if matches!(sign, Sign::Silent | Sign::Gone) => {
            Some(Cause::NoAnswer(failure.detail.clone()))
        }
        _ => None,
    }
}

impl Bench {
    /// Whether this failure is the job's last: then an open fate is asked for at once, since nothing comes after.
    pub(super) fn is_last(&self, leased: &LeasedJob, failure: &Failure) -> bool {
        let verdict = self.failed(leased, failure, false);
        !matches!(verdict.event, ActivityEvent::BackOff | ActivityEvent::Blocked)
    }

    /// What is written down about an outcome.
    pub(super) fn judge(
        &self,
        leased: &LeasedJob,
        outcome: &Outcome,
        known: Option<&LedgerEntry>,
    ) -> Result<Record, IllegalTransition> {
        let counters = leased.job.counters;
        let last = |event| Verdict { event, schedule: Schedule::Parked, counters, keep_intended: false };
        let later =
            |event, at, keep_intended| Verdict { event, schedule: Schedule::At(at), counters, keep_intended };
        let verdict = match outcome {
            Outcome::Confirmed(_) => last(ActivityEvent::Confirmed),
            Outcome::Tampered(_) => last(ActivityEvent::Tampered),
            Outcome::Unknowable => last(ActivityEvent::FateUnknown),
            Outcome::Stale => last(ActivityEvent::Stale),
            Outcome::Failed { failure, open } => self.failed(leased, failure, *open),
            Outcome::HandedBack { open } => {
                // An effect that we gave up may still be under way; asking too early would get the wrong answer.
                let settle = if *open { self.effect_settle } else { Duration::ZERO };
                let mut verdict = later(ActivityEvent::LeaseLost, self.after(settle), *open);
                verdict.counters.leases_lost += 1;
                verdict
            }
            Outcome::Withheld { open, .. } => later(ActivityEvent::LeaseLost, self.now, *open),
            Outcome::Unblocked => later(ActivityEvent::Unblocked, self.now, leased.job.intended.is_some()),
            Outcome::StillBlocked => {
                let at = self.capped(leased, PROBE_INTERVAL, leased.job.intended.is_some());
                return Ok(stay_blocked(leased, at, self.now));
            }
        };
        let JobState::Activity(from) = leased.job.state else {
            return Err(IllegalTransition { state: leased.job.state.name(), event: "an activity's outcome" });
        };
        // The effect may go back while it is handed back from `BLOCKED`, where there is nothing to lose.
        let to = match (from, verdict.event) {
            (ActivityState::Blocked, ActivityEvent::LeaseLost) => from,
            (from, event) => from.next(event)?,
        };
        Ok(self.record(leased, outcome, known, verdict, to))
    }

    fn after(&self, wait: Duration) -> Timestamp {
        self.now.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// The time after `wait`, but at the latest when the deadline has just passed, so that the job is skipped then and not
    /// at the end of a long wait (INV-10). An open fate is asked for also after the deadline: to find out is not to run
    /// late.
    fn capped(&self, leased: &LeasedJob, wait: Duration, open: bool) -> Timestamp {
        let at = self.after(wait);
        let passed = |deadline: Timestamp| deadline.saturating_add(JUST_AFTER).unwrap_or(Timestamp::MAX);
        leased.job.deadline.filter(|_| !open).map_or(at, |deadline| at.min(passed(deadline).max(self.now)))
    }

    fn failed(&self, leased: &LeasedJob, failure: &Failure, open: bool) -> Verdict {
        let mut counters = leased.job.counters;
        let late = leased.job.deadline.is_some_and(|deadline| deadline < self.now);
        let decision = match policy_of(failure).decision {
            // Past its deadline a job that lacks something does not wait for it without end.
            Decision::Block if late => Decision::BackOff,
            decision => decision,
        };
        let wait = match decision {
            Decision::BackOff | Decision::Unreachable => {
                counters.failures += 1;
                Ladder::delay(counters.failures, jitter(self.seed, leased.job.id, counters.failures))
                    .map(|wait| (ActivityEvent::BackOff, wait))
            }
            Decision::RetryTransfer => {
                counters.mismatches += 1;
                (counters.mismatches == 1).then_some((ActivityEvent::BackOff, Duration::ZERO))
            }
            Decision::Block => {
                counters.blocks += 1;
                Some((ActivityEvent::Blocked, PROBE_INTERVAL))
            }
            Decision::Cancel
            | Decision::Fail
            | Decision::AwaitCompleteness
            | Decision::Answer
            | Decision::CreateFolder => None,
        };
        let schedule = |wait| Schedule::At(self.capped(leased, wait, open));
        let last = |event| Verdict { event, schedule: Schedule::Parked, counters, keep_intended: false };
        match wait {
            Some(_) if late && !open => last(ActivityEvent::Stale),
            Some((event, wait)) => Verdict { event, schedule: schedule(wait), counters, keep_intended: open },
            None if open => last(ActivityEvent::FateUnknown),
            None if decision == Decision::Cancel => last(ActivityEvent::Cancelled),
            None => last(ActivityEvent::Failed),
        }
    }

    fn record(
        &self,
        leased: &LeasedJob,
        outcome: &Outcome,
        known: Option<&LedgerEntry>,
        verdict: Verdict,
        to: ActivityState,
    ) -> Record {
        let failure = match outcome {
            Outcome::Failed { failure, .. } | Outcome::Withheld { failure, .. } => {
                Some((failure.kind, failure.detail.clone()))
            }
            _ => None,
        };
        Record {
            job: leased.job.id,
            fence: leased.fence,
            from: leased.job.state,
            to: JobState::Activity(to),
            at: self.now,
            schedule: verdict.schedule,
            counters: verdict.counters,
            keep_intended: verdict.keep_intended,
            output: None,
            events: events(&leased.job, outcome, to, failure.as_ref(), self.now),
            ledger: changes(leased, outcome, known, self.now),
            failure,
            progress: None,
        }
    }
}

fn stay_blocked(leased: &LeasedJob, at: Timestamp, now: Timestamp) -> Record {
    Record {
        job: leased.job.id,
        fence: leased.fence,
        from: leased.job.state,
        to: leased.job.state,
        at: now,
        schedule: Schedule::At(at),
        counters: leased.job.counters,
        keep_intended: leased.job.intended.is_some(),
        failure: None,
        output: None,
        events: Vec::new(),
        ledger: Vec::new(),
        progress: None,
    }
}

fn changes(
    leased: &LeasedJob,
    outcome: &Outcome,
    known: Option<&LedgerEntry>,
    now: Timestamp,
) -> Vec<verisim_core::LedgerChange> {
    let Work::Activity { decoy, action, persona, .. } = &leased.job.work else { return Vec::new() };
    match outcome {
        Outcome::Confirmed(payload) => {
            ledger::learnt(action, payload, &Scene { decoy, persona: persona.as_ref(), known, now })
        }
        Outcome::Tampered(tamper) => vec![ledger::frozen(tamper, decoy, persona.as_ref(), now)],
        _ => Vec::new(),
    }
}

fn events(
    job: &Job,
    outcome: &Outcome,
    to: ActivityState,
    failure: Option<&(FailureKind, String)>,
    now: Timestamp,
) -> Vec<NewEvent> {
    let not_done = |detail: String| event::not_done(job, to, failure.map(|(kind, _)| *kind), detail, now);
    let events = match outcome {
        // Nothing was attempted that could have an outcome.
        Outcome::HandedBack { .. }
        | Outcome::Withheld { .. }
        | Outcome::Unblocked
        | Outcome::StillBlocked => [None, None],
        Outcome::Confirmed(payload) => [event::confirmed(job, payload, now), None],
        Outcome::Tampered(tamper) => {
            [event::tampered(job, tamper, now), not_done(format!("{} is not as it was left", tamper.path))]
        }
        Outcome::Failed { .. } => {
            [not_done(failure.map(|(_, detail)| detail.clone()).unwrap_or_default()), None]
        }
        Outcome::Unknowable => {
            let detail = "it was started, and whether it happened cannot be found out; it is not repeated";
            [not_done(detail.into()), None]
        }
        Outcome::Stale => {
            let detail = job.deadline.map(|deadline| format!("too late: it was to happen by {deadline}"));
            [not_done(detail.unwrap_or_default()), None]
        }
    };
    events.into_iter().flatten().collect()
}
