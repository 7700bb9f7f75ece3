//! The way out: completeness, push, verification.

use std::sync::Arc;
use std::time::Duration;

use verisim_core::{
    CaptureProof, CleanupRule, Committed, Decision, Digest, Failure, FailureKind, Findings, GateReport,
    OperationClass, PROBE_INTERVAL, Proof, RelPath, Schedule, SyncEvent, SyncProgress, SyncReport, SyncState,
    SyncTask, SyncTransport, Timestamp, TransportError, policy,
};

use super::{Courier, blocking, rest, unless_stopped};
use crate::completeness::{self, Look};
use crate::gate::{self, Subject};
use crate::late::{self, Survey};
use crate::lifecycle;
use crate::native::folder;
use crate::sending::{MANIFEST, NEEDED};
use crate::source;
use crate::verify::{self, Comparison, FORCED_MAX};

/// Passes that are kept one by one: the first, and so many of the last.
const PASSES_KEPT_LAST: usize = 15;

pub(super) type Step = Result<SyncReport, TransportError>;

/// `at` after `now`; far in the future where that cannot be said.
pub(super) fn after(now: Timestamp, wait: Duration) -> Schedule {
    let wait = jiff::SignedDuration::try_from(wait).unwrap_or(jiff::SignedDuration::MAX);
    Schedule::At(now.checked_add(wait).unwrap_or(Timestamp::MAX))
}

/// Nothing changed; `next` is `None` where only a person moves it.
pub(super) fn stay(mut progress: SyncProgress, note: Option<String>, next: Option<Schedule>) -> SyncReport {
    progress.note = note;
    let next = next.unwrap_or(Schedule::Parked);
    SyncReport::Stay { progress: Box::new(progress), next, damaged: Vec::new() }
}

/// It moves on. `note` is what this step has to say; what an earlier one said is not said again.
pub(super) fn advanced(
    event: SyncEvent,
    mut progress: SyncProgress,
    note: Option<String>,
    next: Schedule,
) -> SyncReport {
    progress.note = note;
    SyncReport::Advanced { event, progress: Box::new(progress), next, damaged: Vec::new() }
}

pub(super) fn failed(task: &SyncTask, error: TransportError, class: OperationClass) -> SyncReport {
    let mut progress = task.progress.clone();
    let class = match error.failure.kind {
        FailureKind::SourceVanished => OperationClass::Capture,
        FailureKind::SourceChanged => {
            progress.source_changes = progress.source_changes.saturating_add(1);
            // What was proved is not all there is.
            progress.passes.clear();
            progress.passes_total = 0;
            OperationClass::Capture
        }
        _ => class,
    };
    progress.note = Some(error.failure.detail.clone());
    SyncReport::Failed { error: Box::new(error), class, progress: Box::new(progress) }
}

/// Whether the policy has nothing but failing for it.
pub(super) fn is_hopeless(failure: &Failure, class: OperationClass) -> bool {
    matches!(policy(failure.kind, failure.effect, class).decision, Decision::Fail | Decision::Cancel)
}

impl Courier {
    pub(super) async fn await_completeness(&self, task: &SyncTask) -> Step {
        let rule = self.rule(&task.spec)?.complete.clone();
        let (capture, owner) = (task.spec.capture.clone(), task.spec.remote.owner.clone());
        let (changes, work_dir, now) = (task.progress.source_changes, self.work_dir(task.job), task.now);
        let cancel = task.cancel.clone();
        let look = move || completeness::look(&capture, &owner, &rule, changes, &work_dir, now, &cancel);
        let progress = task.progress.clone();
        Ok(match blocking("sync.completeness", look).await? {
            Look::Complete => return self.pass_gate(task).await,
            Look::Wait { why, again } => stay(progress, Some(why), Some(after(now, again))),
        })
    }

