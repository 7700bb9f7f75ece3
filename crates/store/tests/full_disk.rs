//! A real disk that is full, and one that is read-only. Needs root, to mount a small file system.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says when it is skipped"
)]

use std::path::PathBuf;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use tempfile::TempDir;
use verisim_core::{Store, StoreError};
use verisim_store::SqliteStore;
use verisim_testkit::{VirtualClock, store_suite as suite};

/// A file system of 2 MiB, unmounted at the end.
struct Small(TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = mount("none", dir.path(), "tmpfs", MountFlags::empty(), Some(c"size=2m"));
        match mounted {
            Ok(()) => Some(Self(dir)),
            Err(error) => {
                eprintln!("SKIPPED: a small file system cannot be mounted here ({error}); run as root");
                None
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store.db")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        unmount(self.0.path(), UnmountFlags::DETACH).unwrap();
    }
}

fn open(small: &Small) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&small.path(), VirtualClock::new(suite::at(0)))
}

fn jobs(from: usize) -> Vec<verisim_core::NewJob> {
    (from..from + 50).map(|i| suite::append_job(&format!("key-{i}"), "d1", &format!("/{i}"), 0)).collect()
}

#[tokio::test]
async fn a_full_disk_is_said_and_the_store_goes_on_when_there_is_space_again() {
    let Some(small) = Small::mount() else { return };
    let store = open(&small).unwrap();
    let ballast = small.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let mut stored = 0;
    let error = loop {
        match store.enqueue(jobs(stored), None).await {
            Ok(answers) => stored += answers.len(),
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the disk never became full");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(stored > 0);
    for _ in 0..3 {
        let again = store.enqueue(jobs(stored), None).await;
        assert!(matches!(again, Err(StoreError::Full { .. })), "{again:?}");
    }
    assert_eq!(store.health().await.unwrap().open_jobs, [("QUEUED".to_owned(), stored as u64)]);
    assert!(store.job(verisim_core::JobId(1)).await.unwrap().is_some(), "reading goes on");
    std::fs::remove_file(&ballast).unwrap();
    let answers = store.enqueue(jobs(stored), None).await.unwrap();
    assert!(
        answers.iter().all(|answer| matches!(answer, verisim_core::Enqueued::New(_))),
        "nothing was stored before"
    );
    let leased = store.lease(suite::request(0)).await.unwrap();
    assert_eq!(leased.len(), (stored + 50).min(1000));
    drop(store);
    let store = open(&small).unwrap();
    let total: u64 = store.health().await.unwrap().open_jobs.iter().map(|(_, count)| count).sum();
    assert_eq!(total, stored as u64 + 50);
}

#[tokio::test]
async fn a_read_only_disk_is_an_error_of_the_system() {
    let Some(small) = Small::mount() else { return };
    drop(open(&small).unwrap());
    mount_remount(small.0.path(), MountFlags::RDONLY, "").unwrap();
    let error = open(&small).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
}
