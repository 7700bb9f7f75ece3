//! Laws of the plan.

#![allow(clippy::unwrap_used, reason = "what is not right in a test shall fail it")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::{at, decoy, persona, world};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use verisim_core::{Action, DriverCapabilities, FileClass, FileTimes, Hasher};
use verisim_realism::{
    Change, Cohort, Content, DecoyIndex, LedgerIndex, Planner, Role, Settings, Simulation, Slot, Step, World,
    compose, decide, past,
};

fn slots(world: &Arc<World>, from: Timestamp, until: Timestamp) -> Vec<Slot> {
    let mut planner = Planner::new(world, from);
    std::iter::from_fn(|| planner.pop_until(until)).collect()
}

fn busy() -> Settings {
    Settings { busy: true, pace: 100.0, ..Settings::default() }
}

/// A hash over everything that a plan says.
fn fingerprint(steps: impl Iterator<Item = Step>) -> String {
    let mut hasher = Hasher::new();
    for Step { decision, action } in steps {
        let Slot { at, persona, decoy, session, sequence, .. } = decision.slot;
        let (at, session) = (at.as_nanosecond(), session.id());
        let action = serde_json::to_string(&action).unwrap();
        let line = format!("{at} {} {} {session} {sequence} {} {action}\n", persona.0, decoy.0, decision.why);
        hasher.update(line.as_bytes());
    }
    hasher.finish().to_string()
}

#[test]
fn inv_11_two_runs_with_one_seed_are_identical() {
    let run = || {
        let steps = Simulation::new(
            &world(12, 5, Settings::default()),
            at("2026-11-23T00:00:00Z"),
            at("2026-12-07T00:00:00Z"),
            Content::Bodies,
        );
        steps.collect::<Vec<_>>()
    };
    let first = run();
    assert!(first.len() > 12 * 5 * 10 * 2, "only {} effects", first.len());
    assert_eq!(first, run());
}

/// The plan of three decoys for a week, pinned: another machine, library or compiler must not change it. A change of the
/// planner itself does, and is then meant.
#[test]
fn inv_11_the_plan_of_a_week_is_pinned() {
    let world = world(3, 5, Settings::default());
    let (from, to) = (at("2026-10-22T00:00:00Z"), at("2026-10-29T00:00:00Z"));
    assert_eq!(fingerprint(Simulation::new(&world, from, to, Content::Bodies)), GOLDEN);
}
const GOLDEN: &str = "da5ef66b77d687ba0270f03b2abbfb7a2946933f0e19392615a0f0c8ad5caf38";

#[test]
fn inv_9_what_is_planned_for_one_does_not_depend_on_who_else_there_is() {
    let (from, to) = (at("2026-11-23T00:00:00Z"), at("2027-01-16T00:00:00Z"));
    let of_first = |world: &Arc<World>| {
        let all = slots(world, from, to).into_iter().filter(|slot| slot.persona.0 == 0);
        all.map(|slot| (slot.at, slot.session, slot.sequence)).collect::<Vec<_>>()
    };
    let (small, large) = (world(1, 1, Settings::default()), world(40, 1, Settings::default()));
    assert!(!of_first(&small).is_empty());
    assert_eq!(of_first(&small), of_first(&large));
}

