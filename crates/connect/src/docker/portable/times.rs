//! Times of directories that are there: the entry of a directory in an archive dresses the one that stands there.

use std::collections::BTreeMap;
use std::time::Duration;

use verisim_core::{Effect, Failure, FailureKind, FileKind, TimesChange, TimesOutcome};

use super::Portable;
use super::look::Look;
use super::pack::{Dress, Pack};
use crate::docker::engine::late;
use crate::rooted::BATCH_FILES_MAX;

const OPERATION: &str = "docker.set_times";
/// How long one archive may take.
const BATCH_TIME_MAX: Duration = Duration::from_secs(300);

impl Portable {
    pub(in crate::docker) async fn set_times(
        &self,
        changes: &[TimesChange],
    ) -> Vec<Result<TimesOutcome, Failure>> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for batch in changes.chunks(BATCH_FILES_MAX) {
            let set = tokio::time::timeout(BATCH_TIME_MAX, self.set_times_of(batch)).await;
            let late = |_| Err(late(OPERATION, self.engine.address(), BATCH_TIME_MAX, Effect::Unknown));
            match set.unwrap_or_else(late) {
                Ok(set) => outcomes.extend(set),
                Err(failure) => outcomes.extend(batch.iter().map(|_| Err(failure.clone()))),
            }
        }
        outcomes
    }

    async fn set_times_of(
        &self,
        changes: &[TimesChange],
    ) -> Result<Vec<Result<TimesOutcome, Failure>>, Failure> {
        let running = self.running(OPERATION).await?;
        let look = Look::new(self, &running, OPERATION);
        let mut outcomes = Vec::with_capacity(changes.len());
        let mut directories = BTreeMap::new();
        for change in changes {
            outcomes.push(prepare(&look, change, &mut directories).await);
        }
        let broken = |error: std::io::Error| Failure::new(FailureKind::Unknown, OPERATION, error);
        let mut pack = Pack::new();
        for (path, dress) in &directories {
            pack.directory(path, *dress).map_err(broken)?;
        }
        if !directories.is_empty() {
            self.send(&running.id, pack.finish().map_err(broken)?).await?;
            look.remember(&directories);
        }
        Ok(outcomes)
    }
}

/// Looks at what shall get other times, and adds it to what is sent as it is but for them.
async fn prepare(
    look: &Look<'_>,
    change: &TimesChange,
    directories: &mut BTreeMap<verisim_core::DecoyPath, Dress>,
) -> Result<TimesOutcome, Failure> {
    if change.kind != FileKind::Directory {
        let what = "archives cannot do this; it takes an engine on this machine, and root";
        return Err(Failure::new(FailureKind::Unsupported, OPERATION, what));
    }
    if change.path.file_name().is_none() {
        let what = "the engine works in the root of the container itself, which moves its time";
        return Err(Failure::new(FailureKind::Unsupported, OPERATION, what));
    }
    let Some((real, seen)) = look.at(&change.path).await? else { return Ok(TimesOutcome::Foreign(None)) };
    let mut stat = look.stat(&change.path, &real, &seen, None).await?;
    if stat.kind != FileKind::Directory {
        return Ok(TimesOutcome::Foreign(Some(stat)));
    }
    let dress = Dress { mode: stat.mode, owner: stat.owner, mtime: change.mtime, atime: change.atime };
    directories.insert(real, dress);
    (stat.mtime, stat.atime) = (change.mtime, change.atime);
    Ok(TimesOutcome::Set(stat))
}
