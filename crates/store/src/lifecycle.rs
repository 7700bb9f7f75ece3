//! What happens to a job under a lease, and what ends one. The fence stands in the WHERE of every write under it (INV-3).

use rusqlite::OptionalExtension;
use verisim_core::{
    Counters, Decided, Fence, Intervention, JobId, JobKind, LeaseRequest, Record, Recorded, StartMark,
    SyncProgress, Timestamp, WorkerId,
};

use crate::codes;
use crate::error::{Fault, Outcome};
use crate::events::NewEvents;
use crate::ledger::Change;
use crate::queue::Entry;
use crate::rows::{JobRow, SELECT_JOB};
use crate::tx::{Safety, Tx, Write};
use crate::wire;

/// Gives out jobs.
pub(crate) struct Lease(pub(crate) LeaseRequest);

impl Write for Lease {
    type Answer = Vec<JobRow>;
    const SAFETY: Safety = Safety::Process;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Vec<JobRow>> {
        let request = &self.0;
        let (now, until) = (codes::time(request.now), codes::time(request.until));
        let chosen = tx.state.queue.choose(request, &tx.state.lanes);
        let mut lease = tx.db.prepare_cached(
            "UPDATE job SET state = ?2, fence = fence + 1, lease_until = ?3, lease_worker = ?4, updated_at = ?5
             WHERE id = ?1 AND lease_until IS NULL",
        )?;
        let mut select = tx.db.prepare_cached(&format!("{SELECT_JOB} WHERE job.id = ?1"))?;
        let mut given = Vec::with_capacity(chosen.len());
        for id in chosen {
            let entry = entry(tx, id)?;
            let state = codes::leased(entry.state);
            let leased = lease.execute((id, state, until, &*request.worker.0, now))?;
            let row = select.query_row([id], JobRow::read).optional()?;
            let (1, Some(row)) = (leased, row) else {
                return Err(Fault::invalid(format_args!("job {id} is not as the queue knows it")));
            };
            tx.state.queue.set(id, Some(Entry { state, lease_until: Some(until), ..entry }));
            given.push(row);
        }
        Ok(given)
    }
}

fn entry(tx: &Tx<'_>, id: i64) -> Outcome<Entry> {
    tx.state
        .queue
        .get(id)
        .ok_or_else(|| Fault::invalid(format_args!("job {id} is open and not in the queue")))
}

/// A mark, encoded.
struct StartRow {
    job: i64,
    fence: i64,
    intended: String,
}

/// Makes intentions durable.
pub(crate) struct Start(Vec<StartRow>);

impl Start {
    pub(crate) fn new(marks: &[StartMark]) -> Outcome<Self> {
        let row = |mark: &StartMark| {
            Ok(StartRow { job: mark.job.0, fence: mark.fence.0, intended: wire::encode(&mark.intended)? })
        };
        marks.iter().map(row).collect::<Outcome<_>>().map(Self)
    }
}

impl Write for Start {
    type Answer = Vec<Recorded>;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Vec<Recorded>> {
        let mut start = tx.db.prepare_cached(
            "UPDATE job SET intended = ?3, attempts = attempts + 1
             WHERE id = ?1 AND fence = ?2 AND lease_until IS NOT NULL",
        )?;
        let start = |mark: &StartRow| Ok(recorded(start.execute((mark.job, mark.fence, &mark.intended))?));
        self.0.iter().map(start).collect()
    }
}

const fn recorded(rows: usize) -> Recorded {
    if rows == 1 { Recorded::Committed } else { Recorded::Stale }
}

/// Prolongs leases.
pub(crate) struct Heartbeat {
    pub(crate) worker: WorkerId,
    pub(crate) held: Vec<(JobId, Fence)>,
    pub(crate) until: Timestamp,
}

impl Write for Heartbeat {
    type Answer = Vec<JobId>;
    const SAFETY: Safety = Safety::Process;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Vec<JobId>> {
        let until = codes::time(self.until);
        let mut lost = Vec::new();
        for (job, fence) in &self.held {
            let prolonged = tx.run(
                "UPDATE job SET lease_until = ?4
                 WHERE id = ?1 AND fence = ?2 AND lease_worker = ?3 AND lease_until IS NOT NULL",
                (job.0, fence.0, &*self.worker.0, until),
            )?;
            if prolonged == 1 {
                let entry = entry(tx, job.0)?;
                tx.state.queue.set(job.0, Some(Entry { lease_until: Some(until), ..entry }));
            } else {
                lost.push(*job);
            }
        }
        Ok(lost)
    }
}

