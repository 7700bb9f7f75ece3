//! A connector that loses one answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{
    ByteRange, Capabilities, Connector, DecoyPath, Digest, DirectoryOutcome, Effect, Exec, ExecOutput,
    Failure, FailureKind, FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal,
    RemoveOutcome, Staging, StatRequest, Stream, TimesChange, TimesOutcome, WriteOutcome,
};

use super::Phase;

/// Passes every call on, and at the `k`-th answers that the connection was lost: before anything of it happened, or after
/// all of it did. Either way the caller learns the same: nobody knows.
pub struct FaultyConnector {
    inner: Arc<dyn Connector>,
    fails_at: usize,
    phase: Phase,
    calls: AtomicUsize,
}

impl FaultyConnector {
    /// A connector whose `fails_at`-th call, counted from 0, loses its answer.
    #[must_use]
    pub fn new(inner: Arc<dyn Connector>, fails_at: usize, phase: Phase) -> Arc<Self> {
        Arc::new(Self { inner, fails_at, phase, calls: AtomicUsize::new(0) })
    }

    /// Whether a call has failed: a test that injects must see that it was hit.
    #[must_use]
    pub fn was_hit(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.fails_at
    }

    async fn pass<T>(&self, call: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, Failure> {
        if self.calls.fetch_add(1, Ordering::SeqCst) != self.fails_at {
            return call.await;
        }
        if self.phase == Phase::After {
            let _ = call.await;
        }
        Err(lost())
    }
}

fn lost() -> Failure {
    Failure::new(FailureKind::Network, "faulty.call", "the connection was lost").with_effect(Effect::Unknown)
}

#[async_trait]
impl Connector for FaultyConnector {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        let call = async { Ok(self.inner.write(files).await) };
        match self.pass(call).await {
            Ok(outcomes) => outcomes,
            Err(failure) => files.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        self.pass(self.inner.read(path, range)).await
    }

    async fn stat(&self, path: &DecoyPath, request: StatRequest) -> Result<Option<FileStat>, Failure> {
        self.pass(self.inner.stat(path, request)).await
    }

    async fn list(&self, dir: &DecoyPath, limit: usize) -> Result<Listing, Failure> {
        self.pass(self.inner.list(dir, limit)).await
    }

    async fn rename(&self, request: &Move) -> Result<MoveOutcome, Failure> {
        self.pass(self.inner.rename(request)).await
    }

    async fn remove(&self, request: &Removal) -> Result<RemoveOutcome, Failure> {
        self.pass(self.inner.remove(request)).await
    }

    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        let call = async { Ok(self.inner.set_times(changes).await) };
        match self.pass(call).await {
            Ok(outcomes) => outcomes,
            Err(failure) => changes.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    async fn remove_directory(&self, path: &DecoyPath) -> Result<DirectoryOutcome, Failure> {
        self.pass(self.inner.remove_directory(path)).await
    }

    async fn settle(
        &self,
        path: &DecoyPath,
        staging: Staging,
        ours: &[Digest],
    ) -> Result<Option<Found>, Failure> {
        self.pass(self.inner.settle(path, staging, ours)).await
    }

    async fn exec(&self, command: &Exec) -> Result<ExecOutput, Failure> {
        self.pass(self.inner.exec(command)).await
    }

    async fn dial(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        self.pass(self.inner.dial(to)).await
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        self.pass(self.inner.probe()).await
    }
}
