//! Looking for captures that are not jobs yet.

use std::fmt::Write as _;
use std::sync::Arc;

use verisim_core::{
    IdempotencyKey, JobState, NewJob, Schedule, StoreResult, SyncSpec, SyncState, SyncWorker, Timestamp, Work,
};

use crate::shared::Shared;

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

/// Looks once, and enqueues what is new. Answers how many jobs were offered to the store.
pub(crate) async fn discover(shared: Arc<Shared>, worker: Arc<dyn SyncWorker>) -> StoreResult<usize> {
    let known: Vec<_> = shared.store.captures().await?.into_iter().map(|(_, capture)| capture).collect();
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
    Ok(count)
}
