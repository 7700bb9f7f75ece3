//! A world is checked as a whole.

#![allow(clippy::unwrap_used, reason = "what is not right in a test shall fail it")]

mod common;

use std::sync::Arc;

use common::{at, decoy, persona, world};
use verisim_core::{DecoyName, DecoyPath, Digest, LedgerChange, LedgerEntry, OwnershipPolicy};
use verisim_realism::{ClassWeights, LedgerIndex, Mistake, Settings, World};

#[test]
fn all_mistakes_are_reported_at_once() {
    let (mut first, mut second) = (persona(0), persona(1));
    first.login = "Root".to_owned();
    first.full_name = "a\nb".to_owned();
    second.pace = f64::NAN;
    second.home = DecoyPath::root();
    second.classes = Some(ClassWeights { note: 1_000_001, ..ClassWeights::default() });
    let settings = Settings { pace: 0.0, sessions_per_day: -1.0, files_per_desk: 0, ..Settings::default() };
    let mut third = persona(2);
    third.login = "user3".to_owned();
    let personas = vec![first, second, third, persona(3), persona(3)];
    let decoys = vec![decoy(0, [0, 9, 0].into_iter()), decoy(1, [2, 3].into_iter()), decoy(0, 0..1)];
    let mistakes = World::new(1, personas, decoys, settings).unwrap_err();
    let text = mistakes.to_string();
    assert_eq!(text.lines().count(), mistakes.0.len());
    for expected in [
        "persona persona-3: there are two of this name",
        "decoy host-0: there are two of this name",
        "decoy host-0: there is no persona persona-9",
        "decoy host-0: it names persona persona-0 twice",
        "decoy host-1: personas persona-2 and persona-3 have the same login, user3",
        "persona persona-0: login: ",
        "persona persona-0: full_name: ",
        "persona persona-1: pace: ",
        "persona persona-1: home: ",
        "persona persona-1: classes: ",
        "pace: ",
        "sessions_per_day: ",
        "files_per_desk: ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(expected)), "{expected:?} is not among\n{text}");
    }
    assert_eq!(mistakes.0.len(), 13, "{text}");
    assert!(mistakes.0.contains(&Mistake::PersonaTwice("persona-3".parse().unwrap())));
}

#[test]
fn a_world_without_anybody_plans_nothing() {
    let empty = Arc::new(World::new(1, vec![], vec![], Settings::default()).unwrap());
    let idle = Arc::new(World::new(1, vec![persona(0)], vec![decoy(0, 0..0)], Settings::default()).unwrap());
    for world in [empty, idle] {
        let mut planner = verisim_realism::Planner::new(&world, at("2026-11-23T00:00:00Z"));
        assert_eq!(planner.peek(), None);
        assert_eq!(planner.pop_until(at("2030-01-01T00:00:00Z")), None);
    }
}

#[test]
fn somebody_who_is_always_on_holiday_does_nothing_and_costs_little() {
    let mut person = persona(0);
    let first = jiff::civil::date(2026, 1, 1);
    person.holidays = Arc::new((0..1500).map(|days| first + jiff::Span::new().days(days)).collect());
    let world = World::new(1, vec![person], vec![decoy(0, 0..1)], Settings::default()).unwrap();
    let mut planner = verisim_realism::Planner::new(&Arc::new(world), at("2026-02-01T00:00:00Z"));
    assert_eq!(planner.pop_until(at("2030-02-01T00:00:00Z")), None);
    let next = planner.pop_until(at("2030-04-01T00:00:00Z")).unwrap();
    assert!(next.at > at("2030-02-08T00:00:00Z") && next.at < at("2030-02-20T00:00:00Z"), "{}", next.at);
}

fn entry(path: &str, ownership: OwnershipPolicy) -> LedgerEntry {
    LedgerEntry {
        decoy: "host-0".parse().unwrap(),
        path: DecoyPath::new(path).unwrap(),
        ownership,
        sha256: Digest::of(b""),
        size: 10,
        class: verisim_core::FileClass::Note,
        persona: Some("persona-0".parse().unwrap()),
        edits: 0,
        body: None,
        planted_at: at("2026-11-01T00:00:00Z"),
        changed_at: at("2026-11-01T00:00:00Z"),
    }
}

#[test]
fn the_index_follows_the_ledger() {
    let world = world(2, 1, Settings::default());
    let host: DecoyName = "host-0".parse().unwrap();
    let path = |text: &str| DecoyPath::new(text).unwrap();
    let mut index = LedgerIndex::new(&world);
    for name in ["/home/user0/a", "/home/user0/b", "/home/user0/c"] {
        index.apply(&world, &LedgerChange::Put(Box::new(entry(name, OwnershipPolicy::Owned))));
    }
    // Nobody's, and somebody's who does not work there.
    index.put(&world, &LedgerEntry { persona: None, ..entry("/x", OwnershipPolicy::Owned) });
    index.put(
        &world,
        &LedgerEntry { persona: Some("persona-1".parse().unwrap()), ..entry("/y", OwnershipPolicy::Owned) },
    );
    assert_eq!(index.files(), 3);
    index.apply(&world, &LedgerChange::Remove { decoy: host.clone(), path: path("/home/user0/a") });
    let (from, to) = (path("/home/user0/b"), path("/home/user0/d"));
    index.apply(&world, &LedgerChange::Rename { decoy: host.clone(), from, to });
    assert_eq!(index.files(), 2);
    let mut expected = LedgerIndex::new(&world);
    for name in ["/home/user0/d", "/home/user0/c"] {
        expected.put(&world, &entry(name, OwnershipPolicy::Owned));
    }
    assert_eq!(index, expected);
    // What is frozen stays known, so that its name is not used, and is the same as after a start.
    let (evidence, at) = (verisim_core::Body::default(), at("2026-11-02T00:00:00Z"));
    let freeze = LedgerChange::Freeze {
        decoy: host,
        path: path("/home/user0/c"),
        persona: None,
        expected: None,
        found: None,
        evidence,
        at,
    };
    index.apply(&world, &freeze);
    expected.put(&world, &entry("/home/user0/c", OwnershipPolicy::HandsOff));
    assert_eq!(index, expected);
}