#[test]
fn without_content_the_same_is_decided() {
    let world = world(6, 3, Settings::default());
    let (from, to) = (at("2026-11-23T00:00:00Z"), at("2026-12-04T00:00:00Z"));
    let decisions =
        |content| Simulation::new(&world, from, to, content).map(|step| step.decision).collect::<Vec<_>>();
    assert_eq!(decisions(Content::None), decisions(Content::Bodies));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn inv_11_a_planner_may_start_at_any_instant(hours in 0i64..24 * 21, nanos in 0i64..3_600_000_000_000, rush: bool) {
        let settings = if rush { busy() } else { Settings::default() };
        let world = world(3, 4, settings);
        let from = at("2026-10-20T00:00:00Z");
        let start = from + SignedDuration::from_hours(hours) + SignedDuration::from_nanos(nanos);
        let from = if rush { start - SignedDuration::from_hours(2) } else { from };
        let until = start + SignedDuration::from_hours(if rush { 1 } else { 24 * 7 });
        let all = slots(&world, from, until);
        let expected: Vec<Slot> = all.iter().copied().filter(|slot| slot.at >= start).collect();
        prop_assert_eq!(&slots(&world, start, until), &expected);
        // At the instant of a slot, that slot is the first.
        if let Some(first) = expected.first() {
            prop_assert_eq!(&slots(&world, first.at, until), &expected);
        }
    }

    #[test]
    fn nothing_happens_outside_the_working_week_or_on_a_holiday(
        seed: u64,
        week in prop::sample::select(vec![
            "mon-fri 08:30-17:30", "mon-sun 00:00-24:00", "mon-fri 22:00-06:00", "sun 01:00-03:30", "sat-sun 23:30-02:30",
            "mon, wed, fri 06:00-06:20", "mon-thu 09:00-18:00, fri 09:00-12:00",
        ]),
        zone in prop::sample::select(vec![
            "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "America/St_Johns",
        ]),
        month in 0i64..14,
    ) {
        let mut person = persona(0);
        person.week = week.parse().unwrap();
        person.time_zone = zone.parse().unwrap();
        person.holidays = Arc::new(BTreeSet::from([date(2026, 10, 30), date(2026, 11, 1), date(2027, 3, 28)]));
        let settings = Settings { pace: 4.0, absent_per_mille: 0, sessions_per_day: 6.0, ..Settings::default() };
        let world = World::new(seed, vec![person], vec![decoy(0, 0..1)], settings).unwrap();
        let world = Arc::new(world);
        let from = at("2026-03-01T00:00:00Z") + SignedDuration::from_hours(24 * 30 * month);
        let all = slots(&world, from, from + SignedDuration::from_hours(24 * 150));
        prop_assert!(!all.is_empty());
        for slot in &all {
            prop_assert!(world.works(slot.persona, slot.at), "{} {}", slot.at, world.personas().next().unwrap().time_zone.local(slot.at));
        }
        prop_assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at));
    }
}

#[test]
fn a_short_day_is_worked_by_those_who_arrive_late_too() {
    for seed in 0..300 {
        let mut person = persona(3);
        person.week = "mon, wed, fri 06:00-06:20".parse().unwrap();
        let settings = Settings { absent_per_mille: 0, ..Settings::default() };
        let world = Arc::new(World::new(seed, vec![person], vec![decoy(0, 3..4)], settings).unwrap());
        // A year, since there are vacations and projects that sleep.
        let from = at("2027-01-25T00:00:00Z");
        let all = slots(&world, from, from + SignedDuration::from_hours(24 * 364));
        assert!(all.len() >= 30, "{} slots in a year with the seed {seed}", all.len());
    }
}

#[test]
fn slots_come_in_order_and_their_keys_are_unique() {
    for (settings, hours) in [(Settings::default(), 24 * 60), (busy(), 3)] {
        let world = world(4, 5, settings);
        let from = at("2026-11-20T11:07:00Z");
        let all = slots(&world, from, from + SignedDuration::from_hours(hours));
        assert!(all.len() > 1000, "{}", all.len());
        assert!(all.windows(2).all(|pair| (pair[0].at, pair[0].persona) < (pair[1].at, pair[1].persona)));
        let keys: BTreeSet<_> = all.iter().map(|slot| slot.key(&world).unwrap()).collect();
        assert_eq!(keys.len(), all.len());
    }
}

#[test]
fn a_busy_world_is_alive_within_seconds_at_any_hour() {
    let world = world(3, 2, Settings { busy: true, pace: 300.0, ..Settings::default() });
    for hour in 0..48 {
        let from = at("2026-11-21T00:00:07Z") + SignedDuration::from_hours(hour);
        let effects =
            Simulation::new(&world, from, from + SignedDuration::from_secs(60), Content::Bodies).count();
        assert!(effects >= 10, "{effects} effects in the minute after {from}");
    }
}

#[test]
fn a_day_is_switched_off_when_the_clock_jumps_over_it() {
    // 30 December 2011 did not exist in Samoa.
    let people = || {
        (0..24).map(|number| {
            let mut person = persona(number);
            person.time_zone = "Pacific/Apia".parse().unwrap();
            person.week = "mon-sun 00:00-24:00".parse().unwrap();
            person
        })
    };
    let settings = Settings { sessions_per_day: 12.0, absent_per_mille: 0, ..Settings::default() };
    let world = Arc::new(World::new(1, people().collect(), vec![decoy(0, 0..24)], settings).unwrap());
    let all = slots(&world, at("2011-12-28T00:00:00Z"), at("2012-01-02T00:00:00Z"));
    let zone = &world.personas().next().unwrap().time_zone;
    let dates: BTreeSet<_> = all.iter().map(|slot| zone.local(slot.at).date()).collect();
    assert!(dates.contains(&date(2011, 12, 29)) && dates.contains(&date(2011, 12, 31)));
    assert!(!dates.contains(&date(2011, 12, 30)));
    assert!(all.windows(2).all(|pair| (pair[0].at, pair[0].persona) < (pair[1].at, pair[1].persona)));
}

