//! A directory of this machine that is, or becomes, a decoy's root.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::Errno;
use tokio::sync::Semaphore;
use verisim_core::{
    ByteCount, ByteRange, Capabilities, Clock, Connector, DecoyPath, Digest, Effect, Exec, ExecOutput,
    Failure, FailureKind, FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal,
    RemoveOutcome, Staging, StatRequest, Stream, WriteOutcome,
};
use verisim_sys::Root;

use crate::tree::{self, Problem};

/// How long a question may take: far longer than a disk under load needs, and short enough to notice a dead one.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a batch of effects may take; a disk that flushes each of many files needs longer.
const EFFECT_TIME_MAX: Duration = Duration::from_secs(300);
/// What the port allows for a probe.
const PROBE_TIME_MAX: Duration = Duration::from_secs(20);
/// How many calls run in one decoy at once. A file system that hangs takes so many threads with it, and no more.
const CALLS_AT_ONCE: usize = 4;
/// How many files one call takes: more would only make its answer come later.
const BATCH_FILES_MAX: usize = 256;

/// A decoy whose root is a directory of this machine.
///
/// The directory is opened anew for each call: a root that was taken away and put back is found again, and one that is
/// not there is `NotFound`. Where the path led when it was first opened, it must lead ever after, and to the directory that
/// the latest probe found: a root that becomes a link to another part of this machine, or whose mount goes away and leaves
/// an empty folder, is `NotFound` too. Whoever probes compares what it finds with what was there before.
#[derive(Clone)]
pub struct RootfsConnector {
    path: Arc<PathBuf>,
    real: Arc<OnceLock<PathBuf>>,
    /// The directory that calls go to: what the latest probe found, or else the first call.
    met: Arc<Mutex<Option<(u32, u32, u64)>>>,
    clock: Arc<dyn Clock>,
    calls: Arc<Semaphore>,
    named_staging: bool,
}

impl RootfsConnector {
    /// The decoy under `path`, whose clock is that of this machine.
    #[must_use]
    pub fn new(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let calls = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        Self {
            path: Arc::new(path),
            real: Arc::default(),
            met: Arc::default(),
            clock,
            calls,
            named_staging: false,
        }
    }

    /// Stages under a name even where the file system has files without one: what happens by itself on one that has not.
    #[must_use]
    pub fn with_named_staging(mut self) -> Self {
        self.named_staging = true;
        self
    }

    /// The root, if it is the directory that was met last.
    fn open(&self) -> Result<Root, Problem> {
        let (root, identity) = self.find()?;
        if *self.met.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(identity) == identity {
            return Ok(root);
        }
        let path = self.path.display();
        let what = format!("the decoy's root {path} is another directory since, or its mount is gone");
        Err(Problem::new(FailureKind::NotFound, what))
    }

    /// The root, whichever directory it is; later calls go to this one.
    fn meet(&self) -> Result<Root, Problem> {
        let (root, identity) = self.find()?;
        *self.met.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity);
        Ok(root)
    }

    fn find(&self) -> Result<(Root, (u32, u32, u64)), Problem> {
        let path = self.path.display();
        if let Ok(real) = self.path.canonicalize()
            && *self.real.get_or_init(|| real.clone()) != real
        {
            let what =
                format!("the decoy's root {path} leads elsewhere since; if it shall, start Verisim anew");
            return Err(Problem::new(FailureKind::NotFound, what));
        }
        // Between that look and this opening the root may become a link: none is followed.
        let opened = self.real.get().map_or_else(|| Root::open(&self.path), |real| Root::open_exact(real));
        let root = opened.map_err(|error| match error.errno() {
            Some(Errno::NOTDIR) => {
                Problem::new(FailureKind::Config, format!("the decoy's root {path} is not a directory"))
            }
            _ => Problem::new(error.kind(), format!("the decoy's root {path}: {error}")),
        })?;
        let identity = root
            .identity()
            .map_err(|error| Problem::new(error.kind(), format!("the decoy's root {path}: {error}")))?;
        Ok((if self.named_staging { root.with_named_staging() } else { root }, identity))
    }

    /// Runs what blocks on a thread that may, within a bound. `effect` is what is not known when the bound is passed.
    async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        limit: Duration,
        effect: Effect,
        work: impl FnOnce(&Root) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Failure> {
        self.call_in(Self::open, operation, limit, effect, work).await
    }

    async fn call_in<T: Send + 'static>(
        &self,
        open: fn(&Self) -> Result<Root, Problem>,
        operation: &'static str,
        limit: Duration,
        effect: Effect,
        work: impl FnOnce(&Root) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Failure> {
        let late = |effect| {
            let detail = format!("no answer within {} s from {}", limit.as_secs(), self.path.display());
            Failure::new(FailureKind::Network, operation, detail).with_effect(effect)
        };
        let permit = tokio::time::timeout(limit, Arc::clone(&self.calls).acquire_owned());
        let Ok(Ok(permit)) = permit.await else { return Err(late(Effect::NotApplied)) };
        let this = self.clone();
        let running = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            open(&this).and_then(|root| work(&root)).map_err(|problem| problem.into_failure(operation))
        });
        match tokio::time::timeout(limit, running).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(broken)) => Err(Failure::new(FailureKind::Unknown, operation, broken).with_effect(effect)),
            Err(_) => Err(late(effect)),
        }
    }

    fn unsupported(operation: &'static str, what: &str) -> Failure {
        Failure::new(FailureKind::Unsupported, operation, format!("a directory cannot {what}"))
    }
}

