//! A store whose calls may die or be refused.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{
    Amendment, BurnDirectory, BurnFile, BurnIn, BurnPlan, BurnStep, Capture, Decoy, DecoyName, DecoyPath,
    Enqueued, Event, EventId, EventPage, EventQuery, Fence, Health, Intervention, Job, JobFilter, JobId,
    LeaseRequest, LeasedJob, LedgerEntry, NewEvent, NewJob, PruneRule, Record, Recorded, StartMark, Store,
    StoreResult, Timestamp, WorkerId,
};

use super::{Faults, Phase};

/// Another store, whose calls may die or be refused.
pub struct FaultStore {
    inner: Arc<dyn Store>,
    faults: Arc<Faults>,
}

impl FaultStore {
    /// `inner` under `faults`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, faults: Arc<Faults>) -> Arc<Self> {
        Arc::new(Self { inner, faults })
    }
}

macro_rules! guarded {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl Store for FaultStore {
            $(async fn $name(&self, $($arg: $kind),*) -> StoreResult<$out> {
                self.faults.pass(stringify!($name), Phase::Before).await?;
                let answer = self.inner.$name($($arg),*).await;
                self.faults.pass(stringify!($name), Phase::After).await?;
                answer
            })*
        }
    };
}

guarded! {
    enqueue(jobs: Vec<NewJob>, cursor: Option<Timestamp>) -> Vec<Enqueued>;
    plan_cursor() -> Option<Timestamp>;
    lease(request: LeaseRequest) -> Vec<LeasedJob>;
    start(marks: Vec<StartMark>) -> Vec<Recorded>;
    heartbeat(worker: &WorkerId, held: &[(JobId, Fence)], until: Timestamp) -> Vec<JobId>;
    record(records: Vec<Record>) -> Vec<Recorded>;
    take_back(now: Timestamp, all: bool) -> usize;
    clock_set_back(now: Timestamp) -> usize;
    next_due(now: Timestamp) -> Option<Timestamp>;
    intervene(change: Intervention) -> Recorded;
    emit(events: Vec<NewEvent>) -> Vec<EventId>;
    events(query: EventQuery) -> EventPage;
    outbox(limit: usize) -> Vec<Event>;
    published(up_to: EventId) -> ();
    job(id: JobId) -> Option<Job>;
    jobs(filter: JobFilter) -> Vec<Job>;
    ledger(paths: &[(DecoyName, DecoyPath)]) -> Vec<Option<LedgerEntry>>;
    ledger_scan(after: Option<(DecoyName, DecoyPath)>, limit: usize) -> Vec<LedgerEntry>;
    amend(change: Amendment) -> Recorded;
    root_identity(decoy: &DecoyName) -> Option<String>;
    begin_burn_in(plan: BurnPlan) -> ();
    step_burn_in(step: BurnStep) -> ();
    burn_ins() -> Vec<BurnIn>;
    burnt_files(decoy: &DecoyName, numbers: Range<u32>) -> Vec<BurnFile>;
    burnt_file(decoy: &DecoyName, path: &DecoyPath) -> Option<BurnFile>;
    burnt_directories(decoy: &DecoyName) -> Vec<BurnDirectory>;
    put_decoys(decoys: Vec<Decoy>) -> ();
    decoys() -> Vec<Decoy>;
    captures() -> Vec<(JobId, Capture)>;
    put_manifest(job: JobId, piece: u32, bytes: Bytes) -> ();
    manifest(job: JobId, piece: u32) -> Option<Bytes>;
    secret() -> [u8; 32];
    prune(rule: PruneRule) -> usize;
    health() -> Health;
}
