//! Comparing what was pushed with what is there, in a stream.

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use verisim_core::manifest::{Entry, Verdict, settle};
use verisim_core::{
    Digest, Failure, Findings, ManifestStream, Named, Progress, ProgressSink, RelPath, RemoteFile,
    TransportError,
};

use crate::manifest_file::ManifestFile;

/// The most paths that are remembered to be sent again; with more, everything is.
pub(crate) const FORCED_MAX: usize = 1000;
const OPERATION: &str = "sync.verify";

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// How many files are as they should be.
    pub(crate) same: u64,
    /// Files that are not there, or differ: to be sent again. At most [`FORCED_MAX`].
    pub(crate) wrong: Vec<RelPath>,
    /// What is not as it should be, by name, for people and scripts; bounded.
    pub(crate) findings: Findings,
}

impl Comparison {
    fn take(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Same(_) => self.same += 1,
            Verdict::Missing(entry) => {
                self.force(&entry.path);
                self.findings.missing.add(entry.path, None);
            }
            Verdict::Different { path, .. } => {
                self.force(&path);
                self.findings.different.add(path, None);
            }
            Verdict::Extra(entry) => self.findings.extra.add(entry.path, None),
        }
    }

    fn force(&mut self, path: &RelPath) {
        if self.wrong.len() < FORCED_MAX {
            self.wrong.push(path.clone());
        }
    }

    /// What is missing or different, by name, in the order of the paths.
    pub(crate) fn damaged(&self) -> Vec<String> {
        let named = |how, named: &Named| -> Vec<(RelPath, &'static str)> {
            named.first.iter().map(|finding| (finding.path.clone(), how)).collect()
        };
        let mut all = named("missing", &self.findings.missing);
        all.extend(named("different", &self.findings.different));
        all.sort();
        all.into_iter().map(|(path, how)| format!("{how}: {path}")).collect()
    }

    /// What there is to say beside the verdict itself.
    pub(crate) fn note(&self) -> Option<String> {
        let found = &self.findings;
        let mut parts = Vec::new();
        if let Some(first) = self.damaged().first() {
            parts.push(format!(
                "{} files missing or different at the destination: {first}",
                found.wrong_total()
            ));
        }
        if let Some(first) = found.unverifiable.first.first() {
            let why = first.why.as_deref().unwrap_or_default();
            parts.push(format!(
                "{} files could not be read there: {}: {why}",
                found.unverifiable.total, first.path
            ));
        }
        if let Some(first) = found.extra.first.first() {
            parts.push(format!("{} files there were not pushed: {}", found.extra.total, first.path));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Tells how many of `total` files were looked at. How many bytes they have, hashes do not say.
pub(crate) fn counted(files: ManifestStream, total: u64, sink: Arc<dyn ProgressSink>) -> ManifestStream {
    let mut files_done = 0;
    let counting = files.inspect(move |file| {
        if file.is_ok() {
            files_done = total.min(files_done + 1);
            sink.report(Progress { files_done, files_total: total, bytes_done: 0, bytes_total: 0 });
        }
    });
    counting.boxed()
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
                    found.findings.unverifiable.add(path.clone(), Some(failure.detail.clone()));
                } else {
                    found.findings.extra.add(path.clone(), None);
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
