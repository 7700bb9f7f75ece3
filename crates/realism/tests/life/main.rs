//! The pattern of life against that of real people: column by column, and by a classifier.

#![allow(clippy::unwrap_used, reason = "what is not right in a test shall fail it")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of a test are small and not negative"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "whether the page of the documentation is to be written is asked of the environment"
)]

mod boost;
#[path = "../common/mod.rs"]
mod common;
mod page;
mod score;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use common::{ROLES, SEED, at, world, world_seeded};
use jiff::SignedDuration;
use score::{Event, Row, SHAPE, column, distance, inside, people, place, row};
use verisim_realism::{Change, Cohort, Content, Role, Scene, Settings, Simulation};

/// What is simulated: 200 personas of eight roles in five time zones, for 120 days; five times, since of 25 personas a role's share
/// inside scatters by more than what is asked for.
const WORLDS: u64 = 5;
const DECOYS: usize = 50;
const EACH: usize = 4;
const DAYS: i64 = 120;
const FROM: &str = "2026-08-31T00:00:00Z";

/// The bars of each column.
const INSIDE_MIN: f64 = 0.9;
const DISTANCE_MAX: f64 = 0.3;
/// People of whom there are more events than this are no samples of like size.
const LIKE_SIZE: f64 = 2000.0;
/// What a classifier may tell.
const AREA_MAX: f64 = 0.75;

/// One persona of the simulation.
struct Life {
    world: u64,
    role: Role,
    row: Row,
    events: Vec<Event>,
}

/// The times of plants and edits of every persona.
static LIVES: LazyLock<Vec<Life>> = LazyLock::new(|| (0..WORLDS).flat_map(lives).collect());

fn lives(number: u64) -> Vec<Life> {
    let world = world_seeded(SEED + number, DECOYS, EACH);
    let from = at(FROM);
    let steps = Simulation::new(&world, from, from + SignedDuration::from_hours(24 * DAYS), Content::None);
    let mut all: BTreeMap<u32, Vec<Event>> = BTreeMap::new();
    for step in steps {
        let slot = step.decision.slot;
        // Lines at the end and a better name are edits, too.
        let counts = !matches!(
            step.decision.change,
            Change::Remove { .. } | Change::Visit { .. } | Change::Mail { .. }
        );
        if counts {
            let zone = &world.persona(slot.persona).unwrap().time_zone;
            let offset = i64::from(zone.offset_seconds(slot.at)) * 1_000_000_000;
            let at = i64::try_from(slot.at.as_nanosecond()).unwrap();
            all.entry(slot.persona.0).or_default().push(Event { at, local: at + offset });
        }
    }
    let role = |number: u32| Role::of(ROLES[number as usize % ROLES.len()]);
    let life =
        |(who, events): (u32, Vec<Event>)| Life { world: number, role: role(who), row: row(&events), events };
    all.into_iter().map(life).collect()
}

fn rows(wanted: impl Fn(&Life) -> bool) -> Vec<Row> {
    LIVES.iter().filter(|life| wanted(life)).map(|life| life.row).collect()
}

fn keeps(cohort: Cohort) -> impl Fn(&Life) -> bool {
    move |life| life.role.cohort() == cohort
}

/// A persona whose files hardly change is a dead one, and a row of fewer gaps says nothing.
const LEAST_EVENTS: usize = 30;

#[test]
fn everybody_has_enough_to_be_scored() {
    assert_eq!(LIVES.len() as u64, WORLDS * (DECOYS * EACH) as u64);
    let least = LIVES.iter().map(|life| life.events.len()).min().unwrap();
    assert!(least >= LEAST_EVENTS, "somebody has only {least} plants and edits");
}

