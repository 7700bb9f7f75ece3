//! The transport onto a directory of this machine: a disk, or a mounted share.
//!
//! What happens to each kind of entry of a capture:
//!
//! - **Regular file**: read once, hashed and copied in that reading, made under a temporary name in `.verisim/partial/` and
//!   renamed to its own. Its times and permission bits go along where the mount takes them; set-id and sticky bits, owners
//!   and extended attributes do not.
//! - **Large file**: an interrupted one goes on where it was. The part that is kept is read and hashed from the capture
//!   again; that the destination's part is the same is not believed but found out by the verification, which reads all of
//!   it; a file that differs is sent again from its first byte.
//! - **Holes** stay holes. **Empty directories** are made. **Hard links** become files of their own, and are listed.
//! - **Symlinks, pipes, sockets, devices** are listed in `.verisim/special.jsonl`, and neither followed, opened nor made.
//! - **Names** are bytes; one that the destination does not take fails the job by name.
//! - **Changes**: a file that changes, appears or goes away during a push fails it, before or after it was sent.
//!   What an unfinished push had sent and the capture holds no more is moved to `.verisim/aside/`, never deleted; once a push
//!   was finished, a file that is gone here fails the job.
//!
//! Durability: nothing counts as pushed before `syncfs` of the destination came back. An `fsync` per file makes small files
//! many times slower (6 to 40 times for 4,000 files of 4 KiB on ext4 on a shared virtual disk), and promises nothing more at
//! that point.

pub(crate) mod copy;
pub(crate) mod folder;
mod hashsum;
mod meter;
pub(crate) mod partial;
mod push;
pub(crate) mod read;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use verisim_core::manifest::{LIFECYCLE_PATH, MANIFEST_PATH};
use verisim_core::{
    Capture, Clock, Failure, FailureKind, Hashes, Proof, PushOptions, Remote, RemoteStat, SyncTransport,
    TransportCapabilities, TransportError, TransportResult,
};

use crate::bandwidth::Level;
use crate::blocking::{blocking, start};
use crate::errno::{Side, failure};
use crate::identity::KnownDestination;
use crate::operations::Operations;
use crate::stopping::unless_stopped;
use crate::tree::Root;

pub use read::Reading;

/// What a destination on a path is like.
#[derive(Debug, Clone)]
pub struct NativeOptions {
    /// Its root. It must be there: a share that is not mounted is no place to write to.
    pub root: PathBuf,
    /// How it is known again: an empty mount point is there too.
    pub known: KnownDestination,
    /// How many files are sent or hashed at once.
    pub workers: usize,
    /// How `hashsum` reads. Anything but [`Reading::PastCaches`] proves nothing, and is for measuring alone.
    pub reading: Reading,
}

impl NativeOptions {
    /// A destination at `root` as it should be: 8 files at once, read past the caches.
    #[must_use]
    pub const fn new(root: PathBuf, known: KnownDestination) -> Self {
        Self { root, known, workers: 8, reading: Reading::PastCaches }
    }
}

/// Pushes to a directory of this machine.
pub struct NativeTransport {
    options: NativeOptions,
    clock: Arc<dyn Clock>,
    operations: Operations,
    level: Level,
}

impl NativeTransport {
    /// A transport to the destination that `options` describes.
    #[must_use]
    pub fn new(options: NativeOptions, clock: Arc<dyn Clock>) -> Self {
        Self { options, clock, operations: Operations::default(), level: Level::default() }
    }

