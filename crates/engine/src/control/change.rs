//! What is published about a change that an operator made.

use verisim_core::{
    FailureKind, Findings, Job, JobState, NewEvent, SyncProgress, SyncState, Timestamp, Work,
};

use crate::activity::not_done;
use crate::sync::sync_event;

/// What is published about an operator's change; nothing where only the time changed.
pub(super) fn change_event(job: &Job, to: JobState, now: Timestamp) -> Option<NewEvent> {
    if job.state == to {
        return None;
    }
    match (&job.work, to) {
        (Work::Sync(spec), JobState::Sync(state)) => {
            // What its last step had to say is not what happens now.
            let progress = SyncProgress {
                note: None,
                findings: Findings::default(),
                ..job.progress.clone().unwrap_or_default()
            };
            let mut event = sync_event(job.id, spec, state, &progress, None, now);
            event.detail = "by the operator".into();
            event.success = state != SyncState::Cancelled;
            event.failure = (state == SyncState::Cancelled).then_some(FailureKind::Cancelled);
            Some(event)
        }
        (Work::Activity { .. }, JobState::Activity(state)) => {
            let detail = match job.intended {
                Some(_) => "by the operator; it was started, and whether it happened is not known",
                None => "by the operator",
            };
            not_done(job, state, Some(FailureKind::Cancelled), detail.into(), now)
        }
        _ => None,
    }
}
