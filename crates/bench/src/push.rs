//! Verified push of a capture to a directory: many small files, and one large one.
//!
//! Every flow ends with `sync`, within its time. What each has made certain by then differs: ours alone has read what
//! arrived past the page cache; the others have hashed what the kernel still remembered.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use verisim_core::{
    CancellationToken, CaptureName, CleanupRule, Clock, DestinationName, JobId, Progress, ProgressSink,
    SyncEvent, SyncProgress, SyncReport, SyncSpec, SyncState, SyncTask, SyncTransport, SyncWorker, Timestamp,
    Uptime,
};
use verisim_sync::{
    CaptureRule, Completeness, Courier, CourierOptions, Destination, Each, GateTools, KnownDestination,
    NativeOptions, NativeTransport, Reading,
};
use verisim_sys::Runner;

use crate::measure::{Bar, Contender, Error, compare};
use crate::report::Report;

/// What is pushed, how often, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Sizes {
    /// How many small files.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) files: u32,
    /// How many bytes each has.
    #[arg(long, default_value_t = 4096)]
    pub(crate) file_bytes: usize,
    /// How many mebibytes the large file has.
    #[arg(long, default_value_t = 2048)]
    pub(crate) large_mib: u64,
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// A folder on the disk that is meant; a folder below it is made and removed.
    #[arg(long, default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Leaves that folder there: what is removed slows what is written next.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// What is measured, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    sizes: Sizes,
    /// How many files ours sends at once.
    #[arg(long, default_value_t = 8)]
    workers: usize,
    /// Only ours, for a profiler.
    #[arg(long)]
    only_ours: bool,
}

/// What has as many entries is the small capture.
const MANY_ENTRIES: usize = 1000;
/// The files of one directory of the small capture.
const FILES_PER_DIRECTORY: u32 = 200;

/// Runs both captures.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let sizes = &options.sizes;
    let dir = ground(sizes, "push")?;
    let small = dir.path().join("small/run");
    let large = dir.path().join("large/run");
    make_small(&small, sizes.files, sizes.file_bytes)?;
    make_large(&large, sizes.large_mib)?;
    let small_name = format!("push: {} files of {} bytes", sizes.files, sizes.file_bytes);
    row(options, report, dir.path(), &small, &small_name, [0.3, 1.0])?;
    let large_name = format!("push: one file of {} MiB", sizes.large_mib);
    row(options, report, dir.path(), &large, &large_name, [0.6, 0.8])
}

/// One capture: ours against both flows. A bar is the share of the peer's time that ours may take.
fn row(
    options: &Options,
    report: &mut Report,
    dir: &Path,
    source: &Path,
    name: &str,
    [rclone_share, rsync_share]: [f64; 2],
) -> Result<(), Error> {
    let mut others = Vec::new();
    let peer = |name: &str, share: f64, flow: fn(&Path, &Path, &Path) -> Result<(), Error>| Bar {
        contender: Contender {
            name: name.to_owned(),
            run: Box::new(move || timed(dir, |target| flow(source, target, dir))),
        },
        factor: 1.0 / share,
    };
    if !options.only_ours {
        let flow = "rclone copy --checksum + sha256sum + rclone hashsum";
        match is_there("rclone") {
            true => others.push(peer(flow, rclone_share, rclone_flow)),
            false => report.missing(format!("{name} / {flow}"), bar(rclone_share)),
        }
        let flow = "rsync -a + sha256sum on both sides";
        match is_there("rsync") {
            true => others.push(peer(flow, rsync_share, rsync_flow)),
            false => report.missing(format!("{name} / {flow}"), bar(rsync_share)),
        }
    }
    let ours = |reading| move || timed(dir, |target| our_flow(source, target, dir, options.workers, reading));
    let cached = Contender {
        name: "itself, read back through the page cache".into(),
        run: Box::new(ours(Reading::Cached)),
    };
    others.push(Bar { contender: cached, factor: 0.0 });
    let past = Contender { name: name.to_owned(), run: Box::new(ours(Reading::PastCaches)) };
    compare(report, "runs/h", options.sizes.rounds, dir, past, others)
}

/// How many times as fast ours shall be, of the share of a peer's time that it may take.
fn bar(share: f64) -> String {
    format!("{:.2} x", 1.0 / share)
}

/// Runs a flow into an empty folder and ends with `sync`; answers runs per hour.
pub(crate) fn timed(dir: &Path, flow: impl FnOnce(&Path) -> Result<(), Error>) -> Result<f64, Error> {
    timed_after(dir, |_| Ok(()), |target, ()| flow(target))
}

