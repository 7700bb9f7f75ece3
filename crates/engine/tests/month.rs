//! The whole engine with its real store, directory decoys and personas lives under a virtual clock.
#![cfg(test)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use verisim_connect::RootfsConnector;
use verisim_core::{
    ActivityDriver, ByteCount, CancellationToken, Clock as _, Connector, Decoy, DecoyName,
    DriverCapabilities, DriverKind, Event, EventId, EventPayload, EventQuery, FileClass, JobFilter, JobState,
    Owner, Store, Timestamp, TopicFilter, WorkerId,
};
use verisim_drivers::{Connectors, FileDriver};
use verisim_engine::{Engine, EngineParts, Fleet, Member, Settings, WorldPlanner};
use verisim_realism::{DecoyProfile, Persona, World, Zone};
use verisim_store::SqliteStore;
use verisim_testkit::VirtualClock;

/// Longer than any of the lives here: one process from beginning to end.
const ONE_PROCESS: Duration = Duration::from_secs(366 * 86_400);

const ROLES: [&str; 5] = ["developer", "administrator", "analyst", "finance", "manager"];
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"];

struct Company {
    dir: tempfile::TempDir,
    world: Arc<World>,
    decoys: Vec<DecoyName>,
    clock: Arc<VirtualClock>,
    store: Arc<SqliteStore>,
    driver: Arc<FileDriver>,
    fleet: Arc<Fleet>,
}

/// An ordinary user cannot give files away; that it is said and not faked is the connector's to show.
fn owner(number: usize) -> Owner {
    let uid = 1000 + u32::try_from(number).unwrap();
    Owner { uid, gid: uid }
}

impl Company {
    /// `decoys` directories, and `personas` people who work on them in turn.
    fn found(decoys: usize, personas: usize, start: Timestamp) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = VirtualClock::new(start);
        let connectors = Connectors::new();
        let names: Vec<DecoyName> = (0..decoys).map(|n| format!("host-{n}").parse().unwrap()).collect();
        let fleet = Fleet::new([]);
        for name in &names {
            let root = dir.path().join(name.as_str());
            std::fs::create_dir(&root).unwrap();
            let connector: Arc<dyn Connector> =
                Arc::new(RootfsConnector::new(root, Arc::<VirtualClock>::clone(&clock)));
            connectors.insert(name.clone(), Arc::clone(&connector));
            let decoy =
                Decoy { name: name.clone(), services: vec![], role: "file-server".into(), address: None };
            fleet.put(Member { decoy: Arc::new(decoy), connector });
        }
        let driver = Arc::new(FileDriver::new(connectors));
        let can = driver.capabilities(&fleet.get(&names[0]).unwrap().decoy);
        let world = world(&names, personas, can);
        let store =
            SqliteStore::open(&dir.path().join("verisim.db"), Arc::<VirtualClock>::clone(&clock)).unwrap();
        Self { dir, world, decoys: names, clock, store: Arc::new(store), driver, fleet }
    }

    fn engine(&self, start: usize) -> Engine {
        let settings = Settings { sleep_max: Duration::from_secs(24 * 3600), ..Settings::default() };
        let planner = WorldPlanner::new(Arc::clone(&self.world), settings.plan_grace);
        let driver: Arc<dyn ActivityDriver> = Arc::<FileDriver>::clone(&self.driver);
        Engine::new(EngineParts {
            store: Arc::<SqliteStore>::clone(&self.store),
            clock: Arc::<VirtualClock>::clone(&self.clock),
            drivers: HashMap::from([(DriverKind::File, driver)]),
            fleet: Arc::clone(&self.fleet),
            planner: Some(Box::new(planner)),
            sync: None,
            seed: 20_261_121,
            worker: WorkerId(format!("month/{start}").into()),
            settings,
        })
    }

    /// Lives until `end`, each process for `each` of virtual time.
    async fn live(&self, end: Timestamp, each: Duration) {
        let mut start = 0;
        while self.clock.now() < end {
            let stop = CancellationToken::new();
            let engine = self.engine(start);
            let handle = engine.handle();
            let run = tokio::spawn(engine.run(stop.clone()));
            let until = end.min(self.clock.now() + each);
            loop {
                let due = handle.idle().await;
                if self.clock.now() >= until {
                    break;
                }
                self.clock.advance_to(due.min(until));
            }
            stop.cancel();
            run.await.unwrap().unwrap();
            start += 1;
        }
    }

    async fn events(&self) -> Vec<Event> {
        let mut all = Vec::new();
        let mut after = EventId(0);
        loop {
            let query = EventQuery { after, topics: TopicFilter::all(), limit: 1_000 };
            let page = self.store.events(query).await.unwrap();
            if page.seen <= after {
                return all;
            }
            after = page.seen;
            all.extend(page.events);
        }
    }

    /// What every path should be by the ledger, compared with what is on the decoys.
    async fn assert_decoys_are_as_the_ledger_says(&self) {
        let entries = self.store.ledger_scan(None, 1_000_000).await.unwrap();
        assert!(!entries.is_empty());
        for entry in entries {
            let decoy = self.fleet.get(&entry.decoy).unwrap().decoy;
            let bytes = self.driver.read_file(&decoy, &entry.path, ByteCount(1 << 24)).await.unwrap();
            let is_log = matches!(entry.class, FileClass::CronLog | FileClass::DaemonLog);
            assert_eq!(bytes.len() as u64, entry.size, "{} {}", entry.decoy, entry.path);
            if !is_log {
                assert_eq!(verisim_core::Digest::of(&bytes), entry.sha256, "{} {}", entry.decoy, entry.path);
            }
        }
    }
}

