//! Evidence that comes late: what the capture on this machine holds now, beside what was pushed.
//!
//! A walk that asks for names, sizes, times and inodes; only a file that differs in its time or inode alone is hashed.
//! Regular files count. A link or a pipe that comes late is listed with the next push; a file that is not here any more is no
//! evidence that could be brought home.

use std::io::Read;
use std::path::Path;

use rustix::fs::OFlags;
use verisim_core::{CancellationToken, Capture, Digest, Failure, FailureKind, Hasher, RelPath};

use crate::errno::{Side, failure};
use crate::journal;
use crate::manifest_file::ManifestFile;
use crate::sending::MANIFEST;
use crate::source;
use crate::special;
use crate::tree::{self, Item, Kind, Root};

const OPERATION: &str = "sync.late";
/// How many files of each sort are named, and how much of each name: an event is for people, and bounded.
const NAMES_MAX: usize = 3;
const NAME_CHARS_MAX: usize = 60;

/// What a look at the capture found.
#[derive(Debug)]
pub(crate) enum Survey {
    /// It is there, with this that was not pushed.
    Here(Late),
    /// It is not there, or something else is.
    Gone {
        /// The folder above it is there, on the same file system: it was removed or replaced. Otherwise what it is on may
        /// only be away.
        removed: bool,
    },
}

impl Survey {
    /// What came since the push, for people; `None` where nothing did, or nothing is there any more.
    pub(crate) fn told(&self) -> Option<String> {
        match self {
            Self::Here(late) => late.told(),
            Self::Gone { .. } => None,
        }
    }
}

/// Files that are not what was pushed.
#[derive(Debug, Default)]
pub(crate) struct Late {
    new: Named,
    changed: Named,
    /// Folders, links or special files came or changed.
    beside: bool,
}

/// How many files, and the first of them.
#[derive(Debug, Default)]
pub(crate) struct Named {
    total: u64,
    first: Vec<String>,
}

impl Named {
    pub(crate) fn add(&mut self, path: &RelPath) {
        self.total += 1;
        if self.first.len() < NAMES_MAX {
            let shown = path.to_string();
            let cut: String = shown.chars().take(NAME_CHARS_MAX).collect();
            self.first.push(if cut.len() < shown.len() { format!("{cut}…") } else { cut });
        }
    }

    /// `3 files (a, b, c)`, with `..` at the end where there are more; `None` where there is none.
    pub(crate) fn told(&self) -> Option<String> {
        let (files, more) = (
            if self.total == 1 { "file" } else { "files" },
            if self.total > self.first.len() as u64 { ", .." } else { "" },
        );
        (self.total > 0).then(|| format!("{} {files} ({}{more})", self.total, self.first.join(", ")))
    }
}