/// The same after something that is not timed.
pub(crate) fn timed_after<T>(
    dir: &Path,
    prepare: impl FnOnce(&Path) -> Result<T, Error>,
    flow: impl FnOnce(&Path, T) -> Result<(), Error>,
) -> Result<f64, Error> {
    let (target, state) = (dir.join("target"), dir.join("state"));
    if state.exists() {
        std::fs::remove_dir_all(&state)?;
    }
    if target.exists() {
        put_away(dir, &target)?;
    }
    for used in [&target, &state] {
        std::fs::create_dir(used)?;
    }
    let prepared = prepare(&target)?;
    rustix::fs::sync();
    let start = Instant::now();
    flow(&target, prepared)?;
    rustix::fs::sync();
    Ok(3600.0 / start.elapsed().as_secs_f64())
}

/// Takes what one run left out of the way of the next. Many files are kept until everything is over: ext4 gives no inode to a
/// new file that was another's just before, and looks through all of those for each that it gives (`recently_deleted` in
/// `fs/ext4/ialloc.c` of Linux; 5 seconds, or 305 while they are not written). 20,000 files took 0.4 s without and 3.8 s
/// after as many were removed.
fn put_away(dir: &Path, target: &Path) -> Result<(), Error> {
    if entries(target, MANY_ENTRIES)? < MANY_ENTRIES {
        std::fs::remove_dir_all(target)?;
        return Ok(());
    }
    let used = dir.join("used");
    std::fs::create_dir_all(&used)?;
    let number = std::fs::read_dir(&used)?.count();
    std::fs::rename(target, used.join(number.to_string()))?;
    Ok(())
}

/// How many entries are below a folder, up to so many.
fn entries(folder: &Path, most: usize) -> Result<usize, Error> {
    let mut found = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        found += 1;
        if found < most && entry.file_type()?.is_dir() {
            found += entries(&entry.path(), most - found)?;
        }
        if found >= most {
            break;
        }
    }
    Ok(found)
}

/// A folder for everything of a measurement.
pub(crate) fn ground(sizes: &Sizes, name: &str) -> Result<tempfile::TempDir, Error> {
    let builder = &mut tempfile::Builder::new();
    Ok(builder.prefix(name).disable_cleanup(sizes.keep).tempdir_in(sizes.dir.canonicalize()?)?)
}

pub(crate) fn make_small(root: &Path, files: u32, file_bytes: usize) -> Result<(), Error> {
    let mut noise = Noise(1);
    let mut content = vec![0; file_bytes];
    for file in 0..files {
        let dir = root.join(format!("d{:04}", file / FILES_PER_DIRECTORY));
        if file % FILES_PER_DIRECTORY == 0 {
            std::fs::create_dir_all(&dir)?;
        }
        noise.fill(&mut content);
        std::fs::write(dir.join(format!("f{file:06}")), &content)?;
    }
    Ok(())
}

pub(crate) fn make_large(root: &Path, mib: u64) -> Result<(), Error> {
    std::fs::create_dir_all(root)?;
    let mut file = std::fs::File::create(root.join("large.bin"))?;
    let mut noise = Noise(2);
    let mut content = vec![0; 1 << 20];
    for _ in 0..mib {
        noise.fill(&mut content);
        file.write_all(&content)?;
    }
    Ok(())
}

/// Bytes that no compression and no hole shortens (the xorshift generator of Marsaglia).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, and nought where that is nought.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

pub(crate) fn is_there(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok()
}

pub(crate) fn tool(command: &mut Command) -> Result<(), Error> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// The hashes of a whole tree, as a careful person makes them.
pub(crate) fn sha256sum(tree: &Path, out: &Path) -> Result<(), Error> {
    let script = "find . -type f -print0 | sort -z | xargs -0 sha256sum";
    tool(Command::new("sh").args(["-c", script]).current_dir(tree).stdout(std::fs::File::create(out)?))
}

fn rclone_flow(source: &Path, target: &Path, dir: &Path) -> Result<(), Error> {
    tool(Command::new("rclone").args(["copy", "--checksum", "--config", ""]).arg(source).arg(target))?;
    sha256sum(source, &dir.join("sums.here"))?;
    let out = std::fs::File::create(dir.join("sums.there"))?;
    tool(Command::new("rclone").args(["hashsum", "sha256", "--config", ""]).arg(target).stdout(out))
}

