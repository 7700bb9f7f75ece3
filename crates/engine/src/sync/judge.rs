//! What a step's report means: the one policy applied to a sync job. Pure; every state comes out of [`SyncState::next`].

use std::time::Duration;

use verisim_core::{
    Decision, EventPayload, FailureKind, Findings, IllegalTransition, JobId, JobState, Ladder, LeasedJob,
    NewEvent, OperationClass, PROBE_INTERVAL, Record, Schedule, SyncEvent, SyncPayload, SyncProgress,
    SyncReport, SyncSpec, SyncState, Timestamp, ToolOutput, Topic, TransportError, policy,
};

use crate::jitter::jitter;

/// How long is waited where the ladder has no further step and nothing fails for it.
const LAST_WAIT: Duration = Ladder::DELAYS[Ladder::DELAYS.len() - 1];

/// What is needed to judge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bench {
    pub(super) now: Timestamp,
    pub(super) seed: u64,
    pub(super) source_settle: Duration,
}

/// What a report leads to, before it is written down. Without an event the job stays as it is.
#[derive(Clone, Copy)]
struct Verdict {
    event: Option<SyncEvent>,
    schedule: Schedule,
    counters: verisim_core::Counters,
}

/// An event about a sync job.
pub(crate) fn sync_event(
    job: JobId,
    spec: &SyncSpec,
    state: SyncState,
    progress: &SyncProgress,
    failure: Option<(FailureKind, String)>,
    now: Timestamp,
) -> NewEvent {
    let relative = spec.capture.relative.as_ref().map_or_else(String::new, |path| format!("/{path}"));
    let (kind, detail) = failure.map_or((None, String::new()), |(kind, detail)| (Some(kind), detail));
    // A step that failed has nothing to say beside its failure.
    let note = progress.note.clone().filter(|note| detail.is_empty() || !note.contains(&detail));
    NewEvent {
        job: Some(job),
        success: kind.is_none(),
        failure: kind,
        detail,
        ..NewEvent::new(
            Topic::sync(job, state),
            EventPayload::Sync(SyncPayload {
                state: state.name().to_owned(),
                capture: format!("{}{relative}", spec.capture.rule),
                remote: format!("{}:{}", spec.remote.destination, spec.remote.path),
                inventory: progress.inventory,
                proof: progress.passes.last().copied(),
                note,
                findings: progress.findings.clone(),
            }),
            now,
        )
    }
}

impl Bench {
    /// What is written down about a report.
    pub(super) fn judge(
        &self,
        leased: &LeasedJob,
        spec: &SyncSpec,
        report: SyncReport,
    ) -> Result<Record, IllegalTransition> {
        let JobState::Sync(from) = leased.job.state else {
            return Err(IllegalTransition { state: leased.job.state.name(), event: "a sync's report" });
        };
        let counters = leased.job.counters;
        match report {
            SyncReport::Advanced { event, progress, next, damaged } => {
                let verdict = self.advanced(leased, event, next);
                let to = from.next(verdict.event.unwrap_or(event))?;
                let total = progress.findings.wrong_total();
                let mut record = self.record(leased, spec, verdict, to, *progress, None);
                record.events.extend(damage(leased.job.id, spec, damaged, total, self.now));
                Ok(record)
            }
            SyncReport::Stay { progress, next, damaged } => {
                let verdict = Verdict { event: None, schedule: next, counters };
                let total = progress.findings.wrong_total();
                let mut record = self.record(leased, spec, verdict, from, *progress, None);
                record.events.extend(damage(leased.job.id, spec, damaged, total, self.now));
                Ok(record)
            }
            SyncReport::Failed { error, class, progress } => {
                let was_verified = progress.passes_total > 0;
                let verdict = self.failed(leased, from, &error, class, was_verified);
                let to = verdict.event.map_or(Ok(from), |event| from.next(event))?;
                Ok(self.record(leased, spec, verdict, to, *progress, Some(*error)))
            }
        }
    }

