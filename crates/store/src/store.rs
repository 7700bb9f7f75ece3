//! The port, put together: encode, ask the writer or a reader, decode.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};
use verisim_core::{
    Amendment, BurnDirectory, BurnFile, BurnIn, BurnPlan, BurnStep, Capture, Clock, Decoy, DecoyName,
    DecoyPath, Enqueued, Event, EventId, EventPage, EventQuery, Fence, Health, Intervention, Job, JobFilter,
    JobId, LeaseRequest, LeasedJob, LedgerEntry, NewEvent, NewJob, PruneRule, Record, Recorded, StartMark,
    Store, StoreResult, Timestamp, WorkerId,
};

use crate::amend::{self, Amending};
use crate::enqueue::Enqueue;
use crate::error::{Fault, Outcome};
use crate::events::{self, NewEvents, Published};
use crate::lifecycle::{ClockSetBack, Heartbeat, Intervene, Lease, RecordAll, Start, TakeBack};
use crate::prune::Prune;
use crate::reader::Readers;
use crate::rows::{JobRow, SELECT_JOB};
use crate::tx::{Safety, Tx, Write};
use crate::writer::{Metrics, Writer, file_bytes, wal_path};
use crate::{burn, codes, ledger, open, wire};

/// A store in one SQLite file.
///
/// The file is locked against other processes for as long as the value lives. Dropping it waits until what was asked is
/// done and the file is closed.
pub struct SqliteStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// Dropped before the writer: the last connection moves the log into the file and takes it away, and only the writer can.
    readers: Arc<Readers>,
    writer: Writer,
    secret: [u8; 32],
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store at `path`, and makes it where there is none; its folder must be there. An older store is copied to
    /// `<path>.v<version>.bak` and then upgraded. `clock` says when a job was stored. Blocks; reads what is open into
    /// memory, about 150 bytes for each job that is not final.
    ///
    /// # Errors
    /// [`verisim_core::StoreError::InUse`] when another store has it open, `Newer` and `Corrupt` with the file untouched,
    /// `Full` and `Io`.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        Self::start(path, clock, open::open(path)?)
    }

    /// Opens the store at `path` for questions alone: nothing on the disk is made or changed, several may look at once, and
    /// whoever writes is kept out meanwhile. Where there is no store, what answers is as empty as a new one. Blocks.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], and `Invalid` where the store is older and must be upgraded first.
    pub fn look(path: &Path, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        Self::start(path, clock, open::look(path)?)
    }

    fn start(path: &Path, clock: Arc<dyn Clock>, opened: open::Opened) -> StoreResult<Self> {
        let readers = Readers::new(path.to_owned(), opened.place);
        let writer = Writer::start(path.to_owned(), opened.db, opened.state, opened.presence)
            .map_err(|error| Fault::invalid(format_args!("no thread for the writer: {error}")).at(path))?;
        Ok(Self { path: path.to_owned(), clock, readers, writer, secret: opened.secret })
    }

    /// How often the writer did what.
    #[doc(hidden)]
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.writer.metrics()
    }

    fn check<T>(&self, outcome: Outcome<T>) -> StoreResult<T> {
        outcome.map_err(|fault| fault.at(&self.path))
    }

    async fn ask<W: Write>(&self, what: Outcome<W>) -> StoreResult<W::Answer> {
        self.writer.ask(self.check(what)?).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn enqueue(&self, jobs: Vec<NewJob>, cursor: Option<Timestamp>) -> StoreResult<Vec<Enqueued>> {
        self.ask(Enqueue::new(&jobs, cursor, self.clock.now())).await
    }

    async fn plan_cursor(&self) -> StoreResult<Option<Timestamp>> {
        let read = |db: &Connection| {
            let mut select = db.prepare_cached("SELECT value FROM meta WHERE name = 'plan_cursor'")?;
            let cursor: Option<i64> = select.query_row((), |row| row.get(0)).optional()?;
            cursor.map(codes::parse_time).transpose()
        };
        self.readers.ask(read).await
    }

    async fn lease(&self, request: LeaseRequest) -> StoreResult<Vec<LeasedJob>> {
        let rows = self.writer.ask(Lease(request)).await?;
        let decode = |row: JobRow| {
            // One record that cannot be read must not keep every other job from running.
            let decoded = row.into_leased();
            decoded.inspect_err(|error| tracing::error!(%error, "a leased job cannot be read")).ok()
        };
        let mut leased: Vec<LeasedJob> = rows.into_iter().filter_map(decode).collect();
        leased.sort_by_cached_key(|leased| (leased.job.work.lane(), leased.job.id));
        Ok(leased)
    }

    async fn start(&self, marks: Vec<StartMark>) -> StoreResult<Vec<Recorded>> {
        self.ask(Start::new(&marks)).await
    }

    async fn heartbeat(
        &self,
        worker: &WorkerId,
        held: &[(JobId, Fence)],
        until: Timestamp,
    ) -> StoreResult<Vec<JobId>> {
        self.writer.ask(Heartbeat { worker: worker.clone(), held: held.to_vec(), until }).await
    }

    async fn record(&self, records: Vec<Record>) -> StoreResult<Vec<Recorded>> {
        self.ask(RecordAll::new(records)).await
    }

    async fn take_back(&self, now: Timestamp, all: bool) -> StoreResult<usize> {
        self.writer.ask(TakeBack { now, all }).await
    }

    async fn clock_set_back(&self, now: Timestamp) -> StoreResult<usize> {
        self.writer.ask(ClockSetBack(codes::time(now))).await
    }

    async fn next_due(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        let next = self.writer.ask(NextDue(codes::time(now))).await?;
        self.check(next.map(codes::parse_time).transpose())
    }

    async fn intervene(&self, change: Intervention) -> StoreResult<Recorded> {
        self.ask(Intervene::new(&change)).await
    }

    async fn emit(&self, events: Vec<NewEvent>) -> StoreResult<Vec<EventId>> {
        self.ask(NewEvents::new(&events)).await
    }

    async fn events(&self, query: EventQuery) -> StoreResult<EventPage> {
        let shared = Arc::clone(&self.writer.shared);
        self.readers.ask(move |db| events::query(db, &query, &shared)).await
    }

    async fn outbox(&self, limit: usize) -> StoreResult<Vec<Event>> {
        let published = self.writer.shared.published.load(Ordering::Acquire);
        self.readers.ask(move |db| events::outbox(db, published, limit)).await
    }

    async fn published(&self, up_to: EventId) -> StoreResult<()> {
        self.writer.ask(Published(up_to)).await
    }

    async fn job(&self, id: JobId) -> StoreResult<Option<Job>> {
        let read = move |db: &Connection| {
            let mut select = db.prepare_cached(&format!("{SELECT_JOB} WHERE job.id = ?1"))?;
            let row = select.query_row([id.0], JobRow::read).optional()?;
            row.map(JobRow::into_job).transpose()
        };
        self.readers.ask(read).await
    }

    async fn jobs(&self, filter: JobFilter) -> StoreResult<Vec<Job>> {
        self.readers.ask(move |db| find_jobs(db, &filter)).await
    }

    async fn ledger(&self, paths: &[(DecoyName, DecoyPath)]) -> StoreResult<Vec<Option<LedgerEntry>>> {
        let paths = paths.to_vec();
        self.readers.ask(move |db| ledger::find(db, &paths)).await
    }

    async fn ledger_scan(
        &self,
        after: Option<(DecoyName, DecoyPath)>,
        limit: usize,
    ) -> StoreResult<Vec<LedgerEntry>> {
        self.readers.ask(move |db| ledger::scan(db, after.as_ref(), limit)).await
    }

    async fn amend(&self, change: Amendment) -> StoreResult<Recorded> {
        self.ask(Amending::new(change)).await
    }

    async fn root_identity(&self, decoy: &DecoyName) -> StoreResult<Option<String>> {
        let decoy = decoy.clone();
        self.readers.ask(move |db| amend::root_identity(db, &decoy)).await
    }

    async fn begin_burn_in(&self, plan: BurnPlan) -> StoreResult<()> {
        self.ask(burn::Begin::new(plan)).await
    }

    async fn step_burn_in(&self, step: BurnStep) -> StoreResult<()> {
        self.ask(burn::Step::new(step)).await
    }

    async fn burn_ins(&self) -> StoreResult<Vec<BurnIn>> {
        self.readers.ask(burn::all).await
    }

    async fn burnt_files(&self, decoy: &DecoyName, numbers: Range<u32>) -> StoreResult<Vec<BurnFile>> {
        let decoy = decoy.clone();
        self.readers.ask(move |db| burn::files(db, &decoy, &numbers)).await
    }

    async fn burnt_file(&self, decoy: &DecoyName, path: &DecoyPath) -> StoreResult<Option<BurnFile>> {
        let (decoy, path) = (decoy.clone(), path.clone());
        self.readers.ask(move |db| burn::file_at(db, &decoy, &path)).await
    }

    async fn burnt_directories(&self, decoy: &DecoyName) -> StoreResult<Vec<BurnDirectory>> {
        let decoy = decoy.clone();
        self.readers.ask(move |db| burn::directories(db, &decoy)).await
    }

    async fn put_decoys(&self, decoys: Vec<Decoy>) -> StoreResult<()> {
        let row = |decoy: &Decoy| Ok((decoy.name.to_string(), wire::encode(decoy)?));
        self.ask(decoys.iter().map(row).collect::<Outcome<_>>().map(PutDecoys)).await
    }

    async fn decoys(&self) -> StoreResult<Vec<Decoy>> {
        let read = |db: &Connection| {
            let mut select = db.prepare_cached("SELECT decoy FROM decoy ORDER BY name")?;
            let rows = select.query_map((), |row| row.get::<_, String>(0))?;
            rows.map(|text| wire::decode(&text?)).collect()
        };
        self.readers.ask(read).await
    }

    async fn captures(&self) -> StoreResult<Vec<(JobId, Capture)>> {
        let read = |db: &Connection| {
            let mut select = db.prepare_cached("SELECT job, capture FROM capture ORDER BY rule, path")?;
            let rows = select.query_map((), |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| {
                row.map_err(Fault::from).and_then(|(id, text)| Ok((JobId(id), wire::decode(&text)?)))
            })
            .collect()
        };
        self.readers.ask(read).await
    }

    async fn put_manifest(&self, job: JobId, piece: u32, bytes: Bytes) -> StoreResult<()> {
        self.writer.ask(PutManifest { job, piece, bytes }).await
    }

    async fn manifest(&self, job: JobId, piece: u32) -> StoreResult<Option<Bytes>> {
        let read = move |db: &Connection| {
            let mut select = db.prepare_cached("SELECT bytes FROM manifest WHERE job = ?1 AND piece = ?2")?;
            let bytes: Option<Vec<u8>> = select.query_row((job.0, piece), |row| row.get(0)).optional()?;
            Ok(bytes.map(Bytes::from))
        };
        self.readers.ask(read).await
    }

    async fn secret(&self) -> StoreResult<[u8; 32]> {
        Ok(self.secret)
    }

    async fn prune(&self, rule: PruneRule) -> StoreResult<usize> {
        self.writer.ask(Prune(rule)).await
    }

    async fn health(&self) -> StoreResult<Health> {
        let mut health = self.writer.ask(LookAtHealth).await?;
        health.bytes = file_bytes(&self.path) + file_bytes(&wal_path(&self.path));
        Ok(health)
    }
}

