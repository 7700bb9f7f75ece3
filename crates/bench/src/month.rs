//! A virtual month: of plans alone, twice the same; and of the whole engine with its store on directory decoys.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use verisim_connect::RootfsConnector;
use verisim_core::{
    ActivityDriver, CancellationToken, Clock as _, Connector, Decoy, DecoyName, Digest, DriverCapabilities,
    DriverKind, EventId, EventPayload, EventQuery, Hasher, Owner, Store, Timestamp, TopicFilter, WorkerId,
};
use verisim_drivers::{Connectors, FileDriver};
use verisim_engine::{Engine, EngineParts, Fleet, Member, WorldPlanner};
use verisim_realism::{Content, DecoyProfile, Persona, Settings, Simulation, Step, World, Zone};
use verisim_store::SqliteStore;
use verisim_testkit::VirtualClock;

use crate::measure::Error;
use crate::report::{Report, Verdict};

/// What is lived, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Decoys of the plan.
    #[arg(long, default_value_t = 1000)]
    plan_decoys: usize,
    /// Personas of the plan.
    #[arg(long, default_value_t = 5000)]
    plan_personas: usize,
    /// Decoys of the engine.
    #[arg(long, default_value_t = 20)]
    decoys: usize,
    /// Personas of the engine.
    #[arg(long, default_value_t = 100)]
    personas: usize,
    /// A folder on the disk that is meant; a folder below it is made and removed.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// How long each month may take.
const TIME_MAX: Duration = Duration::from_secs(120);
/// Effects of one persona on one working day, at least.
const EFFECTS_MIN: usize = 5;
/// November 2026 has 30 days, of which 21 are working days.
const START: &str = "2026-11-01T00:00:00Z";
const DAYS: u64 = 30;
const WORKING_DAYS: usize = 21;
const SEED: u64 = 20_261_121;

/// Runs both months.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    plans(options, report)?;
    engine(options, report)
}

fn plans(options: &Options, report: &mut Report) -> Result<(), Error> {
    let names = names(options.plan_decoys)?;
    let mut prints = Vec::new();
    for turn in 1..=2 {
        // All of it anew, so that nothing but the seed can make them alike.
        let world = world(&names, options.plan_personas, capabilities())?;
        let begin = Instant::now();
        let (effects, print) = fingerprint(&world)?;
        let took = begin.elapsed();
        let enough = effects >= options.plan_personas * WORKING_DAYS * EFFECTS_MIN;
        let what = format!(
            "month of plans, run {turn}: {} decoys, {} personas, {effects} effects with content",
            options.plan_decoys, options.plan_personas
        );
        println!("{what}: {:.1} s, {print}", took.as_secs_f64());
        note(report, what, took, enough);
        prints.push(print);
    }
    let same = prints.windows(2).all(|pair| pair[0] == pair[1]);
    let said = if same { "identical" } else { "DIFFERENT" };
    report.note("month of plans: two runs", said.into(), "identical".into(), Verdict::of(same));
    Ok(())
}

fn note(report: &mut Report, what: String, took: Duration, enough: bool) {
    let verdict = Verdict::of(took < TIME_MAX && enough);
    let what = if enough { what } else { format!("{what}: TOO FEW") };
    report.note(what, format!("{:.1} s", took.as_secs_f64()), format!("{} s", TIME_MAX.as_secs()), verdict);
}

/// How many effects there are, and a hash over everything that the plan says.
fn fingerprint(world: &Arc<World>) -> Result<(usize, Digest), Error> {
    let start: Timestamp = START.parse()?;
    let end = start + Duration::from_secs(DAYS * 86_400);
    let (mut effects, mut hasher) = (0, Hasher::new());
    for Step { decision, action } in Simulation::new(world, start, end, Content::Bodies) {
        let slot = &decision.slot;
        let action = serde_json::to_string(&action)?;
        let (at, session) = (slot.at.as_nanosecond(), slot.session.id());
        let (persona, decoy) = (slot.persona.0, slot.decoy.0);
        let line = format!("{at} {persona} {decoy} {session} {} {} {action}\n", slot.sequence, decision.why);
        hasher.update(line.as_bytes());
        effects += 1;
    }
    Ok((effects, hasher.finish()))
}

