//! The process is killed at random instants: no job is lost, nothing confirmed is done again, nothing goes before its time.
//!
//! The test runs itself again as a child: the child works on a job whose row the parent keeps in a file, as a store would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "it starts and kills processes, and takes their time")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{ON, Row, Site, content, sentinel, sha256sum_check};
use serde::{Deserialize, Serialize};
use verisim_core::{Schedule, SyncProgress, SyncSpec, SyncState, Timestamp};
use verisim_sync::{CaptureRule, Courier};

const CHILD: &str = "VERISIM_CRASH_CHILD";

/// The row as it is stored: state by name, as in the store.
#[derive(Serialize, Deserialize)]
struct Stored {
    spec: SyncSpec,
    state: String,
    progress: SyncProgress,
    now: Timestamp,
}

fn load(path: &Path) -> (Row, Timestamp) {
    let stored: Stored = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let state = SyncState::ALL.into_iter().find(|state| state.name() == stored.state).unwrap();
    let mut row = Row::new(stored.spec);
    row.state = state;
    row.progress = stored.progress;
    (row, stored.now)
}

fn save(path: &Path, row: &Row, now: Timestamp) {
    let stored = Stored {
        spec: row.spec.clone(),
        state: row.state.name().into(),
        progress: row.progress.clone(),
        now,
    };
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(&stored).unwrap()).unwrap();
    fs::rename(new, path).unwrap();
}

fn courier(site: &Path) -> Courier {
    let rule = CaptureRule { path: site.join("captures"), ..common::rule_at(site, sentinel(), ON) };
    common::courier_at(site, rule)
}

/// What the child does: step after step, each recorded, until it is killed or done.
async fn work(site: &Path) {
    let courier = courier(site);
    let path = site.join("row.json");
    let (mut row, mut now) = load(&path);
    while !row.state.is_final() {
        match row.step(&courier, now).await {
            Schedule::At(at) => now = now.max(at),
            Schedule::Parked => {}
        }
        save(&path, &row, now);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_03_inv_12_a_kill_at_any_instant_loses_nothing_and_repeats_nothing_confirmed() {
    if let Some(site) = std::env::var_os(CHILD) {
        work(&PathBuf::from(site)).await;
        return;
    }
    let site = Site::new();
    let run = site.path("captures/run");
    for file in 0..200 {
        let path = run.join(format!("d{}/f{file}", file % 7));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![u8::try_from(file % 251).unwrap(); 3000]).unwrap();
    }
    fs::write(run.join("large"), vec![5; 40 << 20]).unwrap();
    fs::write(run.join("done"), b"").unwrap();
    let original = content(&run);
    let courier = courier(site.dir.path());
    let row_path = site.path("row.json");
    let row = Row::new(site.only(&courier).await);
    let remote = site.remote_of(&row.spec);
    save(&row_path, &row, site.clock.now());

    let mut verified: BTreeMap<PathBuf, (u64, i64, i64)> = BTreeMap::new();
    let (mut kills, mut wait) = (0_u32, 3_u64);
    let deadline = Instant::now() + Duration::from_secs(100);
    while !load(&row_path).0.state.is_final() {
        assert!(Instant::now() < deadline, "it does not come to an end: {:?}", load(&row_path).0);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "defect_03_inv_12_a_kill_at_any_instant_loses_nothing_and_repeats_nothing_confirmed",
            ])
            .env(CHILD, site.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        // Longer and longer, so that each phase is met and the last one ends.
        wait = wait + wait / 5 + 7;
        let ended = child.try_wait().unwrap();
        if ended.is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        let (row, _) = load(&row_path);
        if matches!(
            row.state,
            SyncState::Waiting
                | SyncState::Queued
                | SyncState::Running
                | SyncState::AwaitingVerify
                | SyncState::Verified
        ) {
            assert_eq!(content(&run), original, "something went before its time, in {}", row.state);
        }
        if row.progress.passes_total > 0 {
            let now = stamps(&remote);
            if verified.is_empty() {
                verified = now;
            } else {
                assert_eq!(now, verified, "what was verified was written again");
            }
        }
    }
    let (row, _) = load(&row_path);
    assert_eq!(row.state, SyncState::Cleaned, "{:?}", row.progress);
    assert!(kills >= 5, "only {kills} kills: the test proves nothing");
    assert_eq!(content(&remote), original);
    assert_eq!(sha256sum_check(&remote), (true, String::new()));
    assert!(content(&run).is_empty() && row.progress.kept_files == 0);
    assert!(row.progress.passes_total >= 2);
}

/// What tells whether a file was written again.
fn stamps(remote: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    content(remote)
        .into_keys()
        .map(|path| {
            let meta = fs::metadata(remote.join(&path)).unwrap();
            (path, (meta.ino(), meta.mtime_nsec(), meta.ctime()))
        })
        .collect()
}