    /// Runs `work` on another thread, because it blocks for as long as a disk or a share does. It ends with the
    /// call: whoever drops the future cancels `work` through the guard that it holds.
    async fn blocking<T, F>(&self, name: &'static str, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(NativeOptions) -> Result<T, Failure> + Send + 'static,
    {
        let place = self.operations.place(name).await?;
        self.blocking_in(place, name, work).await
    }

    /// As [`NativeTransport::blocking`], in a place that is taken already.
    async fn blocking_in<T, F>(
        &self,
        place: OwnedSemaphorePermit,
        name: &'static str,
        work: F,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(NativeOptions) -> Result<T, Failure> + Send + 'static,
    {
        let options = self.options.clone();
        blocking(name, move || {
            let _place = place;
            work(options)
        })
        .await
    }
}

/// Whether the destination is there, and the open `folder` in it is not that of a share which was mounted before.
fn is_there(options: &NativeOptions, folder: &Root) -> Result<(), Failure> {
    options.known.open_known(&options.root)?;
    let lost = |error| failure(Side::Destination, "native.hashsum", "looking at the folder", &error);
    folder.names().map(drop).map_err(lost)
}

#[async_trait]
impl SyncTransport for NativeTransport {
    fn capabilities(&self) -> TransportCapabilities {
        TransportCapabilities {
            resume: true,
            bandwidth_limit: true,
            atomic: true,
            away_as_a_whole: true,
            hashes_without_list: false,
        }
    }

    async fn push(&self, source: &Capture, to: &Remote, options: &PushOptions) -> TransportResult {
        let cancel = options.cancel.child_token();
        let _stop_when_dropped = cancel.clone().drop_guard();
        let push = push::Push {
            destination: self.options.root.clone(),
            known: self.options.known.clone(),
            workers: self.options.workers,
            clock: Arc::clone(&self.clock),
            level: self.level.clone(),
            capture: source.clone(),
            remote: to.clone(),
            options: options.clone(),
            cancel,
        };
        let place =
            unless_stopped(&options.cancel, "native.push", self.operations.place("native.push")).await?;
        Ok(self.blocking_in(place, "native.push", move |_| push.run()).await?)
    }

    async fn hashsum(&self, at: &Remote, options: &PushOptions) -> Result<Hashes, TransportError> {
        let (workers, reading) = (self.options.workers, self.options.reading);
        let (at, cancel) = (at.clone(), options.cancel.child_token());
        let stop_when_dropped = cancel.clone().drop_guard();
        let (out, told) = mpsc::channel(8);
        let (to_list, path) = (cancel.clone(), at.path.clone());
        let open = move |to: NativeOptions| {
            let lost =
                |what: &'static str| move |error| failure(Side::Destination, "native.hashsum", what, &error);
            let root = to.known.open_known(&to.root)?;
            let folder = root.descend(path.as_bytes()).map_err(lost("opening the folder"))?;
            // Dirty pages cannot be dropped, and what is only in memory is not there yet.
            rustix::fs::syncfs(&folder).map_err(|error| lost("making it durable")(error.into()))?;
            let items = hashsum::list(&folder, &to_list)?;
            Ok((folder, items))
        };
        let place =
            || unless_stopped(&options.cancel, "native.hashsum", self.operations.place("native.hashsum"));
        let (folder, items) = self.blocking_in(place().await?, "native.hashsum", open).await?;
        let place = place().await?;
        let options = self.options.clone();
        let work = move || {
            let _place = place;
            let is_there = || is_there(&options, &folder);
            let (folder, items, is_there, cancel) = (&folder, items.as_slice(), &is_there, &cancel);
            hashsum::run(&hashsum::Hashing { folder, items, workers, reading, is_there, cancel }, &out);
        };
        start("native.hashsum", work)?;
        let runs = futures_util::stream::unfold((told, stop_when_dropped), |(mut told, guard)| async move {
            told.recv().await.map(|run| (futures_util::stream::iter(run), (told, guard)))
        });
        // Whoever compares may ask again after the end: what is missing there comes last as often as not.
        Ok(Hashes { proof: Proof::Sha256Readback, files: Box::pin(runs.flatten().fuse()) })
    }

    async fn stat(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        let path = at.path.clone();
        let stat = move |to: NativeOptions| {
            let lost = |error: std::io::Error| {
                failure(Side::Destination, "native.stat", "asking the destination", &error)
            };
            let (root, is_known) = to.known.open_to_ask(&to.root)?;
            let free = rustix::fs::fstatvfs(&root).ok().filter(|stat| stat.f_blocks > 0);
            let free_bytes = free.map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
            let absent = RemoteStat { exists: false, owner: None, sealed: None, free_bytes };
            if !is_known {
                return Ok(absent);
            }
            match root.descend(path.as_bytes()) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(absent),
                Err(error) => Err(lost(error)),
                Ok(folder) => Ok(RemoteStat {
                    exists: true,
                    owner: folder::owner(&folder, b"").map_err(lost)?,
                    sealed: folder::sealed(&folder).map_err(lost)?,
                    free_bytes,
                }),
            }
        };
        Ok(self.blocking("native.stat", stat).await?)
    }

    async fn keep_lifecycle(&self, at: &Remote, record: &Path) -> Result<(), TransportError> {
        self.put(at, record, LIFECYCLE_PATH).await
    }

    async fn seal(&self, at: &Remote, manifest: &Path) -> Result<(), TransportError> {
        self.put(at, manifest, MANIFEST_PATH).await
    }
}

impl NativeTransport {
    /// Puts a file of ours into the metadata folder there, in one step and durably.
    async fn put(&self, at: &Remote, file: &Path, name: &'static str) -> Result<(), TransportError> {
        let (path, owner, file) = (at.path.clone(), at.owner.clone(), file.to_owned());
        let put = move |to: NativeOptions| {
            let lost = |error: std::io::Error| failure(Side::Destination, "native.seal", "sealing", &error);
            let folder = to.known.open_known(&to.root)?.descend(path.as_bytes()).map_err(lost)?;
            if folder::owner(&folder, b"").map_err(lost)?.as_deref() != Some(owner.as_str()) {
                let what = format_args!("{path} is not ours any more");
                return Err(Failure::new(FailureKind::Config, "native.seal", what));
            }
            std::fs::File::open(file)
                .and_then(|mut file| folder::replace(&folder, name, &mut file))
                .map_err(lost)
        };
        Ok(self.blocking("native.seal", put).await?)
    }
}
