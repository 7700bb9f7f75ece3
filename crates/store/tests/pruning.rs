//! What outlives the history.

use std::time::Duration;

use verisim_core::{
    Enqueued, Intervention, JobKind, JobState, LeaseRequest, PruneRule, Schedule, Store, SyncState,
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
    let failed = Intervention {
        job: id,
        from: JobState::Sync(SyncState::Waiting),
        to: JobState::Sync(SyncState::Failed),
        at: suite::at(1),
        schedule: Schedule::Parked,
        counters: None,
        events: Vec::new(),
    };
    store.intervene(failed).await.unwrap();
    while store.prune(rule(100_000)).await.unwrap() > 0 {}
    assert_eq!(store.job(id).await.unwrap(), None);
    assert_eq!(store.manifest(id, 0).await.unwrap(), None);
    assert_eq!(store.captures().await.unwrap()[0].0, id);
    let again = store.enqueue(vec![suite::sync_job("one", 1, 0)], None).await.unwrap();
    assert_eq!(again, [Enqueued::Known(id)]);
    let ask = LeaseRequest { kind: JobKind::Sync, ..suite::request(9) };
    assert!(store.lease(ask).await.unwrap().is_empty());
}