    /// A complete capture before its gate: hard findings that nobody has overridden hold it.
    async fn pass_gate(&self, task: &SyncTask) -> Step {
        let mut progress = task.progress.clone();
        progress.gate = self.ask_gate(task).await?;
        Ok(match gate::held(task, &progress) {
            Some((why, again)) => stay(progress, Some(why), Some(after(task.now, again))),
            None => {
                let told = gate::passed_with(task, &progress);
                advanced(SyncEvent::Complete, progress, told, Schedule::At(task.now))
            }
        })
    }

    /// Asks the gate, where the rule has one.
    pub(super) async fn ask_gate(&self, task: &SyncTask) -> Result<Option<GateReport>, Failure> {
        let rule = self.rule(&task.spec)?;
        if rule.gate.is_empty() {
            return Ok(None);
        }
        let work_dir = self.work_dir(task.job);
        let subject = Subject::of(task, &work_dir);
        gate::ask(&rule.gate, &self.tools, &subject, task.progress.gate.as_ref()).await.map(Some)
    }

    pub(super) async fn push(&self, task: &SyncTask) -> Step {
        let destination = self.destination(&task.spec)?;
        if let Some((why, _)) = gate::held(task, &task.progress) {
            let next = Schedule::At(task.now);
            return Ok(advanced(SyncEvent::GateClosed, task.progress.clone(), Some(why), next));
        }
        self.require_unsealed(task, &destination.transport).await?;
        let options = self.options(task);
        let pushed = destination.transport.push(&task.spec.capture, &task.spec.remote, &options).await?;
        let mut progress = task.progress.clone();
        // Passes over what was there before prove nothing of what is there now. What was forced stays noted until it is
        // verified: a file that differs although it was forced is another matter than one that differs.
        progress.passes.clear();
        progress.passes_total = 0;
        progress.inventory = Some(pushed.inventory);
        progress.manifest = Some(pushed.manifest_sha256);
        progress.cleanup_list = None;
        progress.findings = Findings::default();
        let note = remarks(&pushed.remarks);
        Ok(advanced(SyncEvent::Pushed, progress, note, Schedule::At(task.now)))
    }

    /// What is sealed at the destination was verified there, and may be all that is left of a capture. A job that has never
    /// pushed did not do that: the state was lost, restored or copied, and what is here now may be less, or other.
    async fn require_unsealed(
        &self,
        task: &SyncTask,
        transport: &Arc<dyn SyncTransport>,
    ) -> Result<(), TransportError> {
        let remote = &task.spec.remote;
        if task.progress.manifest.is_some() {
            return Ok(());
        }
        let there = unless_stopped(task, transport.stat(remote)).await?;
        let is_ours = there.owner.as_deref() == Some(remote.owner.as_str());
        if !is_ours || there.sealed.is_none() {
            return Ok(());
        }
        let what = format_args!(
            "{} holds a capture that was verified there, and this state knows nothing of it; nothing is written over it: \
             move that folder away there, or this capture here, and try again",
            remote.path
        );
        Err(Failure::new(FailureKind::Config, "sync.push", what).into())
    }

    /// `AWAITING_VERIFY`: what is here must still be what was pushed, and what is there too.
    pub(super) async fn verify(&self, task: &SyncTask) -> Step {
        let rule = self.rule(&task.spec)?;
        let destination = self.destination(&task.spec)?;
        let nothing_came = async {
            match self.survey(task).await?.told() {
                Some(told) => Err(TransportError::from(late::late(&told))),
                None => Ok(()),
            }
        };
        let (found, pass) = if destination.transport.capabilities().hashes_without_list {
            tokio::try_join!(nothing_came, self.compare(task))?.1
        } else {
            // A list of a large capture is much; two are not needed at once.
            nothing_came.await?;
            self.compare(task).await?
        };
        if found.findings.wrong_total() > 0 {
            return Ok(mismatched(task, found));
        }
        let mut progress = task.progress.clone();
        progress.findings = found.findings.clone();
        if found.findings.unverifiable.total > 0 {
            return Ok(advanced(SyncEvent::Unproved, progress, found.note(), Schedule::Parked));
        }
        self.keep_lifecycle(task, &destination.transport, SyncState::Verified, &progress, Some(pass)).await;
        let manifest = self.work_dir(task.job).join(MANIFEST);
        unless_stopped(task, destination.transport.seal(&task.spec.remote, &manifest)).await?;
        self.seal_here(task).await?;
        progress.forced.clear();
        progress.force_all = false;
        progress.source_changes = 0;
        forget_weaker(&mut progress, &rule.cleanup, pass.proof);
        note_pass(&mut progress, pass);
        // What it waits for now is said with the pass, so that one event tells both.
        let (why, next) = rest::wait(rule, &progress, task);
        progress.rests_under = Some(rule.cleanup);
        let said: Vec<String> = found.note().into_iter().chain(why).collect();
        let note = (!said.is_empty()).then(|| said.join("; "));
        Ok(advanced(SyncEvent::Matched, progress, note, next))
    }

