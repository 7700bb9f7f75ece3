//! The port behind which sync jobs are carried out, one step at a time. The engine owns states, leases, retries and
//! events; a worker owns files, transports and what a step means.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::{
    CancellationToken, Capture, CaptureName, Digest, Failure, Findings, JobId, NewEvent, OperationClass,
    RelPath, Remote, Schedule, SyncEvent, SyncProgress, SyncSpec, SyncState, Timestamp, TransportError,
    Uptime,
};

/// Carries out the steps of sync jobs.
///
/// Every step may be repeated after a crash at any instant: it finds out for itself what was already done. A step never
/// decides about retries: it reports the failure, and the engine applies the one policy.
#[async_trait]
pub trait SyncWorker: Send + Sync {
    /// Looks for captures that are not among `known`. Bounded; called again and again.
    async fn discover(&self, known: &[Capture], now: Timestamp) -> Vec<Result<SyncSpec, TransportError>>;

    /// The capture that a directory is: `relative` below the folder of `rule`, or that folder itself. `None` where the rule
    /// sees no capture. One that is among `known` is that capture still; another directory of its name is the next generation.
    async fn spec_for(
        &self,
        rule: &CaptureName,
        relative: Option<&RelPath>,
        known: &[Capture],
    ) -> Result<Option<SyncSpec>, TransportError>;

    /// The jobs for which it keeps files of its own, in no order.
    async fn kept(&self) -> Vec<JobId>;

    /// Removes what it keeps for a job that will take no further step. May be repeated.
    async fn forget(&self, job: JobId) -> Result<(), Failure>;

    /// Removes what it keeps for a job that is cleaned up, but what it remembers for [`SyncWorker::left_over`]. May be
    /// repeated.
    async fn lighten(&self, job: JobId) -> Result<(), Failure>;

    /// Looks into the folder of a capture that was cleaned up, for files that nobody was told of: they are not at the
    /// destination as they are here, and nothing pushes them. Bounded; called again and again.
    async fn left_over(&self, job: JobId, capture: &Capture) -> Result<Option<LeftOver>, Failure>;

    /// A person was told: these files are not answered again.
    async fn note_told(&self, job: JobId, told: &LeftOver) -> Result<(), Failure>;

    /// Looks at a capture that was cleaned up, at its destination, where the operator asked for that and its turn has come:
    /// everything there is hashed, and compared with the manifest whose pieces these are. `None`: its turn has not come, or is
    /// over, or there is no manifest to compare with. May be asked at any time; a failure says that nobody could look, and its turn comes again.
    async fn audit(
        &self,
        task: AuditTask,
        manifest: ManifestPieces<'_>,
    ) -> Result<Option<Audited>, TransportError>;

    /// Whether a job that is verified rests under another rule of the operator than there is now, and is to be looked at.
    /// Quick: asks for no file.
    fn is_outdated(&self, spec: &SyncSpec, progress: &SyncProgress) -> bool;

    /// Does what the job's state calls for: `WAITING` asks for completeness, `RUNNING` pushes, `AWAITING_VERIFY` verifies,
    /// `VERIFIED` asks whether a pass or cleanup is due, `CLEANUP_ELIGIBLE` asks every interlock again and writes the list,
    /// `CLEANING` deletes by the list, `BLOCKED` asks whether what was missing is there.
    async fn step(&self, task: SyncTask) -> SyncReport;

    /// Notes what was committed about a job, and that a try to push begins, in the record that is kept beside its capture. For
    /// people: nothing is decided by it, and what is lost of it, the events of the store still have.
    async fn chronicle(&self, what: &Committed) -> Result<(), Failure>;

    /// Whether the destination of `remote` is there just now; the failure says why it counts as away. Asked instead of every
    /// job of a destination that is away, and takes no longer than one question.
    async fn answers(&self, remote: &Remote) -> Result<(), Failure>;

    /// A piece, of at most 256 KiB, of the manifest of what the job's last push sent: piece 0 first, `None` after the last.
    async fn manifest(&self, job: JobId, piece: u32) -> Result<Option<Bytes>, Failure>;
}

/// What was committed about a job.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The job.
    pub job: JobId,
    /// What it is about.
    pub spec: SyncSpec,
    /// Which try it is, counted from one; a step that went well begins anew.
    pub attempt: u32,
    /// The manifest of what was pushed last.
    pub manifest: Option<Digest>,
    /// What was published.
    pub events: Vec<NewEvent>,
}

/// The pieces of a manifest, in order.
pub type ManifestPieces<'a> = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send + 'a>>;

/// A capture that was cleaned up, and may be looked at again.
#[derive(Debug, Clone)]
pub struct AuditTask {
    /// The job.
    pub job: JobId,
    /// What it is about.
    pub spec: SyncSpec,
    /// The manifest of what was pushed last.
    pub manifest: Option<Digest>,
    /// When it was cleaned up.
    pub cleaned_at: Timestamp,
    /// The time.
    pub now: Timestamp,
    /// Somebody asked for it: it is looked at now, whatever the rule says of turns, and after whatever is looked at already.
    pub at_once: bool,
    /// Stops it.
    pub cancel: CancellationToken,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// What is missing or different, by name; bounded.
    pub damaged: Vec<String>,
    /// Everything that is not as it was pushed, by name; bounded.
    pub findings: Findings,
    /// The same in one line, for people.
    pub note: String,
}

/// Files in the folder of a capture that was cleaned up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOver {
    /// Which and what to do about them, for people. Bounded.
    pub note: String,
    /// Tells this set of files from another.
    pub print: Digest,
}

/// One step of a sync job.
#[derive(Clone)]
pub struct SyncTask {
    /// The job.
    pub job: JobId,
    /// What it is about.
    pub spec: SyncSpec,
    /// Where it stands; decides what the step is.
    pub state: SyncState,
    /// How far it is.
    pub progress: SyncProgress,
    /// The time.
    pub now: Timestamp,
    /// The same by a clock that nobody sets.
    pub uptime: Option<Uptime>,
    /// Where the progress of a push goes.
    pub sink: Arc<dyn ProgressSink>,
    /// Stops it: the operator, a lost lease, or the end of the daemon.
    pub cancel: CancellationToken,
}

/// What a step came to.
#[derive(Debug, Clone)]
pub enum SyncReport {
    /// The job moves on.
    Advanced {
        /// What happened.
        event: SyncEvent,
        /// How far it is now.
        progress: Box<SyncProgress>,
        /// When it is looked at next.
        next: Schedule,
        /// Damage that was found at the destination, by name; at most 100 names.
        damaged: Vec<String>,
    },
    /// Nothing changed; look again.
    Stay {
        /// How far it is now: the note says why it stays.
        progress: Box<SyncProgress>,
        /// When it is looked at next.
        next: Schedule,
        /// Damage that was found at the destination, by name; at most 100 names.
        damaged: Vec<String>,
    },
    /// It failed; the engine applies the policy.
    Failed {
        /// The failure.
        error: Box<TransportError>,
        /// What was being done.
        class: OperationClass,
        /// How far it is now.
        progress: Box<SyncProgress>,
    },
}

/// How far a push or a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Files sent or found complete; looked at, in a verification.
    pub files_done: u64,
    /// Files in all.
    pub files_total: u64,
    /// Bytes sent or found complete.
    pub bytes_done: u64,
    /// Bytes in all; 0 where files alone are counted, as in a verification.
    pub bytes_total: u64,
}

/// Takes progress. Called often; returns at once.
pub trait ProgressSink: Send + Sync {
    /// The latest state.
    fn report(&self, progress: Progress);
}
