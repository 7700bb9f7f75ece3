//! One step of a sync job under its lease.

use std::sync::Arc;

use verisim_core::{
    CancellationToken, JobId, JobState, Lane, LeasedJob, OperationClass, StoreResult, SyncEvent,
    SyncProgress, SyncReport, SyncTask, SyncWorker, Work,
};

use super::judge::Bench;
use crate::shared::Shared;

/// One step of a sync job.
pub(crate) struct Step {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Arc<dyn SyncWorker>,
    pub(crate) lane: Lane,
    pub(crate) cancel: CancellationToken,
}

/// What a step came to.
#[derive(Debug)]
pub(crate) struct StepEnd {
    pub(crate) lane: Lane,
    /// Whether the lease was left behind because the store refused.
    pub(crate) abandoned: bool,
}

impl Step {
    /// Takes the step and writes down what came of it.
    pub(crate) async fn run(self, leased: LeasedJob) -> StepEnd {
        let job = leased.job.id;
        let recorded = self.carry_out(leased).await;
        self.shared.running.end(job);
        StepEnd { lane: self.lane, abandoned: !recorded }
    }

    async fn carry_out(&self, leased: LeasedJob) -> bool {
        let (Work::Sync(spec), JobState::Sync(state)) = (&leased.job.work, leased.job.state) else {
            return false;
        };
        let task = SyncTask {
            job: leased.job.id,
            spec: (**spec).clone(),
            state,
            progress: leased.job.progress.clone().unwrap_or_default(),
            now: self.shared.now(),
            sink: self.shared.running.sink(leased.job.id),
            cancel: self.cancel.clone(),
        };
        // The worker ends by itself soon after it was cancelled, so that nothing of it goes on behind our back.
        let mut report = self.worker.step(task).await;
        if let SyncReport::Advanced { event: SyncEvent::Matched, progress, .. } = &report
            && progress.passes_total == 1
        {
            match self.keep_manifest(leased.job.id, progress).await {
                Ok(None) => {}
                Ok(Some(failed)) => report = failed,
                Err(error) => {
                    self.shared.report_trouble(&error);
                    return false;
                }
            }
        }
        let bench = Bench {
            now: self.shared.now(),
            seed: self.shared.seed,
            source_settle: self.shared.settings.source_settle,
        };
        let was_stopped = self.cancel.is_cancelled() && matches!(report, SyncReport::Failed { .. });
        let record = if was_stopped { bench.hand_back(&leased) } else { bench.judge(&leased, spec, report) };
        match record {
            Ok(record) => self.shared.record(vec![record]).await.is_ok(),
            Err(error) => {
                log_misfit(leased.job.id, &error);
                false
            }
        }
    }
}

impl Step {
    /// Stores the manifest with the first pass that confirmed it, so that what was captured can still be said when neither the
    /// capture nor its work folder is here any more. Answers with a report of failure where it could not be read.
    async fn keep_manifest(&self, job: JobId, progress: &SyncProgress) -> StoreResult<Option<SyncReport>> {
        for piece in 0.. {
            match self.worker.manifest(job, piece).await {
                Ok(Some(bytes)) => self.shared.store.put_manifest(job, piece, bytes).await?,
                Ok(None) => break,
                Err(failure) => {
                    return Ok(Some(SyncReport::Failed {
                        error: Box::new(failure.into()),
                        class: OperationClass::Destination,
                        progress: Box::new(progress.clone()),
                    }));
                }
            }
        }
        Ok(None)
    }
}

fn log_misfit(job: JobId, error: &verisim_core::IllegalTransition) {
    tracing::error!(%job, %error, "a report does not fit the job's state");
}