/// That days are those of people is shown in the tests of the pattern of life.
#[test]
fn who_keeps_office_hours_has_a_lunch_and_an_evening() {
    let world = world(100, 2, Settings::default());
    let all = slots(&world, at("2026-09-07T00:00:00Z"), at("2026-11-30T00:00:00Z"));
    let (mut office, mut free) = ([0u32; 24], [0u32; 24]);
    for slot in &all {
        let who = world.persona(slot.persona).unwrap();
        let hours = if Role::of(&who.role).cohort() == Cohort::Office { &mut office } else { &mut free };
        hours[usize::try_from(who.time_zone.local(slot.at).hour()).unwrap()] += 1;
    }
    assert!(office[12] * 10 < office[10] * 8 && office[12] * 10 < office[15] * 8, "no lunch: {office:?}");
    assert_eq!(office[..8].iter().chain(&office[18..]).sum::<u32>(), 0, "{office:?}");
    let (evening, all_day) = (free[19..23].iter().sum::<u32>(), free.iter().sum::<u32>());
    assert!(evening * 20 > all_day * 2, "no evenings: {free:?}");
    let night = free[3..6].iter().sum::<u32>();
    assert!(night > 0 && night * 100 < all_day, "nobody is called, or everybody is: {free:?}");
}

#[test]
fn only_what_a_decoy_can_do_is_planned() {
    let plant_only = DriverCapabilities { plant: true, ..DriverCapabilities::default() };
    for (can, expected) in [(plant_only, true), (DriverCapabilities::default(), false)] {
        let mut host = decoy(0, 0..2);
        host.capabilities = can;
        let world = World::new(5, vec![persona(0), persona(1)], vec![host], Settings::default()).unwrap();
        let (from, to) = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
        let all: Vec<Step> = Simulation::new(&Arc::new(world), from, to, Content::Bodies).collect();
        assert_eq!(!all.is_empty(), expected);
        assert!(all.iter().all(|step| matches!(step.action, Some(Action::Plant(_)))));
    }
}

#[test]
fn decisions_are_the_same_whatever_the_order_in_which_the_ledger_was_learned() {
    let world = world(2, 2, Settings::default());
    let (from, middle) = (at("2026-11-02T00:00:00Z"), at("2026-11-20T00:00:00Z"));
    let mut steps = Simulation::new(&world, from, middle, Content::Bodies);
    let entries = common::ledger(&world, steps.by_ref());
    let (mut forwards, mut backwards) = (LedgerIndex::new(&world), LedgerIndex::new(&world));
    entries.iter().for_each(|entry| forwards.put(&world, entry));
    entries.iter().rev().for_each(|entry| backwards.put(&world, entry));
    assert_eq!(forwards, backwards);
    assert_eq!(forwards.files(), steps.ledger().files());
    let decided = |ledger: &LedgerIndex| {
        let all = slots(&world, middle, middle + SignedDuration::from_hours(100));
        all.iter().map(|slot| decide(&world, slot, ledger)).collect::<Vec<_>>()
    };
    assert_eq!(decided(&forwards), decided(&backwards));
}

#[test]
fn what_is_under_way_is_left_alone_until_its_deadline() {
    let world = world(1, 1, busy());
    let from = at("2026-11-20T09:00:00Z");
    let mut ledger = LedgerIndex::new(&world);
    let mut under_way: BTreeMap<_, Timestamp> = BTreeMap::new();
    for slot in slots(&world, from, from + SignedDuration::from_hours(2)) {
        let Some(decision) = decide(&world, &slot, &ledger) else { continue };
        let action = compose(&world, &decision, None).unwrap();
        let deadline = slot.at + SignedDuration::from_mins(3);
        let (first, second) = action.paths();
        for path in [first, second].into_iter().flatten() {
            let before = under_way.insert(path.clone(), deadline);
            assert!(before.is_none_or(|before| before <= slot.at), "{path} is chosen again");
        }
        ledger.begin(&decision, deadline);
    }
    assert!(under_way.len() > 20);
}

#[test]
fn what_never_came_is_not_gone_on_with() {
    let world = world(1, 1, busy());
    let from = at("2026-11-20T09:00:00Z");
    let mut ledger = LedgerIndex::new(&world);
    let mut skipped = 0;
    for slot in slots(&world, from, from + SignedDuration::from_hours(6)) {
        let Some(decision) = decide(&world, &slot, &ledger) else { continue };
        let begins =
            matches!(decision.change, Change::Create { .. } | Change::Visit { .. } | Change::Mail { .. });
        assert!(begins, "{decision:?}");
        // Nothing is ever done of it.
        ledger.begin(&decision, slot.at + SignedDuration::from_secs(20));
        skipped += 1;
    }
    assert!(skipped > 60, "{skipped}");
    assert!(ledger.files() < 20, "names of {} files are kept that never came", ledger.files());
}

