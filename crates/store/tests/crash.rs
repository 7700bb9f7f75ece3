//! The process dies by SIGKILL at random instants, again and again on one store. What was acknowledged is there, nothing is
//! there by half, and nothing is done twice.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that starts itself as a child, tells it where, and fails by panicking"
)]

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use verisim_core::{
    ActivityState, Digest, Enqueued, EventId, EventQuery, Intended, JobFilter, JobId, JobState, LeaseRequest,
    NewEvent, Record, Recorded, StartMark, Store, WorkerId,
};
use verisim_store::SqliteStore;
use verisim_testkit::{VirtualClock, store_suite as suite};

/// Tells the test binary that it is the child, and where the store is.
const CHILD: &str = "VERISIM_STORE_CRASH_CHILD";
/// How often the process is killed.
const KILLS: u64 = 50;

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, VirtualClock::new(suite::at(0))).unwrap()
}

/// Says that something was acknowledged. One `write` per line, so that a line is never half there.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\nACK {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

async fn produce(store: Arc<SqliteStore>, who: u32) {
    for round in 0.. {
        let key = |i| format!("{}-{who}-{round}-{i}", std::process::id());
        let jobs =
            (0..3).map(|i| suite::append_job(&key(i), &format!("d{who}"), &format!("/{round}-{i}"), 0));
        for (i, answer) in store.enqueue(jobs.collect(), None).await.unwrap().into_iter().enumerate() {
            let Enqueued::New(id) = answer else { panic!("a new key was known") };
            say(&format!("stored {id} {}", key(i)));
        }
    }
}

async fn work(store: Arc<SqliteStore>, who: u32) {
    let worker = WorkerId(format!("{}-{who}", std::process::id()).into());
    loop {
        let ask = LeaseRequest { worker: worker.clone(), lanes_max: 2, per_lane_max: 2, ..suite::request(0) };
        for leased in store.lease(ask).await.unwrap() {
            let (job, fence) = (leased.job.id, leased.fence);
            let intended = Intended::Append { offset: 0, length: 5, sha256: Digest::of(b"line\n") };
            if store.start(vec![StartMark { job, fence, intended }]).await.unwrap() == [Recorded::Committed] {
                say(&format!("started {job}"));
            }
            let event = NewEvent { job: Some(job), ..suite::event("d1", 0) };
            let record = Record { events: vec![event], ..suite::done(&leased, 1) };
            if store.record(vec![record]).await.unwrap() == [Recorded::Committed] {
                say(&format!("done {job}"));
            }
        }
    }
}

/// Not a test by itself: what the child runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = Arc::new(open(Path::new(&path)));
    store.take_back(suite::at(0), true).await.unwrap();
    say("began");
    for who in 0..3 {
        tokio::spawn(produce(Arc::clone(&store), who));
        tokio::spawn(work(Arc::clone(&store), who));
    }
    std::future::pending::<()>().await;
}

fn start_child(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Runs the child until `after` acknowledgements and `further` more microseconds, kills it, and gives what it said.
fn run_and_kill(path: &Path, after: u64, further: u64) -> Vec<String> {
    let mut child = start_child(path);
    let mut said = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut left = after;
    while let Some(Ok(line)) = lines.next() {
        if let Some(ack) = line.strip_prefix("ACK ") {
            said.push(ack.to_owned());
            if left == 0 {
                std::thread::sleep(Duration::from_micros(further));
                child.kill().unwrap();
                break;
            }
            left -= 1;
        }
    }
    // What is still in the pipe was said before it died; only a whole line counts.
    said.extend(lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("ACK ").map(str::to_owned)));
    child.wait().unwrap();
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_12_a_killed_process_loses_nothing_and_does_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let mut stored = BTreeMap::new();
    let (mut started, mut done) = (HashSet::new(), HashSet::new());
    for seed in 0..KILLS {
        // A spread of instants; the machine's own timing makes them differ from run to run.
        let draw = Digest::of(&seed.to_le_bytes());
        let [a, b, c, ..] = *draw.as_bytes();
        let said = run_and_kill(&path, u64::from(a) / 2, (u64::from(b) << 8 | u64::from(c)) / 16);
        for line in &said {
            let words: Vec<&str> = line.split(' ').collect();
            let id = |word: &str| JobId(word.parse().unwrap());
            match words[..] {
                ["stored", job, key] => drop(stored.insert(id(job), key.to_owned())),
                ["started", job] => {
                    assert!(started.insert(id(job)) || !done.contains(&id(job)), "{job} began twice");
                }
                ["done", job] => assert!(done.insert(id(job)), "{job} was done twice"),
                _ => assert_eq!(line, "began"),
            }
        }
    }
    assert!(done.len() > 100, "only {} jobs were done between the kills", done.len());

    let check: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let store = open(&path);
    let jobs = store.jobs(JobFilter { limit: usize::MAX, ..JobFilter::default() }).await.unwrap();
    let jobs: BTreeMap<JobId, _> = jobs.into_iter().map(|job| (job.id, job)).collect();
    let events = events_by_job(&store).await;
    for (id, key) in &stored {
        assert_eq!(&*jobs[id].key.0, key.as_str(), "INV-1: an acknowledged job is there");
    }
    for (id, job) in &jobs {
        let is_done = job.state == JobState::Activity(ActivityState::Done);
        let expected = usize::from(is_done);
        assert_eq!(
            events.get(id).copied().unwrap_or(0),
            expected,
            "INV-2: state and event of {id} go together"
        );
        assert!(is_done || !done.contains(id), "the outcome of {id} was acknowledged");
        assert!(
            is_done || job.intended.is_some() || !started.contains(id),
            "the mark of {id} was acknowledged"
        );
    }
    assert!(store.take_back(suite::at(0), true).await.unwrap() <= 12, "at most what three workers held");
}

async fn events_by_job(store: &SqliteStore) -> BTreeMap<JobId, usize> {
    let mut counts = BTreeMap::new();
    let mut after = EventId(0);
    loop {
        let query = EventQuery { after, topics: ">".parse().unwrap(), limit: 5000 };
        let page = store.events(query).await.unwrap();
        if page.seen == after {
            return counts;
        }
        after = page.seen;
        for event in page.events {
            *counts.entry(event.body.job.unwrap()).or_default() += 1;
        }
    }
}
