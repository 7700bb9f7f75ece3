//! A host over SSH.
//!
//! The root of such a decoy is what its server calls `/`, and the server resolves every path: no path of a decoy's choosing
//! ever reaches a file of this machine (INV-7). Within the decoy, a link on the way to a file leads where the decoy wants;
//! a link at the end is not followed, as far as SFTP can tell: it is looked at first, and what was opened is looked at again.
//! Version 3 of SFTP has no inode numbers, so a link that is exchanged for a file, in between and back again, is not seen.

mod append;
mod calls;
mod create;
mod facts;
mod look;
mod open_file;
mod options;
mod over_commands;
mod over_sftp;
mod parents;
mod places;
mod problem;
mod reads;
mod remote;
mod rename;
mod replace;
mod script;
mod set_times;
mod settle;
mod times;
mod write;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use verisim_core::{
    ByteCount, ByteRange, Capabilities, Connector, DecoyPath, Digest, DirectoryOutcome, Effect, Exec,
    ExecOutput, Failure, FailureKind, FileStat, FileWrite, Found, HostFacts, Listing, Move, MoveOutcome,
    Removal, RemoveOutcome, Staging, StatRequest, Stream, TimesChange, TimesOutcome, WriteOutcome,
};
use verisim_ssh::Client;

use crate::tree;
use calls::{EFFECT_TIME_MAX, PROBE_TIME_MAX, QUESTION_TIME_MAX};
pub use options::{SshOptions, WayIn};

/// How many calls run on one decoy at once.
const CALLS_AT_ONCE: usize = 4;
/// How many files one call takes with profit.
const BATCH_FILES_MAX: usize = 256;

/// A decoy that is reached over SSH: one connection, on which everything happens.
///
/// What the server can is learnt at the first contact; before that, [`Connector::capabilities`] says what OpenSSH can. Who
/// plans by them calls [`SshConnector::connect`] first.
#[derive(Clone)]
pub struct SshConnector {
    options: Arc<SshOptions>,
    client: Arc<Client>,
    learnt: Arc<OnceLock<Learnt>>,
    calls: Arc<Semaphore>,
    /// What a person does to accept a host key.
    accept: Option<Arc<str>>,
}

/// What a server can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Learnt {
    /// A replacement in one step, a removal that sees what it removes.
    replaces: bool,
    /// Whether the number of names of a file can be told.
    links: bool,
    /// Whether it runs commands.
    commands: bool,
    /// Whether its `touch` and `stat` are GNU's, and count in nanoseconds.
    nanoseconds: bool,
    /// Whether we are root there.
    root: bool,
    /// Whether files are reached over commands.
    over_commands: bool,
}

impl SshConnector {
    /// The decoy that the options describe. Nothing is sent yet.
    #[must_use]
    pub fn new(options: SshOptions) -> Self {
        let client = Arc::new(Client::new(options.target.clone()));
        let calls = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        Self { options: Arc::new(options), client, learnt: Arc::default(), calls, accept: None }
    }

    /// The same, whose failures over a host key that is not believed name the command by which a person accepts it.
    #[must_use]
    pub fn with_accept_command(mut self, command: &str) -> Self {
        self.accept = Some(command.into());
        self
    }

    /// Connects, if there is no connection, and learns what the server can.
    ///
    /// # Errors
    /// When the decoy cannot be reached or does not let us in.
    pub async fn connect(&self) -> Result<(), Failure> {
        self.contact().await.map(|_| ()).map_err(|error| self.failed("ssh.connect", &error))
    }

    fn failed(&self, operation: &'static str, error: &verisim_ssh::Error) -> Failure {
        use verisim_ssh::Error::{HostKeyChanged, HostKeyUnknown};
        let detail = match (&self.accept, error) {
            (
                Some(command),
                HostKeyUnknown { host, fingerprint, .. } | HostKeyChanged { host, fingerprint, .. },
            ) => {
                // The key of a host on the way is looked at by the command itself.
                let key = if *host == self.host() {
                    format!(" --fingerprint {fingerprint}")
                } else {
                    String::new()
                };
                format!("{error}; compare that with the host's own, then: {command}{key}")
            }
            _ => error.to_string(),
        };
        Failure::new(error.kind(), operation, detail).with_source(error.clone())
    }

    fn unsupported(operation: &'static str, why: &str) -> Failure {
        Failure::new(FailureKind::Unsupported, operation, why)
    }
}

