//! What the tests of this crate share: a clock, trees, and a look at both sides from outside.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "the clock and the processes of the tests")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use verisim_core::{
    CancellationToken, Capture, CaptureName, CleanupRule, Clock, DestinationName, JobId, Progress,
    ProgressSink, PushOptions, RelPath, Remote, Schedule, SyncEvent, SyncProgress, SyncReport, SyncSpec,
    SyncState, SyncTask, SyncWorker, Timestamp, Uptime,
};
use verisim_sync::{
    CaptureRule, Completeness, Courier, CourierOptions, Destination, Each, GateTools, KnownDestination,
    NativeOptions, NativeTransport,
};

pub mod bucket;
mod carried;
pub use carried::{
    Mounted, capture_in, hanging_hashers_are_told, of_somebody_else, once_read, push_options_in, remote,
    who_waits_can_be_stopped,
};

/// The clock of this machine.
pub struct RealClock(pub Instant);

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).unwrap()
    }
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn uptime(&self) -> Option<Uptime> {
        None
    }
    async fn sleep_until(&self, at: Timestamp) {
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(wait).await;
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(RealClock(Instant::now()))
}

/// Remembers the last progress.
#[derive(Default)]
pub struct Sink(pub Mutex<Progress>);

impl Sink {
    /// Where the progress of these options goes from now on.
    pub fn of(options: &mut PushOptions) -> Arc<Self> {
        let sink = Arc::new(Self::default());
        options.progress = Arc::<Self>::clone(&sink);
        sink
    }

    /// Waits until so many bytes are done: what a test does in the midst of a push then is in its midst, however slow the
    /// machine is.
    pub async fn comes_to(&self, bytes: u64) {
        let come = async {
            while self.0.lock().unwrap().bytes_done < bytes {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), come).await.expect("the push does not come that far");
    }
}

impl ProgressSink for Sink {
    fn report(&self, progress: Progress) {
        *self.0.lock().unwrap() = progress;
    }
}

/// Writes files: `(path, content)`.
pub fn write_tree(root: &Path, files: &[(&str, &[u8])]) {
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// Every regular file below `root` with its content.
pub fn read_tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                open.push(path);
            } else if meta.is_file() {
                out.insert(path.strip_prefix(root).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    out
}

/// As [`read_tree`], without our own folder.
pub fn content(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    read_tree(root).into_iter().filter(|(path, _)| !path.starts_with(".verisim")).collect()
}

/// Whether `sha256sum -c` accepts the sealed manifest below `root`, and what it said.
pub fn sha256sum_check(root: &Path) -> (bool, String) {
    let out = std::process::Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", ".verisim/checksums.sha256"])
        .current_dir(root)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    (out.status.success(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
}

/// A folder on a real file system: what is said of disks is not true of memory.
pub fn base() -> &'static Path {
    Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("."))
}

/// A place with a capture folder, a vault and a state folder.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub clock: Arc<dyn Clock>,
}

pub const OFF: CleanupRule = CleanupRule {
    enabled: false,
    min_passes: 2,
    min_age: Duration::from_secs(24 * 3600),
    accept_other_proof: false,
    remove_metadata: false,
};

pub const ON: CleanupRule = CleanupRule { enabled: true, ..OFF };

impl Site {
    pub fn new() -> Self {
        Self::below(base())
    }

