//! A virtual month: of plans alone, twice the same; and of the whole engine with its store on directory decoys.

#[path = "../../engine/tests/company/mod.rs"]
mod company;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use verisim_core::{Digest, DriverCapabilities, Hasher, Timestamp};
use verisim_realism::{Content, Simulation, Step, World};

use self::company::{Company, names, world};
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
/// Effects of one persona on one working day, at least: some are on vacation, and some projects sleep.
const EFFECTS_MIN: usize = 3;
/// November 2026 has 30 days, of which 21 are working days.
const START: &str = "2026-11-01T00:00:00Z";
const DAYS: u64 = 30;
const WORKING_DAYS: usize = 21;

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
    let company = Company::found(dir, options.decoys, options.personas, start)?;
    let (month, begin) = (Duration::from_secs(DAYS * 86_400), Instant::now());
    company.live(start + month, month).await?;
    let took = begin.elapsed();
    let (done, not_done) = company.count().await?;
    Ok((took, done, not_done.len()))
}

fn capabilities() -> DriverCapabilities {
    DriverCapabilities { plant: true, append: true, edit: true, remove: true, ..Default::default() }
}