/// Newest first; conditions that were not asked for are not in the statement.
fn find_jobs(db: &Connection, filter: &JobFilter) -> Outcome<Vec<Job>> {
    let mut sql = format!("{SELECT_JOB} WHERE TRUE");
    let mut values: Vec<Value> = Vec::new();
    if let Some(kind) = filter.kind {
        sql.push_str(" AND kind = ?");
        values.push(codes::kind(kind).into());
    }
    if !filter.states.is_empty() {
        let wanted =
            codes::all_states().filter(|state| filter.states.iter().any(|name| name == state.name()));
        let wanted: Vec<String> = wanted.map(|state| codes::state(state).to_string()).collect();
        sql.push_str(&format!(" AND state IN ({})", wanted.join(",")));
    }
    if !filter.lanes.is_empty() {
        let wanted = vec!["?"; filter.lanes.len()].join(", ");
        sql.push_str(&format!(" AND lane IN (SELECT lane.id FROM lane WHERE name IN ({wanted}))"));
        values.extend(filter.lanes.iter().map(|lane| Value::from(lane.0.to_string())));
    }
    if let Some(before) = filter.before {
        sql.push_str(" AND job.id < ?");
        values.push(before.0.into());
    }
    sql.push_str(" ORDER BY job.id DESC LIMIT ?");
    values.push(i64::try_from(filter.limit).unwrap_or(i64::MAX).into());
    let mut select = db.prepare_cached(&sql)?;
    let rows = select.query_map(params_from_iter(values), JobRow::read)?;
    rows.map(|row| row.map_err(Fault::from).and_then(JobRow::into_job)).collect()
}

