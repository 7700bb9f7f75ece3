//! A model of the store port in memory: simple enough to be believed, so that others are compared with it.

mod burn;
mod jobs;
mod ledger;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{
    Amendment, BurnDirectory, BurnFile, BurnIn, BurnPlan, BurnStep, Capture, Decoy, DecoyName, DecoyPath,
    EVENT_VERSION, Enqueued, Event, EventId, EventPage, EventQuery, Fence, Health, IdempotencyKey,
    Intervention, Job, JobFilter, JobId, Lane, LaneKind, LeaseRequest, LeasedJob, LedgerEntry, NewEvent,
    NewJob, PruneRule, Record, Recorded, StartMark, Store, StoreResult, Timestamp, Work, WorkerId,
};

/// A store in memory. Nothing of it survives the process; within it, everything the port promises holds.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<JobId, Row>,
    /// Jobs that are not final.
    open: BTreeSet<JobId>,
    keys: HashMap<IdempotencyKey, JobId>,
    /// The lane that was opened last.
    turns: HashMap<LaneKind, Lane>,
    last_job: i64,
    events: BTreeMap<EventId, Event>,
    last_event: i64,
    published: i64,
    pruned: i64,
    cursor: Option<Timestamp>,
    ledger: BTreeMap<(DecoyName, DecoyPath), LedgerEntry>,
    frozen: Vec<Frozen>,
    decoys: Vec<Decoy>,
    roots: HashMap<DecoyName, String>,
    burns: BTreeMap<DecoyName, BurnPlan>,
    manifests: HashMap<JobId, BTreeMap<u32, Bytes>>,
}

/// What was kept as evidence when a path was frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The decoy.
    pub decoy: DecoyName,
    /// The path.
    pub path: DecoyPath,
    /// The first bytes of what was there.
    pub evidence: Bytes,
}

#[derive(Debug)]
struct Row {
    job: Job,
    fence: i64,
    lease: Option<Lease>,
}

#[derive(Debug)]
struct Lease {
    worker: WorkerId,
    until: Timestamp,
}

impl Row {
    fn holds(&self, fence: Fence) -> bool {
        self.lease.is_some() && self.fence == fence.0
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every event that is stored, oldest first.
    #[must_use]
    pub fn all_events(&self) -> Vec<Event> {
        self.lock().events.values().cloned().collect()
    }

    /// Every job that is stored, oldest first.
    #[must_use]
    pub fn all_jobs(&self) -> Vec<Job> {
        self.lock().jobs.values().map(|row| row.job.clone()).collect()
    }

    /// What was kept as evidence.
    #[must_use]
    pub fn frozen(&self) -> Vec<Frozen> {
        self.lock().frozen.clone()
    }
}

impl State {
    fn append(&mut self, events: Vec<NewEvent>) -> Vec<EventId> {
        events
            .into_iter()
            .map(|body| {
                self.last_event += 1;
                let id = EventId(self.last_event);
                self.events.insert(id, Event { v: EVENT_VERSION, id, body });
                id
            })
            .collect()
    }

    fn prune(&mut self, rule: &PruneRule) -> usize {
        let horizon = rule.now.saturating_sub(rule.age_max).unwrap_or(Timestamp::MIN);
        let mut per_decoy: HashMap<DecoyName, u64> = HashMap::new();
        let mut gone = Vec::new();
        for event in self.events.values().rev() {
            let crowded = event.body.decoy.as_ref().is_some_and(|decoy| {
                let count = per_decoy.entry(decoy.clone()).or_default();
                *count += 1;
                *count > rule.events_per_decoy_max
            });
            if event.id.0 <= self.published && (event.body.time < horizon || crowded) {
                gone.push(event.id);
            }
        }
        gone.reverse();
        gone.truncate(rule.limit);
        for id in &gone {
            self.events.remove(id);
            self.pruned = self.pruned.max(id.0);
        }
        let old: Vec<JobId> = self
            .jobs
            .values()
            .filter(|row| row.job.state.is_final() && row.job.updated_at < horizon)
            .map(|row| row.job.id)
            .take(rule.limit - gone.len())
            .collect();
        for id in &old {
            if let Some(row) = self.jobs.remove(id) {
                self.keys.remove(&row.job.key);
                self.manifests.remove(id);
            }
        }
        gone.len() + old.len()
    }