#[test]
fn every_plan_says_why() {
    let world = world(3, 3, Settings::default());
    let (from, to) = (at("2026-11-23T00:00:00Z"), at("2026-11-27T00:00:00Z"));
    for step in Simulation::new(&world, from, to, Content::None) {
        let why = step.decision.why.to_string();
        assert!(
            why.contains(&step.decision.slot.session.id().to_string()) && why.contains("drawn from"),
            "{why}"
        );
    }
}

#[test]
fn a_past_is_of_working_days_in_order_and_read_after_it_was_written() {
    let world = world(3, 4, busy());
    let until = at("2026-11-21T09:00:00.25Z");
    let whole = past(&world, DecoyIndex(1), 21, until);
    assert_eq!(whole, past(&world, DecoyIndex(1), 21, until));
    let all = &whole.files;
    assert!(all.len() > 30, "{}", all.len());
    assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let mut paths = BTreeSet::new();
    for file in all {
        let Action::Plant(plant) = &file.action else { panic!("{:?}", file.action) };
        let FileTimes::Past { mtime, atime } = plant.times else { panic!("{:?}", plant.times) };
        assert!(mtime == file.at && mtime < atime && atime <= until, "{mtime} {atime}");
        assert!(world.works(file.decision.slot.persona, mtime), "{mtime}");
        assert_ne!(mtime.subsec_nanosecond() % 1_000_000, 0);
        assert_eq!(file.decision.slot.decoy, DecoyIndex(1));
        assert!(paths.insert(plant.path.clone()));
        assert_ne!(plant.class, FileClass::Manual);
        assert!(file.born <= file.at && (file.edits == 0) == (file.born == file.at), "{file:?}");
        let dir = whole.directories.iter().find(|dir| Some(&dir.path) == plant.path.parent().as_ref());
        let dir = dir.unwrap();
        assert!(dir.first <= file.born && file.born <= dir.last, "it came, and stayed since: {dir:?}");
    }
    assert!(whole.directories.iter().all(|dir| dir.last < dir.read && dir.read <= until));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever decoys come and go, a persona acts at the same moments, in the same sessions, under the same keys: so a plan
    /// that is made anew in the middle of a day repeats nothing, and no key ever stands for two moments. What changes is
    /// where the moments are spent, and only for sessions that go to a decoy that came, or were on one that went.
    #[test]
    fn decoys_that_come_and_go_do_not_move_a_personas_moments(
        before in prop::collection::btree_set(0..6_usize, 1..6),
        after in prop::collection::btree_set(0..6_usize, 1..6),
        is_busy in any::<bool>(),
    ) {
        let world = |hosts: &BTreeSet<usize>| {
            let people: Vec<_> = (0..4).map(persona).collect();
            let decoys = hosts.iter().map(|number| decoy(*number, 0..4)).collect();
            let settings = if is_busy { busy() } else { Settings::default() };
            Arc::new(World::new(7, people, decoys, settings).unwrap())
        };
        let (from, until) = (at("2026-11-23T08:00:00Z"), at("2026-11-24T08:00:00Z"));
        let until = if is_busy { from + SignedDuration::from_mins(40) } else { until };
        let tell = |world: &Arc<World>| -> BTreeMap<String, (Timestamp, String)> {
            let told = slots(world, from, until).into_iter().map(|slot| {
                let host = world.decoy(slot.decoy).unwrap().name.to_string();
                (slot.key(world).unwrap().to_string(), (slot.at, host))
            });
            told.collect()
        };
        let (first, second) = (tell(&world(&before)), tell(&world(&after)));
        prop_assert!(!first.is_empty());
        let when = |all: &BTreeMap<String, (Timestamp, String)>| -> Vec<(String, Timestamp)> {
            all.iter().map(|(key, (at, _))| (key.clone(), *at)).collect()
        };
        prop_assert_eq!(when(&first), when(&second));
        let is_in = |hosts: &BTreeSet<usize>, host: &str| hosts.iter().any(|number| host == format!("host-{number}"));
        for (key, (_, host)) in &first {
            let now = &second[key].1;
            prop_assert!(now == host || !is_in(&after, host) || !is_in(&before, now), "{key}: {host}, then {now}");
        }
    }
}
