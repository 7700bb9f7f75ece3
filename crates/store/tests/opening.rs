//! What is refused at the start, and that a refusal changes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use verisim_core::{Store, StoreError, StoreResult};
use verisim_store::SqliteStore;
use verisim_testkit::{VirtualClock, store_suite as suite};

fn open(path: &Path) -> StoreResult<SqliteStore> {
    SqliteStore::open(path, VirtualClock::new(suite::at(0)))
}

/// A store with some hundred jobs in it, closed.
async fn filled() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = open(&path).unwrap();
    let jobs = (0..400).map(|i| suite::append_job(&format!("key-{i}"), "d1", &format!("/{i}"), 0)).collect();
    store.enqueue(jobs, None).await.unwrap();
    drop(store);
    (dir, path)
}

/// Opens what must be refused; nothing but the lock file and SQLite's shared memory may have come or changed.
fn refused(path: &Path) -> StoreError {
    let before = fs::read(path).unwrap();
    let wal = |path: &Path| fs::read(path.with_extension("db-wal")).unwrap_or_default();
    let before_wal = wal(path);
    let error = open(path).unwrap_err();
    assert!(fs::read(path).unwrap() == before, "the file was changed");
    assert!(wal(path) == before_wal, "the log was changed");
    error
}

#[tokio::test]
async fn a_second_one_is_refused_as_long_as_the_first_lives() {
    let (_dir, path) = filled().await;
    let first = open(&path).unwrap();
    assert!(matches!(open(&path), Err(StoreError::InUse { .. })));
    first.emit(vec![suite::event("d1", 0)]).await.unwrap();
    drop(first);
    open(&path).unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_left_alone() {
    let (_dir, path) = filled().await;
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 999").unwrap();
    let error = refused(&path);
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error}");
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let error = refused(&path);
    assert!(
        matches!(&error, StoreError::Corrupt { detail, .. } if detail.contains("another program")),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_store_is_left_alone() {
    let (_dir, path) = filled().await;
    let whole = fs::read(&path).unwrap();
    let mut garbled = whole.clone();
    // The middle of the file: pages of tables and indexes.
    let middle = garbled.len() / 2;
    garbled[middle..middle + 20_000].fill(0x5a);
    let damaged: [(&str, Vec<u8>); 4] = [
        ("no database", b"this is a text, and a longer one than a header of SQLite would be: ".repeat(20)),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("cut inside a page", whole[..whole.len() - 1000].to_vec()),
        ("garbled", garbled),
    ];
    for (name, bytes) in damaged {
        fs::write(&path, bytes).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{name}: {error}");
    }
    fs::write(&path, whole).unwrap();
    assert!(open(&path).unwrap().job(verisim_core::JobId(400)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [dir.path().join("missing/store.db"), file.join("store.db")] {
        let error = open(&path).unwrap_err();
        assert!(matches!(&error, StoreError::Io { path: named, .. } if *named == path), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()));
    }
    let folder = dir.path().join("store.db");
    fs::create_dir(&folder).unwrap();
    assert!(matches!(open(&folder), Err(StoreError::Io { .. })));
}

#[tokio::test]
async fn a_folder_without_permission_is_an_error_of_the_system() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::geteuid().is_root() {
        // Root may write anywhere; the disk that is mounted read-only stands for this case, in `full_disk`.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let error = open(&dir.path().join("store.db")).unwrap_err();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
}

#[tokio::test]
async fn a_store_goes_on_where_it_was() {
    let (_dir, path) = filled().await;
    let store = open(&path).unwrap();
    let secret = store.secret().await.unwrap();
    assert_ne!(secret, [0; 32]);
    let leased = store.lease(suite::request(0)).await.unwrap();
    assert_eq!(leased.len(), 400);
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.secret().await.unwrap(), secret);
    assert_eq!(store.health().await.unwrap().open_jobs, [("RUNNING".to_owned(), 400)]);
    assert_eq!(store.take_back(suite::at(1), true).await.unwrap(), 400);
    assert_eq!(store.lease(suite::request(1)).await.unwrap().len(), 400);
}
