//! A decoy that a suite may do with as it likes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test prepares fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use verisim_core::{
    Connector, DecoyPath, Digest, FailureKind, FileMode, FileTimes, FileWrite, JobId, OwnerPolicy, Staging,
    Timestamp, WriteMode, WriteOutcome, Written,
};

/// How long a suite waits for any one answer of a connector. Nothing may hang; a noisy machine may be slow.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// A fresh, empty decoy, and its tree as it is seen from outside: by the intruder, and by the observer.
pub trait DecoyUnderTest: Send + Sync {
    /// What reaches it.
    fn connector(&self) -> Arc<dyn Connector>;
    /// Where its root stands on this machine.
    fn host_root(&self) -> &Path;
    /// A directory of this machine outside of that root, on the same file system.
    fn outside(&self) -> &Path;
    /// Does something to the decoy's mounts, where they are: the path is that of its root there.
    fn with_mounts(&self, work: MountWork<'_>) -> rustix::io::Result<()> {
        work(self.host_root())
    }
    /// Lets the decoy itself go away, until [`DecoyUnderTest::bring_back`].
    fn take_away(&self) {
        fs::rename(self.host_root(), self.outside().join("away")).unwrap();
    }
    /// Lets it come back as it was.
    fn bring_back(&self) {
        fs::rename(self.outside().join("away"), self.host_root()).unwrap();
    }
    /// What a call is answered with while it is away.
    fn absence(&self) -> FailureKind {
        FailureKind::NotFound
    }
}

/// What is done to a decoy's mounts.
pub type MountWork<'w> = Box<dyn FnOnce(&Path) -> rustix::io::Result<()> + Send + 'w>;

/// Says which check of a suite begins, where several run in one test: a failure alone does not tell.
#[expect(clippy::print_stderr, reason = "the runner shows it where the test fails")]
pub fn running(check: &str) {
    eprintln!("check: {check}");
}

/// A path on a decoy; a test's own paths are legal.
pub fn path(text: impl AsRef<[u8]>) -> DecoyPath {
    DecoyPath::new(text).expect("a test's path is legal")
}

/// The staging name of the `number`-th job of a test.
#[must_use]
pub fn staging(number: i64) -> Staging {
    Staging::derive(&[0x5a; 32], JobId(number))
}

/// A live file with the usual mode, made with its parents.
pub fn new_file(at: impl AsRef<[u8]>, body: impl Into<Bytes>) -> FileWrite {
    FileWrite {
        path: path(at),
        body: body.into(),
        how: WriteMode::Create,
        mode: Some(FileMode::new(0o644)),
        owner: OwnerPolicy::Keep,
        times: FileTimes::Live,
        make_parents: true,
        durable: false,
        staging: staging(1),
    }
}

/// Another content for a file whose content is `old`.
pub fn replacement(at: impl AsRef<[u8]>, old: &[u8], body: impl Into<Bytes>) -> FileWrite {
    let how = WriteMode::Replace { expected: Digest::of(old) };
    FileWrite { how, mode: None, make_parents: false, ..new_file(at, body) }
}

/// Bytes for the end of a file.
pub fn addition(at: impl AsRef<[u8]>, body: impl Into<Bytes>) -> FileWrite {
    FileWrite { how: WriteMode::Append, mode: None, make_parents: false, ..new_file(at, body) }
}

/// Waits for an answer, and fails the test when none comes.
pub async fn answer<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(ANSWER_TIME_MAX, future).await.expect("a connector must answer, and this one hangs")
}

/// Writes one file.
pub async fn write_one(
    connector: &dyn Connector,
    file: FileWrite,
) -> Result<WriteOutcome, verisim_core::Failure> {
    let mut outcomes = answer(connector.write(&[file])).await;
    assert_eq!(outcomes.len(), 1, "one answer for one file");
    outcomes.remove(0)
}

/// Writes one file, which must succeed.
pub async fn written(connector: &dyn Connector, file: FileWrite) -> Written {
    let at = file.path.clone();
    match write_one(connector, file).await {
        Ok(WriteOutcome::Written(written)) => written,
        other => panic!("{at} should have been written: {other:?}"),
    }
}

/// Where a path of the decoy stands on this machine. Only for paths without links.
pub fn on_host(decoy: &dyn DecoyUnderTest, at: &str) -> PathBuf {
    decoy.host_root().join(at.trim_start_matches('/'))
}

/// Puts a file into the tree from outside, with its parents.
pub fn put(decoy: &dyn DecoyUnderTest, at: &str, body: &[u8]) -> PathBuf {
    let host = on_host(decoy, at);
    fs::create_dir_all(host.parent().expect("a file has a parent")).unwrap();
    fs::write(&host, body).unwrap();
    host
}

/// The names in a directory, sorted.
pub fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A time with nanoseconds, some days after the start of 2024.
pub fn day(number: i64) -> Timestamp {
    let second = 1_704_067_200 + number * 86_400;
    Timestamp::new(second, 123_456_789).expect("a date of this century is a time")
}

/// Counts rounds: `count` of them, or as many as begin within `time`, but no fewer than `least`. A check that repeats itself
/// is as good over a slow line with fewer rounds.
#[expect(clippy::disallowed_methods, reason = "how long a real decoy takes")]
pub(crate) fn rounds(count: usize, least: usize, time: Duration) -> impl Iterator<Item = usize> {
    let begun = std::time::Instant::now();
    (0..count).take_while(move |round| *round < least || begun.elapsed() < time)
}
