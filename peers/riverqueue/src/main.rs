//! The peer of `verisim-bench queue`: whole lives of no-op jobs through riverqueue on SQLite, WAL, `synchronous=FULL`.
//!
//! usage: peer-riverqueue <new database file> <workers> <jobs>; prints jobs per second.

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use riverqueue::migrate::SqliteMigrator;
use riverqueue::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use riverqueue::{Client, Job, JobArgs, QueueConfig, WorkContext, WorkOutcome, Workers};
use serde::{Deserialize, Serialize};

/// As many as the store of ours has in its row.
const PRODUCERS: u64 = 8;
/// Jobs of one insert.
const BATCH: u64 = 32;

#[derive(Clone, Debug, Deserialize, JobArgs, Serialize)]
#[river(kind = "append")]
struct Append {
    decoy: String,
    path: String,
    body: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: peer-riverqueue <new database file> <workers> <jobs>";
    let path = args.next().ok_or(usage)?;
    let workers: usize = args.next().ok_or(usage)?.parse()?;
    let jobs: u64 = args.next().ok_or(usage)?.parse()?;
    let options = SqliteConnectOptions::from_str(&format!("sqlite://{path}"))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30));
    let pool = SqlitePoolOptions::new().connect_with(options).await?;
    SqliteMigrator::new(pool.clone()).migrate_up().await?;

    let done = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&done);
    let mut registry = Workers::new();
    registry.add_fn(move |_: WorkContext, job: Job<Append>| {
        let count = Arc::clone(&count);
        async move {
            std::hint::black_box(job.args.body.len());
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(WorkOutcome::Complete)
        }
    })?;
    let client = Client::builder(pool.clone())
        .workers(registry)
        .fetch_cooldown(Duration::from_millis(1))
        .queue("default", QueueConfig::new(workers).with_fetch_poll_interval(Duration::from_millis(5)))
        .build()?;

    let started = Instant::now();
    let mut run = client.start()?;
    let mut producers = Vec::new();
    for producer in 0..PRODUCERS {
        let client = client.clone();
        producers.push(tokio::spawn(async move {
            for batch in 0..(jobs / PRODUCERS).div_ceil(BATCH) {
                let from = batch * BATCH;
                let to = (from + BATCH).min(jobs / PRODUCERS);
                let rows = (from..to).map(|i| Append {
                    decoy: format!("host{:03}", i % 50),
                    path: format!("/home/user{producer}/notes/file-{i}.txt"),
                    body: "a line of text that a persona would write\n".repeat(4),
                });
                client.insert_many(rows).await?;
            }
            Ok::<_, riverqueue::Error>(())
        }));
    }
    for producer in producers {
        producer.await??;
    }
    let all = jobs / PRODUCERS * PRODUCERS;
    while done.load(Ordering::Relaxed) < all {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // A soft stop returns when every completion is stored.
    run.stop().await?;
    println!("{:.0}", all as f64 / started.elapsed().as_secs_f64());
    Ok(())
}