    /// A site on the file system that `base` is on.
    pub fn below(base: &Path) -> Self {
        let dir = tempfile::tempdir_in(base).unwrap();
        for name in ["captures", "vault", "state"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir, clock: clock() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn rule(&self, complete: Completeness, cleanup: CleanupRule) -> CaptureRule {
        rule_at(self.dir.path(), complete, cleanup)
    }

    pub fn transport(&self) -> NativeTransport {
        NativeTransport::new(native_at(self.dir.path()), Arc::clone(&self.clock))
    }

    /// As if another capture had been pushed before.
    pub fn transport_is_used(&self) {
        let id = "vault-of-site\n";
        fs::write(self.path("state/destination-vault"), id).unwrap();
        fs::write(self.path("vault/.verisim-destination"), id).unwrap();
    }

    pub fn courier(&self, rule: CaptureRule) -> Courier {
        courier_at(self.dir.path(), rule)
    }

    /// The one capture that the courier finds.
    pub async fn only(&self, courier: &Courier) -> SyncSpec {
        let mut found = courier.discover(&[], self.clock.now()).await;
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).unwrap()
    }

    pub fn options(&self) -> PushOptions {
        PushOptions {
            work_dir: self.path("state/push"),
            forced: Vec::new(),
            force_all: false,
            bandwidth: None,
            progress: Arc::new(Sink::default()),
            cancel: CancellationToken::new(),
        }
    }

    pub fn remote_of(&self, spec: &SyncSpec) -> PathBuf {
        remote_dir(&self.path("vault"), &spec.remote)
    }
}

/// Every directory below the site's captures, to its vault.
pub fn rule_at(site: &Path, complete: Completeness, cleanup: CleanupRule) -> CaptureRule {
    CaptureRule {
        audit: None,
        name: CaptureName::new("lab").unwrap(),
        path: site.join("captures"),
        each: Each::Directory,
        complete,
        gate: [].into(),
        destination: DestinationName::new("vault").unwrap(),
        cleanup,
    }
}

pub fn courier_at(site: &Path, rule: CaptureRule) -> Courier {
    let transport = NativeTransport::new(native_at(site), clock());
    let destination = Destination { transport: Arc::new(transport), bandwidth: None };
    Courier::new(CourierOptions {
        rules: vec![rule],
        destinations: HashMap::from([(DestinationName::new("vault").unwrap(), destination)]),
        state_dir: site.join("state"),
        tools: tools(),
        installation: "site-a".into(),
    })
}

/// What commands of gates are started with.
pub fn tools() -> GateTools {
    let runner = verisim_sys::Runner::new(["/usr/bin".into(), "/bin".into()]).unwrap();
    GateTools { runner, environment: vec![("PATH".into(), "/usr/bin:/bin".into())] }
}

/// The vault of a site, known again by its state folder.
pub fn native_at(site: &Path) -> NativeOptions {
    let known = KnownDestination::new(site.join("state/destination-vault"), "vault-of-site");
    NativeOptions::new(site.join("vault"), known)
}

pub fn remote_dir(vault: &Path, remote: &Remote) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    vault.join(std::ffi::OsStr::from_bytes(remote.path.as_bytes()))
}

pub fn sentinel() -> Completeness {
    Completeness::Sentinel(RelPath::new("done").unwrap())
}

/// A job as the store would keep it.
#[derive(Debug, Clone)]
pub struct Row {
    pub spec: SyncSpec,
    pub state: SyncState,
    pub progress: SyncProgress,
    pub history: Vec<SyncState>,
    pub damaged: Vec<String>,
}

impl Row {
    pub fn new(spec: SyncSpec) -> Self {
        let state = SyncState::Waiting;
        Self { spec, state, progress: SyncProgress::default(), history: vec![state], damaged: Vec::new() }
    }

    pub fn task(&self, now: Timestamp) -> SyncTask {
        SyncTask {
            job: JobId(1),
            spec: self.spec.clone(),
            state: self.state,
            progress: self.progress.clone(),
            now,
            uptime: None,
            sink: Arc::new(Sink::default()),
            cancel: CancellationToken::new(),
        }
    }

    fn to(&mut self, event: SyncEvent) {
        self.state = self.state.next(event).unwrap();
        self.history.push(self.state);
    }

    /// One step at `now`, recorded as the engine would. Returns when to look again.
    pub async fn step(&mut self, courier: &Courier, now: Timestamp) -> Schedule {
        if self.state == SyncState::Queued {
            self.to(SyncEvent::Leased);
        }
        match courier.step(self.task(now)).await {
            SyncReport::Advanced { event, progress, next, damaged } => {
                self.progress = *progress;
                self.damaged.extend(damaged);
                self.to(event);
                next
            }
            SyncReport::Stay { progress, next, damaged } => {
                self.progress = *progress;
                self.damaged.extend(damaged);
                next
            }
            SyncReport::Failed { error, progress, class } => {
                use verisim_core::Decision;
                self.progress = *progress;
                let policy = verisim_core::policy(error.failure.kind, error.failure.effect, class);
                let was_verified = self.progress.passes_total > 0 && self.state == SyncState::AwaitingVerify;
                let event = match policy.decision {
                    Decision::BackOff | Decision::Block if was_verified => SyncEvent::Unreached,
                    Decision::BackOff => SyncEvent::BackOff,
                    Decision::Block => SyncEvent::Blocked,
                    Decision::AwaitCompleteness => SyncEvent::SourceChanged,
                    _ => SyncEvent::Failed,
                };
                // A failure in a state that does not know it: the job stays what it is.
                if self.state.next(event).is_ok() {
                    self.to(event);
                }
                Schedule::At(now)
            }
        }
    }

    /// Steps, with time passing as the courier asks, until it rests or `steps` are made.
    pub async fn run(&mut self, courier: &Courier, mut now: Timestamp, steps: usize) -> Timestamp {
        for _ in 0..steps {
            if self.state.is_final() {
                break;
            }
            match self.step(courier, now).await {
                Schedule::At(at) => now = now.max(at),
                Schedule::Parked => break,
            }
        }
        now
    }
}

pub fn capture_of(spec: &SyncSpec) -> &Capture {
    &spec.capture
}
