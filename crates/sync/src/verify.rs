//! Comparing what was pushed with what is there, in a stream.

use std::path::Path;

use futures_util::StreamExt;
use verisim_core::manifest::{Entry, Verdict, settle};
use verisim_core::{Digest, Failure, ManifestStream, RelPath, RemoteFile, TransportError};

use crate::manifest_file::ManifestFile;

/// The most paths that are remembered to be sent again; with more, everything is.
pub(crate) const FORCED_MAX: usize = 1000;
/// The most names that are told.
const NAMES_MAX: usize = 100;
const OPERATION: &str = "sync.verify";

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// How many files are as they should be.
    pub(crate) same: u64,
    /// Files that are not there, or differ: to be sent again. At most [`FORCED_MAX`].
    pub(crate) wrong: Vec<RelPath>,
    /// How many of these there are in all.
    pub(crate) wrong_total: u64,
    /// What is wrong, by name, for people; at most 100.
    pub(crate) names: Vec<String>,
    /// How many files are there that were not pushed, and the first of them.
    pub(crate) extra_total: u64,
    pub(crate) extra_first: Option<RelPath>,
    /// How many files could not be read there, and why the first could not.
    pub(crate) unproved_total: u64,
    pub(crate) unproved_first: Option<String>,
}

impl Comparison {
    fn take(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Same(_) => self.same += 1,
            Verdict::Missing(entry) => self.wrong(entry.path, "missing"),
            Verdict::Different { path, .. } => self.wrong(path, "different"),
            Verdict::Extra(entry) => {
                self.extra_total += 1;
                self.extra_first.get_or_insert(entry.path);
            }
        }
    }

    fn wrong(&mut self, path: RelPath, how: &str) {
        self.wrong_total += 1;
        if self.names.len() < NAMES_MAX {
            self.names.push(format!("{how}: {path}"));
        }
        if self.wrong.len() < FORCED_MAX {
            self.wrong.push(path);
        }
    }

    fn unproved(&mut self, path: &RelPath, failure: &Failure) {
        self.unproved_total += 1;
        self.unproved_first.get_or_insert_with(|| format!("{path}: {}", failure.detail));
    }

    /// What there is to say beside the verdict itself.
    pub(crate) fn note(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.wrong_total > 0 {
            parts.push(format!("{} files missing or different at the destination", self.wrong_total));
        }
        if let Some(first) = &self.unproved_first {
            parts.push(format!("{} files could not be read there: {first}", self.unproved_total));
        }
        if let Some(first) = &self.extra_first {
            parts.push(format!("{} files there were not pushed: {first}", self.extra_total));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Compares the manifest at `path`, whose hash must be `sha256`, with what `there` says. One entry of each is in memory, and
/// a piece of the file.
pub(crate) async fn compare(
    path: &Path,
    sha256: Digest,
    mut there: ManifestStream,
) -> Result<Comparison, TransportError> {
    let mut pushed = ManifestFile::open(path, OPERATION)?;
    let mut found = Comparison::default();
    let mut expected = None;
    let mut head = None;
    let mut unread: Option<(RelPath, Failure)> = None;
    loop {
        if expected.is_none() {
            expected = pushed.next()?;
        }
        if head.is_none() && unread.is_none() {
            match there.next().await.transpose()? {
                Some(RemoteFile::Hashed(entry)) => head = Some(entry),
                Some(RemoteFile::Unproved { path, failure }) => unread = Some((path, failure)),
                None => {}
            }
        }
        if let Some((path, failure)) = &unread {
            // Everything before it is decided first; the file itself is neither the same nor different.
            let before = expected.as_ref().is_some_and(|entry: &Entry| entry.path < *path);
            if !before {
                let is_ours = expected.take_if(|entry| entry.path == *path).is_some();
                if is_ours {
                    found.unproved(path, failure);
                } else {
                    found.extra_total += 1;
                    found.extra_first.get_or_insert_with(|| path.clone());
                }
                unread = None;
                continue;
            }
        }
        match settle(&mut expected, &mut head) {
            Some(verdict) => found.take(verdict),
            None if unread.is_some() => {}
            None => break,
        }
    }
    pushed.finish(sha256)?;
    Ok(found)
}