    fn captures(&self) -> Vec<(JobId, Capture)> {
        let mut newest: BTreeMap<_, (JobId, &Capture)> = BTreeMap::new();
        for row in self.jobs.values() {
            if let Work::Sync(spec) = &row.job.work {
                let capture = &spec.capture;
                let slot = newest
                    .entry((capture.rule.clone(), capture.relative.clone()))
                    .or_insert((row.job.id, capture));
                if capture.generation >= slot.1.generation {
                    *slot = (row.job.id, capture);
                }
            }
        }
        newest.into_values().map(|(id, capture)| (id, capture.clone())).collect()
    }

    fn health(&self) -> Health {
        let mut open_jobs: BTreeMap<&str, u64> = BTreeMap::new();
        for id in &self.open {
            if let Some(row) = self.jobs.get(id) {
                *open_jobs.entry(row.job.state.name()).or_default() += 1;
            }
        }
        Health {
            open_jobs: open_jobs.into_iter().map(|(state, count)| (state.to_owned(), count)).collect(),
            last_event: EventId(self.last_event),
            published: EventId(self.published),
            bytes: 0,
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn enqueue(&self, jobs: Vec<NewJob>, cursor: Option<Timestamp>) -> StoreResult<Vec<Enqueued>> {
        let mut state = self.lock();
        state.cursor = cursor.or(state.cursor);
        Ok(jobs.into_iter().map(|job| state.enqueue(job)).collect())
    }

    async fn plan_cursor(&self) -> StoreResult<Option<Timestamp>> {
        Ok(self.lock().cursor)
    }

    async fn lease(&self, request: LeaseRequest) -> StoreResult<Vec<LeasedJob>> {
        Ok(self.lock().lease(&request))
    }

    async fn start(&self, marks: Vec<StartMark>) -> StoreResult<Vec<Recorded>> {
        let mut state = self.lock();
        Ok(marks.into_iter().map(|mark| state.start(mark)).collect())
    }

    async fn heartbeat(
        &self,
        worker: &WorkerId,
        held: &[(JobId, Fence)],
        until: Timestamp,
    ) -> StoreResult<Vec<JobId>> {
        Ok(self.lock().heartbeat(worker, held, until))
    }

    async fn record(&self, records: Vec<Record>) -> StoreResult<Vec<Recorded>> {
        let mut state = self.lock();
        Ok(records.into_iter().map(|record| state.record(record)).collect())
    }

    async fn take_back(&self, now: Timestamp, all: bool) -> StoreResult<usize> {
        Ok(self.lock().take_back(now, all))
    }

    async fn clock_set_back(&self, now: Timestamp) -> StoreResult<usize> {
        Ok(self.lock().clock_set_back(now))
    }

    async fn next_due(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        Ok(self.lock().next_due(now))
    }

    async fn intervene(&self, change: Intervention) -> StoreResult<Recorded> {
        Ok(self.lock().intervene(change))
    }

    async fn emit(&self, events: Vec<NewEvent>) -> StoreResult<Vec<EventId>> {
        Ok(self.lock().append(events))
    }

    async fn events(&self, query: EventQuery) -> StoreResult<EventPage> {
        let state = self.lock();
        let after = EventId(query.after.0.saturating_add(1));
        let mut events = Vec::new();
        let mut seen = query.after;
        for event in state.events.range(after..).map(|(_, event)| event) {
            if events.len() >= query.limit {
                break;
            }
            seen = event.id;
            if query.topics.matches(&event.body.topic) {
                events.push(event.clone());
            }
        }
        Ok(EventPage { events, seen, pruned: EventId(state.pruned) })
    }

    async fn outbox(&self, limit: usize) -> StoreResult<Vec<Event>> {
        let state = self.lock();
        let after = EventId(state.published + 1);
        Ok(state.events.range(after..).take(limit).map(|(_, event)| event.clone()).collect())
    }

    async fn published(&self, up_to: EventId) -> StoreResult<()> {
        let mut state = self.lock();
        state.published = state.published.max(up_to.0.min(state.last_event));
        Ok(())
    }

    async fn job(&self, id: JobId) -> StoreResult<Option<Job>> {
        Ok(self.lock().jobs.get(&id).map(|row| row.job.clone()))
    }

    async fn jobs(&self, filter: JobFilter) -> StoreResult<Vec<Job>> {
        let state = self.lock();
        let below = filter.before.unwrap_or(JobId(i64::MAX));
        let wanted = |job: &&Job| {
            filter.kind.is_none_or(|kind| job.work.kind() == kind)
                && (filter.states.is_empty() || filter.states.iter().any(|name| name == job.state.name()))
                && (filter.lanes.is_empty() || filter.lanes.contains(&job.work.lane()))
        };
        let rows = state.jobs.range(..below).rev().map(|(_, row)| &row.job);
        Ok(rows.filter(wanted).take(filter.limit).cloned().collect())
    }

    async fn ledger(&self, paths: &[(DecoyName, DecoyPath)]) -> StoreResult<Vec<Option<LedgerEntry>>> {
        let state = self.lock();
        Ok(paths.iter().map(|path| state.ledger.get(path).cloned()).collect())
    }

    async fn ledger_scan(
        &self,
        after: Option<(DecoyName, DecoyPath)>,
        limit: usize,
    ) -> StoreResult<Vec<LedgerEntry>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let state = self.lock();
        let from = after.map_or(Unbounded, Excluded);
        let bare = |entry: &LedgerEntry| LedgerEntry { body: None, ..entry.clone() };
        Ok(state.ledger.range((from, Unbounded)).take(limit).map(|(_, entry)| bare(entry)).collect())
    }

    async fn amend(&self, change: Amendment) -> StoreResult<Recorded> {
        Ok(self.lock().amend(change))
    }

    async fn root_identity(&self, decoy: &DecoyName) -> StoreResult<Option<String>> {
        Ok(self.lock().roots.get(decoy).cloned())
    }

    async fn begin_burn_in(&self, plan: BurnPlan) -> StoreResult<()> {
        self.lock().begin_burn_in(plan)
    }

    async fn step_burn_in(&self, step: BurnStep) -> StoreResult<()> {
        self.lock().step_burn_in(step)
    }

    async fn burn_ins(&self) -> StoreResult<Vec<BurnIn>> {
        Ok(self.lock().burns.values().map(|plan| plan.burn.clone()).collect())
    }

    async fn burnt_files(&self, decoy: &DecoyName, numbers: Range<u32>) -> StoreResult<Vec<BurnFile>> {
        Ok(self.lock().burnt_files(decoy, &numbers))
    }

    async fn burnt_file(&self, decoy: &DecoyName, path: &DecoyPath) -> StoreResult<Option<BurnFile>> {
        Ok(self.lock().burnt_file(decoy, path))
    }

    async fn burnt_directories(&self, decoy: &DecoyName) -> StoreResult<Vec<BurnDirectory>> {
        Ok(self.lock().burns.get(decoy).map(|plan| plan.directories.clone()).unwrap_or_default())
    }

    async fn put_decoys(&self, decoys: Vec<Decoy>) -> StoreResult<()> {
        self.lock().decoys = decoys;
        Ok(())
    }

    async fn decoys(&self) -> StoreResult<Vec<Decoy>> {
        Ok(self.lock().decoys.clone())
    }

    async fn captures(&self) -> StoreResult<Vec<(JobId, Capture)>> {
        Ok(self.lock().captures())
    }

    async fn put_manifest(&self, job: JobId, piece: u32, bytes: Bytes) -> StoreResult<()> {
        let mut state = self.lock();
        let pieces = state.manifests.entry(job).or_default();
        if piece == 0 {
            pieces.clear();
        }
        pieces.insert(piece, bytes);
        Ok(())
    }

    async fn manifest(&self, job: JobId, piece: u32) -> StoreResult<Option<Bytes>> {
        Ok(self.lock().manifests.get(&job).and_then(|pieces| pieces.get(&piece)).cloned())
    }

    async fn secret(&self) -> StoreResult<[u8; 32]> {
        Ok([7; 32])
    }

    async fn prune(&self, rule: PruneRule) -> StoreResult<usize> {
        Ok(self.lock().prune(&rule))
    }

    async fn health(&self) -> StoreResult<Health> {
        Ok(self.lock().health())
    }
}