fn engine(options: &Options, report: &mut Report) -> Result<(), Error> {
    let dir = tempfile::Builder::new().prefix("month").tempdir_in(&options.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (took, done, not_done) = runtime.block_on(live(dir.path(), options))?;
    let what = format!(
        "month of the engine and its store: {} decoys, {} personas, {done} effects, {not_done} not done",
        options.decoys, options.personas
    );
    println!("{what}: {:.1} s", took.as_secs_f64());
    note(report, what, took, not_done == 0 && done >= options.personas * WORKING_DAYS * EFFECTS_MIN);
    Ok(())
}

/// Lives the month; answers how long that took, how many effects were confirmed, and how many came to nothing.
async fn live(dir: &Path, options: &Options) -> Result<(Duration, usize, usize), Error> {
    let start: Timestamp = START.parse()?;
    let end = start + Duration::from_secs(DAYS * 86_400);
    let clock = VirtualClock::new(start);
    let (names, connectors, fleet) = (names(options.decoys)?, Connectors::new(), Fleet::new([]));
    for name in &names {
        let root = dir.join(name.as_str());
        std::fs::create_dir(&root)?;
        let connector: Arc<dyn Connector> =
            Arc::new(RootfsConnector::new(root, Arc::<VirtualClock>::clone(&clock)));
        connectors.insert(name.clone(), Arc::clone(&connector));
        let decoy = Decoy { name: name.clone(), services: vec![], role: "file-server".into(), address: None };
        fleet.put(Member { decoy: Arc::new(decoy), connector });
    }
    let driver: Arc<dyn ActivityDriver> = Arc::new(FileDriver::new(connectors));
    let world = world(&names, options.personas, capabilities())?;
    let store = Arc::new(SqliteStore::open(&dir.join("verisim.db"), Arc::<VirtualClock>::clone(&clock))?);
    let settings = verisim_engine::Settings {
        sleep_max: Duration::from_secs(24 * 3600),
        ..verisim_engine::Settings::default()
    };
    let engine = Engine::new(EngineParts {
        store: Arc::<SqliteStore>::clone(&store),
        clock: Arc::<VirtualClock>::clone(&clock),
        drivers: HashMap::from([(DriverKind::File, driver)]),
        fleet,
        planner: Some(Box::new(WorldPlanner::new(world, settings.plan_grace))),
        sync: None,
        seed: SEED,
        worker: WorkerId("month/0".into()),
        settings,
    });
    let (handle, stop, begin) = (engine.handle(), CancellationToken::new(), Instant::now());
    let running = tokio::spawn(engine.run(stop.clone()));
    loop {
        let due = handle.idle().await;
        if clock.now() >= end {
            break;
        }
        clock.advance_to(due.min(end));
    }
    stop.cancel();
    running.await??;
    let took = begin.elapsed();
    let (done, not_done) = count(&store).await?;
    Ok((took, done, not_done))
}

async fn count(store: &SqliteStore) -> Result<(usize, usize), Error> {
    let (mut done, mut not_done, mut after) = (0, 0, EventId(0));
    loop {
        let query = EventQuery { after, topics: TopicFilter::all(), limit: 1000 };
        let page = store.events(query).await?;
        if page.seen <= after {
            return Ok((done, not_done));
        }
        after = page.seen;
        for event in page.events {
            match event.body.payload {
                EventPayload::Activity(_) => done += 1,
                EventPayload::NotDone { .. } | EventPayload::Tampered { .. } => not_done += 1,
                _ => {}
            }
        }
    }
}

fn capabilities() -> DriverCapabilities {
    DriverCapabilities { plant: true, append: true, edit: true, remove: true, ..Default::default() }
}

fn names(decoys: usize) -> Result<Vec<DecoyName>, Error> {
    (0..decoys).map(|number| Ok(format!("host-{number}").parse()?)).collect()
}

/// A company whose personas work on the decoys in turn.
fn world(
    decoys: &[DecoyName],
    personas: usize,
    capabilities: DriverCapabilities,
) -> Result<Arc<World>, Error> {
    const ROLES: [&str; 5] = ["developer", "administrator", "analyst", "finance", "manager"];
    const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"];
    let mut people = Vec::with_capacity(personas);
    for number in 0..personas {
        let id = 1000 + u32::try_from(number)?;
        let (name, login) = (format!("persona-{number}").parse()?, format!("user{number}"));
        let full_name = format!("First{number} Last{number}");
        let role = ROLES[number % ROLES.len()];
        let mut persona = Persona::new(name, full_name, login, Owner { uid: id, gid: id }, role)?;
        persona.time_zone = ZONES[number % ZONES.len()].parse()?;
        people.push(persona);
    }
    let profile = |(place, name): (usize, &DecoyName)| DecoyProfile {
        name: name.clone(),
        role: "file-server".into(),
        services: vec!["ssh".into()],
        personas: people.iter().skip(place).step_by(decoys.len()).map(|p| p.name.clone()).collect(),
        capabilities,
        time_zone: Zone::utc(),
    };
    let profiles = decoys.iter().enumerate().map(profile).collect();
    Ok(Arc::new(World::new(SEED, people, profiles, Settings::default())?))
}