/// A record, encoded.
struct RecordRow {
    job: i64,
    fence: i64,
    from: i64,
    to: i64,
    at: i64,
    due_at: Option<i64>,
    counters: Counters,
    keep_intended: bool,
    failure: Option<(&'static str, String)>,
    output: Option<String>,
    progress: Option<String>,
    events: NewEvents,
    ledger: Vec<Change>,
}

/// Records outcomes.
pub(crate) struct RecordAll(Vec<RecordRow>);

impl RecordAll {
    pub(crate) fn new(records: Vec<Record>) -> Outcome<Self> {
        records.into_iter().map(RecordRow::new).collect::<Outcome<_>>().map(Self)
    }
}

impl RecordRow {
    fn new(record: Record) -> Outcome<Self> {
        Ok(Self {
            job: record.job.0,
            fence: record.fence.0,
            from: codes::state(record.from),
            to: codes::state(record.to),
            at: codes::time(record.at),
            due_at: codes::schedule(record.schedule),
            counters: record.counters,
            keep_intended: record.keep_intended,
            failure: record.failure.map(|(kind, detail)| (kind.wire(), detail)),
            output: record.output.as_ref().map(wire::encode).transpose()?,
            progress: record.progress.as_ref().map(wire::encode).transpose()?,
            events: NewEvents::new(&record.events)?,
            ledger: record.ledger.into_iter().map(Change::new).collect::<Outcome<_>>()?,
        })
    }

    /// State, events, ledger and output in the transaction that is under way (INV-2).
    fn store(&self, tx: &mut Tx<'_>) -> Outcome<Recorded> {
        let (kind, detail) = self.failure.as_ref().map(|(kind, detail)| (*kind, detail.as_str())).unzip();
        let counters = &self.counters;
        let changed = tx.run(
            "UPDATE job SET state = ?4, due_at = ?5, lease_until = NULL, lease_worker = NULL, updated_at = ?6,
             failures = ?7, mismatches = ?8, blocks = ?9, leases_lost = ?10,
             failure_kind = coalesce(?11, failure_kind),
             failure_detail = CASE WHEN ?11 IS NULL THEN failure_detail ELSE ?12 END,
             intended = CASE WHEN ?13 THEN intended END, progress = coalesce(?14, progress)
             WHERE id = ?1 AND fence = ?2 AND state = ?3 AND lease_until IS NOT NULL",
            rusqlite::params![
                self.job,
                self.fence,
                self.from,
                self.to,
                self.due_at,
                self.at,
                counters.failures,
                counters.mismatches,
                counters.blocks,
                counters.leases_lost,
                kind,
                detail,
                self.keep_intended,
                self.progress,
            ],
        )?;
        if changed == 0 {
            return Ok(Recorded::Stale);
        }
        let open = (self.to < codes::FIRST_FINAL).then_some(());
        let entry = open.map(|()| entry(tx, self.job)).transpose()?;
        let entry =
            entry.map(|entry| Entry { state: self.to, due_at: self.due_at, lease_until: None, ..entry });
        tx.state.queue.set(self.job, entry);
        if let Some(output) = &self.output {
            store_output(tx, self.job, self.at, output)?;
        }
        self.events.store(tx)?;
        self.ledger.iter().try_for_each(|change| change.store(tx))?;
        Ok(Recorded::Committed)
    }
}

/// Outputs of one job that are kept: more than the retry policy has attempts. Older ones go.
const OUTPUTS_MAX: u32 = 16;

fn store_output(tx: &Tx<'_>, job: i64, at: i64, output: &str) -> Outcome<()> {
    tx.run(
        "INSERT OR REPLACE INTO attempt (job, attempt, at, output)
         VALUES (?1, (SELECT attempts FROM job WHERE id = ?1), ?2, ?3)",
        (job, at, output),
    )?;
    tx.run(
        "DELETE FROM attempt WHERE job = ?1 AND (attempt, at) IN
         (SELECT attempt, at FROM attempt WHERE job = ?1 ORDER BY attempt DESC, at DESC LIMIT -1 OFFSET ?2)",
        (job, OUTPUTS_MAX),
    )?;
    Ok(())
}

impl Write for RecordAll {
    type Answer = Vec<Recorded>;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Vec<Recorded>> {
        self.0.iter().map(|row| row.store(tx)).collect()
    }
}

/// Ends leases whose time is over, or all.
pub(crate) struct TakeBack {
    pub(crate) now: Timestamp,
    pub(crate) all: bool,
}

impl Write for TakeBack {
    type Answer = usize;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<usize> {
        let now = codes::time(self.now);
        let ended = tx.state.queue.leases((!self.all).then_some(now));
        for id in &ended {
            let before = entry(tx, *id)?;
            let state = codes::taken_back(before.state);
            tx.run(
                "UPDATE job SET state = ?2, due_at = ?3, updated_at = ?3, lease_until = NULL, lease_worker = NULL,
                 leases_lost = leases_lost + 1 WHERE id = ?1",
                (id, state, now),
            )?;
            tx.state.queue.set(*id, Some(Entry { state, due_at: Some(now), lease_until: None, ..before }));
        }
        Ok(ended.len())
    }
}

/// Lets sync jobs that were changed in what is the future now wait from now.
pub(crate) struct ClockSetBack(pub(crate) i64);

impl Write for ClockSetBack {
    type Answer = usize;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<usize> {
        let now = self.0;
        let waiting = tx.all(
            "SELECT id, due_at, updated_at FROM job
             WHERE kind = ?1 AND state < 100 AND due_at IS NOT NULL AND lease_until IS NULL AND updated_at > ?2",
            (codes::kind(JobKind::Sync), now),
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
        )?;
        for (id, due_at, updated_at) in &waiting {
            let due_at = now.saturating_add(due_at.saturating_sub(*updated_at).max(0));
            tx.run("UPDATE job SET due_at = ?2, updated_at = ?3 WHERE id = ?1", (id, due_at, now))?;
            let before = entry(tx, *id)?;
            tx.state.queue.set(*id, Some(Entry { due_at: Some(due_at), ..before }));
        }
        Ok(waiting.len())
    }
}

/// Changes a job without a lease.
pub(crate) struct Intervene {
    job: i64,
    from: i64,
    to: i64,
    at: i64,
    due_at: Option<i64>,
    counters: Option<Counters>,
    overrides: Option<Decided>,
    events: NewEvents,
}

impl Intervene {
    pub(crate) fn new(change: &Intervention) -> Outcome<Self> {
        Ok(Self {
            job: change.job.0,
            from: codes::state(change.from),
            to: codes::state(change.to),
            at: codes::time(change.at),
            due_at: codes::schedule(change.schedule),
            counters: change.counters,
            overrides: change.overrides.clone(),
            events: NewEvents::new(&change.events)?,
        })
    }

