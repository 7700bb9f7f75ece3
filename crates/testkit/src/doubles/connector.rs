//! A connector that only says whether the decoy answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{
    ByteRange, Capabilities, Connector, DecoyPath, Digest, DirectoryOutcome, Exec, ExecOutput, Failure,
    FailureKind, FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal, RemoveOutcome,
    Staging, StatRequest, Stream, TimesChange, TimesOutcome, Timestamp, WriteOutcome,
};

/// A connector whose only answer is whether the decoy can be reached, as a test sets it.
#[derive(Debug)]
pub struct SwitchConnector {
    answers: AtomicBool,
    has_space: AtomicBool,
    probes: AtomicUsize,
}

impl SwitchConnector {
    /// A decoy that answers and has space.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let on = || AtomicBool::new(true);
        Arc::new(Self { answers: on(), has_space: on(), probes: AtomicUsize::new(0) })
    }

    /// Whether it answers from now on.
    pub fn set_answers(&self, answers: bool) {
        self.answers.store(answers, Ordering::SeqCst);
    }

    /// Whether it has space from now on.
    pub fn set_space(&self, has_space: bool) {
        self.has_space.store(has_space, Ordering::SeqCst);
    }

    /// Whether it answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.answers.load(Ordering::SeqCst)
    }

    /// How often it was asked.
    #[must_use]
    pub fn probes(&self) -> usize {
        self.probes.load(Ordering::SeqCst)
    }
}

fn unsupported<T>(operation: &'static str) -> Result<T, Failure> {
    Err(Failure::new(FailureKind::Unsupported, operation, "a switch does nothing but answer"))
}

#[async_trait]
impl Connector for SwitchConnector {
    fn capabilities(&self) -> Capabilities {
        Capabilities { quiet_reads: true, batch_files_max: 0, ..Capabilities::NONE }
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        files.iter().map(|_| unsupported("switch.write")).collect()
    }

    async fn read(&self, _: &DecoyPath, _: ByteRange) -> Result<Bytes, Failure> {
        unsupported("switch.read")
    }

    async fn stat(&self, _: &DecoyPath, _: StatRequest) -> Result<Option<FileStat>, Failure> {
        unsupported("switch.stat")
    }

    async fn list(&self, _: &DecoyPath, _: usize) -> Result<Listing, Failure> {
        unsupported("switch.list")
    }

    async fn rename(&self, _: &Move) -> Result<MoveOutcome, Failure> {
        unsupported("switch.rename")
    }

    async fn remove(&self, _: &Removal) -> Result<RemoveOutcome, Failure> {
        unsupported("switch.remove")
    }

    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        changes.iter().map(|_| unsupported("switch.set_times")).collect()
    }

    async fn remove_directory(&self, _: &DecoyPath) -> Result<DirectoryOutcome, Failure> {
        unsupported("switch.remove_directory")
    }

    async fn settle(&self, _: &DecoyPath, _: Staging, _: &[Digest]) -> Result<Option<Found>, Failure> {
        unsupported("switch.settle")
    }

    async fn exec(&self, _: &Exec) -> Result<ExecOutput, Failure> {
        unsupported("switch.exec")
    }

    async fn dial(&self, _: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        unsupported("switch.dial")
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        if !self.answers() {
            return Err(Failure::new(FailureKind::Network, "switch.probe", "it does not answer"));
        }
        let has_space = self.has_space.load(Ordering::SeqCst);
        Ok(HostFacts {
            os: None,
            hostname: None,
            clock: Some(Timestamp::UNIX_EPOCH),
            accounts: Vec::new(),
            free_bytes: Some(if has_space { 1 << 30 } else { 0 }),
            writable: has_space,
            identity: None,
        })
    }
}
