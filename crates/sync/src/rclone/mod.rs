//! The transport to any remote of the operator's `rclone.conf`, by rclone.
//!
//! What rclone says is read as JSON, as exit codes and as lists, and judged by `explain`; none of its English is read here. It
//! gets a private copy of the configuration, so that it never writes into the operator's, and a list of files that is
//! written in the form in which it shows names. What the remote is and can do is asked of rclone itself.
//!
//! What happens to each kind of entry of a capture is as with [`crate::NativeTransport`], but for this:
//!
//! - **Names** that the remote would store under others (control characters on some, bytes that are no UTF-8 on stores of
//!   objects, two names that differ only in case where it ignores case) are refused by name before anything is sent.
//! - **Files** get their names in one step: where an upload would be seen while it lasts, they are made under
//!   `.verisim-partial/` at the destination's root and moved. What replaces one of an earlier push goes to `.verisim/aside/`.
//! - **A push that was cut off** goes on with the files that were not whole there, each from its beginning, where the remote keeps
//!   times, by which rclone knows a file again; elsewhere, and where files are forced, with all of them.
//! - **Empty folders** are made where a remote has folders, and remarked elsewhere. Modes are not kept; times are, where the
//!   remote keeps them.
//! - **A directory of the capture that becomes a link while it is pushed**: rclone opens files by their paths, and may read what
//!   the link leads to. The last look then fails the push, and what arrived is not verified.
//!
//! Nothing makes a remote flush what it holds; the verification that follows finds what a crash there took. What is there is
//! hashed by the far side only where its kind computes SHA-256 from what it holds, and where it answered for every file;
//! everything else is read back, within [`RcloneOptions::read_back_max`]. A folder of this machine, which rclone calls `local`,
//! is read through the cache it was written to: its proof is [`Proof::Other`](verisim_core::Proof::Other), and
//! [`crate::NativeTransport`] serves it better. So is the proof where the operator chose a hash that the remote knows
//! ([`RcloneOptions::hash`]): it is compared, with the size, with what rclone computed here from what was pushed.

mod call;
mod config;
mod far;
mod folders;
mod hashes;
mod names;
mod options;
mod other;
mod push;
mod there;
mod version;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use verisim_core::manifest::{LIFECYCLE_PATH, MANIFEST_PATH};
use verisim_core::{
    CancellationToken, Capture, DestinationName, Failure, FailureKind, Hashes, Proof, PushOptions, RelPath,
    Remote, RemoteStat, SyncTransport, TransportCapabilities, TransportError, TransportResult,
};
use verisim_sys::Runner;

use crate::identity::{KnownDestination, Recognised};
use crate::operations::Operations;
use crate::stopping::unless_stopped;
use crate::tool::{Learnt, Shares, ours};

use call::Rclone;
use far::{Far, below};
pub use options::RcloneOptions;
use there::There;
pub use version::RcloneVersion;

/// Pushes to a remote, by rclone.
pub struct RcloneTransport {
    far: Arc<Far>,
    known: KnownDestination,
    /// What was found out about the remote; forgotten when something fails.
    there: Learnt<There>,
    /// Two pushes do not make the same markers at once.
    claiming: Mutex<()>,
    shares: Shares,
    operations: Operations,
}

/// What is known of a remote, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcloneFacts {
    /// The rclone on this machine.
    pub version: RcloneVersion,
    /// What kind of remote it is, where the configuration says.
    pub kind: Option<String>,
    /// The hashes that it knows.
    pub hashes: Vec<String>,
    /// Free bytes there, where that can be had.
    pub free_bytes: Option<u64>,
    /// How what is there will be proved.
    pub proof: Proof,
    /// Whether it is the destination that was used before.
    pub found: Recognised,
}

impl RcloneTransport {
    /// A transport to the remote that `options` names. Touches nothing yet.
    #[must_use]
    pub fn new(options: RcloneOptions, known: KnownDestination, runner: Runner) -> Self {
        Self {
            far: Arc::new(Far { rclone: Rclone::new(options, runner) }),
            known,
            there: Learnt::default(),
            claiming: Mutex::default(),
            shares: Shares::default(),
            operations: Operations::default(),
        }
    }

