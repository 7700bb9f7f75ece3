//! The port through which bytes reach a decoy.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Account, ByteCount, DecoyPath, Digest, Failure, FileKind, FileStat, FileWrite, Staging, Timestamp,
};

/// How bytes reach a decoy.
///
/// The decoy is hostile: its links point outwards, its FIFOs block, its files are endless, and it changes between two
/// calls. Every implementation promises, and the conformance and hostile suites of the test kit check:
///
/// - A path resolves inside the decoy's root, whatever links stand in it, also when they change during the call (INV-7).
/// - Nothing but a regular file on a real file system is opened for reading; not a FIFO, device or socket, and not the
///   "regular" files of procfs, sysfs, FUSE and the like. Reading does not move the access time where that can be avoided.
/// - Every answer is bounded, in bytes, entries and time. Nothing hangs.
/// - A failure's [`crate::Effect`] is true: `NotApplied` is only said when nothing changed under the final name.
/// - What is not in [`Capabilities`] answers `Unsupported`, without an effect.
/// - Dropping a future gives up waiting; an effect under way may still happen, which is `Effect::Unknown` to the caller.
#[async_trait]
pub trait Connector: Send + Sync {
    /// What this connector can do. Plain data; the same for its whole life.
    fn capabilities(&self) -> Capabilities;

    /// Writes files, in order, in as few round trips as possible; one result per file, in the same order. One file's
    /// failure does not keep the next from being written, unless they share a path.
    ///
    /// A file is staged with content, mode, owner and times, and then appears under its name in one step, so that nobody
    /// ever sees half of it. Nothing foreign is overwritten, see [`crate::WriteMode`]. [`Written::sha256`] is computed
    /// from bytes read back under the final name after it appeared (INV-5), never from the input. Where a name must be
    /// staged it is `FileWrite::staging`'s, in the same directory; no other trace is left, also after a failure. A
    /// leftover of the same staging name from a killed process is dealt with first: see [`Connector::settle`].
    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>>;

    /// Reads a range of a regular file, at most `range.length` bytes. Shorter at the end of the file; empty beyond it.
    /// `NotFound` when there is nothing; `Denied` when it is not a regular file on a real file system.
    async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure>;

    /// What stands under a name, without following a final link. `None` when there is nothing (a missing parent or one
    /// that is not a directory included).
    async fn stat(&self, path: &DecoyPath, request: StatRequest) -> Result<Option<FileStat>, Failure>;

    /// The entries of a directory, in no particular order, at most `limit`; says when there were more.
    async fn list(&self, dir: &DecoyPath, limit: usize) -> Result<Listing, Failure>;

    /// Gives a regular file another name, if its content hashes to `expected`, and nothing stands under the new name. The
    /// parent of the new name must exist.
    async fn rename(&self, request: &Move) -> Result<MoveOutcome, Failure>;

    /// Removes a regular file, if its content hashes to `expected`. Gone afterwards, whoever removed it. The hash is
    /// checked on what was taken away under a staged name, so that a change at the last instant is put back, not lost.
    async fn remove(&self, request: &Removal) -> Result<RemoveOutcome, Failure>;

    /// Sets the times of entries that are there, and nothing else of them; in order, one answer each. A final link is not
    /// followed. Files need [`Capabilities::file_times`], directories [`Capabilities::directory_times`]. That a change is
    /// asked for twice does no harm.
    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>>;

    /// Removes a directory in which nothing is. Gone afterwards, whoever removed it; anything in it keeps it.
    async fn remove_directory(&self, path: &DecoyPath) -> Result<DirectoryOutcome, Failure>;

    /// Deals with what a killed process left under the staging name beside `path`. Nothing there: `None`. A regular file
    /// whose hash is one of `ours` (what we were about to write, or what we were about to displace) is removed, and
    /// `None` is answered. Anything else is foreign content that we displaced: it is put back under `path` by an exchange
    /// (or a rename, where `path` is free), what comes out is removed if it is one of `ours`, and what was put back is
    /// answered.
    async fn settle(
        &self,
        path: &DecoyPath,
        staging: Staging,
        ours: &[Digest],
    ) -> Result<Option<Found>, Failure>;

    /// Runs a command inside the decoy: argv, never a shell string; output and time are bounded.
    async fn exec(&self, command: &Exec) -> Result<ExecOutput, Failure>;

    /// Opens a TCP connection that leaves FROM the decoy.
    async fn dial(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Failure>;

    /// Whether the decoy can be reached, and the facts that can be had without leaving a trace. Bounded to 20 seconds. What
    /// it finds is what later calls go to: one that meets another root than the latest probe did answers `NotFound`.
    async fn probe(&self) -> Result<HostFacts, Failure>;
}

/// What a connector can do, as plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// [`Connector::write`] with [`crate::WriteMode::Create`] and `Replace`.
    pub write: bool,
    /// [`crate::WriteMode::Append`].
    pub append: bool,
    /// [`Connector::read`] and [`Connector::stat`].
    pub read: bool,
    /// [`Connector::list`].
    pub list: bool,
    /// [`Connector::rename`], [`Connector::remove`] and [`Connector::remove_directory`].
    pub remove: bool,
    /// [`Connector::set_times`] of regular files.
    pub file_times: bool,
    /// [`Connector::set_times`] of directories; without `file_times` not of the root.
    pub directory_times: bool,
    /// [`Connector::exec`].
    pub exec: bool,
    /// [`Connector::dial`].
    pub dial: bool,
    /// Owners can be set to anything.
    pub ownership: bool,
    /// Times can be set to the nanosecond.
    pub mtime_ns: bool,
    /// A replacement appears in one step, and what it displaced is seen.
    pub atomic_replace: bool,
    /// Reading a file leaves its access time as it is.
    pub quiet_reads: bool,
    /// How many files one round trip takes with profit.
    pub batch_files_max: usize,
    /// The largest file that can be written, in bytes.
    pub file_bytes_max: ByteCount,
}