fn world(decoys: &[DecoyName], personas: usize, capabilities: DriverCapabilities) -> Arc<World> {
    let people: Vec<Persona> = (0..personas)
        .map(|number| {
            let name = format!("persona-{number}").parse().unwrap();
            let login = format!("user{number}");
            let role = ROLES[number % ROLES.len()];
            let full_name = format!("First{number} Last{number}");
            let mut persona = Persona::new(name, full_name, login, owner(number), role).unwrap();
            persona.time_zone = ZONES[number % ZONES.len()].parse().unwrap();
            persona
        })
        .collect();
    let profiles = decoys
        .iter()
        .enumerate()
        .map(|(place, name)| DecoyProfile {
            name: name.clone(),
            role: "file-server".into(),
            services: vec!["ssh".into()],
            personas: people.iter().skip(place).step_by(decoys.len()).map(|p| p.name.clone()).collect(),
            capabilities,
            time_zone: Zone::utc(),
        })
        .collect();
    Arc::new(World::new(20_261_121, people, profiles, verisim_realism::Settings::default()).unwrap())
}

/// Confirmed effects, and what became of the rest.
fn count(events: &[Event]) -> (usize, Vec<&Event>) {
    let done = events.iter().filter(|event| matches!(event.body.payload, EventPayload::Activity(_)));
    let not = |event: &&Event| {
        matches!(event.body.payload, EventPayload::NotDone { .. } | EventPayload::Tampered { .. })
    };
    (done.count(), events.iter().filter(not).collect())
}

async fn assert_nothing_is_left_over(company: &Company) {
    let filter = JobFilter { limit: 1_000_000, ..JobFilter::default() };
    for job in company.store.jobs(filter).await.unwrap() {
        let JobState::Activity(state) = job.state else { panic!("{job:?}") };
        assert_eq!(state, verisim_core::ActivityState::Done, "{job:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_lives_some_days_and_the_decoys_are_what_the_ledger_says() {
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let company = Company::found(4, 12, start);
    company.live(start + Duration::from_secs(3 * 86_400), ONE_PROCESS).await;
    let events = company.events().await;
    let (done, not_done) = count(&events);
    assert!(not_done.is_empty(), "{:?}", not_done.first());
    assert!(done >= 5 * 12 * 3, "only {done} effects");
    assert_nothing_is_left_over(&company).await;
    company.assert_decoys_are_as_the_ledger_says().await;
    assert!(company.decoys.iter().all(|name| company.dir.path().join(name.as_str()).join("home").is_dir()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_11_restarts_change_nothing_about_who_acts_when() {
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let end = start + Duration::from_secs(2 * 86_400);
    let mut lives = Vec::new();
    for each in [ONE_PROCESS, Duration::from_secs(5_000)] {
        let company = Company::found(2, 6, start);
        company.live(end, each).await;
        let filter = JobFilter { limit: 100_000, ..JobFilter::default() };
        let mut jobs: Vec<_> = company
            .store
            .jobs(filter)
            .await
            .unwrap()
            .into_iter()
            .map(|job| (job.planned_at, job.key, job.work))
            .collect();
        jobs.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        company.assert_decoys_are_as_the_ledger_says().await;
        lives.push(jobs);
    }
    assert!(lives[0].len() > 50);
    assert_eq!(lives[0], lives[1]);
}

/// The full size: 20 decoys, 100 personas, a month. In a release build:
/// `cargo test --release -p verisim-engine --test month -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute; the bench and the acceptance run do it"]
async fn a_company_of_a_hundred_lives_a_month_in_under_two_minutes() {
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let company = Company::found(20, 100, start);
    #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
    let begin = std::time::Instant::now();
    company.live(start + Duration::from_secs(30 * 86_400), ONE_PROCESS).await;
    let took = begin.elapsed();
    let events = company.events().await;
    let (done, not_done) = count(&events);
    println!("{done} effects in {took:?}; {} not done; {:?}", not_done.len(), company.store.metrics());
    assert!(not_done.is_empty(), "{:?}", not_done.first());
    // November 2026 has 21 working days.
    assert!(done >= 5 * 100 * 21, "only {done} effects");
    assert!(took < Duration::from_secs(120), "{took:?}");
    company.assert_decoys_are_as_the_ledger_says().await;
}