#[test]
fn the_shape_of_activity_is_that_of_people_whatever_the_role() {
    let people = people();
    let mut wrong = Vec::new();
    for (group, rows) in [
        ("all", rows(|_| true)),
        ("free hours", rows(keeps(Cohort::Free))),
        ("office hours", rows(keeps(Cohort::Office))),
    ] {
        for name in SHAPE {
            let (ours, theirs) = (column(&rows, name), column(&people, name));
            let (inside, distance) = (inside(&ours, &theirs), distance(&ours, &theirs));
            if inside < INSIDE_MIN || distance > DISTANCE_MAX {
                wrong.push(format!("{group}: {name}: {inside:.3} inside, distance {distance:.3}"));
            }
        }
    }
    let like: Vec<Row> = people.iter().filter(|row| row.0[place("events")] <= LIKE_SIZE).copied().collect();
    for name in ["events", "weekend", "hour_entropy"] {
        let ours = column(&rows(keeps(Cohort::Free)), name);
        let (inside, distance) =
            (inside(&ours, &column(&people, name)), distance(&ours, &column(&like, name)));
        if inside < INSIDE_MIN || distance > DISTANCE_MAX {
            wrong.push(format!("free hours: {name}: {inside:.3} inside, distance {distance:.3}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn office_hours_stay_plausible() {
    let rows = rows(keeps(Cohort::Office));
    let (weekend, entropy) = (column(&rows, "weekend"), column(&rows, "hour_entropy"));
    assert!(weekend.iter().all(|share| *share < 0.1), "{weekend:?}");
    // Of fewer than fifty hours drawn, some stay empty by chance.
    let plausible = entropy.iter().filter(|bits| (2.8..=3.6).contains(*bits)).count();
    assert!(plausible * 100 >= entropy.len() * 95, "{plausible} of {}: {entropy:?}", entropy.len());
    assert!(entropy.iter().all(|bits| (2.3..=3.6).contains(bits)), "{entropy:?}");
}

/// Chance puts one time stamp in sixty on a whole minute; a mean of so many lies within four standard deviations of that.
#[test]
fn whole_minutes_are_as_frequent_as_chance_has_them() {
    let count: usize = LIVES.iter().map(|life| life.events.len()).sum();
    let mean: f64 =
        LIVES.iter().map(|life| life.row.0[place("whole_minute")] * life.events.len() as f64).sum();
    let (expected, chance) = (count as f64 / 60.0, 1.0_f64 / 60.0);
    let sd = (count as f64 * chance * (1.0 - chance)).sqrt();
    assert!(
        (mean - expected).abs() < 4.0 * sd,
        "{mean} of {count} on a whole minute, {expected:.0} by chance"
    );
}

/// What the classifier finds: of the personas of each world, on average, and of a flat clock.
static AREAS: LazyLock<[f64; 2]> = LazyLock::new(|| {
    let ours: f64 = (0..WORLDS).map(|number| area(&rows(|life| life.world == number))).sum();
    [ours / WORLDS as f64, area(&flat())]
});

/// The area under the curve of a classifier that sees the shape columns of people and of `rows`.
fn area(rows: &[Row]) -> f64 {
    let seen = |rows: &[Row]| -> Vec<Vec<f64>> {
        rows.iter().map(|row| SHAPE.iter().map(|name| row.0[place(name)]).collect()).collect()
    };
    boost::area(&seen(&people()), &seen(rows), 6)
}

/// A flat clock: an action a minute while the working hours last.
fn flat() -> Vec<Row> {
    let of = |persona: i64| {
        let day = |day: i64| (day + 3).rem_euclid(7) < 5;
        let minutes = (20_696..20_696 + DAYS).filter(|number| day(*number)).flat_map(|number| {
            (510..1050).map(move |minute| ((number * 1440 + minute) * 60 + persona % 60) * 1_000_000_000)
        });
        row(&minutes.map(|at| Event { at, local: at }).collect::<Vec<_>>())
    };
    (0..200).map(of).collect()
}

#[test]
fn a_classifier_hardly_tells_personas_from_people() {
    let [ours, flat] = *AREAS;
    assert!(ours <= AREA_MAX, "{ours:.3}");
    assert!(flat > 0.99, "a flat clock is told at once: {flat:.3}");
}

/// Everything that a persona does in a session hangs together.
#[test]
fn sessions_hold_together_from_login_to_logout() {
    let world = world(10, 4, Settings::default());
    let from = at(FROM);
    let until = from + SignedDuration::from_hours(24 * 60);
    let (mut open, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let (mut sessions, mut empty, mut effects) = (0, 0, 0);
    for scene in Simulation::scenes(&world, from, until, Content::None) {
        match scene {
            Scene::Login(slot) => {
                let before = open.insert(slot.persona, (slot.session, slot.decoy, 0));
                assert_eq!(before, None, "two sessions at a time");
                seen.insert(slot.persona);
                sessions += 1;
            }
            Scene::Effect(step, _) => {
                let slot = step.decision.slot;
                // The simulation may begin in the middle of somebody's session.
                let Some((session, decoy, count)) = open.get_mut(&slot.persona) else {
                    assert!(!seen.contains(&slot.persona), "an effect outside of a session");
                    continue;
                };
                assert_eq!((*session, *decoy), (slot.session, slot.decoy));
                *count += 1;
                effects += 1;
            }
            Scene::Logout(slot) => {
                if let Some((session, decoy, count)) = open.remove(&slot.persona) {
                    assert_eq!((session, decoy), (slot.session, slot.decoy));
                    empty += usize::from(count == 0);
                }
            }
        }
    }
    assert!(open.len() <= 40 && sessions > 2000 && effects > sessions, "{sessions} {effects}");
    assert!(empty * 2 < sessions, "{empty} of {sessions} sessions leave nothing");
}

/// The seasons of a life: there are silences of weeks, days on which nothing happens, and nobody works all the time.
#[test]
fn there_are_silences_of_weeks_and_days_without_anything() {
    let longest: Vec<f64> = LIVES
        .iter()
        .map(|life| {
            life.events.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap() as f64 / 86_400e9
        })
        .collect();
    let weeks = longest.iter().filter(|days| **days >= 10.0).count();
    assert!(weeks * 2 > longest.len(), "{weeks} of {} have a silence of ten days", longest.len());
    assert!(longest.iter().all(|days| *days < 90.0), "somebody is silent for a season");
}

/// The page is what this makes: `VERISIM_WRITE_DOCS=1` writes it anew.
#[test]
fn the_page_says_what_was_measured() {
    let groups = [
        ("All personas", rows(|_| true)),
        ("Those who keep free hours (developers, administrators, scientists)", rows(keeps(Cohort::Free))),
        ("Those who keep office hours", rows(keeps(Cohort::Office))),
    ];
    let roles: Vec<(&str, Vec<Row>)> =
        ROLES.iter().map(|name| (*name, rows(|life| life.role == Role::of(name)))).collect();
    let page = page::page(&people(), &groups, &roles, *AREAS);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pattern-of-life.md");
    if std::env::var_os("VERISIM_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        page,
        "docs/pattern-of-life.md is not what was measured: VERISIM_WRITE_DOCS=1 cargo test -p verisim-realism --test life"
    );
}