    /// Compares what is there with what was pushed, and says which pass it would be.
    pub(super) async fn compare(
        &self,
        task: &SyncTask,
    ) -> Result<(Comparison, CaptureProof), TransportError> {
        let destination = self.destination(&task.spec)?;
        let options = self.options(task);
        let manifest = pushed(task)?;
        let there = destination.transport.hashsum(&task.spec.remote, &options).await?;
        let total = task.progress.inventory.map_or(0, |inventory| inventory.files);
        let files = verify::counted(there.files, total, options.progress);
        let found = verify::compare(&options.work_dir.join(MANIFEST), manifest, files).await?;
        Ok((found, CaptureProof { at: task.now, uptime: task.uptime, proof: there.proof, manifest }))
    }

    /// Looks at the capture here, beside what was pushed. The look ends with whoever waits for it.
    pub(super) async fn survey(&self, task: &SyncTask) -> Result<Survey, Failure> {
        let (capture, work_dir) = (task.spec.capture.clone(), self.work_dir(task.job));
        let (manifest, cancel) = (pushed(task)?, task.cancel.child_token());
        let _end_when_dropped = cancel.clone().drop_guard();
        blocking("sync.late", move || late::survey(&capture, &work_dir, manifest, &cancel)).await
    }

    /// Sends the record of the run along, with what this step has found out and will be committed after it. A pass that only
    /// repeats one travels with what comes next: it would cost a connection of its own. A record that does not arrive is no
    /// failure of the run.
    pub(super) async fn keep_lifecycle(
        &self,
        task: &SyncTask,
        transport: &Arc<dyn SyncTransport>,
        state: SyncState,
        progress: &SyncProgress,
        pass: Option<CaptureProof>,
    ) {
        if state == SyncState::Verified && progress.passes_total > 0 {
            return;
        }
        let event = lifecycle::to_come(task, state, progress, pass);
        let what = Committed {
            job: task.job,
            spec: task.spec.clone(),
            attempt: 1,
            manifest: progress.manifest,
            events: vec![event],
        };
        let work_dir = self.work_dir(task.job);
        let copied = blocking("sync.lifecycle", move || lifecycle::travelling(&work_dir, &what)).await;
        let kept = match copied {
            Ok(Some(record)) => {
                unless_stopped(task, transport.keep_lifecycle(&task.spec.remote, &record)).await
            }
            Ok(None) => return,
            Err(failure) => Err(failure.into()),
        };
        match kept {
            Err(error)
                if !matches!(error.failure.kind, FailureKind::Unsupported | FailureKind::Cancelled) =>
            {
                tracing::warn!(job = %task.job, %error, "the record of a run did not travel with it");
            }
            _ => {}
        }
    }

    /// The manifest beside the files that it names, here too. A capture that is gone by now needs none.
    async fn seal_here(&self, task: &SyncTask) -> Result<(), Failure> {
        let (capture, owner) = (task.spec.capture.clone(), task.spec.remote.owner.clone());
        let manifest = self.work_dir(task.job).join(MANIFEST);
        let seal = move || {
            let root = match source::open(&capture, "sync.seal") {
                Ok(root) => root,
                Err(failure) if failure.kind == FailureKind::SourceVanished => return Ok(()),
                Err(failure) => return Err(failure),
            };
            source::refuse_foreign_metadata(&root, &owner, "sync.seal")?;
            let sealed = folder::mark(&root, &owner).and_then(|()| folder::seal(&root, &manifest));
            // A capture that we may only read stays without its copy.
            match sealed {
                Err(error) if !lifecycle::is_read_only(&error) => {
                    Err(crate::errno::failure(crate::errno::Side::Source, "sync.seal", "sealing", &error))
                }
                _ => Ok(()),
            }
        };
        blocking("sync.seal", seal).await
    }

