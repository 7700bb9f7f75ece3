//! A sync worker that does what the job's state calls for, until a script tells it not to.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use verisim_core::{
    AuditTask, Audited, Capture, CaptureName, Committed, DestinationName, Digest, Failure, FailureKind,
    InvalidName, InvalidPath, JobId, LeftOver, ManifestPieces, OperationClass, Progress, RelPath, Remote,
    RootIdentity, Schedule, SyncEvent, SyncProgress, SyncReport, SyncSpec, SyncState, SyncTask, SyncWorker,
    Timestamp, TransportError,
};

type Script = Box<dyn FnMut(&SyncTask) -> Option<SyncReport> + Send>;

/// A sync worker for which every capture is complete and every push succeeds.
#[derive(Default)]
pub struct ModelSync {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    found: Vec<SyncSpec>,
    steps: Vec<(JobId, SyncState)>,
    kept: BTreeSet<JobId>,
    at_once: HashMap<DestinationName, usize>,
    at_once_max: usize,
    held: bool,
    huge: bool,
    away: BTreeSet<DestinationName>,
    asked: usize,
    left_over: HashMap<JobId, LeftOver>,
    told: BTreeSet<(JobId, Digest)>,
    chronicle: Vec<Committed>,
    audits: HashMap<JobId, Audited>,
    audited: Vec<(JobId, Vec<u8>)>,
    outdated: bool,
    script: Option<Script>,
}

/// A capture of a rule, for a destination.
///
/// # Errors
/// When a name breaks the rules.
pub fn sync_spec(rule: &str, name: &str, destination: &str) -> Result<SyncSpec, String> {
    let text = |error: InvalidName| error.to_string();
    let path = |error: InvalidPath| error.to_string();
    let capture = Capture {
        rule: CaptureName::new(rule).map_err(text)?,
        relative: Some(RelPath::new(name).map_err(path)?),
        root: PathBuf::from("/captures").join(name),
        identity: RootIdentity { device: 1, inode: 2, born_ns: None },
        generation: 1,
    };
    let remote = Remote {
        destination: DestinationName::new(destination).map_err(text)?,
        path: RelPath::new(format!("{rule}/{name}")).map_err(path)?,
        owner: "test".into(),
    };
    Ok(SyncSpec { capture, remote })
}

impl ModelSync {
    /// A worker that finds these captures.
    #[must_use]
    pub fn new(found: Vec<SyncSpec>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { found, ..State::default() }) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every step asks this script first.
    pub fn set_script(&self, script: impl FnMut(&SyncTask) -> Option<SyncReport> + Send + 'static) {
        self.lock().script = Some(Box::new(script));
    }

    /// Whether pushes wait from now on until they are stopped.
    pub fn set_held(&self, held: bool) {
        self.lock().held = held;
    }

    /// Whether steps of captures whose name begins with `huge` never end from now on, until they are stopped.
    pub fn set_huge_held(&self, held: bool) {
        self.lock().huge = held;
    }

    /// Whether a destination is away from now on.
    pub fn set_away(&self, destination: &DestinationName, away: bool) {
        let mut state = self.lock();
        if away {
            state.away.insert(destination.clone());
        } else {
            state.away.remove(destination);
        }
    }

    /// How often a destination was asked whether it is there.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.lock().asked
    }

    /// What is in the folder of a job that was cleaned up, from now on.
    pub fn set_left_over(&self, job: JobId, note: &str) {
        let left = LeftOver { note: note.into(), print: Digest::of(note.as_bytes()) };
        self.lock().left_over.insert(job, left);
    }

    /// What the next audit of a job that was cleaned up finds.
    pub fn set_audit(&self, job: JobId, found: Audited) {
        self.lock().audits.insert(job, found);
    }

    /// The audits that were made, and the manifest that each was given.
    #[must_use]
    pub fn audited(&self) -> Vec<(JobId, Vec<u8>)> {
        self.lock().audited.clone()
    }

    /// Whether every job that rests does so under an old rule.
    pub fn set_outdated(&self, outdated: bool) {
        self.lock().outdated = outdated;
    }

    /// The jobs for which it keeps something.
    #[must_use]
    pub fn keeps(&self) -> Vec<JobId> {
        self.lock().kept.iter().copied().collect()
    }

    /// The steps that were taken.
    #[must_use]
    pub fn steps(&self) -> Vec<(JobId, SyncState)> {
        self.lock().steps.clone()
    }

    /// How many steps of one destination ran at once at the most.
    #[must_use]
    pub fn at_once_max(&self) -> usize {
        self.lock().at_once_max
    }

    fn enter(&self, destination: &DestinationName) {
        let mut state = self.lock();
        let count = state.at_once.entry(destination.clone()).or_default();
        *count += 1;
        let count = *count;
        state.at_once_max = state.at_once_max.max(count);
    }

    fn leave(&self, destination: &DestinationName) {
        if let Some(count) = self.lock().at_once.get_mut(destination) {
            *count = count.saturating_sub(1);
        }
    }
}

fn gone() -> Failure {
    Failure::new(FailureKind::Network, "model.stat", "the share is not mounted")
}

