//! Times of what is there already.

use std::collections::BTreeMap;

use verisim_core::{DecoyPath, Effect, Failure, FileStat, TimesChange, TimesOutcome, Timestamp};

use super::SshConnector;
use super::calls::EFFECT_TIME_MAX;
use super::look::file_stat;
use super::problem::unsure;
use super::times::{self, Times};
use crate::tree::Problem;

const OPERATION: &str = "ssh.set_times";

impl SshConnector {
    /// The same stat with its times to the nanosecond, where the host's commands tell them.
    pub(super) async fn with_exact_times(
        &self,
        operation: &'static str,
        path: &DecoyPath,
        mut stat: FileStat,
    ) -> Result<FileStat, Failure> {
        if !self.counts_nanoseconds() {
            return Ok(stat);
        }
        let output = self.command(times::question([path])).await;
        let output = output.map_err(|error| self.failed(operation, &error))?;
        if let Some(Some((atime, mtime))) = times::answers(&output.stdout).pop() {
            // What changed in between is told the next time.
            if whole(mtime) == whole(stat.mtime) {
                (stat.atime, stat.mtime) = (atime, mtime);
            }
        }
        Ok(stat)
    }

    /// Sets the times of a few entries: those that are what they should be.
    pub(super) async fn change_times(&self, changes: &[TimesChange]) -> Vec<Result<TimesOutcome, Failure>> {
        match self.try_change_times(changes).await {
            Ok(outcomes) => outcomes,
            Err(failure) => changes.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    async fn try_change_times(
        &self,
        changes: &[TimesChange],
    ) -> Result<Vec<Result<TimesOutcome, Failure>>, Failure> {
        let names: Vec<Vec<u8>> = changes.iter().map(|change| change.path.as_bytes().to_vec()).collect();
        let names = &names;
        let look = |remote: std::sync::Arc<dyn super::remote::Remote>| async move {
            let root = DecoyPath::root();
            remote.lstat_all(names).await.map_err(super::problem::at(&root))
        };
        let before = self.ask(OPERATION, EFFECT_TIME_MAX, look).await?;
        let meant: Vec<&TimesChange> = changes
            .iter()
            .zip(&before)
            .filter(|(change, found)| found.as_ref().and_then(|found| found.kind()) == Some(change.kind))
            .map(|(change, _)| change)
            .collect();
        let mut refused = BTreeMap::new();
        let mut exact: BTreeMap<&DecoyPath, Times> = BTreeMap::new();
        if self.counts_nanoseconds() && !meant.is_empty() {
            let wanted = || meant.iter().map(|change| (&change.path, (change.atime, change.mtime)));
            let mut line = times::order(wanted());
            line.extend(times::question(wanted().map(|(path, _)| path)));
            let output = self
                .command(line)
                .await
                .map_err(|error| self.failed(OPERATION, &error).with_effect(Effect::Unknown))?;
            let answers = times::answers(&output.stdout);
            exact = wanted().zip(answers).filter_map(|((path, _), times)| Some((path, times?))).collect();
        } else {
            for change in &meant {
                let set = |remote: std::sync::Arc<dyn super::remote::Remote>| async move {
                    let times = (whole(change.atime), whole(change.mtime));
                    remote.set_seconds(change.path.as_bytes(), times).await.map_err(unsure(&change.path))
                };
                if let Err(failure) = self.change(OPERATION, EFFECT_TIME_MAX, set).await {
                    refused.insert(&change.path, failure);
                }
            }
        }
        let after = self.ask(OPERATION, EFFECT_TIME_MAX, look).await?;
        Ok(changes
            .iter()
            .zip(after)
            .map(|(change, found)| {
                if let Some(failure) = refused.remove(&change.path) {
                    return Err(failure);
                }
                let Some(found) = found else { return Ok(TimesOutcome::Foreign(None)) };
                let mut stat = file_stat(&found, None);
                if stat.kind != change.kind {
                    return Ok(TimesOutcome::Foreign(Some(stat)));
                }
                if let Some((atime, mtime)) = exact.get(&change.path) {
                    (stat.atime, stat.mtime) = (*atime, *mtime);
                }
                if whole(stat.mtime) != whole(change.mtime) {
                    let what = format!("{}: its times may not be set", change.path);
                    let problem = Problem::new(verisim_core::FailureKind::Denied, what);
                    return Err(problem.into_failure(OPERATION));
                }
                Ok(TimesOutcome::Set(stat))
            })
            .collect())
    }
}

/// The second of a time as SFTP says it: from 1970 to 2106.
fn whole(time: Timestamp) -> u32 {
    u32::try_from(time.as_second().max(0)).unwrap_or(u32::MAX)
}
