//! What is there: listed page by page, read back and hashed here.

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;
use verisim_core::manifest::Entry;
use verisim_core::{
    Digest, Failure, FailureKind, Hasher, Hashes, Proof, PushOptions, RelPath, Remote, RemoteFile,
    TransportError,
};

use super::ObjectTransport;
use super::far::Far;
use super::problem::{failed, present};
use crate::identity::never_used;
use crate::operations::beyond_read_back;
use crate::stopping::unless_stopped;
use crate::tool::ours;
use crate::tree::ENTRIES_MAX;

const OPERATION: &str = "object.hashsum";
/// How many objects are read back at once.
const FILES_AT_ONCE: usize = 32;
/// How many results are told at once.
const TOLD_AT_ONCE: usize = 64;
/// How much an object may have grown since it was listed; one that grows for ever comes to an end.
const GROWTH_MAX: u64 = 1 << 20;

type Told = Result<RemoteFile, TransportError>;
type Listed<'a> = BoxStream<'a, Result<(RelPath, u64), Failure>>;

/// What is there.
pub(super) async fn hashes(
    transport: &ObjectTransport,
    at: &Remote,
    options: &PushOptions,
) -> Result<Hashes, Failure> {
    let cancel = options.cancel.child_token();
    let end_when_dropped = cancel.clone().drop_guard();
    let place = unless_stopped(&cancel, OPERATION, transport.operations.place(OPERATION)).await?;
    let far = transport.far(Some(transport.pace(options, &cancel, true)), OPERATION)?;
    let look = far.look(at, OPERATION).await?;
    // A folder that is gone holds nothing: all of it is missing, and will be sent again.
    if look.exists {
        ours(&look, at, &transport.known, &*transport.options, OPERATION)?;
    } else if !transport.known.judge(&*transport.options, look.marker.as_deref())? {
        return Err(never_used(&*transport.options));
    }
    let (out, told) = mpsc::channel(8);
    let hashing = Hashing { far, at: at.clone(), out };
    tokio::spawn(async move {
        let _place = place;
        let work = async { if look.exists { hashing.run().await } else { Ok(()) } };
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::new(FailureKind::Cancelled, OPERATION, "stopped")),
            ended = work => ended,
        };
        if let Err(failure) = ended {
            // That nobody listens any more is no failure.
            let _ = hashing.out.send(vec![Err(failure.into())]).await;
        }
    });
    let runs = stream::unfold((told, end_when_dropped), |(mut told, guard)| async move {
        told.recv().await.map(|run: Vec<Told>| (stream::iter(run), (told, guard)))
    });
    Ok(Hashes { proof: Proof::Sha256Readback, files: Box::pin(runs.flatten().fuse()) })
}

/// One pass over what is there.
struct Hashing {
    far: Far,
    at: Remote,
    out: mpsc::Sender<Vec<Told>>,
}

impl Hashing {
    /// Reads it back, many objects at once, and tells them in order.
    async fn run(&self) -> Result<(), Failure> {
        let bytes_max = self.far.options.read_back_max.0;
        let mut left = bytes_max;
        let listed = match self.far.options.store.has_folders() {
            false => self.listed().await?,
            true => sorted(self.listed().await?).await?,
        };
        let reading = listed.map(|listed| {
            let fits = listed.as_ref().is_ok_and(|(_, size)| *size <= left);
            if let Ok((_, size)) = &listed
                && fits
            {
                left -= size;
            }
            async move {
                let (path, size) = listed?;
                if fits {
                    return self.one(path, size).await;
                }
                let failure = beyond_read_back(size, bytes_max, OPERATION);
                Ok(RemoteFile::Unproved { path, failure })
            }
        });
        let mut told = std::pin::pin!(reading.buffered(FILES_AT_ONCE).ready_chunks(TOLD_AT_ONCE));
        while let Some(some) = told.next().await {
            let some: Vec<RemoteFile> = some.into_iter().collect::<Result<_, Failure>>()?;
            if self.out.send(some.into_iter().map(Ok).collect()).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Every object below the folder but those of the metadata folder, with its size, a page at a time.
    async fn listed(&self) -> Result<Listed<'_>, Failure> {
        let folder = format!("{}/", self.far.folder(&self.at));
        let lost = |error| failed(OPERATION, &format!("listing {}", self.at.path), &error);
        let lister = self.far.store.lister_with(&folder).recursive(true).await;
        let Some(lister) = present(lister).map_err(lost)? else { return Ok(stream::empty().boxed()) };
        let strange = || {
            let what = format_args!("{}: the store names an object that cannot be", self.at.path);
            Failure::new(FailureKind::Unknown, OPERATION, what)
        };
        let (is_ordered, mut last, mut entries) =
            (!self.far.options.store.has_folders(), String::new(), 0_usize);
        let files = lister.filter_map(move |entry| {
            entries = entries.saturating_add(1);
            let file = match entry {
                Err(error) => Some(Err(failed(OPERATION, "listing the folder", &error))),
                Ok(_) if entries > ENTRIES_MAX => {
                    let what = "the folder has more than 8,000,000 entries";
                    Some(Err(Failure::new(FailureKind::Config, OPERATION, what)))
                }
                Ok(entry) if is_ordered && entry.path() <= last.as_str() => {
                    let what = "the store does not list in the order of names, as it must";
                    Some(Err(Failure::new(FailureKind::Unsupported, OPERATION, what)))
                }
                Ok(entry) => {
                    last.clear();
                    last.push_str(entry.path());
                    match entry.path().strip_prefix(folder.as_str()).map(RelPath::new) {
                        _ if entry.path().ends_with('/') => None,
                        Some(Ok(path)) if path.is_metadata() => None,
                        Some(Ok(path)) => Some(Ok((path, entry.metadata().content_length()))),
                        Some(Err(_)) | None => Some(Err(strange())),
                    }
                }
            };
            std::future::ready(file)
        });
        Ok(files.boxed())
    }

    /// One object. That it cannot be read is told; that the store is away ends the pass.
    async fn one(&self, path: RelPath, size: u64) -> Result<RemoteFile, Failure> {
        match self.hash(&self.far.within(&self.at, path.as_bytes()), size).await {
            Ok(sha256) => Ok(RemoteFile::Hashed(Entry { path, sha256 })),
            Err(error) => {
                let failure = failed(OPERATION, &format!("reading back {path}"), &error);
                match failure.kind {
                    FailureKind::Denied | FailureKind::NotFound => Ok(RemoteFile::Unproved { path, failure }),
                    _ => Err(failure),
                }
            }
        }
    }

    async fn hash(&self, path: &str, size: u64) -> opendal_core::Result<Digest> {
        let mut hasher = Hasher::new();
        let bytes_max = size.saturating_add(GROWTH_MAX);
        self.far.read(path, bytes_max, |piece| hasher.update(piece)).await?;
        Ok(hasher.finish())
    }
}

/// All of a listing whose order nobody promises.
async fn sorted(mut listed: Listed<'_>) -> Result<Listed<'_>, Failure> {
    let mut files = Vec::new();
    while let Some(file) = listed.next().await {
        files.push(file?);
    }
    files.sort_unstable();
    Ok(stream::iter(files.into_iter().map(Ok)).boxed())
}
