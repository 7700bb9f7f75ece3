//! A company of invented people on directory decoys, which lives under a virtual clock: for the tests of this crate, and for
//! the measurements.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use verisim_connect::RootfsConnector;
use verisim_core::{
    ActivityDriver, CancellationToken, Clock as _, Connector, Decoy, DecoyName, DriverCapabilities,
    DriverKind, Event, EventId, EventPayload, EventQuery, Owner, Store as _, Timestamp, TopicFilter,
    WorkerId,
};
use verisim_drivers::{Connectors, FileDriver};
use verisim_engine::{Engine, EngineParts, Fleet, Member, Settings, WorldPlanner};
use verisim_realism::{DecoyProfile, Persona, World, Zone};
use verisim_store::SqliteStore;
use verisim_testkit::VirtualClock;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

const SEED: u64 = 20_261_121;
const ROLES: [&str; 5] = ["developer", "administrator", "analyst", "finance", "manager"];
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"];

/// Some decoys' names.
pub(crate) fn names(decoys: usize) -> Result<Vec<DecoyName>, Error> {
    (0..decoys).map(|number| Ok(format!("host-{number}").parse()?)).collect()
}

/// `personas` people who work on the decoys in turn.
pub(crate) fn world(
    decoys: &[DecoyName],
    personas: usize,
    capabilities: DriverCapabilities,
) -> Result<Arc<World>, Error> {
    let mut people = Vec::with_capacity(personas);
    for number in 0..personas {
        let id = 1000 + u32::try_from(number)?;
        let (name, login) = (format!("persona-{number}").parse()?, format!("user{number}"));
        let full_name = format!("First{number} Last{number}");
        // An ordinary user cannot give files away; that it is said and not faked is the connector's to show.
        let owner = Owner { uid: id, gid: id };
        let mut persona = Persona::new(name, full_name, login, owner, ROLES[number % ROLES.len()])?;
        persona.time_zone = ZONES[number % ZONES.len()].parse()?;
        people.push(persona);
    }
    let profile = |(place, name): (usize, &DecoyName)| DecoyProfile {
        name: name.clone(),
        role: "file-server".into(),
        services: vec!["ssh".into()],
        personas: people.iter().skip(place).step_by(decoys.len()).map(|p| p.name.clone()).collect(),
        has_address: false,
        capabilities,
        time_zone: Zone::utc(),
    };
    let profiles = decoys.iter().enumerate().map(profile).collect();
    Ok(Arc::new(World::new(SEED, people, profiles, verisim_realism::Settings::default())?))
}

/// Decoys, a store and the people, all in one folder.
pub(crate) struct Company {
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) driver: Arc<FileDriver>,
    pub(crate) fleet: Arc<Fleet>,
    world: Arc<World>,
}

impl Company {
    /// Each decoy is a directory of `dir`; the store lies beside them.
    pub(crate) fn found(dir: &Path, decoys: usize, personas: usize, start: Timestamp) -> Result<Self, Error> {
        let clock = VirtualClock::new(start);
        let (names, connectors, fleet) = (names(decoys)?, Connectors::new(), Fleet::new([]));
        for name in &names {
            let root = dir.join(name.as_str());
            std::fs::create_dir(&root)?;
            let connector: Arc<dyn Connector> =
                Arc::new(RootfsConnector::new(root, Arc::<VirtualClock>::clone(&clock)));
            connectors.insert(name.clone(), Arc::clone(&connector));
            let decoy =
                Decoy { name: name.clone(), services: vec![], role: "file-server".into(), address: None };
            fleet.put(Member { decoy: Arc::new(decoy), connector });
        }
        let driver = Arc::new(FileDriver::new(connectors));
        let first = fleet.decoys().first().cloned().ok_or("a company needs a decoy")?;
        let world = world(&names, personas, driver.capabilities(&first))?;
        let store = SqliteStore::open(&dir.join("verisim.db"), Arc::<VirtualClock>::clone(&clock))?;
        Ok(Self { clock, store: Arc::new(store), driver, fleet, world })
    }

    fn engine(&self, start: usize) -> Engine {
        let settings = Settings { sleep_max: Duration::from_secs(24 * 3600), ..Settings::default() };
        let planner = WorldPlanner::new(Arc::clone(&self.world), std::time::Duration::from_secs(15 * 60));
        let driver: Arc<dyn ActivityDriver> = Arc::<FileDriver>::clone(&self.driver);
        Engine::new(EngineParts {
            store: Arc::<SqliteStore>::clone(&self.store),
            clock: Arc::<VirtualClock>::clone(&self.clock),
            drivers: HashMap::from([(DriverKind::File, driver)]),
            fleet: Arc::clone(&self.fleet),
            planner: Some(Box::new(planner)),
            sync: None,
            seed: SEED,
            worker: WorkerId(format!("month/{start}").into()),
            settings,
            ending: CancellationToken::new(),
        })
    }

    /// Lives until `end`, each process for `each` of virtual time.
    pub(crate) async fn live(&self, end: Timestamp, each: Duration) -> Result<(), Error> {
        let mut start = 0;
        while self.clock.now() < end {
            let stop = CancellationToken::new();
            let engine = self.engine(start);
            let handle = engine.handle();
            let running = tokio::spawn(engine.run(stop.clone()));
            let until = end.min(self.clock.now() + each);
            loop {
                let due = handle.idle().await;
                if self.clock.now() >= until {
                    break;
                }
                self.clock.advance_to(due.min(until));
            }
            stop.cancel();
            running.await??;
            start += 1;
        }
        Ok(())
    }

    /// How many effects were confirmed, and what became of the rest.
    pub(crate) async fn count(&self) -> Result<(usize, Vec<Event>), Error> {
        let (mut done, mut not_done, mut after) = (0, Vec::new(), EventId(0));
        loop {
            let query = EventQuery { after, topics: TopicFilter::all(), limit: 1000 };
            let page = self.store.events(query).await?;
            if page.seen <= after {
                return Ok((done, not_done));
            }
            after = page.seen;
            for event in page.events {
                match event.body.payload {
                    EventPayload::Activity(_) => done += 1,
                    EventPayload::NotDone { .. } | EventPayload::Tampered { .. } => not_done.push(event),
                    _ => {}
                }
            }
        }
    }
}