#[async_trait]
impl Connector for SshConnector {
    fn capabilities(&self) -> Capabilities {
        let can = self.learnt.get().copied().unwrap_or(Learnt {
            replaces: true,
            links: true,
            commands: self.options.commands,
            nanoseconds: self.options.commands,
            root: self.options.target.user == "root",
            over_commands: self.options.way == WayIn::Exec,
        });
        Capabilities {
            write: true,
            append: can.links,
            read: true,
            list: true,
            remove: can.replaces,
            file_times: true,
            directory_times: true,
            exec: can.commands,
            dial: true,
            ownership: can.root,
            mtime_ns: can.nanoseconds,
            atomic_replace: can.replaces,
            // Only commands can read without moving the access time, and only as root.
            quiet_reads: can.over_commands && can.root,
            batch_files_max: BATCH_FILES_MAX,
            file_bytes_max: ByteCount(tree::FILE_BYTES_MAX),
        }
    }

    async fn write(&self, files: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        let mut outcomes = Vec::with_capacity(files.len());
        for batch in files.chunks(BATCH_FILES_MAX) {
            outcomes.extend(self.write_batch(batch).await);
        }
        outcomes
    }

    async fn read(&self, path: &DecoyPath, range: ByteRange) -> Result<Bytes, Failure> {
        self.ask(
            "ssh.read",
            QUESTION_TIME_MAX,
            |remote| async move { look::read(&*remote, path, range).await },
        )
        .await
    }

    async fn stat(&self, path: &DecoyPath, request: StatRequest) -> Result<Option<FileStat>, Failure> {
        let found =
            self.ask("ssh.stat", QUESTION_TIME_MAX, |remote| async move {
                look::stat(&*remote, path, request).await
            })
            .await?;
        match (found, request) {
            (Some(stat), StatRequest::Times) => self.with_exact_times("ssh.stat", path, stat).await.map(Some),
            (found, _) => Ok(found),
        }
    }

    async fn list(&self, dir: &DecoyPath, limit: usize) -> Result<Listing, Failure> {
        self.ask(
            "ssh.list",
            QUESTION_TIME_MAX,
            |remote| async move { look::list(&*remote, dir, limit).await },
        )
        .await
    }

    async fn rename(&self, request: &Move) -> Result<MoveOutcome, Failure> {
        self.change(
            "ssh.rename",
            EFFECT_TIME_MAX,
            |remote| async move { rename::rename(&*remote, request).await },
        )
        .await
    }

    async fn remove(&self, request: &Removal) -> Result<RemoveOutcome, Failure> {
        self.change(
            "ssh.remove",
            EFFECT_TIME_MAX,
            |remote| async move { rename::remove(&*remote, request).await },
        )
        .await
    }

    async fn set_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        let mut outcomes = Vec::with_capacity(changes.len());
        while outcomes.len() < changes.len() {
            let rest = &changes[outcomes.len()..];
            outcomes.extend(self.change_times(&rest[..times::line_length(rest)]).await);
        }
        outcomes
    }

    async fn remove_directory(&self, path: &DecoyPath) -> Result<DirectoryOutcome, Failure> {
        self.change("ssh.remove_directory", EFFECT_TIME_MAX, |remote| async move {
            rename::remove_directory(&*remote, path).await
        })
        .await
    }

    async fn settle(
        &self,
        path: &DecoyPath,
        staging: Staging,
        ours: &[Digest],
    ) -> Result<Option<Found>, Failure> {
        self.change("ssh.settle", EFFECT_TIME_MAX, |remote| async move {
            settle::settle(&*remote, path, staging, ours).await
        })
        .await
    }

    async fn exec(&self, command: &Exec) -> Result<ExecOutput, Failure> {
        self.run_command(command).await
    }

    async fn dial(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        const OPERATION: &str = "ssh.dial";
        let session = self.client.session().await.map_err(|error| self.failed(OPERATION, &error))?;
        match session.dial(to).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                let effect = if error.is_answer() { Effect::NotApplied } else { Effect::Unknown };
                let failure = Failure::new(error.kind(), OPERATION, format!("to {to}: {error}"));
                Err(failure.with_effect(effect))
            }
        }
    }

    async fn probe(&self) -> Result<HostFacts, Failure> {
        let session = self.client.session().await.map_err(|error| self.failed("ssh.probe", &error))?;
        let session = &session;
        self.ask("ssh.probe", PROBE_TIME_MAX, |remote| async move {
            let fresh = self.fresh(session, &remote).await;
            facts::facts(&*remote, fresh.as_deref(), session.host_key()).await
        })
        .await
    }
}
