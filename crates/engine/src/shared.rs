//! What the loop, its tasks and the control socket share.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use verisim_core::{
    ActivityDriver, CancellationToken, Clock, DecoyName, DriverKind, EventPayload, LedgerChange, NewEvent,
    Record, Recorded, Store, StoreError, StoreResult, SyncWorker, Timestamp, Topic, WorkerId,
};

use crate::away::AwayBoard;
use crate::idle::IdleBoard;
use crate::running::Running;
use crate::{Fleet, LifePlanner, LocalBus, Settings};

/// What the loop, its tasks and the control socket share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) drivers: HashMap<DriverKind, Arc<dyn ActivityDriver>>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) sync: Option<Arc<dyn SyncWorker>>,
    pub(crate) planner: Mutex<Option<Box<dyn LifePlanner>>>,
    pub(crate) seed: u64,
    pub(crate) worker: WorkerId,
    pub(crate) settings: Settings,
    pub(crate) bus: Arc<LocalBus>,
    pub(crate) running: Arc<Running>,
    pub(crate) idle: IdleBoard,
    pub(crate) trouble: Mutex<Option<StoreError>>,
    /// Destinations that are away.
    pub(crate) away: AwayBoard,
    /// Decoys that do not answer, and since when; what the breakers say, for people.
    pub(crate) silent: Mutex<BTreeMap<DecoyName, Timestamp>>,
}

/// Why waiting for work ended without its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// It was cancelled.
    Cancelled,
    /// It took too long.
    TooLong,
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn after(&self, wait: Duration) -> Timestamp {
        self.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// Waits for `work`, but not longer than a batch may take, nor after it was cancelled.
    pub(crate) async fn bounded<T>(
        &self,
        cancel: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> Result<T, GivenUp> {
        let limit = self.after(self.settings.batch_time_max);
        tokio::select! {
            biased;
            answer = work => Ok(answer),
            () = cancel.cancelled() => Err(GivenUp::Cancelled),
            () = self.clock.sleep_until(limit) => Err(GivenUp::TooLong),
        }
    }

    /// Commits outcomes and lets the planner learn from those that count. While the store refuses, it is asked again:
    /// the effect has happened, and its outcome is only lost to a probe when the lease is.
    pub(crate) async fn record(&self, records: Vec<Record>) -> StoreResult<Vec<Recorded>> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut wait = self.settings.store_retry_min;
        let give_up = self.after(self.settings.lease);
        loop {
            match self.store.record(records.clone()).await {
                Ok(answers) => {
                    self.learn(&records, &answers);
                    return Ok(answers);
                }
                Err(error) if self.after(wait) > give_up => {
                    self.report_trouble(&error);
                    return Err(error);
                }
                Err(error) => {
                    self.report_trouble(&error);
                    let until = self.after(wait);
                    let _nap = self.idle.nap(until);
                    self.clock.sleep_until(until).await;
                    wait = (wait * 2).min(self.settings.store_retry_max);
                }
            }
        }
    }

    fn learn(&self, records: &[Record], answers: &[Recorded]) {
        let committed = records.iter().zip(answers).filter(|(_, answer)| **answer == Recorded::Committed);
        let changes: Vec<&LedgerChange> = committed.flat_map(|(record, _)| &record.ledger).collect();
        if changes.is_empty() {
            return;
        }
        if let Some(planner) = self.planner.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            changes.into_iter().for_each(|change| planner.learn(change));
        }
    }

    /// Notes that the store refused: shown at once, and made an event when the store takes it.
    pub(crate) fn report_trouble(&self, error: &StoreError) {
        tracing::warn!(%error, "the store refused; trying again");
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    /// The trouble that was noted, and forgets it.
    pub(crate) fn take_trouble(&self) -> Option<StoreError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// An event about the daemon itself.
    pub(crate) fn health_event(&self, status: &str, detail: String) -> NewEvent {
        NewEvent {
            time: self.now(),
            topic: Topic::health(),
            job: None,
            decoy: None,
            persona: None,
            session: None,
            success: status != "degraded",
            failure: None,
            detail,
            payload: EventPayload::Health { status: status.to_owned() },
        }
    }
}
