//! The durable row behind an action or a sync.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Action, ActivityState, DecoyName, FailureKind, Fence, IdempotencyKey, Intended, JobId, Lane, LaneKind,
    LedgerChange, NewEvent, PersonaName, SessionId, SyncProgress, SyncSpec, SyncState, Timestamp, ToolOutput,
    WorkerId,
};

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "work")]
pub enum Work {
    /// One action on one decoy.
    Activity {
        /// The decoy.
        decoy: DecoyName,
        /// The action. Shared, because a job passes through many hands.
        action: Arc<Action>,
        /// Whose work it is; `None` for work by hand.
        persona: Option<PersonaName>,
        /// In which session.
        session: Option<SessionId>,
        /// Why the planner chose it, for people.
        why: String,
    },
    /// One capture on its way home.
    Sync(Box<SyncSpec>),
}

impl Work {
    /// Which of the two it is.
    #[must_use]
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Activity { .. } => JobKind::Activity,
            Self::Sync(_) => JobKind::Sync,
        }
    }

    /// The lane it runs in.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self {
            Self::Activity { decoy, action, .. } => Lane::of_action(decoy, action),
            Self::Sync(spec) => Lane::of_destination(&spec.remote.destination),
        }
    }

    /// What it keeps its order by: jobs of one lane that share a key run one after the other, in the order of their ids,
    /// and one that is in back-off or blocked holds up those behind it, and only those.
    #[must_use]
    pub fn order(&self) -> (Option<OrderKey>, Option<OrderKey>) {
        match self {
            Self::Activity { action, .. } => {
                let (first, second) = action.paths();
                let key = |path: &crate::DecoyPath| OrderKey(path.as_bytes().into());
                (first.map(key), second.map(key))
            }
            Self::Sync(spec) => (Some(OrderKey(spec.remote.path.as_bytes().into())), None),
        }
    }
}

/// Which of the two kinds of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// An action on a decoy.
    Activity,
    /// A capture on its way home.
    Sync,
}

/// What jobs of one lane keep their order by. Compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderKey(pub Arc<[u8]>);

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// An activity job.
    Activity(ActivityState),
    /// A sync job.
    Sync(SyncState),
}

impl JobState {
    /// The state's name, without where a blocked sync job goes on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activity(state) => state.name(),
            Self::Sync(state) => state.name(),
        }
    }

    /// Whether nothing happens to the job by itself any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Activity(state) => state.is_final(),
            Self::Sync(state) => state.is_final(),
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// When a job is looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Not before this time; at once when it is past.
    At(Timestamp),
    /// Not until somebody intervenes: for final states, and for `VERIFIED` with cleanup off.
    Parked,
}

/// A job that is yet to be stored.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// A second job with this key is not made.
    pub key: IdempotencyKey,
    /// What it does.
    pub work: Work,
    /// The state it begins in: `Queued`, or `Waiting` for a capture that is not complete.
    pub state: JobState,
    /// When it should happen.
    pub planned_at: Timestamp,
    /// When it is looked at first.
    pub schedule: Schedule,
    /// After this it is skipped, not run late (INV-10). `None` never.
    pub deadline: Option<Timestamp>,
}

/// What became of an enqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is stored, under this id.
    New(JobId),
    /// It was stored before, under this id; nothing changed.
    Known(JobId),
}

/// How often what happened to a job. Each policy has its own count; none is read out of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// How often an effect was started.
    pub attempts: u32,
    /// Failures in a row that back off; the step of the ladder.
    pub failures: u32,
    /// Mismatches since the last operator's retry.
    pub mismatches: u32,
    /// How often it was blocked.
    pub blocks: u32,
    /// How often a lease was lost.
    pub leases_lost: u32,
}

/// A stored job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its key.
    pub key: IdempotencyKey,
    /// What it does.
    pub work: Work,
    /// Where it stands.
    pub state: JobState,
    /// When it should happen.
    pub planned_at: Timestamp,
    /// When it is looked at next.
    pub schedule: Schedule,
    /// After this it is skipped.
    pub deadline: Option<Timestamp>,
    /// How often what happened.
    pub counters: Counters,
    /// The kind of its last failure, and that failure's detail for people.
    pub last_failure: Option<(FailureKind, String)>,
    /// What a started effect shall leave behind, as long as its fate is open.
    pub intended: Option<Intended>,
    /// How far a sync is.
    pub progress: Option<SyncProgress>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A job under a live lease.
#[derive(Debug, Clone, PartialEq)]
pub struct LeasedJob {
    /// The job, in the state it has under the lease: a `QUEUED` one is `RUNNING` now, the others are as they were.
    pub job: Job,
    /// The token of this lease.
    pub fence: Fence,
}

/// Which jobs a worker wants.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// Who asks.
    pub worker: WorkerId,
    /// From which lanes.
    pub kind: LaneKind,
    /// The time: what is due by then is given.
    pub now: Timestamp,
    /// How long the lease lasts without a heartbeat.
    pub until: Timestamp,
    /// How many lanes that are not in `allowance` may be opened at the most.
    pub lanes_max: usize,
    /// How many jobs of one lane at the most.
    pub per_lane_max: usize,
    /// For some lanes another number, 0 for those that are busy.
    pub allowance: HashMap<Lane, usize>,
}

/// What a started effect shall leave behind; durable before the effect (INV-1).
#[derive(Debug, Clone)]
pub struct StartMark {
    /// The job.
    pub job: JobId,
    /// Its lease.
    pub fence: Fence,
    /// What it shall leave behind.
    pub intended: Intended,
}

/// One outcome: event, state, ledger and progress, in one transaction (INV-2). The lease ends with it.
#[derive(Debug, Clone)]
pub struct Record {
    /// The job.
    pub job: JobId,
    /// The lease it was carried out under; a stale one changes nothing (INV-3).
    pub fence: Fence,
    /// The state it was in.
    pub from: JobState,
    /// The state it gets.
    pub to: JobState,
    /// The time.
    pub at: Timestamp,
    /// When it is looked at next.
    pub schedule: Schedule,
    /// Its counters afterwards, but for `attempts`, which the store keeps.
    pub counters: Counters,
    /// Whether the start mark stays, so that the next lease probes first (INV-4).
    pub keep_intended: bool,
    /// The failure, where it was one.
    pub failure: Option<(FailureKind, String)>,
    /// What a tool printed in this attempt.
    pub output: Option<ToolOutput>,
    /// What is published.
    pub events: Vec<NewEvent>,
    /// What the ledger learns.
    pub ledger: Vec<LedgerChange>,
    /// How far a sync is; `None` leaves it.
    pub progress: Option<SyncProgress>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is committed.
    Committed,
    /// The lease was not live any more, or the state not what was said; nothing changed.
    Stale,
}

/// Which jobs a person wants to see.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Of one kind.
    pub kind: Option<JobKind>,
    /// In one of these states, by name; empty means any.
    pub states: Vec<String>,
    /// In one of these lanes; empty means any.
    pub lanes: Vec<Lane>,
    /// With a lower id than this: for paging, newest first.
    pub before: Option<JobId>,
    /// At most so many.
    pub limit: usize,
}
