//! A stage for the engine: a store in memory, decoys in memory, a clock that moves when told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use verisim_core::{
    Action, ActivityDriver, ActivityState, CancellationToken, Clock as _, DecoyName, DriverKind, Effect,
    Enqueued, Event, Failure, FailureKind, Job, JobId, JobState, NewJob, Store, SyncWorker, Timestamp,
    WorkerId,
};
use verisim_engine::{Engine, EngineParts, Fleet, Handle, Member, Settings};
use verisim_testkit::doubles::{ModelDriver, ModelSync, SwitchConnector, action_job, decoy};
use verisim_testkit::{MemoryStore, VirtualClock};

pub(crate) struct Stage {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) driver: Arc<ModelDriver>,
    pub(crate) traffic: Arc<ModelDriver>,
    pub(crate) sync: Arc<ModelSync>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) switches: HashMap<DecoyName, Arc<SwitchConnector>>,
    pub(crate) settings: Settings,
}

pub(crate) fn start() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    start() + Duration::from_secs(seconds)
}

pub(crate) fn name(text: &str) -> DecoyName {
    DecoyName::new(text).unwrap()
}

pub(crate) fn failure(kind: FailureKind, effect: Effect) -> Failure {
    Failure::new(kind, "test.run", format!("a scripted {kind}")).with_effect(effect)
}

impl Stage {
    pub(crate) fn new(decoys: &[&str]) -> Self {
        Self::with_sync(decoys, ModelSync::new(Vec::new()))
    }

    pub(crate) fn with_sync(decoys: &[&str], sync: Arc<ModelSync>) -> Self {
        let switches: HashMap<_, _> =
            decoys.iter().map(|text| (name(text), SwitchConnector::new())).collect();
        let member = |text: &&str| Member {
            decoy: decoy(text).unwrap(),
            connector: Arc::<SwitchConnector>::clone(&switches[&name(text)]),
        };
        let fleet = Fleet::new(decoys.iter().map(member));
        Self {
            store: MemoryStore::new(),
            clock: VirtualClock::new(start()),
            driver: ModelDriver::new(DriverKind::File),
            traffic: ModelDriver::new(DriverKind::Traffic),
            sync,
            fleet,
            switches,
            settings: Settings::default(),
        }
    }

    pub(crate) fn parts(&self) -> EngineParts {
        let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&self.store);
        let file: Arc<dyn ActivityDriver> = Arc::<ModelDriver>::clone(&self.driver);
        let traffic: Arc<dyn ActivityDriver> = Arc::<ModelDriver>::clone(&self.traffic);
        let sync: Arc<dyn SyncWorker> = Arc::<ModelSync>::clone(&self.sync);
        EngineParts {
            store,
            clock: Arc::<VirtualClock>::clone(&self.clock),
            drivers: HashMap::from([(DriverKind::File, file), (DriverKind::Traffic, traffic)]),
            fleet: Arc::clone(&self.fleet),
            planner: None,
            sync: Some(sync),
            seed: 7,
            worker: WorkerId("test/1".into()),
            settings: self.settings.clone(),
            ending: CancellationToken::new(),
        }
    }

    pub(crate) async fn enqueue(&self, jobs: Vec<NewJob>) -> Vec<JobId> {
        let answers = self.store.enqueue(jobs, None).await.unwrap();
        answers
            .into_iter()
            .map(|answer| match answer {
                Enqueued::New(id) | Enqueued::Known(id) => id,
            })
            .collect()
    }

    pub(crate) async fn enqueue_action(
        &self,
        decoy: &str,
        action: Action,
        deadline: Option<Timestamp>,
    ) -> JobId {
        let key = format!("test/{}", self.store.all_jobs().len());
        let job = action_job(&key, &name(decoy), action, start(), deadline);
        self.enqueue(vec![job]).await[0]
    }

    /// Lives until `end` and shuts down.
    pub(crate) async fn live_until(&self, end: Timestamp) {
        live(Engine::new(self.parts()), &self.clock, end).await;
    }

    pub(crate) fn job(&self, id: JobId) -> Job {
        self.store.all_jobs().into_iter().find(|job| job.id == id).unwrap()
    }

    pub(crate) fn state(&self, id: JobId) -> ActivityState {
        match self.job(id).state {
            JobState::Activity(state) => state,
            JobState::Sync(state) => panic!("{state} is of a sync"),
        }
    }

    /// The events about a job, oldest first.
    pub(crate) fn events_of(&self, id: JobId) -> Vec<Event> {
        self.store.all_events().into_iter().filter(|event| event.body.job == Some(id)).collect()
    }

    pub(crate) fn effects(&self, id: JobId) -> u32 {
        let of = |driver: &ModelDriver| driver.effects().get(&id).copied().unwrap_or(0);
        of(&self.driver) + of(&self.traffic)
    }
}

/// Runs an engine under its clock until `end`, and shuts it down.
pub(crate) async fn live(engine: Engine, clock: &VirtualClock, end: Timestamp) {
    let handle = engine.handle();
    let stop = CancellationToken::new();
    let task = tokio::spawn(engine.run(stop.clone()));
    pass_time(&handle, clock, end).await;
    stop.cancel();
    task.await.unwrap().unwrap();
}

/// Lets the engine do what is due, and the clock go from one due time to the next, until `end`.
pub(crate) async fn pass_time(handle: &Handle, clock: &VirtualClock, end: Timestamp) {
    loop {
        let due = handle.idle().await;
        if clock.now() >= end {
            return;
        }
        clock.advance_to(clock.next_deadline().map_or(due, |at| at.min(due)).min(end));
    }
}

/// Lets every task that can run do so, for work that waits on the clock itself.
pub(crate) async fn settle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}
