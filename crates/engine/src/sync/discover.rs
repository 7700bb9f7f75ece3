//! Looking for captures that are not jobs yet.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use verisim_core::{
    Capture, IdempotencyKey, Intervention, JobId, JobState, NewJob, Recorded, Schedule, StoreResult,
    SyncSpec, SyncState, SyncWorker, Timestamp, Work,
};

use crate::shared::{Shared, Stir};

/// The job of a capture, waiting for its completeness.
#[must_use]
pub fn new_job(spec: SyncSpec, now: Timestamp) -> NewJob {
    let capture = &spec.capture;
    let mut hex = String::new();
    for byte in capture.relative.as_ref().map_or(&[][..], |path| path.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    NewJob {
        key: IdempotencyKey::for_capture(&capture.rule, &hex, capture.generation),
        work: Work::Sync(Box::new(spec)),
        state: JobState::Sync(SyncState::Waiting),
        planned_at: now,
        schedule: Schedule::At(now),
        deadline: None,
    }
}

/// Looks once, and enqueues what is new; captures that `stirred` and wait are looked at now. Answers how many jobs were offered
/// to the store, or have something to do.
pub(crate) async fn discover(
    shared: Arc<Shared>,
    worker: Arc<dyn SyncWorker>,
    stirred: &BTreeSet<Stir>,
) -> StoreResult<usize> {
    let all = shared.store.captures().await?;
    let meant = |capture: &Capture| stirred.contains(&(capture.rule.clone(), capture.relative.clone()));
    let mut woken = 0;
    for (job, _) in all.iter().filter(|(_, capture)| meant(capture)) {
        woken += usize::from(look_now(&shared, *job).await?);
    }
    let known: Vec<_> = all.into_iter().map(|(_, capture)| capture).collect();
    let now = shared.now();
    let mut jobs = Vec::new();
    for found in worker.discover(&known, now).await {
        match found {
            Ok(spec) => jobs.push(new_job(spec, now)),
            Err(error) => tracing::warn!(%error, "a captures folder could not be looked at"),
        }
    }
    let count = jobs.len();
    if count > 0 {
        shared.store.enqueue(jobs, None).await?;
    }
    Ok(count + woken)
}

/// Has a capture that waits looked at now; answers whether it waited.
async fn look_now(shared: &Shared, job: JobId) -> StoreResult<bool> {
    let now = shared.now();
    let waiting = JobState::Sync(SyncState::Waiting);
    let Some(job) = shared.store.job(job).await?.filter(|job| job.state == waiting) else { return Ok(false) };
    if !matches!(job.schedule, Schedule::At(at) if at > now) {
        return Ok(false);
    }
    let change = Intervention {
        job: job.id,
        from: waiting,
        to: waiting,
        at: now,
        schedule: Schedule::At(now),
        counters: None,
        overrides: None,
        events: Vec::new(),
    };
    shared.store.intervene(change).await.map(|done| done == Recorded::Committed)
}
