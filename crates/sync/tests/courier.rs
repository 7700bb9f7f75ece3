//! A capture's way home, from being noticed to being cleaned up, through every state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use common::{OFF, ON, Row, Site, content, sentinel, sha256sum_check, write_tree};
use verisim_core::{
    Capture, CaptureName, DestinationName, FailureKind, Hashes, JobId, PushOptions, RelPath, Remote,
    RemoteStat, ResumeAt, Schedule, SyncReport, SyncState, SyncTransport, SyncWorker as _,
    TransportCapabilities, TransportError, TransportResult,
};
use verisim_sync::{Courier, CourierOptions, Destination, NativeTransport};

#[tokio::test]
async fn inv_5_a_capture_is_verified_by_reading_what_arrived() {
    let site = Site::new();
    write_tree(
        &site.path("captures/run1"),
        &[("a", b"alpha"), ("d/b", b""), ("d/e/c", &[7; 100_000]), ("done", b"")],
    );
    let courier = site.courier(site.rule(sentinel(), OFF));
    let mut row = Row::new(site.only(&courier).await);
    row.run(&courier, site.clock.now(), 20).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
    let remote = site.remote_of(&row.spec);
    assert_eq!(content(&remote), content(&site.path("captures/run1")));
    assert_eq!(sha256sum_check(&remote), (true, String::new()));
    assert_eq!(sha256sum_check(&site.path("captures/run1")), (true, String::new()));
    assert_eq!(row.progress.inventory.unwrap().files, 4);
    // With cleanup off it rests here.
    let Schedule::At(look) = row.step(&courier, site.clock.now()).await else { panic!("never seen again") };
    assert!(row.state == SyncState::Verified && look > site.clock.now());
}

#[tokio::test]
async fn defect_09_inv_6_cleanup_comes_after_the_second_pass_and_takes_only_what_was_verified() {
    let site = Site::new();
    let run = site.path("captures/run1");
    write_tree(&run, &[("a", b"alpha"), ("d/b", b"beta"), ("keep/changed", b"1"), ("done", b"")]);
    let courier = site.courier(site.rule(sentinel(), ON));
    let mut row = Row::new(site.only(&courier).await);
    let start = site.clock.now();
    let mut now = start;
    while row.state != SyncState::Cleaning {
        assert_eq!(content(&run).len(), 4, "nothing goes before");
        match row.step(&courier, now).await {
            Schedule::At(at) => now = now.max(at),
            Schedule::Parked => panic!("parked in {}: {:?}", row.state, row.progress),
        }
    }
    assert_eq!(row.progress.passes_total, 2);
    assert!(now.duration_since(start).as_hours() >= 24);
    // Changed and added since the list was written.
    fs::write(run.join("keep/changed"), b"2").unwrap();
    fs::write(run.join("late"), b"late").unwrap();
    row.run(&courier, now, 10).await;
    assert_eq!(row.state, SyncState::Cleaned, "{:?}", row.progress);
    let left = content(&run);
    assert_eq!(left.keys().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["keep/changed", "late"]);
    assert_eq!(row.progress.kept_files, 1);
    let note = row.progress.note.clone().unwrap();
    assert!(note.contains("2 files (keep/changed, late)"), "{note}");
    assert!(!run.join("d").exists() && run.join(".verisim").exists());
    assert_eq!(sha256sum_check(&site.remote_of(&row.spec)), (true, String::new()));
}

#[tokio::test]
async fn a_capture_is_named_by_hand_however_many_there_are() {
    let site = Site::new();
    for number in 0..300 {
        fs::create_dir(site.path(&format!("captures/run{number:03}"))).unwrap();
    }
    let courier = site.courier(site.rule(sentinel(), OFF));
    let (rule, last) = (CaptureName::new("lab").unwrap(), RelPath::new("run299").unwrap());
    assert_eq!(courier.discover(&[], site.clock.now()).await.len(), 256, "a look is bounded");
    let spec = courier.spec_for(&rule, Some(&last), &[]).await.unwrap().unwrap();
    assert_eq!((spec.capture.root.clone(), spec.capture.generation), (site.path("captures/run299"), 1));
    let known = [spec.capture.clone()];
    assert_eq!(courier.spec_for(&rule, Some(&last), &known).await.unwrap(), Some(spec));
    // Another directory under its name.
    fs::rename(site.path("captures/run299"), site.path("captures/old")).unwrap();
    fs::create_dir(site.path("captures/run299")).unwrap();
    let next = courier.spec_for(&rule, Some(&last), &known).await.unwrap().unwrap();
    assert_eq!((next.capture.generation, next.remote.path.to_string()), (2, "lab/run299~2".into()));
    // What is no capture of the rule.
    fs::write(site.path("captures/file"), "").unwrap();
    for name in ["none", "file", ".verisim", "run299/deeper"] {
        let path = RelPath::new(name).unwrap();
        assert_eq!(courier.spec_for(&rule, Some(&path), &[]).await.unwrap(), None, "{name}");
    }
    assert_eq!(courier.spec_for(&rule, None, &[]).await.unwrap(), None);
    assert!(courier.spec_for(&CaptureName::new("other").unwrap(), None, &[]).await.is_err());
}

