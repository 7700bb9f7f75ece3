//! A decoy of which it cannot even be said how it is reached: every call says why.

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{
    ByteRange, Capabilities, Connector, DecoyPath, Digest, DirectoryOutcome, Exec, ExecOutput, Failure,
    FailureKind, FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal, RemoveOutcome,
    Staging, StatRequest, Stream, TimesChange, TimesOutcome, WriteOutcome,
};

/// Answers every call with the same failure, before which nothing happened.
#[derive(Debug)]
pub(crate) struct Unready(Failure);

impl Unready {
    pub(crate) fn new(kind: FailureKind, why: String) -> Self {
        Self(Failure::new(kind, "decoy.reach", why))
    }

    fn failed<T>(&self) -> Result<T, Failure> {
        Err(self.0.clone())
    }
}

#[async_trait]
impl Connector for Unready {
    /// Nothing is planned there.
    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        files.iter().map(|_| self.failed()).collect()
    }

    async fn read(&self, _: &DecoyPath, _: ByteRange) -> Result<Bytes, Failure> {
        self.failed()
    }

    async fn stat(&self, _: &DecoyPath, _: StatRequest) -> Result<Option<FileStat>, Failure> {
        self.failed()
    }

    async fn list(&self, _: &DecoyPath, _: usize) -> Result<Listing, Failure> {
        self.failed()
    }

    async fn rename(&self, _: &Move) -> Result<MoveOutcome, Failure> {
        self.failed()
    }

    async fn remove(&self, _: &Removal) -> Result<RemoveOutcome, Failure> {
        self.failed()
    }

    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        changes.iter().map(|_| self.failed()).collect()
    }

    async fn remove_directory(&self, _: &DecoyPath) -> Result<DirectoryOutcome, Failure> {
        self.failed()
    }

    async fn settle(&self, _: &DecoyPath, _: Staging, _: &[Digest]) -> Result<Option<Found>, Failure> {
        self.failed()
    }

    async fn exec(&self, _: &Exec) -> Result<ExecOutput, Failure> {
        self.failed()
    }

    async fn dial(&self, _: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        self.failed()
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        self.failed()
    }
}
