//! Vocabulary and pure rules of Verisim: what an action, a failure, a job, a manifest is; which state follows which;
//! and the ports behind which everything that touches the world stands.
//!
//! Nothing here performs I/O, reads a clock, or holds a global. Every other crate depends on this one, and (with few
//! exceptions that `ARCHITECTURE.md` lists) on nothing else of Verisim.

mod action;
mod activity_state;
mod body;
mod burn;
mod bus;
mod capture;
mod clock;
mod connector;
mod decoy;
mod driver;
mod edit;
mod event;
mod failure;
mod file;
mod findings;
mod gate;
mod hash;
mod id;
mod job;
mod lane;
mod ledger;
pub mod manifest;
mod path;
mod payload;
pub mod place;
mod policy;
mod store;
mod sync_state;
mod sync_work;
mod topic;
mod traffic;
mod transport;

pub use action::{
    Action, AppendFile, DriverKind, EditFile, Email, FileClass, Intended, MoveFile, PlantFile, RemoveFile,
};
pub use activity_state::{ActivityEvent, ActivityState};
pub use body::Body;
pub use burn::{
    BurnBefore, BurnDirectory, BurnDress, BurnFacts, BurnFate, BurnFile, BurnHow, BurnIn, BurnPlan,
    BurnState, BurnStep, BurnTimes, RecordKeeping,
};
pub use bus::Bus;
pub use capture::{
    BandwidthLimit, Capture, CaptureProof, CleanupRule, Inventory, Proof, Remote, RootIdentity, SyncProgress,
    SyncSpec, Uptime,
};
pub use clock::Clock;
pub use connector::{
    ByteRange, Capabilities, Connector, DirectoryOutcome, Exec, ExecOutput, Found, HostFacts, Listing,
    ListingEntry, Move, MoveOutcome, Removal, RemoveOutcome, StatRequest, Stream, TimesChange, TimesOutcome,
    WriteOutcome, Written,
};
pub use decoy::{Account, Decoy};
pub use driver::{
    ActivityDriver, ActivityError, ActivityResult, DriverCapabilities, Fate, Prepared, Tamper, Task,
};
pub use edit::{EditError, TextEdit, apply_edits};
pub use event::{EVENT_VERSION, Event, EventPayload, NewEvent, SyncPayload};
pub use failure::{Effect, Failure, FailureKind, is_deceptive, printable};
pub use file::{
    ByteCount, FileKind, FileMode, FileStat, FileTimes, FileWrite, NotRegular, Owner, OwnerPolicy, Staging,
    WriteMode,
};
pub use findings::{FINDINGS_MAX, Finding, Findings, Named};
pub use gate::{
    FINDINGS_KEPT_MAX, GateFinding, GateOverride, GateReport, OVERRIDES_MAX, REASON_CHARS_MAX, Revocation,
    RuleFindings, Severity,
};
pub use hash::{Digest, Hasher, ParseDigestError};
pub use id::{
    CaptureName, DecoyName, DestinationName, EventId, Fence, GateRuleName, IdempotencyKey, InvalidName,
    JobId, PersonaName, SessionId, WorkerId,
};
pub use job::{
    Counters, Enqueued, Job, JobFilter, JobKind, JobState, LeaseRequest, LeasedJob, NewJob, OrderKey, Record,
    Recorded, Schedule, StartMark, Work,
};
pub use lane::{Lane, LaneKind};
pub use ledger::{Amend, Amendment, LEDGER_BODY_BYTES_MAX, LedgerChange, LedgerEntry, OwnershipPolicy};
pub use path::{DecoyPath, InvalidPath, RelPath};
pub use payload::{
    AppendPayload, EditPayload, EmailPayload, MovePayload, Payload, PlantPayload, RemovePayload,
    SPOKEN_LINES_MAX, TrafficPayload,
};
pub use policy::{Decision, Ladder, OperationClass, PROBE_INTERVAL, Policy, policy};
pub use store::{
    Decided, EventPage, EventQuery, Health, Intervention, PruneRule, Store, StoreError, StoreResult,
};
pub use sync_state::{IllegalTransition, ResumeAt, SyncEvent, SyncState};
pub use sync_work::{
    AuditTask, Audited, Committed, LeftOver, ManifestPieces, Progress, ProgressSink, SyncReport, SyncTask,
    SyncWorker,
};
pub use topic::{InvalidTopic, Topic, TopicFilter};
pub use traffic::{Service, Traffic, TrafficAsk, TrafficProtocol, TrafficStyle};
pub use transport::{
    Hashes, ManifestStream, PushOptions, Pushed, RemoteFile, RemoteStat, SyncTransport, ToolOutput,
    TransportCapabilities, TransportError, TransportResult,
};

pub use jiff::Timestamp;
pub use tokio_util::sync::CancellationToken;
