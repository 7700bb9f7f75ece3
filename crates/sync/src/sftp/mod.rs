//! The transport to a host over SFTP, by our own client: nothing but the SFTP of an sshd is needed there.
//!
//! One reading of a file hashes it and sends it. Up to 64 small files are under way at once, each as a short sequence of steps,
//! and of a large one up to 2 MiB of writes that nobody has answered yet. Where the account may run commands as well, what is
//! there is hashed there, by the script that the transport by rsync uses too; else it is read back and hashed here, within
//! [`SftpOptions::read_back_max`], and what lies beyond is told as unproved.
//!
//! What happens to each kind of entry of a capture is as with [`crate::NativeTransport`], holes included, but for this: times
//! are whole seconds between 1970 and 2106, which is all that version 3 can say.
//!
//! **Links that somebody plants there** are not followed. Every directory on the way to a file is looked at by `lstat` within
//! the second before something is named in it, and all of them again at the end; a name is replaced itself, never what it leads
//! to; what is not whole is made in `.verisim/partial/`, which only the account itself can change. SFTP has no name that is
//! relative to an open directory, so who may change the folder can put a link in the place of a directory within that second.
//! Then files land where it leads, as far as the account may write there: one of the same name is replaced or put aside, an empty
//! directory of such a name goes, and so does a file that is called like a partial copy (40 hexadecimal digits); nothing else is
//! touched there. The look at the end fails the push, and what is missing is found by the verification. Where others than the
//! account may change the folder, lock the key into it (`ChrootDirectory`): then no link leads out of it.
//!
//! **Durability.** Where commands may be run, a `sync` of the file system there ends a push. Elsewhere files from a mebibyte on,
//! the markers and the manifest are flushed before they get their names (`fsync@openssh.com`, where the server has it); small
//! files are as durable as the server makes them. A crash there that takes some of them is found by the verification.

mod claim;
mod commands;
mod directories;
mod hashes;
mod listing;
mod look;
mod partial;
mod problem;
mod push;
mod sending;
mod writing;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use verisim_core::manifest::{LIFECYCLE_PATH, MANIFEST_PATH};
use verisim_core::{
    ByteCount, Capture, Clock, Failure, FailureKind, Hashes, PushOptions, Remote, RemoteStat, SyncTransport,
    TransportCapabilities, TransportError, TransportResult,
};
use verisim_ssh::sftp::Sftp;
use verisim_ssh::{Session, Target};

use crate::bandwidth::Level;
use crate::identity::{KnownDestination, Recognised};
use crate::operations::Operations;
use crate::reading::Content;
use crate::shell::script::STALL_MAX;
use crate::stopping::unless_stopped;
use crate::tool::{Learnt, ours};

use commands::Commands;
use look::There;
use problem::failed;

/// How much of a capture is read back where the far side cannot hash, when nothing else is said: 16 GiB.
const READ_BACK_MAX: ByteCount = ByteCount(16 << 30);

/// A host over SSH as a destination, reached by our own client.
#[derive(Debug, Clone)]
pub struct SftpOptions {
    /// The host, and how one gets there.
    pub target: Target,
    /// The folder there, absolute as SFTP names it.
    pub path: Vec<u8>,
    /// How many bytes of a capture are read back, in one pass, where the far side cannot hash.
    pub read_back_max: ByteCount,
    /// How long what hashes there may not advance before it is given up; what it has still to read adds to it, at 2 MiB/s.
    pub stall_max: Duration,
    /// Why nobody can say who the host is: then every operation fails with that.
    pub unready: Option<String>,
}

impl SftpOptions {
    /// A folder on a host, with everything else as it should be.
    #[must_use]
    pub fn new(target: Target, path: impl Into<Vec<u8>>) -> Self {
        Self { target, path: path.into(), read_back_max: READ_BACK_MAX, stall_max: STALL_MAX, unready: None }
    }
}

/// The destination's root, for people.
impl fmt::Display for SftpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.target.host, String::from_utf8_lossy(&self.path))
    }
}

/// What is known of a host, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SftpFacts {
    /// Whether commands may be run there; otherwise what is there is read back to be verified.
    pub commands: bool,
    /// The hasher that is used there.
    pub hasher: Option<&'static str>,
    /// Whether it can replace a file in one step, without which nothing is sent.
    pub replaces: bool,
    /// Free bytes in the folder.
    pub free_bytes: Option<u64>,
    /// Whether the folder is the one that was used before.
    pub recognised: Recognised,
}

/// Pushes to a host over SFTP.
pub struct SftpTransport {
    options: SftpOptions,
    known: KnownDestination,
    clock: Arc<dyn Clock>,
    /// Whether commands can be run there, found out once; forgotten when something fails.
    commands: Arc<Learnt<Commands>>,
    /// Two pushes do not make the same markers at once.
    claiming: Mutex<()>,
    level: Level,
    operations: Operations,
}

