//! The way after: further passes, interlocks, cleanup.

use std::time::Duration;

use verisim_core::{
    CleanupRule, Failure, FailureKind, PROBE_INTERVAL, Schedule, SyncEvent, SyncProgress, SyncTask, Timestamp,
};

use super::steps::{Step, advanced, after, stay};
use super::{Courier, blocking};
use crate::cleanup;
use crate::interlock::{Facts, Gate, Interlock, RemoteAnswer, interlocks};

impl Courier {
    /// `VERIFIED`: rests for ever with cleanup off; else waits for the next pass, or for the interlocks.
    pub(super) async fn rest(&self, task: &SyncTask) -> Step {
        let rule = self.rule(&task.spec)?;
        let progress = task.progress.clone();
        if !rule.cleanup.enabled {
            let note = progress.note.clone();
            return Ok(stay(progress, note, None));
        }
        match due(&rule.cleanup, rule.pass_spacing(), &progress, task.now) {
            Due::Pass => Ok(advanced(SyncEvent::PassDue, progress, Schedule::At(task.now))),
            Due::Later(at, why) => Ok(stay(progress, Some(why), Some(Schedule::At(at)))),
            Due::Cleanup => match self.ask(task, &rule.cleanup).await? {
                Ok(()) => Ok(advanced(SyncEvent::InterlocksHold, progress, Schedule::At(task.now))),
                Err(open) => Ok(stay(progress, Some(told(&open)), Some(after(task.now, PROBE_INTERVAL)))),
            },
        }
    }

    /// `CLEANUP_ELIGIBLE`: every interlock once more, then the list.
    pub(super) async fn begin_cleanup(&self, task: &SyncTask) -> Step {
        let rule = self.rule(&task.spec)?;
        let mut progress = task.progress.clone();
        if let Err(open) = self.ask(task, &rule.cleanup).await? {
            progress.note = Some(told(&open));
            return Ok(advanced(SyncEvent::InterlockLost, progress, after(task.now, PROBE_INTERVAL)));
        }
        let Some(manifest) = progress.manifest else {
            return Err(Failure::new(FailureKind::Unknown, "sync.cleanup", "no manifest").into());
        };
        let work_dir = self.work_dir(task.job);
        let list = blocking("sync.cleanup", move || cleanup::write_list(&work_dir, manifest)).await?;
        progress.cleanup_list = Some(list);
        Ok(advanced(SyncEvent::ListWritten, progress, Schedule::At(task.now)))
    }

    /// `CLEANING`: by the list, and only as long as every interlock holds. There is no way back from here, so what does not
    /// hold makes it wait.
    pub(super) async fn clean(&self, task: &SyncTask) -> Step {
        let rule = self.rule(&task.spec)?;
        let mut progress = task.progress.clone();
        let again = after(task.now, PROBE_INTERVAL);
        let Some(list) = progress.cleanup_list else {
            return Ok(stay(progress, Some("the list of what to delete is not known".into()), Some(again)));
        };
        if let Err(mut open) = self.ask(task, &rule.cleanup).await? {
            // It is we who emptied it.
            open.retain(|interlock| *interlock != Interlock::RootEmpty);
            if !open.is_empty() {
                return Ok(stay(progress, Some(told(&open)), Some(again)));
            }
        }
        let (capture, work_dir) = (task.spec.capture.clone(), self.work_dir(task.job));
        let (metadata, cancel) = (rule.cleanup.remove_metadata, task.cancel.clone());
        let delete =
            move || cleanup::delete(&capture, &work_dir, list, metadata, &|| cleanup::until(&cancel));
        match blocking("sync.cleanup", delete).await {
            Ok(cleaned) => {
                progress.kept_files = cleaned.kept;
                progress.note = (cleaned.kept > 0)
                    .then(|| format!("{} files stay: they are not what was verified", cleaned.kept));
                Ok(advanced(SyncEvent::ListGone, progress, Schedule::Parked))
            }
            Err(failure) => Ok(stay(progress, Some(failure.detail), Some(again))),
        }
    }

