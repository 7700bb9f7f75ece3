//! After a capture is home: forgetting those whose jobs are over, and telling what is found in the folders they came from.

use std::sync::Arc;

use futures_util::StreamExt as _;
use verisim_core::{
    AuditTask, Audited, Failure, FailureKind, Findings, Job, JobFilter, JobKind, JobState, ManifestPieces,
    StoreResult, SyncProgress, SyncSpec, SyncState, SyncWorker, TransportError, Work,
};

use super::judge::{damage, sync_event};
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
            if let Err(error) = audit(shared, worker, &job, spec, false).await? {
                tracing::warn!(job = %job.id, %error, "a capture that was cleaned up could not be looked at again");
            }
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

/// Has a capture that was cleaned up looked at once more, where that is wanted and due, or `at_once`, and tells what is found.
pub(crate) async fn audit(
    shared: &Shared,
    worker: &dyn SyncWorker,
    job: &Job,
    spec: &SyncSpec,
    at_once: bool,
) -> StoreResult<Result<Option<Audited>, TransportError>> {
    let progress = job.progress.clone().unwrap_or_default();
    let task = AuditTask {
        job: job.id,
        spec: spec.clone(),
        manifest: progress.manifest,
        cleaned_at: job.updated_at,
        now: shared.now(),
        at_once,
        cancel: shared.ending.child_token(),
    };
    let found = match worker.audit(task, manifest(shared, job.id)).await {
        Ok(Some(found)) => found,
        nothing => return Ok(nothing),
    };
    let total = found.findings.wrong_total();
    let failure = (total > 0).then(|| (FailureKind::HashMismatch, found.note.clone()));
    let told = SyncProgress { note: Some(found.note.clone()), findings: found.findings.clone(), ..progress };
    let event = sync_event(job.id, spec, SyncState::Cleaned, &told, failure, shared.now());
    let damage = damage(job.id, spec, found.damaged.clone(), total, shared.now());
    shared.store.emit([event].into_iter().chain(damage).collect()).await?;
    Ok(Ok(Some(found)))
}

/// The manifest that the store keeps, piece by piece.
fn manifest(shared: &Shared, job: verisim_core::JobId) -> ManifestPieces<'_> {
    let pieces = futures_util::stream::unfold(0, move |piece| async move {
        let read = shared.store.manifest(job, piece).await;
        let lost = |error| Failure::new(FailureKind::Unknown, "sync.audit", error);
        let read = read.map_err(lost).transpose()?;
        Some((read, piece + 1))
    });
    pieces.boxed()
}
