//! What is refused at the start, and that a refusal changes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use verisim_core::{JobFilter, Store, StoreError, StoreResult};
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

/// Everything that is in a folder, with content.
fn contents(dir: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries
        .map(|entry| {
            (entry.path(), entry.metadata().unwrap().permissions().mode(), fs::read(entry.path()).unwrap())
        })
        .collect();
    all.sort();
    all
}

fn look(path: &Path) -> StoreResult<SqliteStore> {
    SqliteStore::look(path, VirtualClock::new(suite::at(0)))
}

#[tokio::test]
async fn who_looks_changes_nothing_and_sees_what_is_there() {
    let (dir, path) = filled().await;
    let before = contents(dir.path());
    let (one, two) = (look(&path).unwrap(), look(&path).unwrap());
    assert_eq!(one.jobs(JobFilter { limit: 1000, ..JobFilter::default() }).await.unwrap().len(), 400);
    assert_eq!(two.health().await.unwrap(), one.health().await.unwrap());
    assert!(matches!(open(&path), Err(StoreError::InUse { .. })), "nobody writes while somebody looks");
    assert!(one.emit(vec![suite::event("d1", 0)]).await.is_err());
    drop((one, two));
    assert!(contents(dir.path()) == before);
    // With a log that a kill left behind, too.
    let killed = tempfile::tempdir().unwrap();
    let store = open(&path).unwrap();
    store.emit(vec![suite::event("d1", 0)]).await.unwrap();
    for file in ["store.db", "store.db-wal", "store.db.lock"] {
        fs::copy(dir.path().join(file), killed.path().join(file)).unwrap();
    }
    drop(store);
    let path = killed.path().join("store.db");
    let before = (fs::read(&path).unwrap(), fs::read(killed.path().join("store.db-wal")).unwrap());
    let found = look(&path).unwrap();
    assert_eq!(found.health().await.unwrap().last_event.0, 1);
    drop(found);
    assert!((fs::read(&path).unwrap(), fs::read(killed.path().join("store.db-wal")).unwrap()) == before);
}

#[tokio::test]
async fn where_there_is_no_store_who_looks_sees_an_empty_one_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().join("store.db"), dir.path().join("nowhere/store.db")] {
        let (one, two) = (look(&path).unwrap(), look(&path).unwrap());
        for store in [one, two] {
            assert!(store.jobs(JobFilter { limit: 9, ..JobFilter::default() }).await.unwrap().is_empty());
            assert!(store.ledger_scan(None, 9).await.unwrap().is_empty());
            assert_eq!(store.health().await.unwrap().last_event.0, 0);
        }
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_the_store_makes_is_for_its_user_alone() {
    let (dir, path) = filled().await;
    let modes = || contents(dir.path()).into_iter().map(|(path, mode, _)| (path, mode & 0o777));
    assert!(modes().all(|(_, mode)| mode == 0o600), "{:?}", modes().collect::<Vec<_>>());
    // Also what an earlier version, or somebody, left open.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&path).unwrap();
    store.emit(vec![suite::event("d1", 0)]).await.unwrap();
    store.jobs(JobFilter { limit: 9, ..JobFilter::default() }).await.unwrap();
    assert_eq!(modes().count(), 4);
    assert!(modes().all(|(_, mode)| mode == 0o600), "{:?}", modes().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_large_store_is_checked_within_bounds() {
    let (_dir, path) = filled().await;
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "CREATE TABLE ballast (a); INSERT INTO ballast VALUES (zeroblob(70 << 20)); PRAGMA wal_checkpoint(TRUNCATE);",
    )
    .unwrap();
    let page: i64 =
        db.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'meta'", (), |row| row.get(0)).unwrap();
    drop(db);
    drop(open(&path).unwrap());
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 64 << 20);
    // Cut short, as by a copy that broke off.
    fs::write(&path, &whole[..65 << 20]).unwrap();
    assert!(matches!(refused(&path), StoreError::Corrupt { .. }));
    // A small table that every start needs.
    let mut broken = whole;
    let from = (usize::try_from(page).unwrap() - 1) * 4096;
    broken[from..from + 4096].fill(0xa5);
    fs::write(&path, &broken).unwrap();
    assert!(matches!(refused(&path), StoreError::Corrupt { .. }));
}
