//! Forgetting captures whose jobs are over.

use std::sync::Arc;

use verisim_core::{JobState, StoreResult, SyncState, SyncWorker};

use crate::shared::Shared;

/// Has the worker forget every job that was pruned, or that is cleaned up and can take no further step. What it keeps for the
/// others is needed to verify and to retry them, and goes with their rows.
pub(crate) async fn tidy(shared: Arc<Shared>, worker: Arc<dyn SyncWorker>) -> StoreResult<()> {
    for id in worker.kept().await {
        let is_over = match shared.store.job(id).await? {
            // A row comes before any step, and ids are never given again: it was pruned.
            None => true,
            Some(job) => job.state == JobState::Sync(SyncState::Cleaned),
        };
        if is_over && let Err(error) = worker.forget(id).await {
            tracing::warn!(job = %id, %error, "what was kept for a capture that is over could not be removed");
        }
    }
    Ok(())
}
