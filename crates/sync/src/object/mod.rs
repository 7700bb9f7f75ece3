//! The transport to a store of objects: S3 and what speaks like it, and, where they were built in, Azure Blob Storage, Google
//! Cloud Storage and WebDAV. The stores are spoken to through Apache OpenDAL, over a client of our own ([`http`]) that keeps to
//! the bandwidth, bounds every wait, and reads each refusal once.
//!
//! One reading of a file hashes it and sends it. Up to 32 small files are under way at once; a large one goes up in parts, of
//! which four are under way and no more than 64 MiB are held. What happens to each kind of entry of a capture is as with
//! [`crate::NativeTransport`], but for this:
//!
//! - **An object appears as a whole or not at all**, so nothing is staged: there is nothing to rename from. The capture counts as
//!   there when its manifest does, which is written last. WebDAV shows an upload while it lasts, so there, and only there, a file
//!   is made in `.verisim-partial/` at the destination's root and moved; and it takes no parts, so a large file goes in one
//!   request, while it is read. Its server follows the links in its folders, and shows none.
//! - **Names** that are no UTF-8, that have control characters or blanks at their ends, or that make a key of more than 1,024
//!   bytes, are refused by name before anything is sent: the store would keep them under other names, or not at all. So are names
//!   that a WebDAV server does not list (some hide those that begin with a dot), and those of which Azure would make others.
//! - **Empty folders** are remarked, since there are none. Modes and times are not kept.
//! - **A large file whose sending is cut off** goes on where it was, on S3: from [`ObjectOptions::pieces_from`] on it is sent in
//!   objects of `.verisim/partial/`, which the store joins under its name. Elsewhere, and below, it is sent anew; the parts of an
//!   upload that was cut off may stay in the bucket, unseen, until its rule for incomplete uploads removes them.
//! - **What an earlier push sent** and is something else now is copied to `.verisim/aside/` first.
//!
//! **Proof.** What is there is read back and hashed here, within [`ObjectOptions::read_back_max`]; what lies beyond is told as
//! unproved. A checksum that a store shows was computed when the object came, or by whoever sent it, and of an object in parts it
//! is a checksum of checksums: neither tells what the disks hold now, so none is taken for proof. An ETag is no hash at all.
//!
//! **Markers.** The owner's marker is written only where there is none (`If-None-Match`), where the store can do that, and read
//! again in any case.
//!
//! **Secrets** come from the environment, from a file like `~/.aws/credentials` or from the machine's role, and are in no message:
//! of what a store answers only the code and the words for people are kept.

mod body;
mod claim;
mod far;
mod hashes;
mod http;
mod line;
mod names;
mod options;
mod pieces;
mod problem;
mod push;
mod refusal;
mod sending;
mod store;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use verisim_core::manifest::{LIFECYCLE_PATH, MANIFEST_PATH};
use verisim_core::{
    CancellationToken, Capture, Clock, DestinationName, Failure, FailureKind, Hashes, PushOptions, RelPath,
    Remote, RemoteStat, SyncTransport, TransportCapabilities, TransportError, TransportResult,
};

use crate::bandwidth::{Bucket, Level};
use crate::identity::{KnownDestination, Recognised};
use crate::operations::Operations;
use crate::reading::Content;
use crate::stopping::unless_stopped;
use crate::tool::ours;

use body::Pace;
use far::Far;
use http::Http;
use line::Lines;
pub use options::{ObjectOptions, S3Bucket, Store};

/// What is known of a store, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Whether the folder is the one that was used before.
    pub recognised: Recognised,
    /// Whether what goes there can be read on the way.
    pub is_in_clear: bool,
}

/// Pushes to a store of objects.
pub struct ObjectTransport {
    options: Arc<ObjectOptions>,
    known: KnownDestination,
    clock: Arc<dyn Clock>,
    lines: Arc<Lines>,
    /// Two pushes do not make the same markers at once.
    claiming: Mutex<()>,
    level: Level,
    operations: Operations,
}

impl ObjectTransport {
    /// A transport to the store that `options` describes. Touches nothing yet.
    #[must_use]
    pub fn new(options: ObjectOptions, known: KnownDestination, clock: Arc<dyn Clock>) -> Self {
        Self {
            lines: Arc::new(Lines::new(options.authority.clone(), Arc::clone(&clock))),
            options: Arc::new(options),
            known,
            clock,
            claiming: Mutex::default(),
            level: Level::default(),
            operations: Operations::default(),
        }
    }

