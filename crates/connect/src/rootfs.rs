//! A directory of this machine that is, or becomes, a decoy's root.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::Errno;
use verisim_core::{
    ByteRange, Capabilities, Clock, Connector, DecoyPath, Digest, DirectoryOutcome, Exec, ExecOutput,
    Failure, FailureKind, FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal,
    RemoveOutcome, Staging, StatRequest, Stream, TimesChange, TimesOutcome, WriteOutcome,
};
use verisim_sys::Root;

use crate::rooted::{self, BATCH_FILES_MAX, Calls, FILE_BYTES_MAX, Operation, Rooted};
use crate::tree::Problem;

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
    calls: Calls,
    named_staging: bool,
}

impl RootfsConnector {
    /// The decoy under `path`, whose clock is that of this machine.
    #[must_use]
    pub fn new(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            path: Arc::new(path),
            real: Arc::default(),
            met: Arc::default(),
            clock,
            calls: Calls::new(),
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

    fn unsupported(operation: &'static str, what: &str) -> Failure {
        Failure::new(FailureKind::Unsupported, operation, format!("a directory cannot {what}"))
    }
}

impl Rooted for RootfsConnector {
    /// A probe meets whichever directory it is; any other call only the one that was met before.
    async fn in_root<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Root) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Failure> {
        let this = self.clone();
        let open = if operation.is_probe { Self::meet } else { Self::open };
        let work = move || open(&this).and_then(|root| work(&root));
        self.calls.run(operation, || self.path.display().to_string(), work).await
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
            file_times: true,
            directory_times: true,
            exec: false,
            dial: false,
            ownership: rustix::process::geteuid().is_root(),
            mtime_ns: true,
            atomic_replace: true,
            quiet_reads: true,
            batch_files_max: BATCH_FILES_MAX,
            file_bytes_max: FILE_BYTES_MAX,
        }
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        rooted::write(self, "rootfs.write", files).await
    }

    async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        rooted::read(self, "rootfs.read", path, range).await
    }

    async fn stat(&self, path: &DecoyPath, request: StatRequest) -> Result<Option<FileStat>, Failure> {
        rooted::stat(self, "rootfs.stat", path, request).await
    }

    async fn list(&self, dir: &DecoyPath, limit: usize) -> Result<Listing, Failure> {
        rooted::list(self, "rootfs.list", dir, limit).await
    }

    async fn rename(&self, request: &Move) -> Result<MoveOutcome, Failure> {
        rooted::rename(self, "rootfs.rename", request).await
    }

    async fn remove(&self, request: &Removal) -> Result<RemoveOutcome, Failure> {
        rooted::remove(self, "rootfs.remove", request).await
    }

    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        rooted::set_times(self, "rootfs.set_times", changes).await
    }

    async fn remove_directory(&self, path: &DecoyPath) -> Result<DirectoryOutcome, Failure> {
        rooted::remove_directory(self, "rootfs.remove_directory", path).await
    }

    async fn settle(
        &self,
        path: &DecoyPath,
        staging: Staging,
        ours: &[Digest],
    ) -> Result<Option<Found>, Failure> {
        rooted::settle(self, "rootfs.settle", path, staging, ours).await
    }

    async fn exec(&self, _command: &Exec) -> Result<ExecOutput, Failure> {
        Err(Self::unsupported("rootfs.exec", "run a command"))
    }

    async fn dial(&self, _to: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        Err(Self::unsupported("rootfs.dial", "open a connection"))
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        rooted::facts(self, "rootfs.probe", self.clock.now()).await
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
