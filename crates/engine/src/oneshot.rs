//! A run for given jobs only, for the command line where no daemon runs.

use std::sync::Arc;
use std::time::Duration;

use verisim_core::{CancellationToken, JobId, Lane, StoreResult};

use crate::control::has_settled;
use crate::engine::{EndGuard, Engine};
use crate::turn::Loop;

/// How a run for given jobs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneShot {
    /// Every job is final, or nothing happens to it by itself any more.
    Finished,
    /// The time was up; what is not done stays in the queue.
    TimeUp,
    /// It was stopped.
    Stopped,
}

impl Engine {
    /// Runs until these jobs are final, parked or verified, at most for `limit`. Their lanes alone are served; nothing is planned.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn run_jobs(
        self,
        jobs: &[JobId],
        limit: Duration,
        shutdown: CancellationToken,
    ) -> StoreResult<OneShot> {
        let shared = Arc::clone(&self.shared);
        let _ended = EndGuard(Arc::clone(&shared));
        let until = shared.after(limit);
        let mut lanes: Vec<Lane> = Vec::new();
        for id in jobs {
            lanes.extend(shared.store.job(*id).await?.map(|job| job.work.lane()));
        }
        let mut turns = Loop::start(Arc::clone(&shared)).await?.only(lanes);
        let end = loop {
            turns.turn().await;
            turns.check_store()?;
            if all_rest(&shared, jobs).await? {
                break OneShot::Finished;
            }
            if shutdown.is_cancelled() {
                break OneShot::Stopped;
            }
            if shared.now() >= until {
                break OneShot::TimeUp;
            }
            turns.rest_until(&shutdown, until).await;
        };
        turns.drain().await;
        Ok(end)
    }
}

async fn all_rest(shared: &crate::shared::Shared, jobs: &[JobId]) -> StoreResult<bool> {
    for id in jobs {
        let rests = match shared.store.job(*id).await? {
            None => true,
            Some(job) => has_settled(job.state, job.schedule),
        };
        if !rests {
            return Ok(false);
        }
    }
    Ok(true)
}
