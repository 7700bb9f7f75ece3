//! Cleanup: the interlocks asked, the list written, and deleting by it.

use verisim_core::{
    CleanupRule, Failure, FailureKind, PROBE_INTERVAL, Schedule, SyncEvent, SyncProgress, SyncReport,
    SyncState, SyncTask,
};

use super::rest::LOOK_LATER;
use super::steps::{Step, advanced, after, note_pass, stay};
use super::{Courier, blocking, unless_stopped};
use crate::interlock::{Evidence, Facts, Gate, Interlock, RemoteAnswer, interlocks};
use crate::late::Survey;
use crate::rule::CaptureRule;
use crate::{cleanup, leftover};

impl Courier {
    /// `CLEANUP_ELIGIBLE`: every interlock once more, then the list.
    pub(super) async fn begin_cleanup(&self, task: &SyncTask) -> Step {
        let rule = self.rule(&task.spec)?;
        let mut progress = task.progress.clone();
        let survey = self.survey(task).await?;
        if let Err(open) = self.ask(task, &rule.cleanup, survey).await? {
            // Late evidence is sent home at once, and a pass that grew old is made anew; for the rest it is asked again.
            let mends_itself =
                |interlock: &Interlock| matches!(interlock, Interlock::LateEvidence(_) | Interlock::Stale);
            let next = match open.iter().any(mends_itself) {
                true => Schedule::At(task.now),
                false => after(task.now, PROBE_INTERVAL),
            };
            return Ok(advanced(SyncEvent::InterlockLost, progress, Some(told(&open)), next));
        }
        let Some(manifest) = progress.manifest else {
            return Err(Failure::new(FailureKind::Unknown, "sync.cleanup", "no manifest").into());
        };
        let work_dir = self.work_dir(task.job);
        let list = blocking("sync.cleanup", move || cleanup::write_list(&work_dir, manifest)).await?;
        progress.cleanup_list = Some(list);
        Ok(advanced(SyncEvent::ListWritten, progress, None, Schedule::At(task.now)))
    }

    /// `CLEANING`: by the list, and only as long as every interlock holds. There is no way back from here, so what does not
    /// hold makes it wait; a last pass that grew old meanwhile is made anew, here and now.
    pub(super) async fn clean(&self, task: &SyncTask) -> Step {
        let rule = self.rule(&task.spec)?;
        let mut progress = task.progress.clone();
        let again = after(task.now, PROBE_INTERVAL);
        let Some(list) = progress.cleanup_list else {
            return Ok(stay(progress, Some("the list of what to delete is not known".into()), Some(again)));
        };
        let survey = self.survey(task).await?;
        if let Err(mut open) = self.ask(task, &rule.cleanup, survey).await? {
            // It is we who emptied it; and what came late is not on the list, so it stays, and is told of at the end.
            open.retain(|it| !matches!(it, Interlock::RootEmpty | Interlock::LateEvidence(_)));
            // What a pass mends is mended here: no other state is left to make one. A rule that asks for more passes than there
            // were when this began has them made as far apart as ever.
            let by_passes = |it: &Interlock| matches!(it, Interlock::Stale | Interlock::Passes { .. });
            let is_due = open == [Interlock::Stale] || Self::pass_is_due(task, rule);
            if !open.is_empty() && open.iter().all(by_passes) && is_due {
                return self.verify_again(task).await;
            }
            if !open.is_empty() {
                return Ok(stay(progress, Some(told(&open)), Some(again)));
            }
        }
        let (capture, work_dir) = (task.spec.capture.clone(), self.work_dir(task.job));
        let (metadata, cancel) = (rule.cleanup.remove_metadata, task.cancel.clone());
        let delete = move || {
            let cleaned = cleanup::delete(&capture, &work_dir, list, metadata, &|| cleanup::until(&cancel))?;
            // With this step's event a person is told of them.
            if let Some(print) = cleaned.left.print {
                leftover::note_told(&work_dir, print)?;
            }
            Ok(cleaned)
        };
        match blocking("sync.cleanup", delete).await {
            Ok(cleaned) => {
                progress.kept_files = cleaned.kept;
                progress.note = cleaned.left.told();
                let transport = &self.destination(&task.spec)?.transport;
                self.keep_lifecycle(task, transport, SyncState::Cleaned, &progress, None).await;
                Ok(advanced(SyncEvent::ListGone, progress, cleaned.left.told(), Schedule::Parked))
            }
            Err(failure) if failure.kind == FailureKind::Cancelled => Err(failure.into()),
            Err(failure) => Ok(stay(progress, Some(failure.detail), Some(again))),
        }
    }