    /// What is written down when a step was stopped because the daemon ends, the lease was lost, or others had waited for
    /// its place; it is looked at again after `wait`.
    pub(super) fn hand_back(&self, leased: &LeasedJob, wait: Duration) -> Result<Record, IllegalTransition> {
        let JobState::Sync(from) = leased.job.state else {
            return Err(IllegalTransition { state: leased.job.state.name(), event: "a sync's report" });
        };
        // Where losing the lease is not an event of its own, the state is as it was before the step.
        let to = from.next(SyncEvent::LeaseLost).unwrap_or(from);
        let mut counters = leased.job.counters;
        counters.leases_lost += 1;
        Ok(Record {
            job: leased.job.id,
            fence: leased.fence,
            from: leased.job.state,
            to: JobState::Sync(to),
            at: self.now,
            schedule: self.after(wait),
            counters,
            keep_intended: false,
            failure: None,
            output: None,
            events: Vec::new(),
            ledger: Vec::new(),
            progress: None,
        })
    }

    fn after(&self, wait: Duration) -> Schedule {
        Schedule::At(self.now.saturating_add(wait).unwrap_or(Timestamp::MAX))
    }

    fn advanced(&self, leased: &LeasedJob, event: SyncEvent, next: Schedule) -> Verdict {
        let mut counters = leased.job.counters;
        // That a pass is due says nothing of whether the destination can be looked at.
        if event != SyncEvent::PassDue {
            counters.failures = 0;
        }
        // How often it has differed since it was last retried is ours to know, not the worker's: and so is what follows.
        let (event, schedule) = match event {
            SyncEvent::Mismatched | SyncEvent::MismatchedAgain => match mismatch(&mut counters) {
                SyncEvent::Mismatched => (SyncEvent::Mismatched, Schedule::At(self.now)),
                again => (again, Schedule::Parked),
            },
            event => (event, next),
        };
        Verdict { event: Some(event), schedule, counters }
    }

    fn failed(
        &self,
        leased: &LeasedJob,
        from: SyncState,
        error: &TransportError,
        class: OperationClass,
        was_verified: bool,
    ) -> Verdict {
        let mut counters = leased.job.counters;
        let failure = &error.failure;
        let decision = policy(failure.kind, failure.effect, class).decision;
        if from == SyncState::AwaitingVerify && was_verified && says_nothing(decision) {
            return self.unreached(decision, class, counters);
        }
        let (event, schedule) = match decision {
            Decision::BackOff | Decision::Unreachable => {
                counters.failures += 1;
                let noise = jitter(self.seed, leased.job.id, counters.failures);
                match Ladder::delay(counters.failures, noise) {
                    Some(wait) => (SyncEvent::BackOff, self.after(wait)),
                    None => (SyncEvent::Failed, Schedule::Parked),
                }
            }
            Decision::Block => {
                counters.blocks += 1;
                (SyncEvent::Blocked, self.after(PROBE_INTERVAL))
            }
            Decision::RetryTransfer if from == SyncState::AwaitingVerify => {
                (mismatch(&mut counters), Schedule::At(self.now))
            }
            Decision::RetryTransfer => match mismatch(&mut counters) {
                SyncEvent::Mismatched => (SyncEvent::BackOff, Schedule::At(self.now)),
                _ => (SyncEvent::Failed, Schedule::Parked),
            },
            Decision::AwaitCompleteness => (SyncEvent::SourceChanged, self.after(self.source_settle)),
            Decision::Cancel => (SyncEvent::Cancelled, Schedule::Parked),
            // A transport that could make the folder would have made it.
            Decision::Fail | Decision::Answer | Decision::CreateFolder => {
                (SyncEvent::Failed, Schedule::Parked)
            }
        };
        if from.next(event).is_ok() {
            return Verdict { event: Some(event), schedule, counters };
        }
        self.resting(from, counters)
    }

    /// Nobody could look, and nothing was found: what was verified is verified still, and no try is used up.
    fn unreached(
        &self,
        decision: Decision,
        class: OperationClass,
        mut counters: verisim_core::Counters,
    ) -> Verdict {
        let schedule = if class == OperationClass::Away {
            // Nothing is begun there before the destination is back.
            Schedule::At(self.now)
        } else {
            counters.failures += 1;
            let wait = Ladder::delay(counters.failures, 1 << 31).unwrap_or(LAST_WAIT);
            // What lacks a tool is asked about as rarely as elsewhere, and then more rarely: it is verified, and can wait.
            let least = if decision == Decision::Block { PROBE_INTERVAL } else { Duration::ZERO };
            self.after(wait.max(least))
        };
        Verdict { event: Some(SyncEvent::Unreached), schedule, counters }
    }

