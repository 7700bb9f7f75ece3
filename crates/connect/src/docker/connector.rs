//! The connector itself: one of the two ways, settled when it is made.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{
    ByteRange, Capabilities, Clock, Connector, DecoyPath, Digest, DirectoryOutcome, Exec, ExecOutput,
    Failure, FailureKind, FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal,
    RemoveOutcome, Staging, StatRequest, Stream, TimesChange, TimesOutcome, WriteOutcome,
};

use super::exec::exec;
use super::fast::Fast;
use super::portable::Portable;
use super::{ContainerName, Engine};
use crate::rooted::{self, BATCH_FILES_MAX, FILE_BYTES_MAX};

/// How a container is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerOptions {
    /// Its name or id.
    pub container: ContainerName,
    /// The way to its files; `None` takes the fast one where the engine is on this machine, else the portable one.
    pub reach: Option<Reach>,
    /// Whether commands may be run inside, where an intruder sees them.
    pub exec: bool,
}

/// The way to a container's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Through the kernel, without a trace inside.
    Fast,
    /// Through the engine, in archives.
    Portable,
}

/// A container as a decoy.
///
/// It is found by its name at each start; one that was made anew under the same name is another decoy, and answers
/// `NotFound` until a probe has met it. A container that does not run, or is paused, is `NotFound` as well: it is not there
/// as long as that lasts.
#[derive(Clone)]
pub struct DockerConnector {
    engine: Engine,
    options: DockerOptions,
    clock: Arc<dyn Clock>,
    /// Also for connections, whichever way the files take.
    fast: Fast,
    files: Files,
}

#[derive(Clone)]
enum Files {
    Fast,
    Portable(Portable),
}

impl DockerConnector {
    /// The container that `options` name. Nothing is asked of the engine yet. `clock` is that of this machine.
    #[must_use]
    pub fn new(engine: Engine, options: DockerOptions, clock: Arc<dyn Clock>) -> Self {
        let name = options.container.clone();
        let reach = options.reach.unwrap_or(if engine.is_here() { Reach::Fast } else { Reach::Portable });
        let fast = Fast::new(engine.clone(), name.clone());
        let files = match reach {
            Reach::Fast => Files::Fast,
            Reach::Portable => Files::Portable(Portable::new(engine.clone(), name, Arc::clone(&clock))),
        };
        Self { engine, options, clock, fast, files }
    }

    /// The way that its files take.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.files {
            Files::Fast => Reach::Fast,
            Files::Portable(_) => Reach::Portable,
        }
    }

    fn unsupported(operation: &'static str, what: &str) -> Failure {
        Failure::new(FailureKind::Unsupported, operation, what)
    }
}

/// What no archive can do.
const NO_ARCHIVE: &str = "archives cannot do this; it takes an engine on this machine, and root";

#[async_trait]
impl Connector for DockerConnector {
    fn capabilities(&self) -> Capabilities {
        let is_fast = self.reach() == Reach::Fast;
        Capabilities {
            write: true,
            append: is_fast,
            read: true,
            list: is_fast,
            remove: is_fast,
            file_times: is_fast,
            directory_times: true,
            exec: self.options.exec,
            dial: self.engine.is_here(),
            ownership: true,
            mtime_ns: true,
            atomic_replace: is_fast,
            quiet_reads: true,
            batch_files_max: BATCH_FILES_MAX,
            file_bytes_max: FILE_BYTES_MAX,
        }
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        match &self.files {
            Files::Fast => rooted::write(&self.fast, "docker.write", files).await,
            Files::Portable(portable) => portable.write(files).await,
        }
    }

    async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        match &self.files {
            Files::Fast => rooted::read(&self.fast, "docker.read", path, range).await,
            Files::Portable(portable) => portable.read(path, range).await,
        }
    }

    async fn stat(&self, path: &DecoyPath, request: StatRequest) -> Result<Option<FileStat>, Failure> {
        match &self.files {
            Files::Fast => rooted::stat(&self.fast, "docker.stat", path, request).await,
            Files::Portable(portable) => portable.stat(path, request).await,
        }
    }

    async fn list(&self, dir: &DecoyPath, limit: usize) -> Result<Listing, Failure> {
        match &self.files {
            Files::Fast => rooted::list(&self.fast, "docker.list", dir, limit).await,
            Files::Portable(_) => Err(Self::unsupported("docker.list", NO_ARCHIVE)),
        }
    }

    async fn rename(&self, request: &Move) -> Result<MoveOutcome, Failure> {
        match &self.files {
            Files::Fast => rooted::rename(&self.fast, "docker.rename", request).await,
            Files::Portable(_) => Err(Self::unsupported("docker.rename", NO_ARCHIVE)),
        }
    }

    async fn remove(&self, request: &Removal) -> Result<RemoveOutcome, Failure> {
        match &self.files {
            Files::Fast => rooted::remove(&self.fast, "docker.remove", request).await,
            Files::Portable(_) => Err(Self::unsupported("docker.remove", NO_ARCHIVE)),
        }
    }

    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        match &self.files {
            Files::Fast => rooted::set_times(&self.fast, "docker.set_times", changes).await,
            Files::Portable(portable) => portable.set_times(changes).await,
        }
    }

    async fn remove_directory(&self, path: &DecoyPath) -> Result<DirectoryOutcome, Failure> {
        match &self.files {
            Files::Fast => rooted::remove_directory(&self.fast, "docker.remove_directory", path).await,
            Files::Portable(_) => Err(Self::unsupported("docker.remove_directory", NO_ARCHIVE)),
        }
    }

    /// The portable way stages nothing, and so leaves nothing to settle.
    async fn settle(
        &self,
        path: &DecoyPath,
        staging: Staging,
        ours: &[Digest],
    ) -> Result<Option<Found>, Failure> {
        match &self.files {
            Files::Fast => rooted::settle(&self.fast, "docker.settle", path, staging, ours).await,
            Files::Portable(_) => Ok(None),
        }
    }

    async fn exec(&self, command: &Exec) -> Result<ExecOutput, Failure> {
        if !self.options.exec {
            let what = "commands inside the container are not allowed by the configuration";
            return Err(Self::unsupported("docker.exec", what));
        }
        exec(&self.engine, &self.options.container, command).await
    }

    async fn dial(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        if !self.engine.is_here() {
            let what = "a connection can leave from a container only where its engine is on this machine, and for root";
            return Err(Self::unsupported("docker.dial", what));
        }
        self.fast.dial(to).await
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        match &self.files {
            Files::Fast => self.fast.probe(self.clock.now()).await,
            Files::Portable(portable) => portable.probe().await,
        }
    }
}
