//! Audits: what was cleaned up is looked at again at its destination, a share of the captures in each round, and any of them
//! when somebody asks for it.

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
use crate::stopping::unless_stopped;
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
    /// Looks at the capture, where it is its turn, or somebody waits for the result. One at a time.
    pub(super) async fn look_at_cleaned(
        &self,
        task: AuditTask,
        pieces: ManifestPieces<'_>,
    ) -> Result<Option<Audited>, TransportError> {
        let Some(manifest) = task.manifest else { return Ok(None) };
        let work_dir = self.work_dir(task.job);
        let round = match task.at_once {
            true => None,
            false => match self.due_round(&task).await? {
                None => return Ok(None),
                due => due,
            },
        };
        let _alone = match round {
            Some(_) => match self.auditing.try_lock() {
                Ok(alone) => alone,
                Err(_) => return Ok(None),
            },
            None => {
                let alone = async { Ok::<_, Failure>(self.auditing.lock().await) };
                unless_stopped(&task.cancel, OPERATION, alone).await?
            }
        };
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

impl Courier {
    /// The round in which it is the capture's turn, and in which it was not looked at yet.
    async fn due_round(&self, task: &AuditTask) -> Result<Option<i64>, Failure> {
        let rule = self.rules.get(&task.spec.capture.rule).and_then(|rule| rule.audit);
        let Some(round) = rule.and_then(|rule| rule.round(task.job, task.cleaned_at, task.now)) else {
            return Ok(None);
        };
        let noted = self.work_dir(task.job).join(ROUND);
        let last = blocking(OPERATION, move || Ok(fs::read_to_string(noted).ok())).await?;
        let is_made = last.and_then(|last| last.trim().parse::<i64>().ok()).is_some_and(|last| last >= round);
        Ok((!is_made).then_some(round))
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

/// Notes that a round was made, where it was one. Without the note it is made again.
fn note(work_dir: &Path, round: Option<i64>) -> Result<(), Failure> {
    let _ = fs::remove_file(work_dir.join(MANIFEST));
    let Some(round) = round else { return Ok(()) };
    let noted = private::write(&work_dir.join(ROUND), round.to_string().as_bytes());
    noted.map_err(|error| failure(Side::State, OPERATION, "noting an audit", &error))
}