    /// A failure in a state that does not know it: the job stays what it is, and is looked at again. What was about to be
    /// deleted is not any more.
    fn resting(&self, from: SyncState, counters: verisim_core::Counters) -> Verdict {
        let event = matches!(from, SyncState::CleanupEligible).then_some(SyncEvent::InterlockLost);
        let wait = match from {
            SyncState::Blocked(_) | SyncState::Cleaning => PROBE_INTERVAL,
            _ => Ladder::delay(counters.failures.max(1), 1 << 31).unwrap_or(LAST_WAIT),
        };
        Verdict { event, schedule: self.after(wait), counters }
    }

    fn record(
        &self,
        leased: &LeasedJob,
        spec: &SyncSpec,
        verdict: Verdict,
        to: SyncState,
        mut progress: SyncProgress,
        error: Option<TransportError>,
    ) -> Record {
        let (failure, output) = error.map_or((None, None), |error| {
            let TransportError { failure, output } = error;
            let said = (output != ToolOutput::default()).then_some(output);
            (Some((failure.kind, failure.detail)), said)
        });
        if let Some((_, detail)) = &failure {
            if verdict.event == Some(SyncEvent::Unreached) {
                progress.note = Some(format!("the last pass could not be made: {detail}"));
            }
            progress.note.get_or_insert_with(|| detail.clone());
            if JobState::Sync(SyncState::AwaitingVerify) == leased.job.state && to == SyncState::Failed {
                progress.note = stands(&progress, leased.job.id).or(progress.note);
            }
        }
        let before = leased.job.progress.as_ref();
        let is_news = JobState::Sync(to) != leased.job.state
            || failure.is_some()
            || before.and_then(|progress| progress.note.as_ref()) != progress.note.as_ref();
        let events = is_news
            .then(|| {
                let mut told = progress.clone();
                if before.is_some_and(|before| before.findings == told.findings) {
                    told.findings = Findings::default();
                }
                sync_event(leased.job.id, spec, to, &told, failure.clone(), self.now)
            })
            .into_iter()
            .collect();
        let is_over = matches!(to, SyncState::Unverified) || to.is_final();
        Record {
            job: leased.job.id,
            fence: leased.fence,
            from: leased.job.state,
            to: JobState::Sync(to),
            at: self.now,
            schedule: if is_over { Schedule::Parked } else { verdict.schedule },
            counters: verdict.counters,
            keep_intended: false,
            failure,
            output,
            events,
            ledger: Vec::new(),
            progress: Some(progress),
        }
    }
}

/// What stands of a capture that was verified and cannot be looked at any more; `None` where it was not verified, or where what was
/// found speaks against it.
fn stands(progress: &SyncProgress, job: JobId) -> Option<String> {
    if progress.passes_total == 0 || progress.findings.wrong_total() > 0 {
        return None;
    }
    let last =
        progress.passes.last().map_or_else(String::new, |last| format!(", the last at {:.0}", last.at));
    let times = match progress.passes_total {
        1 => "once".to_owned(),
        more => format!("{more} times"),
    };
    Some(format!(
        "it was verified ({times}{last}), and that stands; but nobody can look again, so nothing of it is deleted here; once this is \
         mended: `verisim sync retry {job}`"
    ))
}

/// Counts a mismatch, and says whether it is the first.
fn mismatch(counters: &mut verisim_core::Counters) -> SyncEvent {
    counters.mismatches += 1;
    if counters.mismatches == 1 { SyncEvent::Mismatched } else { SyncEvent::MismatchedAgain }
}

/// Whether a failure says only that nobody could look.
const fn says_nothing(decision: Decision) -> bool {
    matches!(decision, Decision::BackOff | Decision::Unreachable | Decision::Block)
}

/// The event of damage at a destination, where there is any.
pub(super) fn damage(
    job: JobId,
    spec: &SyncSpec,
    names: Vec<String>,
    total: u64,
    now: Timestamp,
) -> Option<NewEvent> {
    let total = total.max(names.len() as u64);
    (!names.is_empty()).then(|| NewEvent {
        job: Some(job),
        success: false,
        failure: Some(FailureKind::HashMismatch),
        detail: format!("{total} files are missing or different at the destination"),
        ..NewEvent::new(
            Topic::remote_damaged(job),
            EventPayload::RemoteDamaged { remote: spec.remote.path.clone(), names, total },
            now,
        )
    })
}
