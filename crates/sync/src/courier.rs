//! The steps of sync jobs, with any transport.
//!
//! A step may be killed at any instant and repeated: what it needs to know from before stands in the job's progress, which
//! the store keeps, and in the job's work folder, whose files are replaced in one step each.

mod audit;
mod away;
mod clean;
mod rest;
mod steps;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex, watch};
use verisim_core::{
    AuditTask, Audited, BandwidthLimit, Capture, CaptureName, Committed, DestinationName, Failure,
    FailureKind, JobId, LeftOver, ManifestPieces, OperationClass, PROBE_INTERVAL, ProgressSink, PushOptions,
    RelPath, Remote, SyncProgress, SyncReport, SyncSpec, SyncState, SyncTask, SyncTransport, SyncWorker,
    Timestamp, TransportError,
};

use crate::blocking::blocking;
use crate::discover::{discover, spec_for};
use crate::errno::{Side, failure};
use crate::gate::GateTools;
use crate::rule::CaptureRule;
use crate::sending::MANIFEST;
use crate::{leftover, lifecycle};

pub(crate) use audit::ROUND;

/// How long the copy of a run's record beside its data may take.
const COPY_TIME: Duration = Duration::from_secs(5);
/// How the work folders of jobs begin; the job's id follows.
const WORK_PREFIX: &str = "sync-";

/// A place that captures go to.
#[derive(Clone)]
pub struct Destination {
    /// How they get there.
    pub transport: Arc<dyn SyncTransport>,
    /// How fast; may change at any time. `None` where nobody will ever limit it.
    pub bandwidth: Option<watch::Receiver<Option<BandwidthLimit>>>,
}

/// What a courier works with.
pub struct CourierOptions {
    /// The folders that are watched.
    pub rules: Vec<CaptureRule>,
    /// Where captures go, by name.
    pub destinations: HashMap<DestinationName, Destination>,
    /// A folder of the courier's own: one folder per job below it, with journals and manifests.
    pub state_dir: PathBuf,
    /// What the commands of gates are started with.
    pub tools: GateTools,
    /// Names this installation in owner markers: another machine's captures at the same destination are not ours.
    pub installation: String,
}

/// Carries out the steps of sync jobs.
pub struct Courier {
    rules: HashMap<CaptureName, CaptureRule>,
    destinations: HashMap<DestinationName, Destination>,
    state_dir: PathBuf,
    tools: GateTools,
    installation: String,
    /// One capture at a time is audited.
    auditing: Mutex<()>,
    /// What the last look through the folders refused for good.
    refused: Mutex<HashSet<String>>,
}

