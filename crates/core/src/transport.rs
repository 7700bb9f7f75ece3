//! The port through which captures reach storage.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::{
    BandwidthLimit, CancellationToken, Capture, Digest, Failure, FailureKind, Inventory, ProgressSink, Proof,
    RelPath, Remote, manifest::Entry,
};

/// How a capture reaches storage.
///
/// The remote lies and the capture is malware. Every implementation promises, and the conformance suite checks:
///
/// - `push` mirrors the capture's content (never its last path component) into `to.path`. A file appears under its name in
///   one step. The owner marker comes first, and a folder with another owner's marker, or with foreign content and no
///   marker, is refused as `Config` with nothing changed.
/// - The manifest of [`Pushed`] is of the bytes that were sent, not of a second reading that could differ. A source file
///   whose size, mtime or inode differs after the push is `SourceChanged`; one that is gone is `SourceVanished`.
/// - What a former push completed, and did not force, is not sent again.
/// - `hashsum` is of what is there: hashed on the far side, or read back past every cache of this machine. Nothing in it is
///   taken from what was sent.
/// - Everything is bounded and can be cancelled; nothing goes on after `push` has returned.
#[async_trait]
pub trait SyncTransport: Send + Sync {
    /// What this transport can do. Plain data; the same for its whole life.
    fn capabilities(&self) -> TransportCapabilities;

    /// Sends the capture. The manifest's file is written locally, and remotely last, only by [`SyncTransport::seal`].
    async fn push(&self, source: &Capture, to: &Remote, options: &PushOptions) -> TransportResult;

    /// What is there: the manifest of every regular file below the folder but the metadata folder, sorted; and how that
    /// is proved, which may depend on what the destination is found to be able to.
    async fn hashsum(&self, at: &Remote, options: &PushOptions) -> Result<Hashes, TransportError>;

    /// Whether the destination answers just now, and what is known of the folder.
    async fn stat(&self, at: &Remote) -> Result<RemoteStat, TransportError>;

    /// Puts the record of the run (a file of ours) beside the data there, under `manifest::LIFECYCLE_PATH`, in one step and in
    /// place of the one that was there. It is no part of the manifest, and nothing is decided by it. A transport that does not
    /// carry it answers `Unsupported`, and has done nothing.
    async fn keep_lifecycle(&self, at: &Remote, record: &std::path::Path) -> Result<(), TransportError> {
        let _ = (at, record);
        let what = "this transport does not carry the record of a run";
        Err(Failure::new(FailureKind::Unsupported, "transport.keep_lifecycle", what).into())
    }

    /// Writes the manifest to the metadata folder there: the commit mark, after every file has been verified. Durable.
    async fn seal(&self, at: &Remote, manifest: &std::path::Path) -> Result<(), TransportError>;
}

/// What a transport can do, as plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportCapabilities {
    /// A large file goes on where it was interrupted.
    pub resume: bool,
    /// It keeps to a bandwidth.
    pub bandwidth_limit: bool,
    /// A file appears in one step.
    pub atomic: bool,
    /// The destination is there as a whole or is away as a whole, and `stat` tells which: a share whose server is down, a disk
    /// that is not plugged in, a host that is switched off. Its jobs wait until it is back, however long that takes.
    pub away_as_a_whole: bool,
    /// While it hashes what is there, this process holds no list of it. So the capture here may be listed meanwhile.
    pub hashes_without_list: bool,
}

/// How a push is done.
#[derive(Clone)]
pub struct PushOptions {
    /// A folder of this job's own for journals and the manifest of what was sent. The same at every attempt.
    pub work_dir: std::path::PathBuf,
    /// Files that are sent again even where they seem to be there.
    pub forced: Vec<RelPath>,
    /// Everything is sent again.
    pub force_all: bool,
    /// How fast it may go; read again while it runs.
    pub bandwidth: Option<tokio::sync::watch::Receiver<Option<BandwidthLimit>>>,
    /// Where progress goes.
    pub progress: Arc<dyn ProgressSink>,
    /// Stops it.
    pub cancel: CancellationToken,
}

/// What was pushed.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The manifest of the bytes sent (by this and former attempts), as a file in the work folder.
    pub manifest: std::path::PathBuf,
    /// Its hash.
    pub manifest_sha256: Digest,
    /// What the capture holds.
    pub inventory: Inventory,
    /// What this attempt sent.
    pub sent: Inventory,
    /// What is in the capture and is not a regular file, and what was done with it.
    pub remarks: Vec<String>,
    /// What the tool printed.
    pub output: ToolOutput,
}

/// What was pushed, or the failure.
pub type TransportResult = Result<Pushed, TransportError>;

/// A failure with the tool's exit and its bounded output. Its kind is always known.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{failure}")]
pub struct TransportError {
    /// What went wrong.
    #[source]
    pub failure: Failure,
    /// What the tool printed.
    pub output: ToolOutput,
}

impl From<Failure> for TransportError {
    fn from(failure: Failure) -> Self {
        Self { failure, output: ToolOutput::default() }
    }
}

/// What a tool printed, and how it ended. Kept for people; secrets are masked before it gets here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolOutput {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The first and last part of what it printed on both outputs.
    pub text: String,
    /// How many bytes were left out between them.
    pub omitted_bytes: u64,
}

/// What is known of a remote folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteStat {
    /// Whether the folder is there.
    pub exists: bool,
    /// The owner that its marker names.
    pub owner: Option<String>,
    /// Whether it holds a sealed manifest, and its hash.
    pub sealed: Option<Digest>,
    /// Free bytes there, where that can be had.
    pub free_bytes: Option<u64>,
}

/// A regular file at a destination.
#[derive(Debug, Clone)]
pub enum RemoteFile {
    /// It was read and hashed.
    Hashed(Entry),
    /// It is there and cannot be read: others may be proved all the same.
    Unproved {
        /// Which file.
        path: RelPath,
        /// Why.
        failure: Failure,
    },
}

/// What is at a destination, and how that was found out.
pub struct Hashes {
    /// How it is proved.
    pub proof: Proof,
    /// The files.
    pub files: ManifestStream,
}

/// What is at a destination, file by file, sorted by path. An error ends it.
pub type ManifestStream = Pin<Box<dyn Stream<Item = Result<RemoteFile, TransportError>> + Send>>;