struct NextDue(i64);

impl Write for NextDue {
    type Answer = Option<i64>;
    const SAFETY: Safety = Safety::Look;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Option<i64>> {
        Ok(tx.state.queue.next_due(self.0))
    }
}

struct LookAtHealth;

impl Write for LookAtHealth {
    type Answer = Health;
    const SAFETY: Safety = Safety::Look;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Health> {
        let mut open = std::collections::BTreeMap::<&str, u64>::new();
        for (code, count) in tx.state.queue.counts() {
            *open.entry(codes::parse_state(code)?.name()).or_default() += count;
        }
        Ok(Health {
            open_jobs: open.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            last_event: EventId(tx.state.numbers.last_event),
            published: EventId(tx.state.numbers.published),
            bytes: 0,
        })
    }
}

struct PutDecoys(Vec<(String, String)>);

impl Write for PutDecoys {
    type Answer = ();
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<()> {
        tx.run("DELETE FROM decoy", ())?;
        for row in &self.0 {
            tx.run("INSERT OR REPLACE INTO decoy (name, decoy) VALUES (?1, ?2)", (&row.0, &row.1))?;
        }
        Ok(())
    }
}

struct PutManifest {
    job: JobId,
    piece: u32,
    bytes: Bytes,
}

impl Write for PutManifest {
    type Answer = ();
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<()> {
        if self.piece == 0 {
            tx.run("DELETE FROM manifest WHERE job = ?1", [self.job.0])?;
        }
        tx.run(
            "INSERT OR REPLACE INTO manifest (job, piece, bytes) VALUES (?1, ?2, ?3)",
            (self.job.0, self.piece, &self.bytes[..]),
        )
        .map(drop)
    }
}
