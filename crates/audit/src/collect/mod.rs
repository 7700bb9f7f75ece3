//! Reading a decoy into an [`Evidence`].
//!
//! A decoy is hostile: it may be endless in every direction. Each stage has a share of the time and of the bytes; what a
//! stage did not get to is said in [`Evidence::left_out`], and what was read until then is judged.

mod contents;
mod host;
mod records;
mod shell;
mod walk;

use std::time::Duration;

use verisim_core::{
    ByteCount, ByteRange, Connector, DecoyPath, Failure, FailureKind, StatRequest, Timestamp,
};

use crate::evidence::{Evidence, Layout};

/// The bounds of one look at a decoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many entries are looked at.
    pub entries_max: usize,
    /// How many entries of one directory.
    pub directory_max: usize,
    /// How many bytes are read of one file that is hashed.
    pub file_bytes_max: u64,
    /// How many bytes are read in all.
    pub bytes_max: u64,
    /// How long it may take in all.
    pub time_max: Duration,
}

impl Default for Limits {
    /// Some minutes on a disk, and the memory of a large log: what an intruder has the patience for is far less.
    fn default() -> Self {
        Self {
            entries_max: 200_000,
            directory_max: 20_000,
            file_bytes_max: 1 << 20,
            bytes_max: 512 << 20,
            time_max: Duration::from_secs(600),
        }
    }
}

/// What to look at, and how far.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The bounds.
    pub limits: Limits,
    /// Paths that are passed over, with what is below them.
    pub exclude: Vec<DecoyPath>,
}

/// What is under way.
struct Collector<'a> {
    connector: &'a dyn Connector,
    options: &'a Options,
    found: Evidence,
    bytes_left: u64,
}

/// How many calls to a decoy are under way at once.
const CALLS_AT_ONCE: usize = 8;

/// Looks at a decoy. `now` is used as its time where it does not show its own clock.
///
/// # Errors
/// When the decoy cannot be reached, or its root not be listed. What fails later is left out, and said.
pub async fn collect(
    name: &str,
    connector: &dyn Connector,
    now: Timestamp,
    options: &Options,
) -> Result<Evidence, Failure> {
    let can = connector.capabilities();
    if !can.list || !can.read {
        let what = "folders cannot be listed this way; audit a container where its engine runs, as root, or the host over SSH";
        return Err(Failure::new(FailureKind::Unsupported, "audit.collect", what));
    }
    let facts = connector.probe().await?;
    let listing = connector.list(&DecoyPath::root(), options.limits.directory_max).await?;
    let mut found = Evidence::new(name, facts.clock.unwrap_or(now), Layout::Tree);
    found.host.os = facts.os;
    let bytes_left = options.limits.bytes_max;
    let mut collector = Collector { connector, options, found, bytes_left };
    collector.lay_out(&listing).await;
    let time = options.limits.time_max;
    collector.stage("what the host says of itself", time / 10).await;
    collector.walk_within(time * 4 / 10).await;
    collector.rest_within(time * 5 / 10).await;
    Ok(collector.found)
}

impl Collector<'_> {
    async fn stage(&mut self, what: &str, time: Duration) {
        if tokio::time::timeout(time, self.look_at_host()).await.is_err() {
            self.leave_out(&format!("{what}: it took more than {} s", time.as_secs()));
        }
    }

    async fn walk_within(&mut self, time: Duration) {
        if tokio::time::timeout(time, self.walk()).await.is_err() {
            self.leave_out(&format!("files that were not reached within {} s", time.as_secs()));
        }
    }

    async fn rest_within(&mut self, time: Duration) {
        let (third, records) = (time / 3, time / 3);
        if tokio::time::timeout(records, self.look_at_records()).await.is_err() {
            self.leave_out("records that were not read in time");
        }
        if tokio::time::timeout(third, self.look_at_contents()).await.is_err() {
            self.leave_out("contents that were not read in time");
        }
        if tokio::time::timeout(third, self.ask_shell()).await.is_err() {
            self.leave_out("commands that did not answer in time");
        }
    }

    fn leave_out(&mut self, what: &str) {
        if self.found.left_out.len() < 20 {
            self.found.left_out.push(what.to_owned());
        }
    }

    fn is_excluded(&self, path: &DecoyPath) -> bool {
        self.options.exclude.iter().any(|excluded| path.starts_with(excluded))
    }

    /// At most `length` bytes of a file from `offset`; `None` where there is nothing that can be read.
    async fn read(&mut self, path: &DecoyPath, offset: u64, length: u64) -> Option<bytes::Bytes> {
        let length = length.min(self.bytes_left);
        if length == 0 || self.is_excluded(path) {
            return None;
        }
        let range = ByteRange { offset, length: ByteCount(length) };
        let read = self.connector.read(path, range).await.ok()?;
        self.bytes_left = self.bytes_left.saturating_sub(read.len() as u64);
        Some(read)
    }

    /// The last bytes of a file, and whether there is more before them.
    async fn read_end(&mut self, path: &DecoyPath, size: u64, length: u64) -> Option<(bytes::Bytes, bool)> {
        let offset = size.saturating_sub(length);
        Some((self.read(path, offset, length).await?, offset > 0))
    }

    /// A small file by its path; `None` where there is none.
    async fn small(&mut self, path: &str) -> Option<bytes::Bytes> {
        let path = DecoyPath::new(path).ok()?;
        self.read(&path, 0, 1 << 20).await
    }

    async fn stat(&self, path: &DecoyPath) -> Option<verisim_core::FileStat> {
        if self.is_excluded(path) {
            return None;
        }
        self.connector.stat(path, StatRequest::Plain).await.ok().flatten()
    }
}