#[async_trait]
impl Connector for RootfsConnector {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            write: true,
            append: true,
            read: true,
            list: true,
            remove: true,
            exec: false,
            dial: false,
            ownership: rustix::process::geteuid().is_root(),
            mtime_ns: true,
            atomic_replace: true,
            batch_files_max: BATCH_FILES_MAX,
            file_bytes_max: ByteCount(tree::FILE_BYTES_MAX),
        }
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        const OPERATION: &str = "rootfs.write";
        let mut outcomes = Vec::with_capacity(files.len());
        for batch in files.chunks(BATCH_FILES_MAX) {
            let owned = batch.to_vec();
            let written = self
                .call(OPERATION, EFFECT_TIME_MAX, Effect::Unknown, move |root| Ok(tree::write(root, &owned)))
                .await;
            match written {
                Ok(written) => outcomes.extend(
                    written.into_iter().map(|one| one.map_err(|problem| problem.into_failure(OPERATION))),
                ),
                Err(failure) => outcomes.extend(batch.iter().map(|_| Err(failure.clone()))),
            }
        }
        outcomes
    }

    async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        let path = path.clone();
        self.call("rootfs.read", QUESTION_TIME_MAX, Effect::NotApplied, move |root| {
            tree::read(root, &path, range)
        })
        .await
    }

    async fn stat(&self, path: &DecoyPath, request: StatRequest) -> Result<Option<FileStat>, Failure> {
        let path = path.clone();
        self.call("rootfs.stat", QUESTION_TIME_MAX, Effect::NotApplied, move |root| {
            tree::stat(root, &path, request)
        })
        .await
    }

    async fn list(&self, dir: &DecoyPath, limit: usize) -> Result<Listing, Failure> {
        let dir = dir.clone();
        self.call("rootfs.list", QUESTION_TIME_MAX, Effect::NotApplied, move |root| {
            tree::list(root, &dir, limit)
        })
        .await
    }

    async fn rename(&self, request: &Move) -> Result<MoveOutcome, Failure> {
        let request = request.clone();
        self.call("rootfs.rename", EFFECT_TIME_MAX, Effect::Unknown, move |root| tree::rename(root, &request))
            .await
    }

    async fn remove(&self, request: &Removal) -> Result<RemoveOutcome, Failure> {
        let request = request.clone();
        self.call("rootfs.remove", EFFECT_TIME_MAX, Effect::Unknown, move |root| tree::remove(root, &request))
            .await
    }

    async fn settle(
        &self,
        path: &DecoyPath,
        staging: Staging,
        ours: &[Digest],
    ) -> Result<Option<Found>, Failure> {
        let (path, ours) = (path.clone(), ours.to_vec());
        self.call("rootfs.settle", EFFECT_TIME_MAX, Effect::Unknown, move |root| {
            tree::settle(root, &path, staging, &ours)
        })
        .await
    }

    async fn exec(&self, _command: &Exec) -> Result<ExecOutput, Failure> {
        Err(Self::unsupported("rootfs.exec", "run a command"))
    }

    async fn dial(&self, _to: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        Err(Self::unsupported("rootfs.dial", "open a connection"))
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        let now = self.clock.now();
        let look = move |root: &Root| tree::facts(root, now);
        self.call_in(Self::meet, "rootfs.probe", PROBE_TIME_MAX, Effect::NotApplied, look).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_7_a_root_that_becomes_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, outside) = (dir.path().join("decoy"), dir.path().join("outside"));
        for made in [&path, &outside] {
            std::fs::create_dir(made).unwrap();
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let clock = verisim_testkit::VirtualClock::new("2026-11-22T08:00:00Z".parse().unwrap());
        // The operator's own path may pass through a link.
        for named in [&path, &link] {
            let connector = RootfsConnector::new(named.clone(), clock.clone());
            let first = connector.open().unwrap().identity().unwrap();
            std::fs::rename(&path, dir.path().join("away")).unwrap();
            assert_eq!(connector.open().unwrap_err().into_failure("test").kind, FailureKind::NotFound);
            std::os::unix::fs::symlink(&outside, &path).unwrap();
            assert_eq!(connector.open().unwrap_err().into_failure("test").kind, FailureKind::NotFound);
            std::fs::remove_file(&path).unwrap();
            std::fs::rename(dir.path().join("away"), &path).unwrap();
            assert_eq!(connector.open().unwrap().identity().unwrap(), first);
        }
    }

    #[tokio::test]
    async fn a_root_that_is_another_directory_is_not_taken_for_the_decoy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("decoy");
        std::fs::create_dir(&path).unwrap();
        let clock = verisim_testkit::VirtualClock::new("2026-11-22T08:00:00Z".parse().unwrap());
        let connector = RootfsConnector::new(path.clone(), clock);
        let first = connector.probe().await.unwrap().identity.unwrap();
        // As when a mount goes away and its empty mount point is left.
        std::fs::rename(&path, dir.path().join("away")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(connector.open().unwrap_err().into_failure("test").kind, FailureKind::NotFound);
        // Who probes sees which one it is, and goes on with it.
        let other = connector.probe().await.unwrap().identity.unwrap();
        assert_ne!(other, first);
        connector.open().unwrap();
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(dir.path().join("away"), &path).unwrap();
        assert!(connector.open().is_err());
        assert_eq!(connector.probe().await.unwrap().identity, Some(first));
    }
}
