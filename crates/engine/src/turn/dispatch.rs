//! Leasing, and handing what was leased to tasks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use verisim_core::{DecoyName, Lane, LaneKind, LeaseRequest, LeasedJob, StoreResult, Timestamp, Work};

use super::{End, Loop, Running};
use crate::activity::Batch;
use crate::sync::Step;

impl Loop {
    /// Leases what is due and may run, and starts it.
    pub(super) async fn dispatch(&mut self, now: Timestamp) -> StoreResult<()> {
        let actions = self.shared.store.lease(self.action_request(now)).await?;
        self.start_batches(actions);
        self.dispatch_sessions(now).await?;
        if self.shared.sync.is_some() {
            let syncs = self.shared.store.lease(self.sync_request(now)).await?;
            self.start_steps(syncs);
        }
        if !self.tasks.is_empty() && self.timers.heartbeat.is_none() {
            self.timers.heartbeat = now.checked_add(self.shared.settings.heartbeat).ok();
        }
        Ok(())
    }

    fn request(&self, kind: LaneKind, now: Timestamp) -> LeaseRequest {
        LeaseRequest {
            worker: self.shared.worker.clone(),
            kind,
            now,
            until: now.saturating_add(self.shared.settings.lease).unwrap_or(Timestamp::MAX),
            lanes_max: 0,
            per_lane_max: 0,
            allowance: HashMap::new(),
        }
    }

    /// One batch at a time per decoy; none for those that do not answer.
    fn action_request(&self, now: Timestamp) -> LeaseRequest {
        let settings = &self.shared.settings;
        let mut request = self.request(LaneKind::Decoy, now);
        request.allowance.extend(self.busy_with(LaneKind::Decoy).map(|(lane, _)| (lane.clone(), 0)));
        request.lanes_max = settings.decoys_at_once_max.saturating_sub(request.allowance.len());
        request.allowance.extend(self.closed_lanes(Lane::of_decoy));
        request.per_lane_max = settings.batch_actions_max;
        self.restrict(request, settings.batch_actions_max)
    }

    /// Connections last, and each has its place to itself. Every decoy gets one before any gets a second, and so on.
    async fn dispatch_sessions(&mut self, now: Timestamp) -> StoreResult<()> {
        for taken in 0..self.shared.settings.sessions_per_decoy_max {
            if let Some(request) = self.session_request(taken, now) {
                let sessions = self.shared.store.lease(request).await?;
                self.start_batches(sessions);
            }
        }
        Ok(())
    }

    /// Asks for one connection from each decoy of which `taken` are under way, as far as there is room.
    fn session_request(&self, taken: usize, now: Timestamp) -> Option<LeaseRequest> {
        let running: usize = self.busy_with(LaneKind::Traffic).map(|(_, count)| count).sum();
        let room = self.shared.settings.sessions_at_once_max.saturating_sub(running);
        let mut lanes: Vec<&Lane> = self
            .busy_with(LaneKind::Traffic)
            .filter(|(_, count)| taken == 0 || *count == taken)
            .map(|(lane, _)| lane)
            .collect();
        if room == 0 || (taken > 0 && lanes.is_empty()) {
            return None;
        }
        lanes.sort_unstable();
        let mut request = self.request(LaneKind::Traffic, now);
        if taken == 0 {
            request.lanes_max = room;
            request.per_lane_max = 1;
        } else {
            lanes.truncate(room);
        }
        let places = usize::from(taken > 0);
        request.allowance.extend(lanes.into_iter().map(|lane| (lane.clone(), places)));
        request.allowance.extend(self.closed_lanes(Lane::of_traffic));
        Some(self.restrict(request, usize::from(taken == 0)))
    }

    /// The lanes of a kind in which something runs, and how much.
    fn busy_with(&self, kind: LaneKind) -> impl Iterator<Item = (&Lane, usize)> {
        self.busy.iter().filter(move |(lane, _)| lane.kind() == kind).map(|(lane, count)| (lane, *count))
    }

    /// Nothing is begun for decoys that do not answer, or left.
    fn closed_lanes(&self, lane: fn(&DecoyName) -> Lane) -> impl Iterator<Item = (Lane, usize)> {
        let silent = self.breakers.iter().filter(|(_, breaker)| !breaker.is_closed());
        let silent = silent.map(move |(decoy, _)| lane(decoy));
        silent
            .chain(self.shared.left.names().into_iter().map(move |decoy| lane(&decoy)))
            .map(|lane| (lane, 0))
    }

