//! What becomes of passes that nobody can make: the destination is away.

use std::sync::Arc;

use verisim_core::{
    Intervention, JobFilter, JobKind, JobState, Lane, Schedule, StoreResult, SyncEvent, SyncState, Work,
};

use crate::shared::Shared;

/// How many jobs are read at once.
const PAGE: usize = 256;

/// Has every capture that was verified before, and waits for a further pass at a destination that is away, be what it was:
/// that nobody can look is no finding. The steps that run find out for themselves.
pub(crate) async fn stand_by(shared: Arc<Shared>, lane: Lane) -> StoreResult<()> {
    let from = SyncState::AwaitingVerify;
    let Ok(to) = from.next(SyncEvent::Unreached) else { return Ok(()) };
    let mut before = None;
    loop {
        let filter = JobFilter {
            kind: Some(JobKind::Sync),
            states: vec![from.name().into()],
            lanes: vec![lane.clone()],
            before,
            limit: PAGE,
        };
        let page = shared.store.jobs(filter).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        let held = shared.running.held();
        for job in page {
            let was_verified = job.progress.as_ref().is_some_and(|progress| progress.passes_total > 0);
            let is_held = held.iter().any(|(held, _)| *held == job.id);
            if !matches!(job.work, Work::Sync(_)) || !was_verified || is_held {
                continue;
            }
            let now = shared.now();
            let change = Intervention {
                job: job.id,
                from: JobState::Sync(from),
                to: JobState::Sync(to),
                at: now,
                schedule: Schedule::At(now),
                counters: None,
                overrides: None,
                events: Vec::new(),
            };
            shared.store.intervene(change).await?;
        }
    }
}
