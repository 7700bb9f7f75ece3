//! One step of a sync job under its lease.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use verisim_core::{
    CancellationToken, Committed, Effect, Failure, FailureKind, Findings, JobId, JobState, Lane, LeasedJob,
    OperationClass, Record, Recorded, Schedule, StoreResult, SyncEvent, SyncProgress, SyncReport, SyncSpec,
    SyncState, SyncTask, SyncWorker, Timestamp, Work,
};

use super::judge::{Bench, sync_event};
use crate::away::FoundAway;
use crate::shared::{GivenUp, Shared, unless_it_panics};

/// One step of a sync job.
pub(crate) struct Step {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Arc<dyn SyncWorker>,
    pub(crate) lane: Lane,
    pub(crate) cancel: CancellationToken,
    /// How long it may hold its place, where that is wanted by others.
    pub(crate) time_max: Option<Duration>,
}

/// What a step came to.
#[derive(Debug)]
pub(crate) struct StepEnd {
    pub(crate) lane: Lane,
    /// Whether the lease was left behind because the store refused.
    pub(crate) abandoned: bool,
    /// The destination was found away.
    pub(crate) away: Option<FoundAway>,
}

/// What is said of a step that gave no report.
fn broken(reason: GivenUp, progress: SyncProgress) -> SyncReport {
    let failure = reason
        .failure("sync.step", Effect::Unknown)
        .unwrap_or_else(|| Failure::new(FailureKind::Cancelled, "sync.step", "stopped"));
    SyncReport::Failed {
        error: Box::new(failure.into()),
        class: OperationClass::Destination,
        progress: Box::new(progress),
    }
}

/// Moves the time at which the worker wants to look again where the clock was set back while it worked: it counted from when
/// it began, by a clock that is a thing of the past, and nobody would look before that time comes a second time.
fn set_back(report: &mut SyncReport, begin: Timestamp, now: Timestamp) {
    let (SyncReport::Advanced { next, .. } | SyncReport::Stay { next, .. }) = report else { return };
    if let Schedule::At(at) = next
        && now < begin
    {
        *at = now.saturating_add(at.duration_since(begin)).unwrap_or(Timestamp::MAX);
    }
}

/// What was written down.
struct Done {
    recorded: bool,
    away: Option<FoundAway>,
}

impl Step {
    /// Takes the step and writes down what came of it.
    pub(crate) async fn run(self, leased: LeasedJob) -> StepEnd {
        let job = leased.job.id;
        let done = self.carry_out(leased).await;
        self.shared.running.end(job);
        StepEnd { lane: self.lane, abandoned: !done.recorded, away: done.away }
    }

    async fn carry_out(&self, leased: LeasedJob) -> Done {
        let abandoned = Done { recorded: false, away: None };
        let (Work::Sync(spec), JobState::Sync(state)) = (&leased.job.work, leased.job.state) else {
            return abandoned;
        };
        let task = SyncTask {
            job: leased.job.id,
            spec: (**spec).clone(),
            state,
            progress: leased.job.progress.clone().unwrap_or_default(),
            now: self.shared.now(),
            uptime: self.shared.clock.uptime(),
            sink: self.shared.running.sink(leased.job.id),
            cancel: self.cancel.clone(),
        };
        let begin = task.now;
        if state == SyncState::Running {
            chronicle(&self.worker, begun(&task, &leased)).await;
        }
        // The worker ends by itself soon after it was cancelled, so that nothing of it goes on behind our back.
        let (mut report, gave_way) = self.take(task).await;
        if let SyncReport::Advanced { event: SyncEvent::Matched, progress, .. } = &report
            && progress.passes_total == 1
        {
            match self.keep_manifest(leased.job.id, progress).await {
                Ok(None) => {}
                Ok(Some(failed)) => report = failed,
                Err(error) => {
                    self.shared.report_trouble(&error);
                    return abandoned;
                }
            }
        }
        let now = self.shared.now();
        set_back(&mut report, begin, now);
        let bench = Bench { now, seed: self.shared.seed, source_settle: self.shared.settings.source_settle };
        let was_stopped = self.cancel.is_cancelled() && matches!(report, SyncReport::Failed { .. });
        let away = if was_stopped { None } else { self.found_away(&leased, spec, &report) };
        let record = match (was_stopped, gave_way) {
            (true, true) => bench.hand_back(&leased, self.comes_back(&leased)),
            (true, false) => bench.hand_back(&leased, Duration::ZERO),
            (false, _) => bench.judge(&leased, spec, report),
        };
        match record {
            Ok(record) => {
                let told = committed(&leased, spec, &record);
                let recorded = self.shared.record(vec![record]).await;
                if recorded.as_deref().is_ok_and(|answers| answers.contains(&Recorded::Committed)) {
                    chronicle(&self.worker, told).await;
                }
                Done { recorded: recorded.is_ok(), away }
            }
            Err(error) => {
                log_misfit(leased.job.id, &error);
                abandoned
            }
        }
    }