    /// Where it leads, for people.
    #[must_use]
    pub fn place(&self) -> String {
        self.options.to_string()
    }

    /// Finds out whether the store answers, lets us in, and knows the bucket. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub async fn inquire(&self) -> Result<ObjectFacts, TransportError> {
        const OPERATION: &str = "object.examine";
        let nothing = |error: &dyn std::fmt::Display| Failure::new(FailureKind::Config, OPERATION, error);
        let at = Remote {
            destination: DestinationName::new("examined").map_err(|error| nothing(&error))?,
            path: RelPath::new(".verisim-nothing").map_err(|error| nothing(&error))?,
            owner: String::new(),
        };
        let far = self.far(None, OPERATION)?;
        let look = Box::pin(far.look(&at, OPERATION)).await?;
        let recognised = self.known.recognise_marker(&*self.options, look.marker.as_deref());
        Ok(ObjectFacts { recognised, is_in_clear: self.options.store.is_in_clear() })
    }

    /// The far side, as one operation sees it.
    fn far(&self, pace: Option<Pace>, operation: &'static str) -> Result<Far, Failure> {
        let http = Http::new(Arc::clone(&self.lines), pace, self.options.store.manners());
        let store = store::operator(&self.options, http.clone(), operation)?;
        Ok(Far { store, http, options: Arc::clone(&self.options) })
    }

    /// The pace of an operation that moves a capture.
    fn pace(&self, options: &PushOptions, cancel: &CancellationToken, counts_answers: bool) -> Pace {
        let limit = options.bandwidth.clone();
        let bucket = Arc::new(Bucket::new(limit, Arc::clone(&self.clock), self.level.clone()));
        Pace { bucket, cancel: cancel.clone(), counts_answers }
    }

    async fn stat_there(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        const OPERATION: &str = "object.stat";
        let far = self.far(None, OPERATION)?;
        let mut look = far.look(at, OPERATION).await?;
        if self.known.judge(&*self.options, look.marker.as_deref())? {
            if look.exists {
                look.sealed = far.sealed(at, OPERATION).await?;
            }
            return Ok(look.stat());
        }
        Ok(look.unmarked_stat())
    }

    /// Puts a file of ours into the metadata folder there.
    async fn put_there(&self, at: &Remote, file: &Path, name: &str) -> Result<(), TransportError> {
        const OPERATION: &str = "object.seal";
        let far = self.far(None, OPERATION)?;
        let look = far.look(at, OPERATION).await?;
        ours(&look, at, &self.known, &*self.options, OPERATION)?;
        let path = far.within(at, name.as_bytes());
        Ok(far.put(&path, Content::File(file.to_owned()), OPERATION).await?)
    }
}

#[async_trait]
impl SyncTransport for ObjectTransport {
    fn capabilities(&self) -> TransportCapabilities {
        let resume = matches!(self.options.store, Store::S3(_));
        TransportCapabilities {
            resume,
            bandwidth_limit: true,
            atomic: true,
            away_as_a_whole: true,
            hashes_without_list: false,
        }
    }

    async fn push(&self, source: &Capture, to: &Remote, options: &PushOptions) -> TransportResult {
        let _place =
            unless_stopped(&options.cancel, push::OPERATION, self.operations.place(push::OPERATION)).await?;
        Ok(Box::pin(push::push(self, source, to, options)).await?)
    }

    async fn hashsum(&self, at: &Remote, options: &PushOptions) -> Result<Hashes, TransportError> {
        Ok(Box::pin(hashes::hashes(self, at, options)).await?)
    }

    async fn stat(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        Box::pin(self.stat_there(at)).await
    }

    async fn keep_lifecycle(&self, at: &Remote, record: &Path) -> Result<(), TransportError> {
        Box::pin(self.put_there(at, record, LIFECYCLE_PATH)).await
    }

    async fn seal(&self, at: &Remote, manifest: &Path) -> Result<(), TransportError> {
        Box::pin(self.put_there(at, manifest, MANIFEST_PATH)).await
    }
}
