//! What a job costs in flushes of the disk.

use std::sync::Arc;

use verisim_core::{Digest, EventId, Intended, StartMark, Store};
use verisim_store::SqliteStore;
use verisim_testkit::{VirtualClock, store_suite as suite};

#[tokio::test]
async fn a_lone_job_costs_three_flushes() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.db"), VirtualClock::new(suite::at(0))).unwrap();
    for round in 0..5 {
        let before = store.metrics();
        store.enqueue(vec![suite::append_job(&format!("{round}"), "d1", "/a", 0)], None).await.unwrap();
        let leased = store.lease(suite::request(0)).await.unwrap().remove(0);
        store
            .heartbeat(&suite::request(0).worker, &[(leased.job.id, leased.fence)], suite::at(60))
            .await
            .unwrap();
        let intended = Intended::Append { offset: 0, length: 5, sha256: Digest::of(b"line\n") };
        store.start(vec![StartMark { job: leased.job.id, fence: leased.fence, intended }]).await.unwrap();
        store.record(vec![suite::done(&leased, 1)]).await.unwrap();
        store.published(EventId(round + 1)).await.unwrap();
        let after = store.metrics();
        assert_eq!(after.flushed - before.flushed, 3, "enqueue, start, record");
        assert_eq!(after.unflushed - before.unflushed, 3, "lease, heartbeat, published");
    }
}

/// Many that ask at once share flushes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_writers_share_a_flush() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.db"), VirtualClock::new(suite::at(0))).unwrap();
    let store = Arc::new(store);
    let before = store.metrics();
    let tasks: Vec<_> = (0..400)
        .map(|i| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store.enqueue(vec![suite::append_job(&format!("{i}"), "d1", &format!("/{i}"), 0)], None).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let after = store.metrics();
    assert_eq!(after.commands - before.commands, 400);
    assert!(after.flushed - before.flushed < 200, "{} flushes", after.flushed - before.flushed);
}

/// One command that cannot be carried out does not take with it those it shares a transaction with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.db"), VirtualClock::new(suite::at(0))).unwrap();
    let store = Arc::new(store);
    let too_large = bytes::Bytes::from(vec![0; 1_100_000_000]);
    let tasks: Vec<_> = (0..60)
        .map(|i| {
            let (store, too_large) = (Arc::clone(&store), too_large.clone());
            tokio::spawn(async move {
                if i % 20 == 10 {
                    // SQLite refuses a value of more than 1,000,000,000 bytes.
                    return store.put_manifest(verisim_core::JobId(1), 0, too_large).await.is_err();
                }
                let job = suite::append_job(&format!("{i}"), "d1", &format!("/{i}"), 0);
                store.enqueue(vec![job], None).await.is_ok()
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(store.health().await.unwrap().open_jobs, [("QUEUED".to_owned(), 57)]);
    assert_eq!(store.lease(suite::request(0)).await.unwrap().len(), 57, "the queue in memory was undone too");
}