/// A connection to the host, and SFTP on it. Each operation has one of its own, which ends with it.
struct Line {
    session: Session,
    sftp: Sftp,
}

impl SftpTransport {
    /// A transport to the host that `options` describes. Touches nothing yet.
    #[must_use]
    pub fn new(mut options: SftpOptions, known: KnownDestination, clock: Arc<dyn Clock>) -> Self {
        let target = &mut options.target;
        target.bulk = true;
        target.jumps.iter_mut().for_each(|hop| hop.bulk = true);
        Self {
            options,
            known,
            clock,
            commands: Arc::default(),
            claiming: Mutex::default(),
            level: Level::default(),
            operations: Operations::default(),
        }
    }

    /// Finds out what the host is and can do. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be reached, or the folder is not there.
    pub async fn inquire(&self) -> Result<SftpFacts, TransportError> {
        const OPERATION: &str = "sftp.reach";
        let line = self.connect(OPERATION).await?;
        let root = self.there(&line).root(OPERATION).await?;
        let commands = self.commands(&line, root.marker.as_deref(), OPERATION).await?;
        Ok(SftpFacts {
            commands: *commands != Commands::None,
            hasher: commands.hasher().map(|(hasher, _)| hasher.call),
            replaces: line.sftp.extensions().posix_rename,
            free_bytes: root.free_bytes,
            recognised: self.known.recognise_marker(&self.options, root.marker.as_deref()),
        })
    }

    async fn connect(&self, operation: &'static str) -> Result<Line, Failure> {
        if let Some(why) = &self.options.unready {
            return Err(Failure::new(FailureKind::Config, operation, why));
        }
        let doing = "reaching the host";
        let session = Box::pin(Session::connect(&self.options.target)).await;
        let session = session.map_err(|error| failed(operation, doing, &error))?;
        let sftp = Sftp::open(&session).await.map_err(|error| failed(operation, doing, &error))?;
        sftp.learn_limits().await.map_err(|error| failed(operation, doing, &error))?;
        Ok(Line { session, sftp })
    }

    const fn there<'a>(&'a self, line: &'a Line) -> There<'a> {
        There { sftp: &line.sftp, options: &self.options }
    }

    /// What failed may have failed because the far side is not what it was: the next operation looks anew.
    fn forgetting<T>(&self, done: Result<T, TransportError>) -> Result<T, TransportError> {
        if done.is_err() {
            self.commands.forget();
        }
        done
    }

    async fn stat_there(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        const OPERATION: &str = "sftp.stat";
        let line = self.connect(OPERATION).await?;
        let there = self.there(&line);
        let mut look = there.look(at, OPERATION).await?;
        if self.known.judge(&self.options, look.marker.as_deref())? {
            if look.in_the_way.is_none() && look.exists {
                look.sealed = there.sealed(at, OPERATION).await?;
            }
            return Ok(look.stat());
        }
        Ok(look.unmarked_stat())
    }

    /// Puts a file of ours into the metadata folder there.
    async fn put_there(&self, at: &Remote, file: &Path, name: &str) -> Result<(), TransportError> {
        const OPERATION: &str = "sftp.seal";
        let line = self.connect(OPERATION).await?;
        let there = self.there(&line);
        let look = there.look(at, OPERATION).await?;
        ours(&look, at, &self.known, &self.options, OPERATION)?;
        Ok(there.replace(at, name, Content::File(file.to_owned()), OPERATION).await?)
    }
}

#[async_trait]
impl SyncTransport for SftpTransport {
    fn capabilities(&self) -> TransportCapabilities {
        TransportCapabilities {
            resume: true,
            bandwidth_limit: true,
            atomic: true,
            away_as_a_whole: true,
            hashes_without_list: true,
        }
    }

    async fn push(&self, source: &Capture, to: &Remote, options: &PushOptions) -> TransportResult {
        let _place = unless_stopped(&options.cancel, "sftp.push", self.operations.place("sftp.push")).await?;
        let pushed = Box::pin(push::push(self, source, to, options)).await;
        self.forgetting(pushed.map_err(TransportError::from))
    }

    async fn hashsum(&self, at: &Remote, options: &PushOptions) -> Result<Hashes, TransportError> {
        let hashes = Box::pin(hashes::hashes(self, at, options)).await;
        self.forgetting(hashes.map_err(TransportError::from))
    }

    async fn stat(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        let stat = Box::pin(self.stat_there(at)).await;
        self.forgetting(stat)
    }

    async fn keep_lifecycle(&self, at: &Remote, record: &Path) -> Result<(), TransportError> {
        let kept = Box::pin(self.put_there(at, record, LIFECYCLE_PATH)).await;
        self.forgetting(kept)
    }

    async fn seal(&self, at: &Remote, manifest: &Path) -> Result<(), TransportError> {
        let sealed = Box::pin(self.put_there(at, manifest, MANIFEST_PATH)).await;
        self.forgetting(sealed)
    }
}
