//! The queue of the model: who is given out, under which lease, and what an outcome changes.

use std::collections::{BTreeMap, HashSet};

use verisim_core::{
    ActivityEvent, Counters, Enqueued, Fence, Intervention, Job, JobId, JobState, Lane, LeaseRequest,
    LeasedJob, NewJob, OrderKey, Record, Recorded, Schedule, StartMark, SyncEvent, Timestamp, Work, WorkerId,
};

use super::{Lease, Row, State};

fn leased(state: JobState) -> JobState {
    match state {
        JobState::Activity(state) => JobState::Activity(state.next(ActivityEvent::Leased).unwrap_or(state)),
        JobState::Sync(state) => JobState::Sync(state.next(SyncEvent::Leased).unwrap_or(state)),
    }
}

fn lease_lost(state: JobState) -> JobState {
    match state {
        JobState::Activity(state) => {
            JobState::Activity(state.next(ActivityEvent::LeaseLost).unwrap_or(state))
        }
        JobState::Sync(state) => JobState::Sync(state.next(SyncEvent::LeaseLost).unwrap_or(state)),
    }
}

fn due_at(schedule: Schedule) -> Option<Timestamp> {
    match schedule {
        Schedule::At(at) => Some(at),
        Schedule::Parked => None,
    }
}

fn keys(job: &Job) -> Vec<(Lane, OrderKey)> {
    let (first, second) = job.work.order();
    [first, second].into_iter().flatten().map(|key| (job.work.lane(), key)).collect()
}

impl State {
    pub(super) fn enqueue(&mut self, new: NewJob) -> Enqueued {
        if let Some(id) = self.keys.get(&new.key) {
            return Enqueued::Known(*id);
        }
        self.last_job += 1;
        let id = JobId(self.last_job);
        self.keys.insert(new.key.clone(), id);
        if !new.state.is_final() {
            self.open.insert(id);
        }
        let job = Job {
            id,
            key: new.key,
            work: new.work,
            state: new.state,
            planned_at: new.planned_at,
            schedule: new.schedule,
            deadline: new.deadline,
            counters: Counters::default(),
            last_failure: None,
            intended: None,
            progress: None,
            created_at: new.planned_at,
            updated_at: new.planned_at,
        };
        self.jobs.insert(id, Row { job, fence: 0, lease: None });
        Enqueued::New(id)
    }

    pub(super) fn lease(&mut self, request: &LeaseRequest) -> Vec<LeasedJob> {
        let chosen = self.choose(request);
        let mut out = Vec::new();
        for id in chosen {
            let Some(row) = self.jobs.get_mut(&id) else { continue };
            row.fence += 1;
            row.lease = Some(Lease { worker: request.worker.clone(), until: request.until });
            row.job.state = leased(row.job.state);
            row.job.updated_at = request.now;
            out.push(LeasedJob { job: row.job.clone(), fence: Fence(row.fence) });
        }
        out
    }

    /// The jobs that are due and may run now, by lane and then by id. When not all lanes can be opened they take turns, in
    /// the order of their names.
    fn choose(&mut self, request: &LeaseRequest) -> Vec<JobId> {
        let mut taken = self.leased_keys();
        let mut lanes: BTreeMap<Lane, Vec<JobId>> = BTreeMap::new();
        for id in &self.open {
            let Some(row) = self.jobs.get(id) else { continue };
            let job = &row.job;
            let Some(due) = due_at(job.schedule).filter(|_| row.lease.is_none()) else { continue };
            let lane = job.work.lane();
            let keys = keys(job);
            let held_up = keys.iter().any(|key| taken.contains(key));
            taken.extend(keys);
            if held_up || due > request.now || lane.kind() != request.kind {
                continue;
            }
            let limit = request.allowance.get(&lane).copied().unwrap_or(request.per_lane_max);
            let chosen = lanes.entry(lane).or_default();
            if chosen.len() < limit {
                chosen.push(*id);
            }
        }
        let fresh: Vec<Lane> =
            lanes.keys().filter(|lane| !request.allowance.contains_key(*lane)).cloned().collect();
        let turn = self.turns.get(&request.kind);
        let (before, behind): (Vec<Lane>, Vec<Lane>) =
            fresh.into_iter().partition(|lane| turn.is_some_and(|turn| lane <= turn));
        for (place, lane) in behind.into_iter().chain(before).enumerate() {
            if place < request.lanes_max {
                self.turns.insert(request.kind, lane);
            } else {
                lanes.remove(&lane);
            }
        }
        lanes.into_values().flatten().collect()
    }

