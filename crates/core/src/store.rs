//! The port of what is durable.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Amendment, BurnDirectory, BurnFile, BurnIn, BurnPlan, BurnStep, Capture, Counters, Decoy, DecoyName,
    DecoyPath, Enqueued, Event, EventId, Fence, GateOverride, Job, JobFilter, JobId, JobState, LeaseRequest,
    LeasedJob, LedgerEntry, NewEvent, NewJob, Record, Recorded, Schedule, StartMark, Timestamp, TopicFilter,
    WorkerId,
};

/// Jobs, events, the ledger, decoys, captures and manifests, durably.
///
/// Contract, checked by the conformance suite of the test kit:
///
/// - When a call returns `Ok`, what it wrote survives the loss of power, unless its comment says otherwise. When it returns
///   an error nothing of it is stored.
/// - Every write that happens under a lease has the fence in its WHERE: a stale worker changes nothing (INV-3).
/// - Event ids rise in the order in which their transactions commit; a reader that has seen an id never meets a lower one
///   later.
/// - Dropping a future does not undo what it asked for.
#[async_trait]
pub trait Store: Send + Sync {
    /// Stores jobs, all or none; one whose key is known is left as it is. Ids rise in the order given. `cursor`, where
    /// given, is stored in the same transaction: up to when the planner has planned.
    async fn enqueue(&self, jobs: Vec<NewJob>, cursor: Option<Timestamp>) -> StoreResult<Vec<Enqueued>>;

    /// Up to when the planner has planned.
    async fn plan_cursor(&self) -> StoreResult<Option<Timestamp>>;

    /// Gives out jobs that are due, ordered by lane and then by id; `QUEUED` ones become `RUNNING`. No two jobs given out
    /// in one lane share an order key, none is given out while an earlier, unfinished job of its lane has a key of it (one
    /// that is parked and not leased holds up nobody), and lanes are served fairly: one with many due jobs does not keep
    /// others waiting. Need not survive the loss of power.
    async fn lease(&self, request: LeaseRequest) -> StoreResult<Vec<LeasedJob>>;

    /// Makes intentions durable before their effects; counts an attempt. One answer per mark: a stale one must not begin.
    async fn start(&self, marks: Vec<StartMark>) -> StoreResult<Vec<Recorded>>;

    /// Prolongs leases; answers which of them are lost. Need not survive the loss of power.
    async fn heartbeat(
        &self,
        worker: &WorkerId,
        held: &[(JobId, Fence)],
        until: Timestamp,
    ) -> StoreResult<Vec<JobId>>;

    /// Records outcomes, each with its events, ledger changes and new state in one transaction (INV-2). Records given
    /// together are committed together, but each is accepted or stale by itself.
    async fn record(&self, records: Vec<Record>) -> StoreResult<Vec<Recorded>>;

    /// Takes back leases that ended before `now`; with `all`, every lease, which is for the start under the exclusive lock.
    /// A `RUNNING` job becomes `QUEUED` and due at once, keeping its start mark if it has one, so that the next lease
    /// probes; other states stay as they are and become due. Answers how many were taken back.
    async fn take_back(&self, now: Timestamp, all: bool) -> StoreResult<usize>;

    /// For a clock that was set back, now or while nobody looked: sync jobs without a lease that were last changed after
    /// `now` wait as long from `now` as they would have waited from then. Actions stay where they are, since what a persona
    /// does belongs to an hour of the day. Answers how many were changed.
    async fn clock_set_back(&self, now: Timestamp) -> StoreResult<usize>;

    /// When the next job becomes due, strictly after `now`.
    async fn next_due(&self, now: Timestamp) -> StoreResult<Option<Timestamp>>;

    /// An operator's or the engine's change of a job without a lease. Ends a lease if there is one: its worker's record
    /// will be stale.
    async fn intervene(&self, change: Intervention) -> StoreResult<Recorded>;

    /// Stores events that belong to no job.
    async fn emit(&self, events: Vec<NewEvent>) -> StoreResult<Vec<EventId>>;

    /// Committed events, oldest first.
    async fn events(&self, query: EventQuery) -> StoreResult<EventPage>;

    /// Committed events that are not marked as published, oldest first.
    async fn outbox(&self, limit: usize) -> StoreResult<Vec<Event>>;

    /// Marks everything up to this event as published. Need not survive the loss of power: the bus delivers at least once.
    async fn published(&self, up_to: EventId) -> StoreResult<()>;

    /// One job.
    async fn job(&self, id: JobId) -> StoreResult<Option<Job>>;

    /// Some jobs, newest first.
    async fn jobs(&self, filter: JobFilter) -> StoreResult<Vec<Job>>;

    /// What the ledger says of these paths, bodies included; one answer each.
    async fn ledger(&self, paths: &[(DecoyName, DecoyPath)]) -> StoreResult<Vec<Option<LedgerEntry>>>;

    /// The ledger in the order of decoy and path, without bodies, after `after`.
    async fn ledger_scan(
        &self,
        after: Option<(DecoyName, DecoyPath)>,
        limit: usize,
    ) -> StoreResult<Vec<LedgerEntry>>;

    /// Changes what is known of a decoy without a job. `Stale`, with nothing changed, while an action that it concerns is
    /// under way, as [`crate::Amend`] says.
    async fn amend(&self, change: Amendment) -> StoreResult<Recorded>;

    /// What the root of a decoy was known by last; `None` where that was never remembered, or was forgotten.
    async fn root_identity(&self, decoy: &DecoyName) -> StoreResult<Option<String>>;

    /// Stores a whole past before its first effect. `Invalid` where the decoy has one, and nothing is changed.
    async fn begin_burn_in(&self, plan: BurnPlan) -> StoreResult<()>;

