//! The transport to a host over SSH, by rsync.
//!
//! Two ways lead to the far side, and which one is taken is found out there. Where the account may run commands, a script of a
//! few lines says whose the folder is, claims it, and hashes what is there, by the first hasher of a list that works there. Where
//! the account runs nothing but rsync (a key with a forced command such as `rrsync`), rsync itself does
//! all of that: markers are fetched and sent, and what is there is read back in portions and hashed here, within
//! [`RsyncOptions::read_back_max`]; what lies beyond is told as unproved.
//!
//! What happens to each kind of entry of a capture is as with [`crate::NativeTransport`], but for this:
//!
//! - **Holes** become zeros. Times are kept as finely as both rsyncs can; set-id and sticky bits are not.
//! - **Files that replace one of an earlier push**, and what stands in their way, go to `.verisim/aside/`; a file that is sent
//!   again because it was damaged replaces it.
//! - **Large files** that were cut off go on from `.verisim/partial/`: both sides compare blocks, and what is the same is not
//!   sent again. (Behind the `rrsync` of 3.5.0 they begin anew: it hides that folder from its rsync.) No compression is asked
//!   for, nothing is written in place, and nothing is deleted.
//! - **A directory of the capture that becomes a link while it is pushed** is not followed: rsync walks the very directory that
//!   was found, and takes up no link. Before 3.5.0 there is a moment between its look and its reading in which a link may be put
//!   into its way; the last look then fails the push, and what arrived is not verified.
//!
//! Durability: where commands may be run, a `sync` of the file system there ends a push. Elsewhere only the manifest, the
//! commit mark, is flushed before it counts, where the rsync there knows `--fsync`.

mod bare;
mod far;
mod filter;
mod hashes;
mod line;
mod options;
mod output;
mod parts;
mod push;
mod readback;
mod ssh;
mod version;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::DropGuard;
use verisim_core::manifest::{LIFECYCLE_PATH, MANIFEST_PATH};
use verisim_core::{
    CancellationToken, Capture, DestinationName, Failure, FailureKind, Hashes, PushOptions, RelPath, Remote,
    RemoteStat, SyncTransport, TransportCapabilities, TransportError, TransportResult,
};
use verisim_sys::Runner;

use crate::identity::{KnownDestination, Recognised};
use crate::operations::Operations;
use crate::stopping::unless_stopped;
use crate::tool::{Learnt, Look, Shares, ours};

pub use far::FarFacts;
use far::{Far, Way};
pub use options::RsyncOptions;
pub use version::{RsyncVersion, SAFE_SINCE};

/// Pushes to a host over SSH, by rsync.
pub struct RsyncTransport {
    far: Arc<Far>,
    known: KnownDestination,
    /// What was found out about the far side; forgotten when something fails.
    way: Arc<Learnt<Way>>,
    shares: Shares,
    operations: Operations,
}

impl RsyncTransport {
    /// A transport to the host that `options` describes. Touches nothing yet.
    #[must_use]
    pub fn new(options: RsyncOptions, known: KnownDestination, runner: Runner) -> Self {
        Self {
            far: Arc::new(Far::new(options, runner)),
            known,
            way: Arc::default(),
            shares: Shares::default(),
            operations: Operations::default(),
        }
    }

    /// Finds out what the far side is and can do. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be reached, or says nothing that is understood.
    pub async fn inquire(&self) -> Result<FarFacts, TransportError> {
        let (cancel, _end_when_dropped) = cancellation();
        Box::pin(self.far.facts(&cancel)).await
    }

    /// Looks at the destination's root: whether it is the one that was used before, and how many bytes are free there, where
    /// that can be had. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be reached, or is not there.
    pub async fn examine(&self) -> Result<(Recognised, Option<u64>), TransportError> {
        const OPERATION: &str = "rsync_ssh.examine";
        let (cancel, _end_when_dropped) = cancellation();
        let way = self.way(&cancel).await?;
        let nothing = |error: &dyn std::fmt::Display| Failure::new(FailureKind::Config, OPERATION, error);
        let at = Remote {
            destination: DestinationName::new("examined").map_err(|error| nothing(&error))?,
            path: RelPath::new(".verisim-nothing").map_err(|error| nothing(&error))?,
            owner: String::new(),
        };
        let look = Box::pin(self.far.look(&way, &at, OPERATION, &cancel)).await?;
        Ok((self.known.recognise_marker(&*self.far, look.marker.as_deref()), look.free_bytes))
    }

    /// The way to the far side, found out once.
    async fn way(&self, cancel: &CancellationToken) -> Result<Arc<Way>, TransportError> {
        self.way.get(cancel, far::OPERATION, self.far.find_way(cancel)).await
    }

    /// What failed may have failed because the far side is not what it was: the next operation looks anew.
    fn forgetting<T>(&self, done: Result<T, TransportError>) -> Result<T, TransportError> {
        if done.is_err() {
            self.way.forget();
            self.far.hang_up();
        }
        done
    }

    /// The folder there, which must be ours.
    async fn require_ours(
        &self,
        way: &Way,
        at: &Remote,
        operation: &'static str,
        cancel: &CancellationToken,
    ) -> Result<Look, TransportError> {
        let look = self.far.look(way, at, operation, cancel).await?;
        ours(&look, at, &self.known, &*self.far, operation)?;
        Ok(look)
    }

    /// Puts a file of ours into the metadata folder there.
    async fn put_there(&self, at: &Remote, file: &Path, name: &str) -> Result<(), TransportError> {
        let (cancel, _end_when_dropped) = cancellation();
        let way = self.way(&cancel).await?;
        self.require_ours(&way, at, "rsync_ssh.seal", &cancel).await?;
        self.far.put(&way, at, (file, name), &cancel).await
    }

    async fn stat_there(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        let (cancel, _end_when_dropped) = cancellation();
        self.far.require_tools()?;
        let way = self.way(&cancel).await?;
        way.require_rsync("rsync_ssh.stat")?;
        let look = self.far.look(&way, at, "rsync_ssh.stat", &cancel).await?;
        if self.known.judge(&*self.far, look.marker.as_deref())? {
            return Ok(look.stat());
        }
        Ok(look.unmarked_stat())
    }
}

/// What stops an operation for which nobody waits any more.
fn cancellation() -> (CancellationToken, DropGuard) {
    let cancel = CancellationToken::new();
    let guard = cancel.clone().drop_guard();
    (cancel, guard)
}

#[async_trait]
impl SyncTransport for RsyncTransport {
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