    /// The progress as it is with what was decided, encoded; `None` where somebody else was faster.
    fn decide(&self, tx: &Tx<'_>, decided: &Decided) -> Outcome<Option<String>> {
        let stored = tx.first("SELECT progress FROM job WHERE id = ?1", [self.job], |row| {
            row.get::<_, Option<String>>(0)
        })?;
        let Some(stored) = stored else { return Ok(None) };
        let mut progress: SyncProgress = stored.as_deref().map(wire::decode).transpose()?.unwrap_or_default();
        if progress.overrides != decided.from {
            return Ok(None);
        }
        progress.overrides.clone_from(&decided.to);
        wire::encode(&progress).map(Some)
    }
}

impl Write for Intervene {
    type Answer = Recorded;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Recorded> {
        let progress = match &self.overrides {
            None => None,
            Some(decided) => match self.decide(tx, decided)? {
                None => return Ok(Recorded::Stale),
                progress => progress,
            },
        };
        let entry = tx.first(
            "UPDATE job SET state = ?3, due_at = ?4, updated_at = ?5, fence = fence + 1,
             lease_until = NULL, lease_worker = NULL, progress = coalesce(?6, progress)
             WHERE id = ?1 AND state = ?2 RETURNING lane, order_a, order_b",
            (self.job, self.from, self.to, self.due_at, self.at, progress),
            |row| {
                let order = [row.get(1)?, row.get(2)?];
                Ok((row.get(0)?, order))
            },
        )?;
        let Some((lane, order)) = entry else {
            return Ok(Recorded::Stale);
        };
        if let Some(counters) = &self.counters {
            tx.run(
                "UPDATE job SET attempts = ?2, failures = ?3, mismatches = ?4, blocks = ?5, leases_lost = ?6
                 WHERE id = ?1",
                (
                    self.job,
                    counters.attempts,
                    counters.failures,
                    counters.mismatches,
                    counters.blocks,
                    counters.leases_lost,
                ),
            )?;
        }
        let kind = tx.state.lanes.kind(lane)?;
        let open = self.to < codes::FIRST_FINAL;
        let entry = Entry { kind, lane, order, state: self.to, due_at: self.due_at, lease_until: None };
        tx.state.queue.set(self.job, open.then_some(entry));
        self.events.store(tx)?;
        Ok(Recorded::Committed)
    }
}
