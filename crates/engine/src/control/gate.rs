//! What a person decides about the gate before a capture: an override by name and reason, and taking one back.

use verisim_core::{
    Decided, EventPayload, GateOverride, Intervention, Job, JobState, NewEvent, OVERRIDES_MAX,
    REASON_CHARS_MAX, Recorded, Revocation, Schedule, SyncEvent, SyncProgress, SyncSpec, SyncState,
    Timestamp, Topic, Work, printable,
};

use super::operator::{Asked, Operator, wrong_state};
use super::protocol::{GateDecision, Refusal, RefusalKind};
use super::view::JobView;

impl Operator {
    /// Lets a capture through in spite of what one rule found, or takes that back. Durable, with its event, in one
    /// transaction; a capture that waits is looked at now, and one that is being pushed in spite of a gate that just closed is
    /// stopped.
    ///
    /// # Errors
    /// When there is no such capture, the rule holds nothing, no reason or name is given, or the store cannot be written.
    pub async fn decide_gate(&self, decision: &GateDecision) -> Asked<JobView> {
        let (reason, by) = (said("reason", &decision.reason)?, said("name", &decision.by)?);
        let job = self.find(decision.job).await?;
        let (JobState::Sync(state), Work::Sync(spec)) = (job.state, &job.work) else {
            return Err(wrong_state(&job, "only a capture has a gate"));
        };
        if state == SyncState::Cleaned {
            return Err(wrong_state(&job, "it was pushed, verified and cleaned up"));
        }
        let progress = job.progress.clone().unwrap_or_default();
        let now = self.shared().now();
        let to = match decision.revoke {
            false => overridden(&job, &progress, decision, (reason.clone(), by.clone()), now)?,
            true => revoked(&job, &progress, decision, (reason.clone(), by.clone()), now)?,
        };
        // A push that runs is stopped: it is asked at its next start whether the gate is clear.
        let next = if state == SyncState::Running { state.next(SyncEvent::LeaseLost) } else { Ok(state) };
        let next = next.map_err(|error| wrong_state(&job, &error.to_string()))?;
        let rests = state.is_final() || matches!(job.schedule, Schedule::Parked);
        let change = Intervention {
            job: job.id,
            from: job.state,
            to: JobState::Sync(next),
            at: now,
            schedule: if rests { job.schedule } else { Schedule::At(now) },
            counters: None,
            overrides: Some(Decided { from: progress.overrides, to }),
            events: vec![event(&job, spec, decision, (reason, by), now)],
        };
        let events = change.events.clone();
        match self.shared().store.intervene(change).await? {
            Recorded::Committed => {
                self.chronicle(&job, events).await;
                self.handle().stop_job(job.id);
                self.handle().wake();
                self.job(job.id).await
            }
            Recorded::Stale => Err(wrong_state(&job, "it has just changed; ask again")),
        }
    }
}

/// What a person gave, printable.
fn said(what: &str, text: &str) -> Asked<String> {
    let text = printable(text.trim());
    match text.chars().count() {
        1..=REASON_CHARS_MAX => Ok(text),
        _ => {
            let message = format!("a {what} has 1 to {REASON_CHARS_MAX} characters");
            Err(Refusal::new(RefusalKind::BadRequest, message))
        }
    }
}

/// The overrides with one more.
fn overridden(
    job: &Job,
    progress: &SyncProgress,
    decision: &GateDecision,
    (reason, by): (String, String),
    at: Timestamp,
) -> Asked<Vec<GateOverride>> {
    let holds = |report: &verisim_core::GateReport| {
        report.held_by(&progress.overrides).map(|found| found.rule.to_string()).collect::<Vec<_>>()
    };
    let held = progress.gate.as_ref().map(holds).unwrap_or_default();
    let found = progress
        .gate
        .as_ref()
        .and_then(|report| report.held_by(&progress.overrides).find(|found| found.rule == decision.rule));
    let Some(found) = found else {
        let why = match held.as_slice() {
            [] => "nothing is held by its gate".to_owned(),
            rules => format!("{} holds nothing; it is held by {}", decision.rule, rules.join(", ")),
        };
        return Err(wrong_state(job, &why));
    };
    if progress.overrides.len() >= OVERRIDES_MAX {
        return Err(wrong_state(job, "it has been overridden too often; mend what the gate finds"));
    }
    let given =
        GateOverride { rule: decision.rule.clone(), print: found.print, reason, by, at, revoked: None };
    Ok([progress.overrides.as_slice(), &[given]].concat())
}

/// The overrides with those of the rule taken back.
fn revoked(
    job: &Job,
    progress: &SyncProgress,
    decision: &GateDecision,
    (reason, by): (String, String),
    at: Timestamp,
) -> Asked<Vec<GateOverride>> {
    let mut all = progress.overrides.clone();
    let mut any = false;
    for given in all.iter_mut().filter(|given| given.rule == decision.rule && given.revoked.is_none()) {
        given.revoked = Some(Revocation { reason: reason.clone(), by: by.clone(), at });
        any = true;
    }
    if any { Ok(all) } else { Err(wrong_state(job, &format!("{} is not overridden", decision.rule))) }
}

fn event(
    job: &Job,
    spec: &SyncSpec,
    decision: &GateDecision,
    (reason, by): (String, String),
    now: Timestamp,
) -> NewEvent {
    let relative = spec.capture.relative.as_ref().map_or_else(String::new, |path| format!("/{path}"));
    NewEvent {
        job: Some(job.id),
        ..NewEvent::new(
            Topic::gate(job.id, decision.revoke),
            EventPayload::Gate {
                capture: format!("{}{relative}", spec.capture.rule),
                rule: decision.rule.to_string(),
                by,
                reason,
                revoked: decision.revoke,
            },
            now,
        )
    }
}
