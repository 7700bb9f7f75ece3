//! The planner: planned effects per second at fleets of three sizes, moments at which everything is left alone not counted.

use std::sync::Arc;
use std::time::Instant;

use verisim_core::{DriverCapabilities, Owner, Timestamp};
use verisim_realism::{Content, DecoyProfile, Persona, Settings, Simulation, World, Zone};

use crate::measure::Error;
use crate::report::{Report, Verdict};

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Effects of one measurement.
    #[arg(long, default_value_t = 1_000_000)]
    effects: usize,
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Effects per second without content that shall be planned, and by what factor a fleet of 100,000 may be slower than one
/// of 10.
const RATE_MIN: f64 = 200_000.0;
const FACTOR_MAX: f64 = 3.0;
/// Effects per second with content.
const RATE_BODIES_MIN: f64 = 10_000.0;
/// Content takes so much longer that a share of the effects is enough.
const BODIES_SHARE: usize = 8;
/// Personas of one decoy.
const PERSONAS: usize = 2;

/// Runs the rows.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<(), Error> {
    let fleets = [10, 1_000, 100_000];
    let worlds = fleets.map(world);
    let mut rates: [[Vec<f64>; 2]; 3] = Default::default();
    for _ in 0..options.rounds {
        for (world, rates) in worlds.iter().zip(&mut rates) {
            let world = world.as_ref().map_err(ToString::to_string)?;
            rates[0].push(rate(world, options.effects, Content::None)?);
            rates[1].push(rate(world, options.effects / BODIES_SHARE, Content::Bodies)?);
        }
    }
    let [small, middle, large] = rates.map(|rates| rates.map(median));
    for (decoys, [bare, whole]) in fleets.into_iter().zip([small, middle, large]) {
        println!(
            "plan: {decoys:>7} decoys, {PERSONAS} personas each {bare:>12.0} effects/s {whole:>12.0} with content"
        );
    }
    let factor = small[0] / large[0];
    let verdict = Verdict::of(factor <= FACTOR_MAX);
    report.note(
        "plan: 100,000 decoys, how many times slower than 10",
        format!("{factor:.2} x"),
        format!("{FACTOR_MAX:.2} x"),
        verdict,
    );
    let mut rate = |what: &str, rate: f64, bar: f64| {
        report.note(what, format!("{rate:.0} /s"), format!("{bar:.0} /s"), Verdict::of(rate >= bar));
    };
    rate("plan: effects at 10 decoys, without content", small[0], RATE_MIN);
    rate("plan: effects at 1,000 decoys, without content", middle[0], RATE_MIN);
    rate("plan: effects at 100,000 decoys, without content", large[0], RATE_MIN);
    rate("plan: effects at 100,000 decoys, with content", large[1], RATE_BODIES_MIN);
    Ok(())
}

/// Effects per second. Nothing is on the decoys at first; starting is not counted, filling the desks is.
fn rate(world: &Arc<World>, effects: usize, content: Content) -> Result<f64, Error> {
    let (from, until): (Timestamp, Timestamp) =
        ("2026-11-02T00:00:00Z".parse()?, "2126-01-01T00:00:00Z".parse()?);
    let mut steps = Simulation::new(world, from, until, content);
    let start = Instant::now();
    let count = steps.by_ref().take(effects).map(std::hint::black_box).count();
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

fn world(decoys: usize) -> Result<Arc<World>, Error> {
    const ROLES: [&str; 4] = ["developer", "administrator", "analyst", "assistant"];
    const ZONES: [&str; 3] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata"];
    let zones: Vec<Zone> = ZONES.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let mut personas = Vec::new();
    let mut profiles = Vec::new();
    for decoy in 0..decoys {
        let mut names = Vec::new();
        for number in decoy * PERSONAS..(decoy + 1) * PERSONAS {
            let id = 1000 + u32::try_from(number)?;
            let name: verisim_core::PersonaName = format!("persona-{number}").parse()?;
            let (full_name, login) = (format!("First{number} Last{number}"), format!("user{number}"));
            let role = ROLES[number % ROLES.len()];
            let mut persona = Persona::new(name.clone(), full_name, login, Owner { uid: id, gid: id }, role)?;
            persona.time_zone = zones[number % zones.len()].clone();
            names.push(name);
            personas.push(persona);
        }
        profiles.push(DecoyProfile {
            name: format!("host-{decoy}").parse()?,
            role: "file-server".into(),
            services: vec!["ssh".into(), "smb".into()],
            personas: names,
            has_address: true,
            capabilities: DriverCapabilities {
                plant: true,
                append: true,
                edit: true,
                remove: true,
                traffic: true,
                ..Default::default()
            },
            time_zone: Zone::utc(),
        });
    }
    Ok(Arc::new(World::new(1, personas, profiles, Settings::default())?))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}
