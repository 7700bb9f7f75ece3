//! After a capture is home: forgetting those whose jobs are over, and telling what is found in the folders they came from.

use std::sync::Arc;

use verisim_core::{
    FailureKind, Findings, JobFilter, JobKind, JobState, StoreResult, SyncProgress, SyncState, SyncWorker,
    Work,
};

use super::judge::sync_event;
use crate::shared::Shared;

/// How many jobs are read at once.
const PAGE: usize = 256;

/// Has the worker forget every job that was pruned, and most of what it keeps for those that are cleaned up and can take no
/// further step. What it keeps for the others is needed to verify and to retry them, and goes with their rows.
pub(crate) async fn tidy(shared: Arc<Shared>, worker: Arc<dyn SyncWorker>) -> StoreResult<()> {
    for id in worker.kept().await {
        let done = match shared.store.job(id).await? {
            // A row comes before any step, and ids are never given again: it was pruned.
            None => worker.forget(id).await,
            Some(job) if job.state == JobState::Sync(SyncState::Cleaned) => worker.lighten(id).await,
            Some(_) => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(job = %id, %error, "what was kept for a capture that is over could not be removed");
        }
    }
    tell_left_over(&shared, &*worker).await
}

/// Looks into the folders of captures that were cleaned up. What is found there is never pushed under the sealed manifest,
/// so it is told: once for each set of files, and at least once.
async fn tell_left_over(shared: &Shared, worker: &dyn SyncWorker) -> StoreResult<()> {
    let mut before = None;
    loop {
        let filter = JobFilter {
            kind: Some(JobKind::Sync),
            states: vec![SyncState::Cleaned.name().into()],
            lanes: Vec::new(),
            before,
            limit: PAGE,
        };
        let page = shared.store.jobs(filter).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        for job in page {
            let Work::Sync(spec) = &job.work else { continue };
            let found = match worker.left_over(job.id, &spec.capture).await {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(job = %job.id, %error, "the folder of a cleaned-up capture could not be looked at");
                    continue;
                }
            };
            let progress = SyncProgress {
                note: None,
                findings: Findings::default(),
                ..job.progress.clone().unwrap_or_default()
            };
            let failure = Some((FailureKind::SourceChanged, found.note.clone()));
            let event = sync_event(job.id, spec, SyncState::Cleaned, &progress, failure, shared.now());
            shared.store.emit(vec![event]).await?;
            if let Err(error) = worker.note_told(job.id, &found).await {
                tracing::warn!(job = %job.id, %error, "it may be told again what is left of a capture");
            }
        }
    }
}