#[tokio::test]
async fn a_job_that_is_forgotten_leaves_nothing_in_the_state_folder() {
    let site = Site::new();
    write_tree(&site.path("captures/run1"), &[("a", b"alpha"), ("done", b"")]);
    let courier = site.courier(site.rule(sentinel(), OFF));
    let mut row = Row::new(site.only(&courier).await);
    assert_eq!(courier.kept().await, []);
    row.run(&courier, site.clock.now(), 20).await;
    assert_eq!(courier.kept().await, [JobId(1)]);
    assert!(courier.work_dir(JobId(1)).exists());
    for _ in 0..2 {
        courier.forget(JobId(1)).await.unwrap();
        assert_eq!(courier.kept().await, []);
    }
    // What else is kept there is not a job's.
    assert!(site.path("state/destination-vault").exists());
}

/// A link is no capture, and who made it must hear so, but not once a minute.
#[tokio::test]
async fn a_link_instead_of_a_capture_is_told_once() {
    let site = Site::new();
    let link = site.path("captures/linked");
    std::os::unix::fs::symlink("/nowhere/run", &link).unwrap();
    let courier = site.courier(site.rule(sentinel(), OFF));
    let told =
        async || courier.discover(&[], site.clock.now()).await.iter().filter(|one| one.is_err()).count();
    assert_eq!((told().await, told().await), (1, 0));
    fs::remove_file(&link).unwrap();
    assert_eq!(told().await, 0);
    std::os::unix::fs::symlink("/nowhere/run", &link).unwrap();
    assert_eq!((told().await, told().await), (1, 0), "it is another one");
}

/// A destination that answers, until it says nothing at all any more.
struct FallsSilent {
    real: NativeTransport,
    silent: Arc<AtomicBool>,
}

impl FallsSilent {
    async fn listen(&self) {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl SyncTransport for FallsSilent {
    fn capabilities(&self) -> TransportCapabilities {
        self.real.capabilities()
    }

    async fn push(&self, source: &Capture, to: &Remote, options: &PushOptions) -> TransportResult {
        self.real.push(source, to, options).await
    }

    async fn hashsum(&self, at: &Remote, options: &PushOptions) -> Result<Hashes, TransportError> {
        self.real.hashsum(at, options).await
    }

    async fn stat(&self, at: &Remote) -> Result<RemoteStat, TransportError> {
        self.listen().await;
        self.real.stat(at).await
    }

    async fn keep_lifecycle(&self, at: &Remote, record: &Path) -> Result<(), TransportError> {
        self.listen().await;
        self.real.keep_lifecycle(at, record).await
    }

    async fn seal(&self, at: &Remote, manifest: &Path) -> Result<(), TransportError> {
        self.listen().await;
        self.real.seal(at, manifest).await
    }
}

/// Whoever ends Verisim does not wait for a host that accepts and says nothing, whatever is asked of it just then.
#[tokio::test]
async fn inv_7_a_step_that_is_stopped_does_not_wait_for_a_silent_destination() {
    let site = Site::new();
    write_tree(&site.path("captures/run1"), &[("a", b"alpha"), ("done", b"")]);
    let silent = Arc::new(AtomicBool::new(false));
    let transport = FallsSilent { real: site.transport(), silent: Arc::clone(&silent) };
    let destination = Destination { transport: Arc::new(transport), bandwidth: None };
    let courier = Courier::new(CourierOptions {
        rules: vec![site.rule(sentinel(), ON)],
        destinations: [(DestinationName::new("vault").unwrap(), destination)].into(),
        state_dir: site.path("state"),
        tools: common::tools(),
        installation: "site-a".into(),
    });
    let stopped = async |row: &Row, now| {
        silent.store(true, Ordering::SeqCst);
        let task = row.task(now);
        let cancel = task.cancel.clone();
        let ending = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel();
        };
        let step = tokio::time::timeout(Duration::from_secs(10), courier.step(task));
        let (report, ()) = tokio::join!(step, ending);
        silent.store(false, Ordering::SeqCst);
        match report.unwrap_or_else(|_| panic!("{} waits on", row.state)) {
            SyncReport::Failed { error, .. } => assert_eq!(error.failure.kind, FailureKind::Cancelled),
            other => panic!("{}: {other:?}", row.state),
        }
    };
    let mut row = Row::new(site.only(&courier).await);
    let mut now = site.clock.now();
    let mut seen = Vec::new();
    while row.state != SyncState::Cleaned {
        let asks = match row.state {
            // A capture that never was pushed, a pass, and what is asked before anything is deleted.
            SyncState::Queued => row.progress.manifest.is_none(),
            SyncState::AwaitingVerify | SyncState::CleanupEligible => true,
            _ => false,
        };
        if asks && !seen.contains(&row.state) {
            seen.push(row.state);
            let mut row =
                Row { state: row.state, progress: row.progress.clone(), ..Row::new(row.spec.clone()) };
            if row.state == SyncState::Queued {
                row.state = SyncState::Running;
            }
            stopped(&row, now).await;
        }
        match row.step(&courier, now).await {
            Schedule::At(at) => now = now.max(at),
            Schedule::Parked => {}
        }
    }
    assert_eq!(seen, [SyncState::Queued, SyncState::AwaitingVerify, SyncState::CleanupEligible]);
    // Where it is asked whether what was lacking is there.
    let blocked = SyncState::Blocked(ResumeAt::Push);
    stopped(&Row { state: blocked, ..Row::new(row.spec.clone()) }, now).await;
}