impl Late {
    /// What came, for people; `None` where nothing did.
    pub(crate) fn told(&self) -> Option<String> {
        let new = self.new.told().map(|files| format!("new since it was pushed: {files}"));
        let changed = self.changed.told().map(|files| format!("changed since it was pushed: {files}"));
        let beside = self
            .beside
            .then(|| "folders, links or special files came or changed since it was pushed".to_owned());
        let all: Vec<String> = new.into_iter().chain(changed).chain(beside).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// The failure that sends a capture back to be waited for, pushed and verified anew.
pub(crate) fn late(told: &str) -> Failure {
    let what = format_args!("{told}; it is waited for, pushed and verified anew");
    Failure::new(FailureKind::SourceChanged, OPERATION, what)
}

/// How a file of the capture stands to what the journal says of it.
#[derive(Clone, Copy)]
enum Sent {
    /// Nothing is known of it.
    Unknown,
    /// It still is what was sent with this hash.
    Same(Digest),
    /// As long as it was, with another time or inode.
    Touched,
    /// Another length.
    Resized,
}

/// Looks at the capture beside `manifest`, which was pushed last.
pub(crate) fn survey(
    capture: &Capture,
    work_dir: &Path,
    manifest: Digest,
    cancel: &CancellationToken,
) -> Result<Survey, Failure> {
    let root = match source::open(capture, OPERATION) {
        Ok(root) => root,
        Err(failure) if failure.kind == FailureKind::SourceVanished => {
            return Ok(Survey::Gone { removed: was_removed(capture) });
        }
        Err(failure) => return Err(failure),
    };
    let items = source::walk_until(&root, OPERATION, cancel).map_err(|failure| match failure.kind {
        // A directory that went away under our eyes is no failure of the job; it is looked at again.
        FailureKind::SourceVanished => Failure::new(FailureKind::Unknown, OPERATION, failure.detail),
        _ => failure,
    })?;
    let sent = sent(work_dir, &items)?;
    let mut pushed = ManifestFile::open(&work_dir.join(MANIFEST), OPERATION)?;
    let mut head = pushed.next()?;
    let mut found = Late::default();
    for (item, sent) in items.iter().zip(sent).filter(|(item, _)| item.kind == Kind::File) {
        while head.as_ref().is_some_and(|entry| entry.path < item.path) {
            head = pushed.next()?;
        }
        let Some(entry) = head.as_ref().filter(|entry| entry.path == item.path) else {
            found.new.add(&item.path);
            continue;
        };
        let is_changed = match sent {
            Sent::Same(sha256) => sha256 != entry.sha256,
            Sent::Resized => true,
            Sent::Touched | Sent::Unknown => differs(&root, item, entry.sha256, cancel)?,
        };
        if is_changed {
            found.changed.add(&item.path);
        }
    }
    pushed.finish(manifest)?;
    // What went away while it was looked at is looked at again.
    found.beside = special::has_more(work_dir, &root, &items).unwrap_or(true);
    Ok(Survey::Here(found))
}

/// What the journal says of each of `items`.
fn sent(work_dir: &Path, items: &[Item]) -> Result<Vec<Sent>, Failure> {
    let mut sent = tree::list_for(items.len());
    sent.resize(items.len(), Sent::Unknown);
    let read = journal::each_done(work_dir, |path, done| {
        let Ok(at) = items.binary_search_by(|item| item.path.cmp(&path)) else { return };
        if let (Some(item), Some(sent)) = (items.get(at), sent.get_mut(at)) {
            *sent = match (item.stamp == done.stamp, item.stamp.size == done.stamp.size) {
                (true, _) => Sent::Same(done.sha256),
                (false, true) => Sent::Touched,
                (false, false) => Sent::Resized,
            };
        }
    });
    read.map_err(|error| failure(Side::State, OPERATION, "reading the journal", &error))?;
    Ok(sent)
}

/// Whether a file holds something else than the bytes with this hash. One that went away meanwhile does not; one that cannot
/// be read any more may.
fn differs(root: &Root, item: &Item, sha256: Digest, cancel: &CancellationToken) -> Result<bool, Failure> {
    let file = match root.open_file(item.path.as_bytes(), OFlags::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(_) => return Ok(true),
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Ok(true);
    }
    // It may grow while it is read; one byte more than it had is enough to tell.
    let mut reader = file.take(item.stamp.size.saturating_add(1));
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 1 << 18]);
    loop {
        if cancel.is_cancelled() {
            return Err(Failure::new(FailureKind::Cancelled, OPERATION, "stopped"));
        }
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(true),
        }
    }
    Ok(hasher.finish() != sha256)
}

/// Whether the capture's folder was removed or replaced by hand: what it stood in is there, on the file system it was on.
/// A file system that is not mounted leaves a folder of another one, or nothing.
fn was_removed(capture: &Capture) -> bool {
    let above = capture.root.parent().and_then(|above| Root::open(above).ok());
    let device = above.and_then(|above| above.identity().ok()).map(|identity| identity.device);
    device == Some(capture.identity.device)
}
