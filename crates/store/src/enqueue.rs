//! New jobs.

use verisim_core::{Capture, Enqueued, JobId, JobKind, Lane, NewJob, RelPath, Timestamp, Work};

use crate::codes;
use crate::error::{Fault, Outcome};
use crate::queue::{Entry, order_hash};
use crate::tx::{Safety, Tx, Write};
use crate::wire;

/// A new job, encoded.
struct NewRow {
    key: String,
    kind: JobKind,
    lane: Lane,
    order: [Option<i64>; 2],
    state: i64,
    due_at: Option<i64>,
    planned_at: i64,
    deadline: Option<i64>,
    created_at: i64,
    work: String,
    capture: Option<CaptureRow>,
}

struct CaptureRow {
    rule: String,
    path: Vec<u8>,
    generation: u32,
    capture: String,
}

/// Stores jobs and the planner's position.
pub(crate) struct Enqueue {
    rows: Vec<NewRow>,
    cursor: Option<i64>,
}

impl Enqueue {
    pub(crate) fn new(jobs: &[NewJob], cursor: Option<Timestamp>, now: Timestamp) -> Outcome<Self> {
        let rows = jobs.iter().map(|job| NewRow::new(job, now)).collect::<Outcome<_>>()?;
        Ok(Self { rows, cursor: cursor.map(codes::time) })
    }
}

impl NewRow {
    fn new(job: &NewJob, now: Timestamp) -> Outcome<Self> {
        let (first, second) = job.work.order();
        let same_kind = matches!(
            (&job.work, job.state),
            (Work::Activity { .. }, verisim_core::JobState::Activity(_))
                | (Work::Sync(_), verisim_core::JobState::Sync(_))
        );
        if !same_kind {
            return Err(Fault::invalid(format_args!("job {} has a state of the other kind", job.key)));
        }
        let capture = match &job.work {
            Work::Activity { .. } => None,
            Work::Sync(spec) => Some(CaptureRow::new(&spec.capture)?),
        };
        Ok(Self {
            key: job.key.0.to_string(),
            kind: job.work.kind(),
            lane: job.work.lane(),
            order: [first.as_ref().map(order_hash), second.as_ref().map(order_hash)],
            state: codes::state(job.state),
            due_at: codes::schedule(job.schedule),
            planned_at: codes::time(job.planned_at),
            deadline: job.deadline.map(codes::time),
            created_at: codes::time(now),
            work: wire::encode(&job.work)?,
            capture,
        })
    }

    fn store(&self, tx: &mut Tx<'_>) -> Outcome<Enqueued> {
        if tx.state.numbers.spent > 0
            && let Some(job) =
                tx.first("SELECT job FROM spent WHERE key = ?1", [&self.key], |row| row.get(0))?
        {
            return Ok(Enqueued::Known(JobId(job)));
        }
        let id = tx.state.numbers.last_job + 1;
        let added = tx.run(
            "INSERT INTO work (id, key, planned_at, deadline, created_at, work) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (key) DO NOTHING",
            (id, &self.key, self.planned_at, self.deadline, self.created_at, &self.work),
        )?;
        if added == 0 {
            let known = tx.first("SELECT id FROM work WHERE key = ?1", [&self.key], |row| row.get(0))?;
            let known = known.ok_or_else(|| Fault::invalid("a key is known and has no job"))?;
            return Ok(Enqueued::Known(JobId(known)));
        }
        tx.state.numbers.last_job = id;
        let lane = tx.lane(&self.lane)?;
        let [order_a, order_b] = self.order;
        let kind = codes::kind(self.kind);
        tx.run(
            "INSERT INTO job (id, kind, lane, order_a, order_b, state, due_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (id, kind, lane, order_a, order_b, self.state, self.due_at, self.created_at),
        )?;
        if let Some(capture) = &self.capture {
            capture.store(tx, id)?;
        }
        if self.state < codes::FIRST_FINAL {
            let entry = Entry {
                kind: self.lane.kind(),
                lane,
                order: self.order,
                state: self.state,
                due_at: self.due_at,
                lease_until: None,
            };
            tx.state.queue.set(id, Some(entry));
        }
        Ok(Enqueued::New(JobId(id)))
    }
}

impl CaptureRow {
    fn new(capture: &Capture) -> Outcome<Self> {
        Ok(Self {
            rule: capture.rule.to_string(),
            path: capture.relative.as_ref().map(RelPath::as_bytes).unwrap_or_default().to_vec(),
            generation: capture.generation,
            capture: wire::encode(capture)?,
        })
    }

    fn store(&self, tx: &Tx<'_>, job: i64) -> Outcome<usize> {
        tx.run(
            "INSERT INTO capture (rule, path, generation, job, capture) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (rule, path) DO UPDATE SET generation = excluded.generation, job = excluded.job,
             capture = excluded.capture WHERE excluded.generation >= generation",
            (&self.rule, &self.path, self.generation, job, &self.capture),
        )
    }
}

impl Write for Enqueue {
    type Answer = Vec<Enqueued>;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Vec<Enqueued>> {
        let answers = self.rows.iter().map(|row| row.store(tx)).collect::<Outcome<_>>()?;
        if let Some(cursor) = self.cursor {
            tx.set_meta("plan_cursor", cursor)?;
        }
        Ok(answers)
    }
}
