//! The store behind its port, used as the engine uses it: in batches, by several tasks at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use verisim_core::{
    Action, AppendFile, Body, Counters, DecoyPath, Digest, Intended, JobState, LeaseRequest, LeasedJob,
    NewEvent, NewJob, Record, Schedule, StartMark, Store, WorkerId,
};
use verisim_store::SqliteStore;
use verisim_testkit::{VirtualClock, store_suite};

use crate::measure::Error;

const BATCH: usize = 32;
const LANES: usize = 50;

/// What a life stores as text, for the floor to store the same number of bytes.
pub(super) fn stored_texts() -> (&'static str, &'static str, &'static str) {
    static TEXTS: std::sync::OnceLock<(String, String, String)> = std::sync::OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let wrap = |json: Result<String, serde_json::Error>| {
            format!("{{\"v\":1,\"data\":{}}}", json.unwrap_or_default())
        };
        let new = job(1);
        (
            wrap(serde_json::to_string(&new.work)),
            wrap(serde_json::to_string(&event(1))),
            wrap(serde_json::to_string(&intended())),
        )
    });
    (&texts.0, &texts.1, &texts.2)
}

fn job(i: usize) -> NewJob {
    let action = Action::Append(AppendFile {
        path: DecoyPath::new(format!("/home/user{}/notes/file-{i}.txt", i % 8))
            .unwrap_or_else(|_| DecoyPath::root()),
        body: Body::from("a line of text that a persona would write\n".repeat(4).into_bytes()),
        class: verisim_core::FileClass::DaemonLog,
    });
    let key = format!("action/maria-keller/files01-2026-11-22-{:04}/{}", i % 9973, i);
    store_suite::activity_job(&key, &format!("host{:03}", i % LANES), action, 0)
}

fn intended() -> Intended {
    Intended::Append { offset: 1234, length: 168, sha256: Digest::of(b"line") }
}

fn event(i: usize) -> NewEvent {
    store_suite::event(&format!("host{:03}", i % LANES), 1)
}

fn mark(leased: &LeasedJob) -> StartMark {
    StartMark { job: leased.job.id, fence: leased.fence, intended: intended() }
}

fn done(leased: &LeasedJob) -> Record {
    let i = usize::try_from(leased.job.id.0).unwrap_or(0);
    Record {
        counters: Counters::default(),
        schedule: Schedule::Parked,
        to: JobState::Activity(verisim_core::ActivityState::Done),
        events: vec![NewEvent { job: Some(leased.job.id), ..event(i) }],
        ..store_suite::done(leased, 1)
    }
}

fn open(dir: &Path) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(SqliteStore::open(&dir.join("store.db"), VirtualClock::new(store_suite::at(0)))?))
}

/// `pairs` producers and as many workers, in a new store below `dir`.
pub(super) fn lives_per_second(dir: &Path, jobs: usize, pairs: usize) -> Result<f64, Error> {
    let dir = tempfile::tempdir_in(dir)?;
    let store = open(dir.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let done = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let each = jobs / pairs;
    let all = each * pairs;
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for pair in 0..pairs {
            tasks.push(tokio::spawn(produce(Arc::clone(&store), pair * each, each)));
            tasks.push(tokio::spawn(work(Arc::clone(&store), pair, Arc::clone(&done), all)));
        }
        for task in tasks {
            task.await??;
        }
        Ok::<_, Error>(())
    })?;
    Ok(all as f64 / started.elapsed().as_secs_f64())
}

async fn produce(store: Arc<dyn Store>, first: usize, count: usize) -> Result<(), Error> {
    for from in (first..first + count).step_by(BATCH) {
        let jobs = (from..(from + BATCH).min(first + count)).map(job).collect();
        store.enqueue(jobs, None).await?;
    }
    Ok(())
}

async fn work(store: Arc<dyn Store>, i: usize, count: Arc<AtomicUsize>, all: usize) -> Result<(), Error> {
    let worker = WorkerId(format!("worker-0123456789abcde{i}").into());
    while count.load(Ordering::Relaxed) < all {
        let request =
            LeaseRequest { worker: worker.clone(), lanes_max: 8, per_lane_max: 8, ..store_suite::request(0) };
        let leased = store.lease(request).await?;
        if leased.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        store.start(leased.iter().map(mark).collect()).await?;
        store.record(leased.iter().map(done).collect()).await?;
        count.fetch_add(leased.len(), Ordering::Relaxed);
    }
    Ok(())
}

/// One job after the other, each step waiting for the one before.
pub(super) fn lone_lives_per_second(dir: &Path, jobs: usize) -> Result<f64, Error> {
    let dir = tempfile::tempdir_in(dir)?;
    let store = open(dir.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let started = Instant::now();
    runtime.block_on(async {
        for i in 0..jobs {
            store.enqueue(vec![job(i)], None).await?;
            let leased = store.lease(store_suite::request(0)).await?;
            store.start(leased.iter().map(mark).collect()).await?;
            store.record(leased.iter().map(done).collect()).await?;
        }
        Ok::<_, Error>(())
    })?;
    Ok(jobs as f64 / started.elapsed().as_secs_f64())
}