    /// Takes the step, not longer than it may; answers whether it had to give way.
    async fn take(&self, task: SyncTask) -> (SyncReport, bool) {
        let progress = task.progress.clone();
        let step = unless_it_panics(self.worker.step(task));
        let mut step =
            std::pin::pin!(step.map(|report| report.unwrap_or_else(|reason| broken(reason, progress))));
        let Some(time_max) = self.time_max else { return (step.await, false) };
        let until = self.shared.after(time_max);
        {
            let _nap = self.shared.idle.nap(until);
            tokio::select! {
                biased;
                report = &mut step => return (report, false),
                () = self.shared.clock.sleep_until(until) => {}
            }
        }
        self.cancel.cancel();
        (step.await, true)
    }

    /// How long a capture that had to give way leaves the place to others.
    fn comes_back(&self, leased: &LeasedJob) -> Duration {
        let settings = &self.shared.settings;
        let times = 1_u32 << leased.job.counters.leases_lost.min(16);
        settings.guest_wait_min.saturating_mul(times).min(settings.guest_wait_max)
    }

    /// What the report says of the destination as a whole. Where the job was blocked before, as after a new start, it is
    /// away since then.
    fn found_away(&self, leased: &LeasedJob, spec: &SyncSpec, report: &SyncReport) -> Option<FoundAway> {
        let SyncReport::Failed { error, class: OperationClass::Away, .. } = report else { return None };
        let since = match leased.job.state {
            JobState::Sync(SyncState::Blocked(_)) => leased.job.updated_at,
            _ => self.shared.now(),
        };
        Some(FoundAway { remote: spec.remote.clone(), since, why: error.failure.detail.clone() })
    }

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

/// That a try to push begins, for whoever keeps the history of the run. A lease is no event of its own.
fn begun(task: &SyncTask, leased: &LeasedJob) -> Committed {
    let progress = SyncProgress { note: None, findings: Findings::default(), ..task.progress.clone() };
    Committed {
        job: task.job,
        spec: task.spec.clone(),
        attempt: leased.job.counters.failures.saturating_add(1),
        manifest: task.progress.manifest,
        events: vec![sync_event(task.job, &task.spec, task.state, &progress, None, task.now)],
    }
}

/// What a record says, for whoever keeps the history of the run.
fn committed(leased: &LeasedJob, spec: &SyncSpec, record: &Record) -> Committed {
    let progress = record.progress.as_ref().or(leased.job.progress.as_ref());
    Committed {
        job: leased.job.id,
        spec: spec.clone(),
        attempt: leased.job.counters.failures.saturating_add(1),
        manifest: progress.and_then(|progress| progress.manifest),
        events: record.events.clone(),
    }
}

/// Has what was committed noted beside the capture. It is told again nowhere: the events are the truth.
pub(crate) async fn chronicle(worker: &Arc<dyn SyncWorker>, what: Committed) {
    if what.events.is_empty() {
        return;
    }
    let job = what.job;
    let noted = unless_it_panics(worker.chronicle(&what)).await;
    if let Ok(Err(error)) = noted {
        tracing::warn!(%job, %error, "the record beside a capture could not be written");
    }
}

fn log_misfit(job: JobId, error: &verisim_core::IllegalTransition) {
    tracing::error!(%job, %error, "a report does not fit the job's state");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_under_a_step_makes_nothing_wait_longer() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let looks = |next, begin, now| {
            let progress = Box::new(SyncProgress::default());
            let mut report = SyncReport::Stay { progress, next, damaged: Vec::new() };
            set_back(&mut report, at(begin), at(now));
            let SyncReport::Stay { next, .. } = report else { panic!("another report") };
            next
        };
        // A look in an hour, and the clock goes back by two while it is worked on.
        assert_eq!(looks(Schedule::At(at(13_600)), 10_000, 2_810), Schedule::At(at(6_410)));
        assert_eq!(looks(Schedule::At(at(13_600)), 10_000, 10_010), Schedule::At(at(13_600)));
        assert_eq!(
            looks(Schedule::At(at(99_000)), 10_000, 99_500),
            Schedule::At(at(99_000)),
            "it went forward"
        );
        assert_eq!(looks(Schedule::Parked, 10_000, 0), Schedule::Parked);
    }
}