    /// Some steps at a time per destination.
    fn sync_request(&self, now: Timestamp) -> LeaseRequest {
        let settings = &self.shared.settings;
        let mut request = self.request(LaneKind::Destination, now);
        let limit = settings.pushes_per_destination_max;
        let busy = self.busy_with(LaneKind::Destination);
        request.allowance.extend(busy.map(|(lane, _)| (lane.clone(), self.places(lane, now))));
        request.lanes_max = settings.destinations_at_once_max.saturating_sub(request.allowance.len());
        // Nothing is begun for a destination that is away, so that a weekend without it costs no job a try or an event.
        request.allowance.extend(self.shared.away.lanes().into_iter().map(|lane| (lane, 0)));
        request.per_lane_max = limit;
        self.restrict(request, limit)
    }

    /// How many steps may begin in a lane. When all its places were taken long ago, there is one more, for a guest: else a few
    /// huge captures would keep hundreds of small ones waiting for hours. A guest that turns out to be huge gives way in time
    /// and comes back later, so that the next one has its turn.
    fn places(&self, lane: &Lane, now: Timestamp) -> usize {
        let settings = &self.shared.settings;
        let mine = || self.steps.values().filter(|step| step.lane == *lane);
        let taken = mine().filter(|step| !step.is_guest).count();
        let free = settings.pushes_per_destination_max.saturating_sub(taken);
        let is_long =
            |step: &Running| step.began.saturating_add(settings.guest_step).is_ok_and(|at| at <= now);
        if free == 0 && mine().all(|step| !step.is_guest && is_long(step)) { 1 } else { free }
    }

    /// When the next step will have run for so long that its lane may have a guest, strictly after the last look.
    pub(super) fn next_long(&self) -> Option<Timestamp> {
        let at = |step: &Running| step.began.saturating_add(self.shared.settings.guest_step).ok();
        let later = |at: &Timestamp| self.looked_at.is_none_or(|looked| looked < *at);
        self.steps.values().filter_map(at).filter(later).min()
    }

    /// Where only some lanes are served, the others are not opened.
    fn restrict(&self, mut request: LeaseRequest, per_lane: usize) -> LeaseRequest {
        if let Some(lanes) = &self.only {
            request.lanes_max = 0;
            for lane in lanes {
                request.allowance.entry(lane.clone()).or_insert(per_lane);
            }
            request.allowance.retain(|lane, _| lanes.contains(lane));
        }
        request
    }

    fn start_batches(&mut self, leased: Vec<LeasedJob>) {
        let mut lanes: BTreeMap<Lane, Vec<LeasedJob>> = BTreeMap::new();
        for job in leased {
            lanes.entry(job.job.work.lane()).or_default().push(job);
        }
        for (lane, jobs) in lanes {
            match lane.kind() {
                LaneKind::Traffic => {
                    for job in jobs {
                        self.start_batch(lane.clone(), vec![job]);
                    }
                }
                LaneKind::Decoy | LaneKind::Destination => self.start_batch(lane, jobs),
            }
        }
    }

    fn start_batch(&mut self, lane: Lane, jobs: Vec<LeasedJob>) {
        let Some(Work::Activity { decoy, .. }) = jobs.first().map(|leased| leased.job.work.clone()) else {
            return;
        };
        let cancel = self.stop.child_token();
        self.shared.running.begin(&jobs, &cancel);
        *self.busy.entry(lane.clone()).or_default() += 1;
        let ids = jobs.iter().map(|leased| leased.job.id).collect();
        let (shared, of_lane) = (Arc::clone(&self.shared), lane.clone());
        let batch = Batch { shared, decoy, lane: of_lane, secret: self.secret, cancel };
        let task = self.tasks.spawn(async move { End::Batch(batch.run(jobs).await) });
        self.work.insert(task.id(), (lane, ids));
    }

    fn start_steps(&mut self, leased: Vec<LeasedJob>) {
        let Some(worker) = self.shared.sync.clone() else { return };
        for job in leased {
            let lane = job.job.work.lane();
            let cancel = self.stop_early.child_token();
            self.shared.running.begin(std::slice::from_ref(&job), &cancel);
            *self.busy.entry(lane.clone()).or_default() += 1;
            let taken = self.steps.values().filter(|step| step.lane == lane && !step.is_guest).count();
            let is_guest = taken >= self.shared.settings.pushes_per_destination_max;
            let time_max = is_guest.then_some(self.shared.settings.guest_step);
            let (shared, worker) = (Arc::clone(&self.shared), Arc::clone(&worker));
            let (id, step) = (job.job.id, Step { shared, worker, lane: lane.clone(), cancel, time_max });
            let task = self.tasks.spawn(async move { End::Step(step.run(job).await) });
            let began = self.shared.now();
            self.steps.insert(task.id(), Running { lane: lane.clone(), began, is_guest });
            self.work.insert(task.id(), (lane, vec![id]));
        }
    }
}