impl Courier {
    /// A courier for these rules and destinations.
    #[must_use]
    pub fn new(options: CourierOptions) -> Self {
        Self {
            rules: options.rules.into_iter().map(|rule| (rule.name.clone(), rule)).collect(),
            destinations: options.destinations,
            state_dir: options.state_dir,
            tools: options.tools,
            installation: options.installation,
            auditing: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// The folder of one job: the same at every attempt, until the job is forgotten.
    #[must_use]
    pub fn work_dir(&self, job: JobId) -> PathBuf {
        self.state_dir.join(format!("{WORK_PREFIX}{job}"))
    }

    fn rule(&self, spec: &SyncSpec) -> Result<&CaptureRule, Failure> {
        self.rule_named(&spec.capture.rule)
    }

    fn rule_named(&self, name: &CaptureName) -> Result<&CaptureRule, Failure> {
        self.rules.get(name).ok_or_else(|| {
            let what = format_args!("no capture rule is named {name}");
            Failure::new(FailureKind::Config, "sync.step", what)
        })
    }

    fn destination(&self, spec: &SyncSpec) -> Result<&Destination, Failure> {
        self.destinations.get(&spec.remote.destination).ok_or_else(|| {
            let what = format_args!("no destination is named {}", spec.remote.destination);
            Failure::new(FailureKind::Config, "sync.step", what)
        })
    }

    fn options(&self, task: &SyncTask) -> PushOptions {
        let destination = self.destinations.get(&task.spec.remote.destination);
        PushOptions {
            work_dir: self.work_dir(task.job),
            forced: task.progress.forced.clone(),
            force_all: task.progress.force_all,
            bandwidth: destination.and_then(|destination| destination.bandwidth.clone()),
            progress: Arc::clone(&task.sink) as Arc<dyn ProgressSink>,
            cancel: task.cancel.clone(),
        }
    }
}

/// The answer of a transport that does not hear of the task's end by itself. It is given up with the task: nothing of it goes
/// on, and the next step asks again.
async fn unless_stopped<T>(
    task: &SyncTask,
    answer: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    let stopped = || Err(Failure::new(FailureKind::Cancelled, "sync.step", "stopped").into());
    task.cancel.run_until_cancelled(answer).await.unwrap_or_else(stopped)
}

#[async_trait]
impl SyncWorker for Courier {
    async fn discover(&self, known: &[Capture], _now: Timestamp) -> Vec<Result<SyncSpec, TransportError>> {
        let mut rules: Vec<CaptureRule> = self.rules.values().cloned().collect();
        rules.sort_by(|left, right| left.name.cmp(&right.name));
        let (known, installation) = (known.to_vec(), self.installation.clone());
        let found = blocking("sync.discover", move || {
            Ok(rules.iter().flat_map(|rule| discover(rule, &known, &installation)).collect())
        });
        let mut found = found.await.unwrap_or_else(|failure| vec![Err(failure.into())]);
        // What is no capture stays so until somebody changes it: it is told when it comes, and not at every look.
        let (mut before, mut refused) = (self.refused.lock().await, HashSet::new());
        found.retain(|found| match found {
            Err(error) if error.failure.kind == FailureKind::Unsupported => {
                refused.insert(error.failure.detail.clone());
                !before.contains(&error.failure.detail)
            }
            _ => true,
        });
        *before = refused;
        found
    }

    async fn spec_for(
        &self,
        rule: &CaptureName,
        relative: Option<&RelPath>,
        known: &[Capture],
    ) -> Result<Option<SyncSpec>, TransportError> {
        let (rule, relative) = (self.rule_named(rule)?.clone(), relative.cloned());
        let (known, installation) = (known.to_vec(), self.installation.clone());
        let look = move || Ok(spec_for(&rule, relative.as_ref(), &known, &installation));
        blocking("sync.discover", look).await?
    }

    async fn kept(&self) -> Vec<JobId> {
        let state_dir = self.state_dir.clone();
        blocking("sync.kept", move || Ok(work_folders(&state_dir))).await.unwrap_or_default()
    }

    async fn forget(&self, job: JobId) -> Result<(), Failure> {
        let work_dir = self.work_dir(job);
        blocking("sync.forget", move || match std::fs::remove_dir_all(work_dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failure(Side::State, "sync.forget", "removing the work folder", &error))
            }
            _ => Ok(()),
        })
        .await
    }

    async fn lighten(&self, job: JobId) -> Result<(), Failure> {
        let work_dir = self.work_dir(job);
        let lost = |error| failure(Side::State, "sync.forget", "clearing the work folder", &error);
        blocking("sync.forget", move || leftover::lighten(&work_dir).map_err(lost)).await
    }

    async fn left_over(&self, job: JobId, capture: &Capture) -> Result<Option<LeftOver>, Failure> {
        let (work_dir, capture) = (self.work_dir(job), capture.clone());
        let look = move || leftover::news(&work_dir, &capture);
        let left = blocking("sync.leftover", look).await?;
        Ok(left.and_then(|left| Some(LeftOver { note: left.told()?, print: left.print? })))
    }

    async fn note_told(&self, job: JobId, told: &LeftOver) -> Result<(), Failure> {
        let (work_dir, print) = (self.work_dir(job), told.print);
        blocking("sync.leftover", move || leftover::note_told(&work_dir, print)).await
    }

    async fn audit(
        &self,
        task: AuditTask,
        manifest: ManifestPieces<'_>,
    ) -> Result<Option<Audited>, TransportError> {
        self.look_at_cleaned(task, manifest).await
    }

    fn is_outdated(&self, spec: &SyncSpec, progress: &SyncProgress) -> bool {
        let rule = self.rules.get(&spec.capture.rule);
        rule.is_some_and(|rule| progress.rests_under != Some(rule.cleanup))
    }

