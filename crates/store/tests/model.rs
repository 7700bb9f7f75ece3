//! Random histories: whatever happens in whatever order, the store answers as the model does, also across restarts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use verisim_core::{
    Action, ActivityState, Counters, DecoyPath, Fence, Intervention, Job, JobFilter, JobId, JobState,
    LeaseRequest, MoveFile, NewJob, Record, Schedule, StartMark, Store, Timestamp, WorkerId,
};
use verisim_store::SqliteStore;
use verisim_testkit::{MemoryStore, VirtualClock, store_suite as suite};

/// One thing that happens. Indices choose among the leases, or the jobs, that there are.
#[derive(Debug, Clone)]
enum Step {
    Enqueue(Vec<(u8, u8, u8, Option<u8>, u8)>),
    Lease { per_lane: usize },
    Start { lease: usize },
    Record { lease: usize, to: usize, delay: u8 },
    Heartbeat { lease: usize },
    Intervene { job: usize, to: usize },
    TakeBack { all: bool },
    Time { seconds: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let job = (0..60_u8, 0..3_u8, 0..4_u8, proptest::option::of(0..4_u8), 0..40_u8);
    prop_oneof![
        4 => proptest::collection::vec(job, 1..6).prop_map(Step::Enqueue),
        5 => (1..4_usize).prop_map(|per_lane| Step::Lease { per_lane }),
        3 => any::<usize>().prop_map(|lease| Step::Start { lease }),
        6 => (any::<usize>(), 0..4_usize, any::<u8>()).prop_map(|(lease, to, delay)| Step::Record { lease, to, delay }),
        1 => any::<usize>().prop_map(|lease| Step::Heartbeat { lease }),
        2 => (any::<usize>(), 0..2_usize).prop_map(|(job, to)| Step::Intervene { job, to }),
        2 => proptest::bool::weighted(0.2).prop_map(|all| Step::TakeBack { all }),
        4 => (-20..60_i64).prop_map(|seconds| Step::Time { seconds }),
        1 => Just(Step::Restart),
    ]
}

/// Both stores, and the leases that were ever given: some of them are stale.
struct World {
    dir: TempDir,
    model: Arc<MemoryStore>,
    store: Option<SqliteStore>,
    leases: Vec<(Job, Fence, Fence)>,
    now: i64,
}

/// A job without what only one of the two can know: when it was stored.
fn known(job: &Job) -> Job {
    Job { created_at: suite::at(0), updated_at: suite::at(0), ..job.clone() }
}

const TO: [ActivityState; 4] =
    [ActivityState::Done, ActivityState::Queued, ActivityState::Blocked, ActivityState::Unknown];

impl World {
    fn new() -> Self {
        let mut world = Self {
            dir: tempfile::tempdir().unwrap(),
            model: MemoryStore::new(),
            store: None,
            leases: Vec::new(),
            now: 0,
        };
        world.restart();
        world
    }

    fn restart(&mut self) {
        self.store = None;
        let path = self.dir.path().join("store.db");
        self.store = Some(SqliteStore::open(&path, VirtualClock::new(suite::at(0))).unwrap());
    }

    fn store(&self) -> &SqliteStore {
        self.store.as_ref().unwrap()
    }

    fn at(&self, delay: i64) -> Timestamp {
        suite::at(self.now + delay)
    }

    fn new_job(&self, (key, host, file, second, delay): (u8, u8, u8, Option<u8>, u8)) -> NewJob {
        let path = |file: u8| DecoyPath::new(format!("/{file}")).unwrap();
        let (key, host) = (format!("key-{key}"), format!("d{host}"));
        let due = self.now + i64::from(delay) - 20;
        match second {
            None => suite::append_job(&key, &host, &format!("/{file}"), due),
            Some(to) => {
                let rename = MoveFile { from: path(file), to: path(to) };
                suite::activity_job(&key, &host, Action::Move(rename), due)
            }
        }
    }