fn rsync_flow(source: &Path, target: &Path, dir: &Path) -> Result<(), Error> {
    let mut from = source.as_os_str().to_owned();
    from.push("/");
    tool(Command::new("rsync").arg("-a").arg(from).arg(target))?;
    let (here, there) = (dir.join("sums.here"), dir.join("sums.there"));
    sha256sum(source, &here)?;
    sha256sum(target, &there)?;
    if std::fs::read(here)? == std::fs::read(there)? { Ok(()) } else { Err("rsync: hashes differ".into()) }
}

/// The steps of a sync job as the engine has them made: push, then verify and seal.
fn our_flow(source: &Path, target: &Path, dir: &Path, workers: usize, reading: Reading) -> Result<(), Error> {
    let options = NativeOptions { root: target.to_owned(), known: known(dir), workers, reading };
    carry(source, dir, Arc::new(NativeTransport::new(options, Arc::new(RealClock(Instant::now())))))
}

/// How the destination of one run is known again.
pub(crate) fn known(dir: &Path) -> KnownDestination {
    KnownDestination::new(dir.join("state/destination"), "bench")
}

/// Pushes, verifies and seals, by any transport.
pub(crate) fn carry(source: &Path, dir: &Path, transport: Arc<dyn SyncTransport>) -> Result<(), Error> {
    Errand::new(source, dir, transport)?.push()
}

/// A courier with one capture and one destination, and the steps of its job as the engine has them made.
pub(crate) struct Errand {
    runtime: tokio::runtime::Runtime,
    courier: Courier,
    spec: SyncSpec,
    pushed: SyncProgress,
}

impl Errand {
    pub(crate) fn new(source: &Path, dir: &Path, transport: Arc<dyn SyncTransport>) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let courier = courier(source, dir, transport)?;
        let mut found = runtime.block_on(courier.discover(&[], Timestamp::UNIX_EPOCH));
        let spec = found.pop().ok_or("no capture was found")??;
        Ok(Self { runtime, courier, spec, pushed: SyncProgress::default() })
    }

    /// Pushes, verifies and seals; a second time, what changed since.
    pub(crate) fn push(&mut self) -> Result<(), Error> {
        let begin = step(&self.courier, &self.spec, SyncState::Running, self.pushed.clone());
        self.pushed = self.runtime.block_on(begin)?;
        self.verify()
    }

    /// One pass over what is there.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        let pass = step(&self.courier, &self.spec, SyncState::AwaitingVerify, self.pushed.clone());
        self.runtime.block_on(pass).map(drop)
    }
}

fn courier(source: &Path, dir: &Path, transport: Arc<dyn SyncTransport>) -> Result<Courier, Error> {
    let vault = DestinationName::new("vault")?;
    let rule = CaptureRule {
        audit: None,
        name: CaptureName::new("bench")?,
        path: source.parent().ok_or("the capture has no folder")?.to_owned(),
        each: Each::Directory,
        complete: Completeness::Quiet(Duration::ZERO),
        gate: [].into(),
        destination: vault.clone(),
        cleanup: CleanupRule {
            enabled: false,
            min_passes: 2,
            min_age: Duration::from_secs(86_400),
            accept_other_proof: false,
            remove_metadata: false,
        },
    };
    Ok(Courier::new(CourierOptions {
        rules: vec![rule],
        destinations: HashMap::from([(vault, Destination { transport, bandwidth: None })]),
        state_dir: dir.join("state"),
        tools: GateTools { runner: Runner::new([])?, environment: Vec::new() },
        installation: "bench".into(),
    }))
}

async fn step(
    courier: &Courier,
    spec: &SyncSpec,
    state: SyncState,
    progress: SyncProgress,
) -> Result<SyncProgress, Error> {
    let task = SyncTask {
        job: JobId(1),
        spec: spec.clone(),
        state,
        progress,
        now: Timestamp::UNIX_EPOCH,
        uptime: None,
        sink: Arc::new(Silent),
        cancel: CancellationToken::new(),
    };
    match courier.step(task).await {
        SyncReport::Advanced { event: SyncEvent::Pushed | SyncEvent::Matched, progress, .. } => Ok(*progress),
        other => Err(format!("{state}: {other:?}").into()),
    }
}

/// Nobody wants to know how far it is.
pub(crate) struct Silent;

impl ProgressSink for Silent {
    fn report(&self, _progress: Progress) {}
}

pub(crate) struct RealClock(pub(crate) Instant);

#[async_trait::async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn uptime(&self) -> Option<Uptime> {
        None
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(Duration::try_from(at.duration_since(self.now())).unwrap_or_default()).await;
    }
}