    /// Commits a step of a burn-in or of its undo: all of it, or nothing.
    async fn step_burn_in(&self, step: BurnStep) -> StoreResult<()>;

    /// Every burn-in there is or was, and was not undone, in the order of decoys.
    async fn burn_ins(&self) -> StoreResult<Vec<BurnIn>>;

    /// Files of a burn-in with these numbers, in order, content included.
    async fn burnt_files(&self, decoy: &DecoyName, numbers: Range<u32>) -> StoreResult<Vec<BurnFile>>;

    /// The file of a burn-in at a path, without its content.
    async fn burnt_file(&self, decoy: &DecoyName, path: &DecoyPath) -> StoreResult<Option<BurnFile>>;

    /// The directories of a burn-in, in the order of their paths.
    async fn burnt_directories(&self, decoy: &DecoyName) -> StoreResult<Vec<BurnDirectory>>;

    /// Remembers the fleet: replaces what was there.
    async fn put_decoys(&self, decoys: Vec<Decoy>) -> StoreResult<()>;

    /// The fleet as it was last remembered.
    async fn decoys(&self) -> StoreResult<Vec<Decoy>>;

    /// The captures that ever became a job, the newest generation of each.
    async fn captures(&self) -> StoreResult<Vec<(JobId, Capture)>>;

    /// Stores one piece of the manifest of a job's capture, piece 0 first; piece 0 replaces what was there.
    async fn put_manifest(&self, job: JobId, piece: u32, bytes: Bytes) -> StoreResult<()>;

    /// One piece of a stored manifest; `None` after the last.
    async fn manifest(&self, job: JobId, piece: u32) -> StoreResult<Option<Bytes>>;

    /// A secret of this store, made when it was made: for staging names. Never shown.
    async fn secret(&self) -> StoreResult<[u8; 32]>;

    /// Deletes history by age and number; never a job that is not final, nor an event that is not published. Bounded work
    /// per call; answers how many rows went, 0 when nothing is left to do.
    async fn prune(&self, rule: PruneRule) -> StoreResult<usize>;

    /// How it stands. Fails with [`StoreError::Gone`] when it was removed or replaced, as every write does.
    async fn health(&self) -> StoreResult<Health>;
}

/// What a store answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why a store cannot do what was asked. None of these leaves half of anything.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A newer Verisim wrote it.
    #[error(
        "the store {path} has schema {found}, this program knows up to {supported}; run the newer program, or restore \
         the backup that it made before it upgraded"
    )]
    Newer {
        /// Where it is.
        path: PathBuf,
        /// What it has.
        found: i64,
        /// What we know.
        supported: i64,
    },
    /// It is damaged.
    #[error(
        "the store {path} is damaged ({detail}); nothing was changed; restore a backup, or move the file away"
    )]
    Corrupt {
        /// Where it is.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// Another process has it.
    #[error(
        "the store {path} is in use by another process; ask that daemon over its control socket, or stop it"
    )]
    InUse {
        /// Where it is.
        path: PathBuf,
    },
    /// The disk is full.
    #[error(
        "the disk that holds the store {path} is full; nothing was lost; free some space, and it goes on by itself"
    )]
    Full {
        /// Where it is.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("the store {path} cannot be used: {detail}")]
    Io {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// What is stored cannot be understood, or what was asked cannot be stored.
    #[error("the store met something it cannot handle: {0}")]
    Invalid(String),
    /// Its file, its lock or its folder is not what was opened: somebody removed or replaced it.
    #[error(
        "the store {path} was removed or replaced while it was in use; nothing more is done, since it could not be \
         recorded; put the state folder back, or start anew without it"
    )]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// The store is shut down.
    #[error("the store is closed")]
    Closed,
}

/// A change of a job without a lease.
#[derive(Debug, Clone)]
pub struct Intervention {
    /// The job.
    pub job: JobId,
    /// The state it must be in.
    pub from: JobState,
    /// The state it gets.
    pub to: JobState,
    /// The time.
    pub at: Timestamp,
    /// When it is looked at next.
    pub schedule: Schedule,
    /// New counters; `None` leaves them.
    pub counters: Option<Counters>,
    /// What was decided about a gate; `None` leaves it.
    pub overrides: Option<Decided>,
    /// What is published.
    pub events: Vec<NewEvent>,
}

/// A change of the overrides of a job's gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What they must be: where somebody else was faster, nothing changes.
    pub from: Vec<GateOverride>,
    /// What they get.
    pub to: Vec<GateOverride>,
}

/// Which events are wanted.
#[derive(Debug, Clone)]
pub struct EventQuery {
    /// After this one.
    pub after: EventId,
    /// On these topics.
    pub topics: TopicFilter,
    /// At most so many.
    pub limit: usize,
}

/// Some events.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Everything up to this id was looked at: where the next query begins.
    pub seen: EventId,
    /// Events up to this id may have been pruned.
    pub pruned: EventId,
}

/// What history is kept.
#[derive(Debug, Clone, Copy)]
pub struct PruneRule {
    /// The time.
    pub now: Timestamp,
    /// How old an event, or a job that is final, may become.
    pub age_max: Duration,
    /// How many events of one decoy are kept.
    pub events_per_decoy_max: u64,
    /// At most so many rows in this call.
    pub limit: usize,
}

/// How a store stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Jobs that are not final, by state; kept as running numbers, never counted by a scan of all rows.
    pub open_jobs: Vec<(String, u64)>,
    /// The newest event.
    pub last_event: EventId,
    /// Up to where the bus has published.
    pub published: EventId,
    /// The size of the database file and its log.
    pub bytes: u64,
}