    async fn apply(&mut self, step: Step) {
        match step {
            Step::Enqueue(rows) => {
                let jobs: Vec<NewJob> = rows.into_iter().map(|row| self.new_job(row)).collect();
                let expected = self.model.enqueue(jobs.clone(), None).await.unwrap();
                assert_eq!(self.store().enqueue(jobs, None).await.unwrap(), expected);
            }
            Step::Lease { per_lane } => {
                let ask = LeaseRequest { per_lane_max: per_lane, ..suite::request(self.now) };
                let expected = self.model.lease(ask.clone()).await.unwrap();
                let leased = self.store().lease(ask).await.unwrap();
                let jobs = |leased: &[verisim_core::LeasedJob]| -> Vec<Job> {
                    leased.iter().map(|leased| known(&leased.job)).collect()
                };
                assert_eq!(jobs(&leased), jobs(&expected));
                let pairs = expected.into_iter().zip(leased);
                self.leases.extend(pairs.map(|(one, other)| (one.job, one.fence, other.fence)));
            }
            Step::Start { lease } => self.start(lease).await,
            Step::Record { lease, to, delay } => self.record(lease, TO[to], i64::from(delay)).await,
            Step::Heartbeat { lease } => {
                let Some((job, one, other)) = self.pick(lease) else { return };
                let (worker, until) = (WorkerId("worker-1".into()), self.at(30));
                let expected = self.model.heartbeat(&worker, &[(job.id, one)], until).await.unwrap();
                assert_eq!(
                    self.store().heartbeat(&worker, &[(job.id, other)], until).await.unwrap(),
                    expected
                );
            }
            Step::Intervene { job, to } => self.intervene(job, to).await,
            Step::TakeBack { all } => {
                let expected = self.model.take_back(self.at(0), all).await.unwrap();
                assert_eq!(self.store().take_back(self.at(0), all).await.unwrap(), expected);
            }
            Step::Time { seconds } => self.now += seconds,
            Step::Restart => self.restart(),
        }
    }

    fn pick(&self, lease: usize) -> Option<(Job, Fence, Fence)> {
        // The newest ones are mostly live, the others mostly stale.
        let from = self.leases.len().saturating_sub(6);
        self.leases[from..].get(lease % (self.leases.len() - from).max(1)).cloned()
    }

    async fn start(&self, lease: usize) {
        let Some((job, one, other)) = self.pick(lease) else { return };
        let mark = |fence| StartMark { job: job.id, fence, intended: verisim_core::Intended::Traffic };
        let expected = self.model.start(vec![mark(one)]).await.unwrap();
        assert_eq!(self.store().start(vec![mark(other)]).await.unwrap(), expected);
    }

    async fn record(&self, lease: usize, to: ActivityState, delay: i64) {
        let Some((job, one, other)) = self.pick(lease) else { return };
        let parked = to == ActivityState::Blocked && delay % 4 == 0;
        let record = |fence| Record {
            fence,
            to: JobState::Activity(to),
            schedule: if parked || to.is_final() {
                Schedule::Parked
            } else {
                Schedule::At(self.at(delay % 50))
            },
            keep_intended: delay % 2 == 0,
            at: self.at(0),
            ..suite::done(&verisim_core::LeasedJob { job: job.clone(), fence }, self.now)
        };
        let expected = self.model.record(vec![record(one)]).await.unwrap();
        assert_eq!(self.store().record(vec![record(other)]).await.unwrap(), expected);
    }

    async fn intervene(&self, job: usize, to: usize) {
        let jobs = self.model.all_jobs();
        let Some(job) = jobs.get(job % jobs.len().max(1)) else { return };
        let to = JobState::Activity([ActivityState::Cancelled, ActivityState::Queued][to]);
        let change = Intervention {
            job: job.id,
            from: job.state,
            to,
            at: self.at(0),
            schedule: if to.is_final() { Schedule::Parked } else { Schedule::At(self.at(0)) },
            counters: (job.id.0 % 2 == 0).then(Counters::default),
            overrides: None,
            events: vec![suite::event("d1", self.now)],
        };
        let expected = self.model.intervene(change.clone()).await.unwrap();
        assert_eq!(self.store().intervene(change).await.unwrap(), expected);
    }

    async fn compare(&self) {
        let filter = JobFilter { limit: 1000, before: Some(JobId(i64::MAX)), ..JobFilter::default() };
        let expected: Vec<Job> = self.model.jobs(filter.clone()).await.unwrap().iter().map(known).collect();
        let jobs: Vec<Job> = self.store().jobs(filter).await.unwrap().iter().map(known).collect();
        assert_eq!(jobs, expected);
        let (one, other) = (self.model.health().await.unwrap(), self.store().health().await.unwrap());
        assert_eq!((one.open_jobs, one.last_event), (other.open_jobs, other.last_event));
        assert_eq!(self.store().outbox(1000).await.unwrap(), self.model.outbox(1000).await.unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn inv_3_the_store_answers_as_the_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.apply(step).await;
            }
            world.compare().await;
        });
    }
}
