//! The floor: one thread, one connection, prepared statements, the same columns and bytes, no port, no JSON, no order.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, Statement};

use crate::measure::Error;

/// Which steps a life has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// Enqueue, claim, start mark, outcome with event: as ours.
    Same,
    /// Enqueue, claim, outcome with event.
    NoMarks,
}

const SCHEMA: &str = "
    PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;
    CREATE TABLE job (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lane TEXT NOT NULL, state INTEGER NOT NULL,
        due_at INTEGER NOT NULL, fence INTEGER NOT NULL, worker TEXT, lease_until INTEGER, attempts INTEGER NOT NULL,
        intended TEXT, updated_at INTEGER NOT NULL, work TEXT NOT NULL) STRICT;
    CREATE INDEX job_due ON job (due_at, id) WHERE state = 1;
    CREATE TABLE event (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, decoy TEXT, topic TEXT NOT NULL,
        event TEXT NOT NULL) STRICT;";

struct Statements<'a> {
    enqueue: Statement<'a>,
    claim: Statement<'a>,
    start: Statement<'a>,
    outcome: Statement<'a>,
    event: Statement<'a>,
}

/// Runs whole lives in a new database below `dir`, `batch` of each step in one transaction.
pub(crate) fn lives_per_second(dir: &Path, jobs: usize, batch: usize, steps: Steps) -> Result<f64, Error> {
    let dir = tempfile::tempdir_in(dir)?;
    let db = Connection::open(dir.path().join("bare.db"))?;
    db.execute_batch(SCHEMA)?;
    let mut run = Statements {
        enqueue: db.prepare(
            "INSERT INTO job (key, lane, state, due_at, fence, attempts, updated_at, work)
             VALUES (?1, ?2, 1, ?3, 0, 0, ?3, ?4) ON CONFLICT (key) DO NOTHING",
        )?,
        claim: db.prepare(
            "UPDATE job SET state = 2, fence = fence + 1, worker = ?1, lease_until = ?2, updated_at = ?2
             WHERE id IN (SELECT id FROM job WHERE state = 1 AND due_at <= ?2 ORDER BY due_at, id LIMIT ?3)
             RETURNING id, fence, work",
        )?,
        start: db.prepare(
            "UPDATE job SET intended = ?3, attempts = attempts + 1 WHERE id = ?1 AND fence = ?2 AND state = 2",
        )?,
        outcome: db.prepare(
            "UPDATE job SET state = 101, worker = NULL, lease_until = NULL, intended = NULL, updated_at = ?3
             WHERE id = ?1 AND fence = ?2 AND state = 2",
        )?,
        event: db.prepare("INSERT INTO event (time, decoy, topic, event) VALUES (?1, ?2, ?3, ?4)")?,
    };
    let started = Instant::now();
    for first in (0..jobs).step_by(batch) {
        run.lives(&db, first, batch, steps)?;
    }
    Ok(jobs as f64 / started.elapsed().as_secs_f64())
}

impl Statements<'_> {
    fn lives(&mut self, db: &Connection, first: usize, batch: usize, steps: Steps) -> Result<(), Error> {
        let (work, event, intended) = super::ours::stored_texts();
        let now = 1_790_000_000_000_000_000_i64;
        db.execute_batch("BEGIN IMMEDIATE")?;
        for i in first..first + batch {
            let key = format!("action/maria-keller/files01-2026-11-22-{:04}/{}", i % 9973, i);
            self.enqueue.execute((key, format!("decoy/host{:03}", i % 50), now, work))?;
        }
        db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        let claimed: Vec<(i64, i64, String)> = self
            .claim
            .query_map(("worker-0123456789abcdef", now, i64::try_from(batch)?), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        db.execute_batch("COMMIT")?;
        if steps == Steps::Same {
            db.execute_batch("BEGIN IMMEDIATE")?;
            for (id, fence, _) in &claimed {
                self.start.execute((id, fence, intended))?;
            }
            db.execute_batch("COMMIT")?;
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        for (id, fence, _) in &claimed {
            self.outcome.execute((id, fence, now))?;
            self.event.execute((now, "host001", "orchestrator.file.host001", event))?;
        }
        db.execute_batch("COMMIT")?;
        Ok(())
    }
}