    /// Whether what a blocked job lacked is there.
    pub(super) async fn probe(&self, task: &SyncTask) -> Step {
        let destination = self.destination(&task.spec)?;
        let again = after(task.now, PROBE_INTERVAL);
        let stat = match unless_stopped(task, destination.transport.stat(&task.spec.remote)).await {
            Ok(stat) => stat,
            Err(error) if error.failure.kind == FailureKind::Cancelled => return Err(error),
            Err(error) if self.may_be_away(&task.spec.remote, &error.failure) => return Err(error),
            Err(error) => return Ok(stay(task.progress.clone(), Some(error.failure.detail), Some(again))),
        };
        let needed = std::fs::read_to_string(self.work_dir(task.job).join(NEEDED)).ok();
        let needed = needed.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
        match stat.free_bytes {
            Some(free) if free < needed => {
                let note = format!("{free} bytes are free at the destination, {needed} are needed");
                Ok(stay(task.progress.clone(), Some(note), Some(again)))
            }
            _ => Ok(advanced(SyncEvent::Unblocked, task.progress.clone(), None, Schedule::At(task.now))),
        }
    }
}

/// The manifest of what was pushed last.
fn pushed(task: &SyncTask) -> Result<Digest, Failure> {
    let nothing = || Failure::new(FailureKind::Unknown, "sync.verify", "nothing was pushed");
    task.progress.manifest.ok_or_else(nothing)
}

fn remarks(remarks: &[String]) -> Option<String> {
    let first = remarks.first()?;
    Some(match remarks.len() {
        1 => first.clone(),
        more => format!("{first}; and {} more in .verisim/special.jsonl", more - 1),
    })
}

fn mismatched(task: &SyncTask, found: Comparison) -> SyncReport {
    let before = &task.progress;
    let event = if before.forced.is_empty() && !before.force_all {
        SyncEvent::Mismatched
    } else {
        SyncEvent::MismatchedAgain
    };
    let mut progress = before.clone();
    progress.note = found.note();
    progress.passes.clear();
    progress.passes_total = 0;
    progress.force_all = found.findings.wrong_total() > FORCED_MAX as u64;
    let damaged = found.damaged();
    progress.findings = found.findings;
    let mut forced: Vec<RelPath> = found.wrong;
    if progress.force_all {
        forced.clear();
    }
    progress.forced = forced;
    let next = match event {
        SyncEvent::Mismatched => Schedule::At(task.now),
        _ => Schedule::Parked,
    };
    SyncReport::Advanced { event, progress: Box::new(progress), next, damaged }
}

/// Forgets passes that were not shown by SHA-256 where the operator does not take them for proof and this one is: nobody would
/// ever delete on their word, and with them in the list on no other's either.
fn forget_weaker(progress: &mut SyncProgress, rule: &CleanupRule, proof: Proof) {
    let has_weaker = progress.passes.iter().any(|pass| pass.proof == Proof::Other);
    if has_weaker && proof != Proof::Other && !rule.accept_other_proof {
        progress.passes.retain(|pass| pass.proof != Proof::Other);
        progress.passes_total = u32::try_from(progress.passes.len()).unwrap_or(u32::MAX);
    }
}

/// Notes a pass; of many, the first and the last are kept.
pub(super) fn note_pass(progress: &mut SyncProgress, pass: CaptureProof) {
    progress.passes_total = progress.passes_total.saturating_add(1);
    progress.passes.push(pass);
    if progress.passes.len() > PASSES_KEPT_LAST + 1 {
        progress.passes.remove(1);
    }
}