fn happy(task: &SyncTask) -> SyncReport {
    let mut progress = Box::new(task.progress.clone());
    if task.state == SyncState::AwaitingVerify {
        progress.passes_total += 1;
    }
    let next = Schedule::At(task.now);
    let event = match task.state {
        SyncState::Waiting => SyncEvent::Complete,
        SyncState::Running => SyncEvent::Pushed,
        SyncState::AwaitingVerify => SyncEvent::Matched,
        SyncState::Blocked(_) => SyncEvent::Unblocked,
        SyncState::CleanupEligible => SyncEvent::ListWritten,
        SyncState::Cleaning => SyncEvent::ListGone,
        SyncState::Verified
        | SyncState::Queued
        | SyncState::Cleaned
        | SyncState::Failed
        | SyncState::Unverified
        | SyncState::Cancelled => {
            return SyncReport::Stay { progress, next: Schedule::Parked, damaged: Vec::new() };
        }
    };
    SyncReport::Advanced { event, progress, next, damaged: Vec::new() }
}

#[async_trait]
impl SyncWorker for ModelSync {
    async fn discover(&self, known: &[Capture], _: Timestamp) -> Vec<Result<SyncSpec, TransportError>> {
        let state = self.lock();
        let is_new = |spec: &&SyncSpec| !known.contains(&spec.capture);
        state.found.iter().filter(is_new).cloned().map(Ok).collect()
    }

    /// Two pieces, made of the job's number.
    async fn manifest(&self, job: JobId, piece: u32) -> Result<Option<bytes::Bytes>, Failure> {
        Ok((piece < 2).then(|| format!("piece {piece} of job {job}\n").into()))
    }

    async fn spec_for(
        &self,
        rule: &CaptureName,
        relative: Option<&RelPath>,
        _: &[Capture],
    ) -> Result<Option<SyncSpec>, TransportError> {
        let is_it =
            |spec: &&SyncSpec| spec.capture.rule == *rule && spec.capture.relative.as_ref() == relative;
        Ok(self.lock().found.iter().find(is_it).cloned())
    }

    async fn kept(&self) -> Vec<JobId> {
        self.lock().kept.iter().copied().collect()
    }

    async fn forget(&self, job: JobId) -> Result<(), Failure> {
        self.lock().kept.remove(&job);
        Ok(())
    }

    async fn answers(&self, remote: &Remote) -> Result<(), Failure> {
        let mut state = self.lock();
        state.asked += 1;
        if state.away.contains(&remote.destination) { Err(gone()) } else { Ok(()) }
    }

    async fn lighten(&self, job: JobId) -> Result<(), Failure> {
        self.forget(job).await
    }

    async fn left_over(&self, job: JobId, _: &Capture) -> Result<Option<LeftOver>, Failure> {
        let state = self.lock();
        let left = state.left_over.get(&job);
        Ok(left.filter(|left| !state.told.contains(&(job, left.print))).cloned())
    }

    async fn note_told(&self, job: JobId, told: &LeftOver) -> Result<(), Failure> {
        self.lock().told.insert((job, told.print));
        Ok(())
    }

    async fn audit(
        &self,
        task: AuditTask,
        mut manifest: ManifestPieces<'_>,
    ) -> Result<Option<Audited>, TransportError> {
        let Some(found) = self.lock().audits.remove(&task.job) else {
            let away = || Failure::new(FailureKind::Network, "sync.audit", "nobody answers");
            return if task.at_once { Err(away().into()) } else { Ok(None) };
        };
        let mut whole = Vec::new();
        while let Some(piece) = manifest.next().await {
            whole.extend_from_slice(&piece?);
        }
        self.lock().audited.push((task.job, whole));
        Ok(Some(found))
    }

    async fn chronicle(&self, what: &Committed) -> Result<(), Failure> {
        self.lock().chronicle.push(what.clone());
        Ok(())
    }

    fn is_outdated(&self, _: &SyncSpec, _: &SyncProgress) -> bool {
        self.lock().outdated
    }

    async fn step(&self, task: SyncTask) -> SyncReport {
        let destination = task.spec.remote.destination.clone();
        self.enter(&destination);
        self.lock().steps.push((task.job, task.state));
        self.lock().kept.insert(task.job);
        // Others get their turn, so that what runs at once is seen to run at once.
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        let scripted = {
            let mut state = self.lock();
            let script = state.script.take();
            drop(state);
            script.map(|mut script| {
                let report = script(&task);
                self.lock().script = Some(script);
                report
            })
        };
        let is_away = self.lock().away.contains(&destination);
        if is_away && matches!(task.state, SyncState::Running | SyncState::AwaitingVerify) {
            self.leave(&destination);
            let progress = Box::new(task.progress.clone());
            return SyncReport::Failed {
                error: Box::new(gone().into()),
                class: OperationClass::Away,
                progress,
            };
        }
        let named =
            task.spec.capture.relative.as_ref().is_some_and(|name| name.to_string().starts_with("huge"));
        let held = {
            let state = self.lock();
            (state.held || (state.huge && named)) && task.state == SyncState::Running
        };
        if held {
            let progress = Progress { files_done: 3, files_total: 9, ..Progress::default() };
            task.sink.report(progress);
            task.cancel.cancelled().await;
        }
        self.leave(&destination);
        if held {
            let failure = Failure::new(FailureKind::Cancelled, "model.push", "it was stopped");
            let progress = Box::new(task.progress.clone());
            let error = Box::new(failure.into());
            return SyncReport::Failed { error, class: OperationClass::Destination, progress };
        }
        scripted.flatten().unwrap_or_else(|| happy(&task))
    }
}
