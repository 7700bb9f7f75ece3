//! What the operator changed while nobody looked.

use std::sync::Arc;

use verisim_core::{Intervention, JobFilter, JobKind, Schedule, StoreResult, SyncState, SyncWorker, Work};

use crate::shared::Shared;

/// How many jobs are read at once.
const PAGE: usize = 256;

/// Has every capture looked at now that rests under another rule than the configuration has: where cleanup was switched on, or
/// asks for something else, nothing else would look before a day has passed, or ever. Answers how many these are.
pub(crate) async fn wake(shared: &Shared, worker: &Arc<dyn SyncWorker>) -> StoreResult<usize> {
    let (mut before, mut woken) = (None, 0);
    loop {
        let filter = JobFilter {
            kind: Some(JobKind::Sync),
            states: vec![SyncState::Verified.name().into()],
            lanes: Vec::new(),
            before,
            limit: PAGE,
        };
        let page = shared.store.jobs(filter).await?;
        let Some(last) = page.last() else { return Ok(woken) };
        before = Some(last.id);
        let now = shared.now();
        for job in page {
            let Work::Sync(spec) = &job.work else { continue };
            let is_due = matches!(job.schedule, Schedule::At(at) if at <= now);
            if is_due || !worker.is_outdated(spec, &job.progress.clone().unwrap_or_default()) {
                continue;
            }
            let change = Intervention {
                job: job.id,
                from: job.state,
                to: job.state,
                at: now,
                schedule: Schedule::At(now),
                counters: None,
                overrides: None,
                events: Vec::new(),
            };
            shared.store.intervene(change).await?;
            woken += 1;
        }
    }
}
