//! Audits: what was cleaned up long ago is looked at again at its destination, a share of the captures in each round.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;
use verisim_core::{
    AuditTask, Audited, Failure, ManifestPieces, Progress, ProgressSink, PushOptions, TransportError,
};

use super::{Courier, blocking};
use crate::errno::{Side, failure};
use crate::{private, verify};

const OPERATION: &str = "sync.audit";
/// The round that was made last, in the job's work folder.
pub(crate) const ROUND: &str = "audited";
/// What was pushed, while it is compared.
const MANIFEST: &str = "audit.sha256";

struct Nobody;

impl ProgressSink for Nobody {
    fn report(&self, _: Progress) {}
}

impl Courier {
    /// Looks at the capture, where it is its turn. One at a time: nobody waits for the result.
    pub(super) async fn look_at_cleaned(
        &self,
        task: AuditTask,
        pieces: ManifestPieces<'_>,
    ) -> Result<Option<Audited>, TransportError> {
        let rule = self.rules.get(&task.spec.capture.rule).and_then(|rule| rule.audit);
        let round = rule.and_then(|rule| rule.round(task.job, task.cleaned_at, task.now));
        let (Some(round), Some(manifest)) = (round, task.manifest) else { return Ok(None) };
        let work_dir = self.work_dir(task.job);
        let noted = work_dir.join(ROUND);
        let last = blocking(OPERATION, move || Ok(fs::read_to_string(noted).ok())).await?;
        if last.and_then(|last| last.trim().parse::<i64>().ok()).is_some_and(|last| last >= round) {
            return Ok(None);
        }
        let Ok(_alone) = self.auditing.try_lock() else { return Ok(None) };
        let destination = self.destination(&task.spec)?;
        let file = keep(work_dir.join(MANIFEST), pieces).await?;
        let options = PushOptions {
            work_dir: work_dir.clone(),
            forced: Vec::new(),
            force_all: false,
            bandwidth: destination.bandwidth.clone(),
            progress: Arc::new(Nobody),
            cancel: task.cancel.clone(),
        };
        let there = destination.transport.hashsum(&task.spec.remote, &options).await?;
        let found = verify::compare(&file, manifest, there.files).await?;
        blocking(OPERATION, move || note(&work_dir, round)).await?;
        let note = match found.note() {
            Some(found) => format!("audited: {found}"),
            None => {
                format!("audited: all of its {} files are at the destination as they were pushed", found.same)
            }
        };
        Ok(Some(Audited { damaged: found.damaged(), findings: found.findings, note }))
    }
}

/// Puts the pieces together.
async fn keep(path: PathBuf, mut pieces: ManifestPieces<'_>) -> Result<PathBuf, Failure> {
    let lost = |error| failure(Side::State, OPERATION, "writing the manifest", &error);
    let new = path.clone();
    let mut file = blocking(OPERATION, move || {
        let made =
            fs::create_dir_all(new.parent().unwrap_or(Path::new("."))).and_then(|()| private::create(&new));
        made.map_err(lost)
    })
    .await?;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        file = blocking(OPERATION, move || file.write_all(&piece).map(|()| file).map_err(lost)).await?;
    }
    Ok(path)
}

/// Notes that a round was made. Without the note it is made again.
fn note(work_dir: &Path, round: i64) -> Result<(), Failure> {
    let _ = fs::remove_file(work_dir.join(MANIFEST));
    let noted = private::write(&work_dir.join(ROUND), round.to_string().as_bytes());
    noted.map_err(|error| failure(Side::State, OPERATION, "noting an audit", &error))
}
