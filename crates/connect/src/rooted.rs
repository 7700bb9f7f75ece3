//! What every connector does that works on a root which the kernel holds, wherever that root comes from: calls that block,
//! bounded in number and time, and the effects that are known of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use verisim_core::{
    ByteCount, ByteRange, DecoyPath, Digest, DirectoryOutcome, Effect, Failure, FailureKind, FileStat,
    FileWrite, Found, HostFacts, Listing, Move, MoveOutcome, Removal, RemoveOutcome, Staging, StatRequest,
    TimesChange, TimesOutcome, Timestamp, WriteOutcome,
};
use verisim_sys::Root;

use crate::tree::{self, Problem};

/// How long a question may take: far longer than a disk under load needs, and short enough to notice a dead one.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a batch of effects may take; a disk that flushes each of many files needs longer.
const EFFECT_TIME_MAX: Duration = Duration::from_secs(300);
/// What the port allows for a probe.
pub(crate) const PROBE_TIME_MAX: Duration = Duration::from_secs(20);
/// How many calls run in one decoy at once. A file system that hangs takes so many threads with it, and no more.
const CALLS_AT_ONCE: usize = 4;
/// How many files one call takes: more would only make its answer come later.
pub(crate) const BATCH_FILES_MAX: usize = 256;
/// The largest file that is written.
pub(crate) const FILE_BYTES_MAX: ByteCount = ByteCount(tree::FILE_BYTES_MAX);

/// What a call is named in failures, how long it may take, and what is known of its effect when it takes longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) limit: Duration,
    pub(crate) effect: Effect,
    pub(crate) is_probe: bool,
}

impl Operation {
    /// A question: it changes nothing.
    pub(crate) const fn question(name: &'static str) -> Self {
        Self { name, limit: QUESTION_TIME_MAX, effect: Effect::NotApplied, is_probe: false }
    }

    /// An effect: it may still happen after we gave up waiting.
    pub(crate) const fn effect(name: &'static str) -> Self {
        Self { name, limit: EFFECT_TIME_MAX, effect: Effect::Unknown, is_probe: false }
    }

    /// The question whether the decoy is there.
    pub(crate) const fn probe(name: &'static str) -> Self {
        Self { name, limit: PROBE_TIME_MAX, effect: Effect::NotApplied, is_probe: true }
    }
}

/// The calls that run in one decoy.
#[derive(Debug, Clone)]
pub(crate) struct Calls(Arc<Semaphore>);

impl Calls {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(CALLS_AT_ONCE)))
    }

    /// Runs what blocks on a thread that may, within the operation's bound. `place` names the decoy for people.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        place: impl FnOnce() -> String,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Failure> {
        let Operation { name, limit, effect, .. } = operation;
        let late = |effect| {
            let detail = format!("no answer within {} s from {}", limit.as_secs(), place());
            Failure::new(FailureKind::Network, name, detail).with_effect(effect)
        };
        let permit = tokio::time::timeout(limit, Arc::clone(&self.0).acquire_owned());
        let Ok(Ok(permit)) = permit.await else { return Err(late(Effect::NotApplied)) };
        let running = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work().map_err(|problem| problem.into_failure(name))
        });
        match tokio::time::timeout(limit, running).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(broken)) => Err(Failure::new(FailureKind::Unknown, name, broken).with_effect(effect)),
            Err(_) => Err(late(effect)),
        }
    }
}

/// What finds a root, and lets something be done there.
pub(crate) trait Rooted: Sync {
    /// Does `work` in the decoy's root.
    fn in_root<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Root) -> Result<T, Problem> + Send + 'static,
    ) -> impl Future<Output = Result<T, Failure>> + Send;
}

pub(crate) async fn write(
    at: &impl Rooted,
    name: &'static str,
    files: &[FileWrite],
) -> Vec<Result<WriteOutcome, Failure>> {
    let mut outcomes = Vec::with_capacity(files.len());
    for batch in files.chunks(BATCH_FILES_MAX) {
        let owned = batch.to_vec();
        let written = at.in_root(Operation::effect(name), move |root| Ok(tree::write(root, &owned))).await;
        match written {
            Ok(written) => outcomes
                .extend(written.into_iter().map(|one| one.map_err(|problem| problem.into_failure(name)))),
            Err(failure) => outcomes.extend(batch.iter().map(|_| Err(failure.clone()))),
        }
    }
    outcomes
}

pub(crate) async fn read(
    at: &impl Rooted,
    name: &'static str,
    path: &DecoyPath,
    range: ByteRange,
) -> Result<Bytes, Failure> {
    let path = path.clone();
    at.in_root(Operation::question(name), move |root| tree::read(root, &path, range)).await
}

pub(crate) async fn stat(
    at: &impl Rooted,
    name: &'static str,
    path: &DecoyPath,
    request: StatRequest,
) -> Result<Option<FileStat>, Failure> {
    let path = path.clone();
    at.in_root(Operation::question(name), move |root| tree::stat(root, &path, request)).await
}

pub(crate) async fn list(
    at: &impl Rooted,
    name: &'static str,
    dir: &DecoyPath,
    limit: usize,
) -> Result<Listing, Failure> {
    let dir = dir.clone();
    at.in_root(Operation::question(name), move |root| tree::list(root, &dir, limit)).await
}

pub(crate) async fn rename(
    at: &impl Rooted,
    name: &'static str,
    request: &Move,
) -> Result<MoveOutcome, Failure> {
    let request = request.clone();
    at.in_root(Operation::effect(name), move |root| tree::rename(root, &request)).await
}

pub(crate) async fn remove(
    at: &impl Rooted,
    name: &'static str,
    request: &Removal,
) -> Result<RemoveOutcome, Failure> {
    let request = request.clone();
    at.in_root(Operation::effect(name), move |root| tree::remove(root, &request)).await
}

pub(crate) async fn set_times(
    at: &impl Rooted,
    name: &'static str,
    changes: &[TimesChange],
) -> Vec<Result<TimesOutcome, Failure>> {
    let mut outcomes = Vec::with_capacity(changes.len());
    for batch in changes.chunks(BATCH_FILES_MAX) {
        let owned = batch.to_vec();
        let set = at.in_root(Operation::effect(name), move |root| Ok(tree::set_times(root, &owned))).await;
        match set {
            Ok(set) => {
                let failed = |problem: Problem| problem.into_failure(name);
                outcomes.extend(set.into_iter().map(|one| one.map_err(failed)));
            }
            Err(failure) => outcomes.extend(batch.iter().map(|_| Err(failure.clone()))),
        }
    }
    outcomes
}

pub(crate) async fn remove_directory(
    at: &impl Rooted,
    name: &'static str,
    path: &DecoyPath,
) -> Result<DirectoryOutcome, Failure> {
    let path = path.clone();
    at.in_root(Operation::effect(name), move |root| tree::remove_directory(root, &path)).await
}

pub(crate) async fn settle(
    at: &impl Rooted,
    name: &'static str,
    path: &DecoyPath,
    staging: Staging,
    ours: &[Digest],
) -> Result<Option<Found>, Failure> {
    let (path, ours) = (path.clone(), ours.to_vec());
    at.in_root(Operation::effect(name), move |root| tree::settle(root, &path, staging, &ours)).await
}

pub(crate) async fn facts(
    at: &impl Rooted,
    name: &'static str,
    now: Timestamp,
) -> Result<HostFacts, Failure> {
    at.in_root(Operation::probe(name), move |root| tree::facts(root, now)).await
}
