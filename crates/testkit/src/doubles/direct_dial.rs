//! A connector that can do nothing but dial, and dials from where the test runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::net::TcpStream;
use verisim_core::{
    ByteRange, Capabilities, Connector, DecoyPath, Digest, DirectoryOutcome, Exec, ExecOutput, Failure,
    FailureKind, FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal, RemoveOutcome,
    Staging, StatRequest, Stream, TimesChange, TimesOutcome, WriteOutcome,
};

use super::SwitchConnector;

/// A connector whose `dial` is a plain connection of this machine; everything else is unsupported.
#[derive(Debug)]
pub struct DirectDial {
    nothing: Arc<SwitchConnector>,
    can: AtomicBool,
    dials: AtomicUsize,
}

impl DirectDial {
    /// One that can dial.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            nothing: SwitchConnector::new(),
            can: AtomicBool::new(true),
            dials: AtomicUsize::new(0),
        })
    }

    /// One that can do nothing at all.
    #[must_use]
    pub fn unable() -> Arc<Self> {
        let this = Self::new();
        this.can.store(false, Ordering::SeqCst);
        this
    }

    /// How often it dialled.
    #[must_use]
    pub fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Connector for DirectDial {
    fn capabilities(&self) -> Capabilities {
        Capabilities { dial: self.can.load(Ordering::SeqCst), ..self.nothing.capabilities() }
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        self.nothing.write(files).await
    }

    async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        self.nothing.read(path, range).await
    }

    async fn stat(&self, path: &DecoyPath, request: StatRequest) -> Result<Option<FileStat>, Failure> {
        self.nothing.stat(path, request).await
    }

    async fn list(&self, dir: &DecoyPath, limit: usize) -> Result<Listing, Failure> {
        self.nothing.list(dir, limit).await
    }

    async fn rename(&self, request: &Move) -> Result<MoveOutcome, Failure> {
        self.nothing.rename(request).await
    }

    async fn remove(&self, request: &Removal) -> Result<RemoveOutcome, Failure> {
        self.nothing.remove(request).await
    }

    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        self.nothing.set_times(changes).await
    }

    async fn remove_directory(&self, path: &DecoyPath) -> Result<DirectoryOutcome, Failure> {
        self.nothing.remove_directory(path).await
    }

    async fn settle(
        &self,
        path: &DecoyPath,
        staging: Staging,
        ours: &[Digest],
    ) -> Result<Option<Found>, Failure> {
        self.nothing.settle(path, staging, ours).await
    }

    async fn exec(&self, command: &Exec) -> Result<ExecOutput, Failure> {
        self.nothing.exec(command).await
    }

    async fn dial(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        if !self.can.load(Ordering::SeqCst) {
            return self.nothing.dial(to).await;
        }
        self.dials.fetch_add(1, Ordering::SeqCst);
        match TcpStream::connect(to).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(Failure::new(FailureKind::Network, "direct.dial", error)),
        }
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        self.nothing.probe().await
    }
}