    /// Whether the last pass is as long ago as two passes are apart, or there was none.
    fn pass_is_due(task: &SyncTask, rule: &CaptureRule) -> bool {
        let last = task.progress.passes.last();
        let age = last.and_then(|last| last.age(task.now, task.uptime));
        age.is_none_or(|age| age >= rule.pass_spacing())
    }

    /// A pass in the midst of cleaning: what was seen at the destination is too long ago to delete anything more on its word.
    /// Damage cannot be mended from here, since a part of the capture is deleted: nothing more is, until somebody mended it.
    async fn verify_again(&self, task: &SyncTask) -> Step {
        let (found, pass) = self.compare(task).await?;
        let mut progress = task.progress.clone();
        progress.findings = found.findings.clone();
        if found.findings.wrong_total() == 0 && found.findings.unverifiable.total == 0 {
            note_pass(&mut progress, pass);
            return Ok(stay(progress, None, Some(Schedule::At(task.now))));
        }
        let note = found.note().map(|found| format!("nothing more is deleted here: {found}"));
        progress.note = note;
        let next = after(task.now, LOOK_LATER);
        Ok(SyncReport::Stay { progress: Box::new(progress), next, damaged: found.damaged() })
    }

    /// Finds out every fact there is to find out, now, and asks every interlock.
    pub(super) async fn ask(
        &self,
        task: &SyncTask,
        rule: &CleanupRule,
        survey: Survey,
    ) -> Result<Result<(), Vec<Interlock>>, Failure> {
        let destination = self.destination(&task.spec)?;
        let remote = match unless_stopped(task, destination.transport.stat(&task.spec.remote)).await {
            Ok(stat) => RemoteAnswer::Answered {
                ours: stat.owner.as_deref() == Some(task.spec.remote.owner.as_str()),
                sealed: stat.sealed,
            },
            Err(error) if error.failure.kind == FailureKind::Cancelled => return Err(error.failure),
            Err(error) => RemoteAnswer::Silent(error.failure.detail),
        };
        let evidence = match survey {
            Survey::Here(found) => found.told().map_or(Evidence::AsPushed, Evidence::Late),
            Survey::Gone { .. } => Evidence::Unknown("its folder is not here".into()),
        };
        let has_gate = !self.rule(&task.spec)?.gate.is_empty();
        let (capture, work_dir) = (task.spec.capture.clone(), self.work_dir(task.job));
        let look =
            move || Ok((cleanup::root_now(&capture, &work_dir), cleanup::writers_now(&capture, &work_dir)));
        let (root, writers) = blocking("sync.interlocks", look).await?;
        Ok(interlocks(&Facts {
            rule,
            passes: &task.progress.passes,
            passes_total: task.progress.passes_total,
            manifest: task.progress.manifest,
            now: task.now,
            uptime: task.uptime,
            remote: &remote,
            gate: gate_now(&task.progress, has_gate),
            root,
            evidence: &evidence,
            writers: &writers,
        }))
    }
}

/// What the gate says. One that was never asked about this capture is closed.
fn gate_now(progress: &SyncProgress, has_gate: bool) -> Gate {
    match &progress.gate {
        Some(report) if !report.is_clear(&progress.overrides) => Gate::Closed,
        Some(_) => Gate::Clear,
        None if has_gate => Gate::Closed,
        None => Gate::None,
    }
}

/// The interlocks that do not hold, for people.
pub(super) fn told(open: &[Interlock]) -> String {
    let all: Vec<String> = open.iter().map(ToString::to_string).collect();
    format!("not cleaned up: {}", all.join("; "))
}
