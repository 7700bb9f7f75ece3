//! What runs at this moment: leases to prolong, work to stop, progress to show. In memory only, and no larger than what
//! runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use verisim_core::{CancellationToken, Fence, JobId, Lane, LeasedJob, Progress, ProgressSink};

/// What runs at this moment.
#[derive(Debug, Default)]
pub(crate) struct Running {
    jobs: Mutex<HashMap<JobId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    fence: Fence,
    lane: Lane,
    cancel: CancellationToken,
    progress: Option<Progress>,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of jobs that begin; `cancel` stops them.
    pub(crate) fn begin(&self, jobs: &[LeasedJob], cancel: &CancellationToken) {
        let mut running = self.lock();
        for leased in jobs {
            let lane = leased.job.work.lane();
            let entry = Entry { fence: leased.fence, lane, cancel: cancel.clone(), progress: None };
            running.insert(leased.job.id, entry);
        }
    }

    /// Forgets a job whose lease is over.
    pub(crate) fn end(&self, job: JobId) {
        self.lock().remove(&job);
    }

    /// Every lease that is to be prolonged, by job.
    pub(crate) fn held(&self) -> Vec<(JobId, Fence)> {
        let mut held: Vec<_> = self.lock().iter().map(|(job, entry)| (*job, entry.fence)).collect();
        held.sort_unstable_by_key(|(job, _)| *job);
        held
    }

    /// What runs in a lane, by job.
    pub(crate) fn in_lane(&self, lane: &Lane) -> Vec<JobId> {
        let mut all: Vec<_> =
            self.lock().iter().filter(|(_, entry)| entry.lane == *lane).map(|(job, _)| *job).collect();
        all.sort_unstable();
        all
    }

    /// Stops a job whose lease is lost. Work that shares its cancellation is stopped too, and handed back.
    pub(crate) fn cancel(&self, job: JobId) {
        if let Some(entry) = self.lock().get(&job) {
            entry.cancel.cancel();
        }
    }

    /// How far the running pushes are, by job.
    pub(crate) fn progress(&self) -> Vec<(JobId, Progress)> {
        let mut all: Vec<_> =
            self.lock().iter().filter_map(|(job, entry)| Some((*job, entry.progress?))).collect();
        all.sort_unstable_by_key(|(job, _)| *job);
        all
    }

    /// Where a job's progress goes.
    pub(crate) fn sink(self: &Arc<Self>, job: JobId) -> Arc<dyn ProgressSink> {
        Arc::new(Sink { running: Arc::clone(self), job })
    }
}

struct Sink {
    running: Arc<Running>,
    job: JobId,
}

impl ProgressSink for Sink {
    fn report(&self, progress: Progress) {
        if let Some(entry) = self.running.lock().get_mut(&self.job) {
            entry.progress = Some(progress);
        }
    }
}