impl Capabilities {
    /// Of a decoy on which nothing can be done.
    pub const NONE: Self = Self {
        write: false,
        append: false,
        read: false,
        list: false,
        remove: false,
        file_times: false,
        directory_times: false,
        exec: false,
        dial: false,
        ownership: false,
        mtime_ns: false,
        atomic_replace: false,
        quiet_reads: false,
        batch_files_max: 1,
        file_bytes_max: ByteCount(0),
    };
}

/// What became of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is there.
    Written(Written),
    /// What stands there is not ours to touch; it is as it was.
    Foreign(Found),
}

/// A confirmed write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What was found under the name afterwards.
    pub stat: FileStat,
    /// The hash of what was read back: of the whole file, or for an append of the added bytes.
    pub sha256: Digest,
    /// For an append, where the added bytes begin; else 0.
    pub offset: u64,
    /// Whether the owner asked for was set, on the file and on new parents.
    pub owner_set: bool,
    /// The parent directories that were made, outermost first.
    pub made_parents: Vec<DecoyPath>,
}

/// What was found instead of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What stands there; `None` when nothing does.
    pub stat: Option<FileStat>,
    /// The hash of a regular file, where it could be read within 64 MiB.
    pub sha256: Option<Digest>,
    /// Its first 64 KiB, as evidence.
    pub head: Bytes,
}

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Where it begins.
    pub offset: u64,
    /// How many bytes are wanted at the most.
    pub length: ByteCount,
}

impl ByteRange {
    /// The first `length` bytes.
    #[must_use]
    pub const fn first(length: ByteCount) -> Self {
        Self { offset: 0, length }
    }
}

/// What else [`Connector::stat`] shall find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatRequest {
    /// Nothing.
    Plain,
    /// Its times to the nanosecond, where the way to it tells them at all: over some that takes a question more.
    Times,
    /// The hash, if it is a regular file of at most so many bytes.
    Hash(ByteCount),
}

/// The entries of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The entries, without `.` and `..`.
    pub entries: Vec<ListingEntry>,
    /// Whether there were more than the limit.
    pub more: bool,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingEntry {
    /// Its full path.
    pub path: DecoyPath,
    /// What it is.
    pub kind: FileKind,
}

/// A file that shall get another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The name it has.
    pub from: DecoyPath,
    /// The name it gets.
    pub to: DecoyPath,
    /// The hash it must have.
    pub expected: Digest,
}

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveOutcome {
    /// It bears the new name; the stat was taken there.
    Moved(FileStat),
    /// What stands under the old name is not ours; it is as it was.
    Foreign(Found),
    /// Something stands under the new name; both are as they were.
    Occupied(Found),
}

/// A file that shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Its name.
    pub path: DecoyPath,
    /// The hash it must have.
    pub expected: Digest,
    /// The name under which it is taken away before it is hashed.
    pub staging: Staging,
}

/// What became of a removal.
#[expect(clippy::large_enum_variant, reason = "one is made per call, and none is kept")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoveOutcome {
    /// Nothing stands under the name. `by_us` says whether it was this call that removed it.
    Gone {
        /// Whether this call removed it.
        by_us: bool,
    },
    /// What stands there is not ours; it is as it was.
    Foreign(Found),
}

/// Times that an entry shall bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimesChange {
    /// Its name.
    pub path: DecoyPath,
    /// What it must be: a regular file or a directory. A file must have no second name, which could lie outside.
    pub kind: FileKind,
    /// When it shall have been read last.
    pub atime: Timestamp,
    /// When its content shall have changed last.
    pub mtime: Timestamp,
}

/// What became of a change of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimesOutcome {
    /// It bears them; the stat was taken afterwards.
    Set(FileStat),
    /// What stands there is not what was meant, or nothing is: it is as it was.
    Foreign(Option<FileStat>),
}

/// What became of the removal of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryOutcome {
    /// Nothing stands under the name. `by_us` says whether it was this call that removed it.
    Gone {
        /// Whether this call removed it.
        by_us: bool,
    },
    /// Something is in it; both stay.
    NotEmpty,
    /// What stands there is no directory; it is as it was.
    Foreign,
}

/// A command inside a decoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments.
    pub argv: Vec<Vec<u8>>,
    /// What is put on its standard input.
    pub stdin: Bytes,
    /// How long it may take in all.
    pub time_limit: Duration,
    /// How much is kept of each of its outputs.
    pub output_limit: ByteCount,
}

/// What a command inside a decoy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output, cut to the limit.
    pub stdout: Bytes,
    /// Its standard error, cut to the limit.
    pub stderr: Bytes,
}

/// A connection that leaves from a decoy.
pub trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

/// What can be learnt of a decoy without leaving a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// `PRETTY_NAME` of its `os-release`, where there is one; printable and bounded.
    pub os: Option<String>,
    /// Its host name, where it says one; printable and bounded.
    pub hostname: Option<String>,
    /// What its clock shows, where it can be seen.
    pub clock: Option<Timestamp>,
    /// Its accounts, at most 1,000.
    pub accounts: Vec<Account>,
    /// Free bytes on the file system of its root, where that can be had.
    pub free_bytes: Option<u64>,
    /// Whether that file system takes writes.
    pub writable: bool,
    /// What tells its root from another one at the same place: opaque, printable, at most 200 bytes. The same after a
    /// restart of this machine or a new mount; another where the root was made anew. `None` where nothing can tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
}
