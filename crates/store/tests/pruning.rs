//! What outlives the history.

use std::time::Duration;

use verisim_core::{
    Enqueued, Intervention, JobState, LaneKind, LeaseRequest, PruneRule, Schedule, Store, SyncState,
};
use verisim_store::SqliteStore;
use verisim_testkit::{VirtualClock, store_suite as suite};

fn rule(now: i64) -> PruneRule {
    PruneRule { now: suite::at(now), age_max: Duration::from_secs(100), events_per_decoy_max: 5, limit: 100 }
}

/// The job is kept for the age limit after it ended, and its key for as long again: a planner that replays what is older
/// would have to read a history that is gone.
#[tokio::test]
async fn a_replay_is_known_after_its_job_was_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let open = || SqliteStore::open(&path, VirtualClock::new(suite::at(0))).unwrap();
    let store = open();
    let job = || vec![suite::append_job("a", "d1", "/a", 0)];
    let Enqueued::New(id) = store.enqueue(job(), None).await.unwrap()[0] else { panic!("it is new") };
    let leased = store.lease(suite::request(0)).await.unwrap();
    store.record(vec![suite::done(&leased[0], 1)]).await.unwrap();
    assert_eq!(store.prune(rule(100)).await.unwrap(), 0);
    assert_eq!(store.prune(rule(102)).await.unwrap(), 1);
    assert_eq!(store.job(id).await.unwrap(), None);
    assert_eq!(store.enqueue(job(), None).await.unwrap(), [Enqueued::Known(id)]);
    drop(store);
    let store = open();
    assert_eq!(store.enqueue(job(), None).await.unwrap(), [Enqueued::Known(id)]);
    assert_eq!(store.prune(rule(203)).await.unwrap(), 1, "the key goes");
    let again = store.enqueue(job(), None).await.unwrap();
    assert!(matches!(again[0], Enqueued::New(new) if new > id), "an id is never given again: {again:?}");
}

/// A capture's directory may stand there for years: neither it nor its key is ever forgotten.
#[tokio::test]
async fn a_capture_outlives_its_job() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.db"), VirtualClock::new(suite::at(0))).unwrap();
    let Enqueued::New(id) = store.enqueue(vec![suite::sync_job("one", 1, 0)], None).await.unwrap()[0] else {
        panic!("it is new")
    };
    store.put_manifest(id, 0, "manifest".into()).await.unwrap();
    let rests = |from, to| Intervention {
        job: id,
        from: JobState::Sync(from),
        to: JobState::Sync(to),
        at: suite::at(1),
        schedule: Schedule::Parked,
        counters: None,
        overrides: None,
        events: Vec::new(),
    };
    // What is not proved to be home is never forgotten: a person may still bring it there.
    for (from, to) in [(SyncState::Waiting, SyncState::Failed), (SyncState::Failed, SyncState::Cancelled)] {
        store.intervene(rests(from, to)).await.unwrap();
        assert_eq!(store.prune(rule(100_000)).await.unwrap(), 0, "{to}");
    }
    store.intervene(rests(SyncState::Cancelled, SyncState::Cleaned)).await.unwrap();
    while store.prune(rule(100_000)).await.unwrap() > 0 {}
    assert_eq!(store.job(id).await.unwrap(), None);
    assert_eq!(store.manifest(id, 0).await.unwrap(), None);
    assert_eq!(store.captures().await.unwrap()[0].0, id);
    let again = store.enqueue(vec![suite::sync_job("one", 1, 0)], None).await.unwrap();
    assert_eq!(again, [Enqueued::Known(id)]);
    let ask = LeaseRequest { kind: LaneKind::Destination, ..suite::request(9) };
    assert!(store.lease(ask).await.unwrap().is_empty());
}

/// What an intruder left is looked at by a person; until then it stays, whatever its age.
#[tokio::test]
async fn what_was_found_goes_with_age_and_size_but_never_under_a_path_that_is_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let open = || SqliteStore::open(&path, VirtualClock::new(suite::at(0))).unwrap();
    drop(open());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "INSERT INTO file (decoy, path, ownership, sha256, size, class, edits, planted_at, changed_at)
           VALUES ('d1', x'2f61', 'hands_off', zeroblob(32), 0, 'manual', 0, 0, 0),
                  ('d1', x'2f62', 'owned', zeroblob(32), 0, 'manual', 0, 0, 0);
         -- Frozen and old; decided and old; gone from the ledger and old; decided and new, in large pieces.
         INSERT INTO evidence (decoy, path, at, body) VALUES ('d1', x'2f61', 0, x'01');
         INSERT INTO evidence (decoy, path, at, body) VALUES ('d1', x'2f62', 0, x'02'), ('d2', x'2f61', 0, x'03');
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5)
         INSERT INTO evidence (decoy, path, at, body) SELECT 'd1', x'2f62', 9000000000000000000, zeroblob(16 << 20) FROM n;",
    )
    .unwrap();
    drop(db);
    let store = open();
    assert_eq!(store.prune(PruneRule { limit: 1, ..rule(1000) }).await.unwrap(), 1, "the work is bounded");
    while store.prune(rule(1000)).await.unwrap() > 0 {}
    drop(store);
    let db = rusqlite::Connection::open(&path).unwrap();
    let mut left = db.prepare("SELECT id FROM evidence ORDER BY id").unwrap();
    let left: Vec<i64> = left.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(left, [1, 5, 6, 7, 8], "64 MiB are kept beside what is frozen");
}