    /// Finds out what the remote is and can do, and whether it answers. Changes nothing.
    ///
    /// # Errors
    /// When rclone is not there or its configuration cannot be used, or when the remote cannot be reached.
    pub async fn inquire(&self) -> Result<RcloneFacts, TransportError> {
        const OPERATION: &str = "rclone.examine";
        let cancel = CancellationToken::new();
        let _end_when_dropped = cancel.clone().drop_guard();
        let there = there::inquire(&self.far.rclone, &cancel).await?;
        let nothing = |error: &dyn std::fmt::Display| Failure::new(FailureKind::Config, OPERATION, error);
        let at = Remote {
            destination: DestinationName::new("examined").map_err(|error| nothing(&error))?,
            path: RelPath::new(".verisim-nothing").map_err(|error| nothing(&error))?,
            owner: String::new(),
        };
        let look = Box::pin(self.far.look(&there, (&at, false), OPERATION, &cancel)).await?;
        let found = self.known.recognise_marker(&*self.far, look.marker.as_deref());
        let free_bytes = self.far.free_bytes(&there, &cancel).await;
        let proof = match there.kind.as_deref() {
            Some("local") => Proof::Other,
            _ if self.far.rclone.options.hash.as_deref().is_some_and(|hash| there.knows(hash)) => {
                Proof::Other
            }
            _ if there.hashes_there() => Proof::Sha256Remote,
            _ => Proof::Sha256Readback,
        };
        let There { version, kind, hashes, .. } = there;
        Ok(RcloneFacts { version, kind, hashes, free_bytes, proof, found })
    }

    /// What the remote is, found out once.
    async fn there(&self, cancel: &CancellationToken) -> Result<Arc<There>, TransportError> {
        self.there.get(cancel, there::OPERATION, there::inquire(&self.far.rclone, cancel)).await
    }

    /// What failed may have failed because the remote is not what it was: the next operation looks anew.
    fn forgetting<T>(&self, done: Result<T, TransportError>) -> Result<T, TransportError> {
        if done.is_err() {
            self.there.forget();
        }
        done
    }

    /// Puts a file of ours into the metadata folder there.
    async fn put_there(&self, at: &Remote, file: &Path, name: &str) -> Result<(), TransportError> {
        const OPERATION: &str = "rclone.seal";
        let cancel = CancellationToken::new();
        let _end_when_dropped = cancel.clone().drop_guard();
        let there = self.there(&cancel).await?;
        let look = self.far.look(&there, (at, false), OPERATION, &cancel).await?;
        ours(&look, at, &self.known, &*self.far, OPERATION)?;
        self.far.put(&there, file, &below(at.path.as_bytes(), name), OPERATION, &cancel).await
    }

    async fn stat_there(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        let cancel = CancellationToken::new();
        let _end_when_dropped = cancel.clone().drop_guard();
        let there = self.there(&cancel).await?;
        let mut look = self.far.look(&there, (at, true), "rclone.stat", &cancel).await?;
        look.free_bytes = self.far.free_bytes(&there, &cancel).await;
        if self.known.judge(&*self.far, look.marker.as_deref())? {
            return Ok(look.stat());
        }
        Ok(look.unmarked_stat())
    }
}

#[async_trait]
impl SyncTransport for RcloneTransport {
    fn capabilities(&self) -> TransportCapabilities {
        TransportCapabilities {
            resume: false,
            bandwidth_limit: true,
            atomic: true,
            away_as_a_whole: true,
            hashes_without_list: false,
        }
    }

    async fn push(&self, source: &Capture, to: &Remote, options: &PushOptions) -> TransportResult {
        let _place =
            unless_stopped(&options.cancel, push::OPERATION, self.operations.place(push::OPERATION)).await?;
        let pushed = Box::pin(push::push(self, source, to, options)).await;
        self.forgetting(pushed)
    }

    async fn hashsum(&self, at: &Remote, options: &PushOptions) -> Result<Hashes, TransportError> {
        let hashes = Box::pin(hashes::hashes(self, at, options)).await;
        self.forgetting(hashes)
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