    async fn chronicle(&self, what: &Committed) -> Result<(), Failure> {
        let (work_dir, what) = (self.work_dir(what.job), what.clone());
        let record = work_dir.join(lifecycle::RECORD);
        let (added, what) =
            blocking("sync.lifecycle", move || Ok((lifecycle::add(&work_dir, &what)?, what))).await?;
        if !added {
            return Ok(());
        }
        let put = move || lifecycle::publish_here(&what.spec.capture, &what.spec.remote.owner, &record);
        // The capture may be on a share that hangs; the next line brings the copy up to date.
        match tokio::time::timeout(COPY_TIME, blocking("sync.lifecycle", put)).await {
            Ok(done) => done,
            Err(_) => Err(Failure::new(FailureKind::Network, "sync.lifecycle", "the capture's folder hangs")),
        }
    }

    async fn step(&self, task: SyncTask) -> SyncReport {
        let class = match task.state {
            SyncState::Waiting => OperationClass::Capture,
            _ => OperationClass::Destination,
        };
        let done = match task.state {
            SyncState::Waiting => self.await_completeness(&task).await,
            SyncState::Running => self.push(&task).await,
            SyncState::AwaitingVerify => self.verify(&task).await,
            SyncState::Verified => self.rest(&task).await,
            SyncState::CleanupEligible => self.begin_cleanup(&task).await,
            SyncState::Cleaning => self.clean(&task).await,
            SyncState::Blocked(_) => self.probe(&task).await,
            // Nothing is to be done in these; the engine does not ask.
            SyncState::Queued
            | SyncState::Cleaned
            | SyncState::Failed
            | SyncState::Unverified
            | SyncState::Cancelled => Ok(steps::stay(task.progress.clone(), None, None)),
        };
        let error = match done {
            Ok(report) => return report,
            Err(error) => error,
        };
        match task.state {
            SyncState::Running | SyncState::AwaitingVerify => self.failed(&task, error, class).await,
            // Where it is away still, no other capture needs to ask.
            SyncState::Blocked(_) if self.may_be_away(&task.spec.remote, &error.failure) => {
                self.failed(&task, error, class).await
            }
            // Late evidence goes the way of every capture that was not complete.
            SyncState::Verified if error.failure.kind == FailureKind::SourceChanged => {
                steps::failed(&task, error, class)
            }
            // Stopped halfway: nothing was found out, and there is nothing to say.
            _ if task.cancel.is_cancelled() => steps::failed(&task, error, class),
            // Waiting for a capture has no ladder: only what no further look will mend is a failure.
            SyncState::Waiting if steps::is_hopeless(&error.failure, class) => {
                steps::failed(&task, error, class)
            }
            // A job that rests is not failed by a question that could not be answered; it is asked again.
            _ => {
                let again = steps::after(task.now, PROBE_INTERVAL);
                steps::stay(task.progress.clone(), Some(error.failure.detail), Some(again))
            }
        }
    }

    async fn answers(&self, remote: &Remote) -> Result<(), Failure> {
        self.ask_whether_there(remote).await
    }

    async fn manifest(&self, job: JobId, piece: u32) -> Result<Option<Bytes>, Failure> {
        let path = self.work_dir(job).join(MANIFEST);
        blocking("sync.manifest", move || {
            read_piece(&path, piece).map_err(|error| {
                Failure::new(
                    FailureKind::Unknown,
                    "sync.manifest",
                    format_args!("{}: {error}", path.display()),
                )
            })
        })
        .await
    }
}

/// How many bytes of a manifest are handed out at once.
const PIECE_BYTES: u64 = 256 * 1024;

fn read_piece(path: &std::path::Path, piece: u32) -> std::io::Result<Option<Bytes>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(u64::from(piece) * PIECE_BYTES))?;
    let mut bytes = Vec::new();
    file.take(PIECE_BYTES).read_to_end(&mut bytes)?;
    Ok((!bytes.is_empty()).then(|| bytes.into()))
}

/// The jobs that have a work folder. A folder that cannot be read is looked at another time.
fn work_folders(state_dir: &std::path::Path) -> Vec<JobId> {
    let names = std::fs::read_dir(state_dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.strip_prefix(WORK_PREFIX)?.parse().ok().map(JobId)).collect()
}