    /// Finds out every fact there is to find out, now, and asks every interlock.
    async fn ask(&self, task: &SyncTask, rule: &CleanupRule) -> Result<Result<(), Vec<Interlock>>, Failure> {
        let destination = self.destination(&task.spec)?;
        let remote = match destination.transport.stat(&task.spec.remote).await {
            Ok(stat) => RemoteAnswer::Answered {
                ours: stat.owner.as_deref() == Some(task.spec.remote.owner.as_str()),
                sealed: stat.sealed,
            },
            Err(error) => RemoteAnswer::Silent(error.failure.detail),
        };
        let (capture, work_dir) = (task.spec.capture.clone(), self.work_dir(task.job));
        let root = blocking("sync.interlocks", move || Ok(cleanup::root_now(&capture, &work_dir))).await?;
        Ok(interlocks(&Facts {
            rule,
            passes: &task.progress.passes,
            passes_total: task.progress.passes_total,
            manifest: task.progress.manifest,
            now: task.now,
            remote: &remote,
            // No rule has a gate: there is nothing in the configuration that could set one up.
            gate: Gate::None,
            root,
        }))
    }
}

fn told(open: &[Interlock]) -> String {
    let all: Vec<String> = open.iter().map(ToString::to_string).collect();
    format!("not cleaned up: {}", all.join("; "))
}

/// How long a pass counts as recent, at the least.
const RECENT_MIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What a verified job waits for.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Pass,
    Cleanup,
    Later(Timestamp, String),
}

fn due(rule: &CleanupRule, spacing: Duration, progress: &SyncProgress, now: Timestamp) -> Due {
    let (Some(first), Some(last)) = (progress.passes.first(), progress.passes.last()) else {
        return Due::Pass;
    };
    let at = |from: Timestamp, wait: Duration| match after(from, wait) {
        Schedule::At(at) => at,
        Schedule::Parked => Timestamp::MAX,
    };
    let asked = rule.min_passes.max(1);
    if progress.passes_total < asked {
        let next = at(last.at, spacing);
        if next <= now {
            return Due::Pass;
        }
        let why =
            format!("verified {} of {asked} times; the next pass is due at {next:.0}", progress.passes_total);
        return Due::Later(next, why);
    }
    let old_enough = at(first.at, rule.min_age);
    if old_enough > now {
        return Due::Later(old_enough, format!("may be cleaned up from {old_enough:.0} on"));
    }
    // What was last seen long ago (the destination was silent, or cleanup is new) is looked at once more before anything goes.
    if at(last.at, rule.min_age.max(spacing).max(RECENT_MIN)) < now {
        return Due::Pass;
    }
    Due::Cleanup
}

#[cfg(test)]
mod tests {
    use verisim_core::{CaptureProof, Digest, Proof};

    use super::*;

    const HOUR: i64 = 3600;

    fn hours(passes: &[i64], now: i64) -> Due {
        let at = |hour: i64| Timestamp::from_second(hour * HOUR).unwrap();
        let rule = CleanupRule {
            enabled: true,
            min_passes: 2,
            min_age: Duration::from_secs(24 * 3600),
            accept_other_proof: false,
            remove_metadata: false,
        };
        let pass = |hour: &i64| CaptureProof {
            at: at(*hour),
            proof: Proof::Sha256Readback,
            manifest: Digest::of(b"m"),
        };
        let progress = SyncProgress {
            passes: passes.iter().map(pass).collect(),
            passes_total: u32::try_from(passes.len()).unwrap(),
            ..SyncProgress::default()
        };
        due(&rule, Duration::from_secs(12 * 3600), &progress, at(now))
    }

    #[test]
    fn inv_6_a_pass_is_due_until_there_are_enough_and_the_last_is_recent() {
        assert_eq!(hours(&[], 1), Due::Pass);
        assert!(matches!(hours(&[0], 11), Due::Later(..)));
        assert_eq!(hours(&[0], 12), Due::Pass);
        assert!(matches!(hours(&[0, 12], 23), Due::Later(..)));
        assert_eq!(hours(&[0, 12], 24), Due::Cleanup);
        assert_eq!(hours(&[0, 12], 36), Due::Cleanup);
        // Weeks of silence in between: two old passes are not enough.
        assert_eq!(hours(&[0, 12], 500), Due::Pass);
        assert_eq!(hours(&[0, 12, 500], 500), Due::Cleanup);
    }
}
