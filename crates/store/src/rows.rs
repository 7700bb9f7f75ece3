//! Jobs as they are read from the tables, and as the port knows them.

use rusqlite::Row;
use verisim_core::{Counters, Fence, IdempotencyKey, Job, JobId, LeasedJob};

use crate::codes;
use crate::error::Outcome;
use crate::wire;

/// A job as it stands in the tables. It is decoded by whoever asked, not by the writer.
#[derive(Debug)]
pub(crate) struct JobRow {
    id: i64,
    key: String,
    work: String,
    state: i64,
    planned_at: i64,
    due_at: Option<i64>,
    deadline: Option<i64>,
    counters: Counters,
    failure_kind: Option<String>,
    failure_detail: Option<String>,
    intended: Option<String>,
    progress: Option<String>,
    created_at: i64,
    updated_at: i64,
    fence: i64,
}

/// What [`JobRow::read`] reads; a condition is added behind.
pub(crate) const SELECT_JOB: &str = "SELECT job.id, key, work, state, planned_at, due_at, deadline, attempts, failures,
    mismatches, blocks, leases_lost, failure_kind, failure_detail, intended, progress, created_at, updated_at, fence
    FROM job JOIN work ON work.id = job.id";

impl JobRow {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            key: row.get(1)?,
            work: row.get(2)?,
            state: row.get(3)?,
            planned_at: row.get(4)?,
            due_at: row.get(5)?,
            deadline: row.get(6)?,
            counters: Counters {
                attempts: row.get(7)?,
                failures: row.get(8)?,
                mismatches: row.get(9)?,
                blocks: row.get(10)?,
                leases_lost: row.get(11)?,
            },
            failure_kind: row.get(12)?,
            failure_detail: row.get(13)?,
            intended: row.get(14)?,
            progress: row.get(15)?,
            created_at: row.get(16)?,
            updated_at: row.get(17)?,
            fence: row.get(18)?,
        })
    }

    pub(crate) fn into_job(self) -> Outcome<Job> {
        let failure = match (self.failure_kind, self.failure_detail) {
            (Some(kind), detail) => Some((codes::parse_failure(&kind)?, detail.unwrap_or_default())),
            (None, _) => None,
        };
        Ok(Job {
            id: JobId(self.id),
            key: IdempotencyKey(self.key.into()),
            work: wire::decode(&self.work)?,
            state: codes::parse_state(self.state)?,
            planned_at: codes::parse_time(self.planned_at)?,
            schedule: codes::parse_schedule(self.due_at)?,
            deadline: self.deadline.map(codes::parse_time).transpose()?,
            counters: self.counters,
            last_failure: failure,
            intended: self.intended.as_deref().map(wire::decode).transpose()?,
            progress: self.progress.as_deref().map(wire::decode).transpose()?,
            created_at: codes::parse_time(self.created_at)?,
            updated_at: codes::parse_time(self.updated_at)?,
        })
    }

    pub(crate) fn into_leased(self) -> Outcome<LeasedJob> {
        let fence = Fence(self.fence);
        self.into_job().map(|job| LeasedJob { job, fence })
    }
}