    /// The order keys of every job that is leased: nobody else gets one of them.
    fn leased_keys(&self) -> HashSet<(Lane, OrderKey)> {
        let rows = self.open.iter().filter_map(|id| self.jobs.get(id));
        rows.filter(|row| row.lease.is_some()).flat_map(|row| keys(&row.job)).collect()
    }

    pub(super) fn start(&mut self, mark: StartMark) -> Recorded {
        match self.jobs.get_mut(&mark.job) {
            Some(row) if row.holds(mark.fence) => {
                row.job.intended = Some(mark.intended);
                row.job.counters.attempts += 1;
                Recorded::Committed
            }
            _ => Recorded::Stale,
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        worker: &WorkerId,
        held: &[(JobId, Fence)],
        until: Timestamp,
    ) -> Vec<JobId> {
        let mut lost = Vec::new();
        for (id, fence) in held {
            let lease =
                self.jobs.get_mut(id).filter(|row| row.holds(*fence)).and_then(|row| row.lease.as_mut());
            match lease {
                Some(lease) if lease.worker == *worker => lease.until = until,
                _ => lost.push(*id),
            }
        }
        lost
    }

    pub(super) fn record(&mut self, record: Record) -> Recorded {
        let Some(row) = self.jobs.get_mut(&record.job) else { return Recorded::Stale };
        if !row.holds(record.fence) || row.job.state != record.from {
            return Recorded::Stale;
        }
        row.lease = None;
        let job = &mut row.job;
        job.state = record.to;
        job.schedule = record.schedule;
        job.counters = Counters { attempts: job.counters.attempts, ..record.counters };
        job.updated_at = record.at;
        if !record.keep_intended {
            job.intended = None;
        }
        if record.failure.is_some() {
            job.last_failure = record.failure;
        }
        if record.progress.is_some() {
            job.progress = record.progress;
        }
        self.settle_open(record.job);
        self.append(record.events);
        for change in record.ledger {
            self.apply(change);
        }
        Recorded::Committed
    }

    fn settle_open(&mut self, id: JobId) {
        let is_open = self.jobs.get(&id).is_some_and(|row| !row.job.state.is_final());
        if is_open {
            self.open.insert(id);
        } else {
            self.open.remove(&id);
        }
    }

    pub(super) fn take_back(&mut self, now: Timestamp, all: bool) -> usize {
        let mut count = 0;
        for id in &self.open {
            let Some(row) = self.jobs.get_mut(id) else { continue };
            if row.lease.as_ref().is_some_and(|lease| all || lease.until < now) {
                row.lease = None;
                row.job.state = lease_lost(row.job.state);
                row.job.schedule = Schedule::At(now);
                row.job.counters.leases_lost += 1;
                row.job.updated_at = now;
                count += 1;
            }
        }
        count
    }

    pub(super) fn clock_set_back(&mut self, now: Timestamp) -> usize {
        let mut count = 0;
        for id in &self.open {
            let Some(row) = self.jobs.get_mut(id) else { continue };
            let job = &mut row.job;
            if let (true, None, Some(due)) = (job.updated_at > now, &row.lease, due_at(job.schedule))
                && matches!(job.work, Work::Sync(_))
            {
                let wait = due.duration_since(job.updated_at).max(jiff::SignedDuration::ZERO);
                job.schedule = Schedule::At(now.checked_add(wait).unwrap_or(Timestamp::MAX));
                job.updated_at = now;
                count += 1;
            }
        }
        count
    }

    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.open.iter().filter_map(|id| self.jobs.get(id)).filter(|row| row.lease.is_none());
        waiting.filter_map(|row| due_at(row.job.schedule)).filter(|at| *at > now).min()
    }

    pub(super) fn intervene(&mut self, change: Intervention) -> Recorded {
        let Some(row) = self.jobs.get_mut(&change.job) else { return Recorded::Stale };
        if row.job.state != change.from {
            return Recorded::Stale;
        }
        if let Some(decided) = change.overrides {
            let mut progress = row.job.progress.clone().unwrap_or_default();
            if progress.overrides != decided.from {
                return Recorded::Stale;
            }
            progress.overrides = decided.to;
            row.job.progress = Some(progress);
        }
        row.lease = None;
        row.job.state = change.to;
        row.job.schedule = change.schedule;
        row.job.counters = change.counters.unwrap_or(row.job.counters);
        row.job.updated_at = change.at;
        self.settle_open(change.job);
        self.append(change.events);
        Recorded::Committed
    }
}
