//! Leasing, and handing what was leased to tasks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use verisim_core::{JobKind, Lane, LeaseRequest, LeasedJob, StoreResult, Timestamp, Work};

use super::{End, Loop};
use crate::activity::Batch;
use crate::sync::Step;

impl Loop {
    /// Leases what is due and may run, and starts it.
    pub(super) async fn dispatch(&mut self, now: Timestamp) -> StoreResult<()> {
        let activities = self.shared.store.lease(self.activity_request(now)).await?;
        self.start_batches(activities);
        if self.shared.sync.is_some() {
            let syncs = self.shared.store.lease(self.sync_request(now)).await?;
            self.start_steps(syncs);
        }
        if !self.tasks.is_empty() && self.timers.heartbeat.is_none() {
            self.timers.heartbeat = now.checked_add(self.shared.settings.heartbeat).ok();
        }
        Ok(())
    }

    fn request(&self, kind: JobKind, now: Timestamp) -> LeaseRequest {
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
    fn activity_request(&self, now: Timestamp) -> LeaseRequest {
        let settings = &self.shared.settings;
        let mut request = self.request(JobKind::Activity, now);
        let busy = self.busy.keys().filter(|lane| lane.0.starts_with("decoy/"));
        request.allowance.extend(busy.map(|lane| (lane.clone(), 0)));
        let room = settings.decoys_at_once_max.saturating_sub(request.allowance.len());
        let silent = self.breakers.iter().filter(|(_, breaker)| !breaker.is_closed());
        request.allowance.extend(silent.map(|(decoy, _)| (Lane(format!("decoy/{decoy}").into()), 0)));
        request.per_lane_max = settings.batch_actions_max;
        request.lanes_max = room;
        self.restrict(request, settings.batch_actions_max)
    }

    /// Some steps at a time per destination.
    fn sync_request(&self, now: Timestamp) -> LeaseRequest {
        let settings = &self.shared.settings;
        let mut request = self.request(JobKind::Sync, now);
        let limit = settings.pushes_per_destination_max;
        let busy = self.busy.iter().filter(|(lane, _)| lane.0.starts_with("destination/"));
        request.allowance.extend(busy.map(|(lane, count)| (lane.clone(), limit.saturating_sub(*count))));
        request.lanes_max = settings.destinations_at_once_max.saturating_sub(request.allowance.len());
        request.per_lane_max = limit;
        self.restrict(request, limit)
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
            let Some(Work::Activity { decoy, .. }) = jobs.first().map(|leased| leased.job.work.clone())
            else {
                continue;
            };
            let cancel = self.stop.child_token();
            self.shared.running.begin(&jobs, &cancel);
            *self.busy.entry(lane.clone()).or_default() += 1;
            let ids = jobs.iter().map(|leased| leased.job.id).collect();
            let batch = Batch { shared: Arc::clone(&self.shared), decoy, secret: self.secret, cancel };
            let task = self.tasks.spawn(async move { End::Batch(batch.run(jobs).await) });
            self.work.insert(task.id(), (lane, ids));
        }
    }

    fn start_steps(&mut self, leased: Vec<LeasedJob>) {
        let Some(worker) = self.shared.sync.clone() else { return };
        for job in leased {
            let lane = job.job.work.lane();
            let cancel = self.stop.child_token();
            self.shared.running.begin(std::slice::from_ref(&job), &cancel);
            *self.busy.entry(lane.clone()).or_default() += 1;
            let (shared, worker) = (Arc::clone(&self.shared), Arc::clone(&worker));
            let (id, step) = (job.job.id, Step { shared, worker, lane: lane.clone(), cancel });
            let task = self.tasks.spawn(async move { End::Step(step.run(job).await) });
            self.work.insert(task.id(), (lane, vec![id]));
        }
    }
}
