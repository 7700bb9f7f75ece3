//! The port of what an effect means and how it is confirmed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Action, ByteCount, Decoy, DecoyPath, Digest, DriverKind, Failure, FileWrite, Found, Intended, JobId,
    LedgerEntry, Payload, Staging,
};

/// What an effect means and how it is confirmed. Reaches decoys only through connectors.
///
/// The engine calls `prepare`, makes the intentions durable, and only then `run` (INV-1); after a lost lease, or a failure
/// whose effect is not `NotApplied`, it calls `probe` first (INV-4). Every batch is for one decoy, and no two tasks of it
/// share a path; one result per task, in order.
#[async_trait]
pub trait ActivityDriver: Send + Sync {
    /// Which actions it carries out.
    fn kind(&self) -> DriverKind;

    /// What this driver can do on this decoy; the planner reads it and never plans the rest.
    fn capabilities(&self, decoy: &Decoy) -> DriverCapabilities;

    /// Reads what it must to say what each effect shall leave behind. Has no effect itself. Foreign content that is seen
    /// already now is [`ActivityError::Tampered`].
    async fn prepare(&self, tasks: Vec<Task>) -> Vec<Result<Prepared, ActivityError>>;

    /// Carries out the actions, and confirms each by what is there afterwards (INV-5).
    async fn run(&self, tasks: &[Prepared]) -> Vec<ActivityResult>;

    /// Finds out what became of an effect that was started and not recorded. Cleans up staging names. `intended` is what
    /// stood in the job row.
    async fn probe(&self, task: &Task, intended: &Intended) -> Result<Fate, Failure>;

    /// Writes bytes to a path in a decoy; used inside a job, by other drivers.
    async fn plant_file(&self, decoy: &Decoy, file: &FileWrite) -> ActivityResult;

    /// Reads a regular file from a decoy, at most `limit` bytes. `NotFound` when it is not there.
    async fn read_file(&self, decoy: &Decoy, path: &DecoyPath, limit: ByteCount) -> Result<Bytes, Failure>;
}

/// What a driver can do on a decoy, as plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DriverCapabilities {
    /// New files.
    pub plant: bool,
    /// Lines added.
    pub append: bool,
    /// Edits.
    pub edit: bool,
    /// Moves and removals.
    pub remove: bool,
    /// Mail.
    pub email: bool,
    /// Connections.
    pub traffic: bool,
}

/// One action to carry out, with what is known about its path.
#[derive(Debug, Clone)]
pub struct Task {
    /// The job that carries it.
    pub job: JobId,
    /// Where.
    pub decoy: Arc<Decoy>,
    /// What.
    pub action: Arc<Action>,
    /// What the ledger says is there; `None` when it knows nothing of the path.
    pub known: Option<LedgerEntry>,
    /// The job's staging name.
    pub staging: Staging,
}

/// A task whose intention is known, and durable by the time `run` gets it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The task.
    pub task: Task,
    /// What it shall leave behind.
    pub intended: Intended,
    /// What `prepare` worked out and `run` needs: the new content of an edit.
    pub content: Option<Bytes>,
}

/// What became of an action.
pub type ActivityResult = Result<Payload, ActivityError>;

/// Why an action was not confirmed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ActivityError {
    /// It failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// What was found is not what we left there. Nothing was overwritten.
    #[error("{} is not as we left it", .0.path)]
    Tampered(Box<Tamper>),
}

/// Foreign content under a path of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tamper {
    /// Where.
    pub path: DecoyPath,
    /// What should have been there; `None` where nothing should.
    pub expected: Option<Digest>,
    /// What was there.
    pub found: Found,
}

/// What became of an effect that was started and not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nothing happened: it may be carried out.
    NotApplied,
    /// It happened, and this is what it left.
    Applied(Payload),
    /// Somebody else was there.
    Tampered(Box<Tamper>),
    /// It cannot be known; it is not repeated.
    Unknowable,
}
