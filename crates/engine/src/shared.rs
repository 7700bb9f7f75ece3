//! What the loop, its tasks and the control socket share.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use verisim_core::{
    ActivityDriver, CancellationToken, CaptureName, Clock, DecoyName, DecoyPath, DriverKind, Effect,
    EventPayload, Failure, FailureKind, JobFilter, JobId, JobKind, Lane, LedgerChange, NewEvent, Record,
    Recorded, RelPath, Store, StoreError, StoreResult, SyncWorker, Timestamp, Topic, WorkerId,
};

use crate::away::AwayBoard;
use crate::change::{LeftBoard, Waiting};
use crate::contact::Meeting;
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
    /// The paths that changed since the next planner began to learn; `None` while there is none. Whoever locks both locks
    /// the planner first.
    pub(crate) missed: Mutex<Option<BTreeSet<(DecoyName, DecoyPath)>>>,
    /// Changes of the fleet that wait for the loop; `None` when it is over.
    pub(crate) changes: Mutex<Option<VecDeque<Waiting>>>,
    /// Decoys that left.
    pub(crate) left: LeftBoard,
    pub(crate) seed: u64,
    pub(crate) worker: WorkerId,
    pub(crate) settings: Settings,
    /// Cancelled when the drain begins.
    pub(crate) ending: CancellationToken,
    pub(crate) bus: Arc<LocalBus>,
    pub(crate) running: Arc<Running>,
    pub(crate) idle: IdleBoard,
    pub(crate) trouble: Mutex<Option<StoreError>>,
    /// Destinations that are away.
    pub(crate) away: AwayBoard,
    /// Why the store is lost for good, once it is: nothing more may be done.
    pub(crate) lost: OnceLock<StoreError>,
    /// Decoys that do not answer; what the breakers say, for people.
    pub(crate) silent: Mutex<BTreeMap<DecoyName, Silence>>,
    /// Decoys that were recognised, and did not fall silent since.
    pub(crate) admitted: Mutex<BTreeSet<DecoyName>>,
    /// The first contact with each decoy, made by one task at a time.
    pub(crate) meetings: Mutex<BTreeMap<DecoyName, Arc<tokio::sync::Mutex<Meeting>>>>,
    /// Silent decoys that shall be asked again at once.
    pub(crate) recalled: Mutex<BTreeSet<DecoyName>>,
    /// Captures that shall be looked at at once.
    pub(crate) stirred: Mutex<BTreeSet<Stir>>,
}

/// Something changed: in the folder of a rule, or in the capture below it.
pub(crate) type Stir = (CaptureName, Option<RelPath>);

/// A decoy that is left alone.
#[derive(Debug, Clone)]
pub(crate) struct Silence {
    pub(crate) since: Timestamp,
    pub(crate) cause: Cause,
}

/// Why a decoy is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It does not answer; in the connector's words.
    NoAnswer(String),
    /// It answers, and is not the decoy that we know: what was found.
    Stranger(String),
}

impl Cause {
    /// What is said of it.
    pub(crate) fn text(&self) -> &str {
        let (Self::NoAnswer(text) | Self::Stranger(text)) = self;
        text
    }
}

/// Why waiting for work ended without its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// It was cancelled.
    Cancelled,
    /// It took too long.
    TooLong,
    /// It panicked: a defect of ours, which must not be met again and again.
    Panicked,
}

impl GivenUp {
    /// What it means for work of which nobody knows more than `effect`; `None` for a cancellation, which is no failure.
    pub(crate) fn failure(self, operation: &'static str, effect: Effect) -> Option<Failure> {
        let failure = match self {
            Self::Cancelled => return None,
            Self::TooLong => Failure::new(FailureKind::Network, operation, "no answer in time"),
            Self::Panicked => Failure::new(FailureKind::Unknown, operation, BROKE_OFF),
        };
        Some(failure.with_effect(effect))
    }
}

/// Asks for the actions of a decoy that are not under way, the newest first.
pub(crate) fn not_under_way(decoy: &DecoyName, before: Option<JobId>, limit: usize) -> JobFilter {
    JobFilter {
        kind: Some(JobKind::Activity),
        states: vec!["QUEUED".into(), "BLOCKED".into()],
        lanes: Lane::all_of_decoy(decoy).into(),
        before,
        limit,
    }
}

/// What is said of work that panicked.
const BROKE_OFF: &str = "the work broke off: a defect of Verisim; its log says where";

/// Lets work be given up when it panics. What it was about is in the store or beyond the ports, and is found out there.
pub(crate) async fn unless_it_panics<T>(work: impl Future<Output = T>) -> Result<T, GivenUp> {
    std::panic::AssertUnwindSafe(work).catch_unwind().await.map_err(|_| GivenUp::Panicked)
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn after(&self, wait: Duration) -> Timestamp {
        self.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// The decoy is the one that we know.
    pub(crate) fn admit(&self, decoy: &DecoyName) {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner).insert(decoy.clone());
    }

    /// Whether the decoy was recognised, and did not fall silent since.
    pub(crate) fn is_admitted(&self, decoy: &DecoyName) -> bool {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner).contains(decoy)
    }

    /// Where those meet who need a decoy's first contact.
    pub(crate) fn meeting(&self, decoy: &DecoyName) -> Arc<tokio::sync::Mutex<Meeting>> {
        let mut all = self.meetings.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(decoy.clone()).or_default())
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
            answer = unless_it_panics(work) => answer,
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
                Err(error) if self.after(wait) > give_up || matches!(error, StoreError::Gone { .. }) => {
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
        self.tell_planner(committed.flat_map(|(record, _)| &record.ledger));
    }

    /// Lets the planner learn what was committed.
    pub(crate) fn tell_planner<'c>(&self, changes: impl Iterator<Item = &'c LedgerChange>) {
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return;
        }
        let mut planner = self.planner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            if let Some(missed) = missed.as_mut() {
                missed.extend(change.paths().map(|(decoy, path)| (decoy.clone(), path.clone())));
            }
            if let Some(planner) = planner.as_mut() {
                planner.learn(change);
            }
        }
    }

    /// Notes that the store refused: shown at once, and made an event when the store takes it.
    pub(crate) fn report_trouble(&self, error: &StoreError) {
        if matches!(error, StoreError::Gone { .. }) {
            // Who waits for the loop finds it ended; the first to notice has said why.
            let _ = self.lost.set(error.clone());
            self.idle.call();
        } else {
            tracing::warn!(%error, "the store refused; trying again");
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    /// The trouble that was noted, and forgets it.
    pub(crate) fn take_trouble(&self) -> Option<StoreError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// An event about the daemon itself.
    pub(crate) fn health_event(&self, status: &str, detail: String) -> NewEvent {
        NewEvent {
            success: status != "degraded",
            detail,
            ..NewEvent::new(Topic::health(), EventPayload::Health { status: status.to_owned() }, self.now())
        }
    }
}
