//! Laws of the content.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{at, world};
use proptest::prelude::*;
use verisim_core::{Action, FileClass, FileTimes, OwnerPolicy, TextEdit, apply_edits};
use verisim_realism::{Change, Content, Decision, Settings, Simulation, compose};

#[test]
fn an_administrator_of_a_hundred_hosts_does_not_repeat_names() {
    let hosts = (0..100).map(|number| common::decoy(number, 1..2)).collect();
    let world = verisim_realism::World::new(
        3,
        vec![common::persona(1)],
        hosts,
        Settings { pace: 30.0, ..Settings::default() },
    );
    let world = std::sync::Arc::new(world.unwrap());
    let mut hosts: BTreeMap<_, BTreeSet<u32>> = BTreeMap::new();
    for step in Simulation::new(&world, at("2026-11-02T00:00:00Z"), at("2026-12-20T00:00:00Z"), Content::None)
    {
        if let Change::Create { path, .. } = step.decision.change {
            hosts.entry(path).or_default().insert(step.decision.slot.decoy.0);
        }
    }
    assert!(hosts.len() > 500, "{}", hosts.len());
    let most = hosts.iter().max_by_key(|(_, hosts)| hosts.len()).unwrap();
    assert!(most.1.len() <= 5, "{} is on {} of 100 hosts", most.0, most.1.len());
}

#[test]
fn files_lie_where_they_belong_with_the_modes_that_programs_set() {
    let world = world(40, 3, Settings::default());
    let steps =
        Simulation::new(&world, at("2026-11-02T00:00:00Z"), at("2026-11-21T00:00:00Z"), Content::Bodies);
    let mut classes = BTreeSet::new();
    for step in steps {
        let Some(Action::Plant(plant)) = step.action else { continue };
        let persona = world.persona(step.decision.slot.persona).unwrap();
        let path = plant.path.to_string();
        let below = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        let at_home = plant.path.starts_with(&persona.home);
        match plant.class {
            FileClass::DaemonLog => assert!(at_home || below(&["/var/log/"]), "{path}"),
            FileClass::Scratch => assert!(at_home || below(&["/tmp/", "/var/tmp/"]), "{path}"),
            _ => assert!(at_home, "{path}"),
        }
        let mode = plant.mode.bits();
        assert_eq!(mode & 0o111 != 0, plant.class == FileClass::Script, "{path} {mode:o}");
        assert_eq!(mode & 0o022, 0, "{path} {mode:o}");
        if at_home {
            assert_eq!(plant.owner, OwnerPolicy::Set(persona.owner), "{path}");
        }
        // What happens live is never back-dated.
        assert_eq!(plant.times, FileTimes::Live);
        let bytes = plant.body.as_bytes();
        assert!(!path.contains(['{', '}', '"']), "{path}");
        match plant.class {
            FileClass::Document if path.ends_with(".pdf") => {
                assert!(bytes.starts_with(b"%PDF-1.4\n") && bytes.ends_with(b"%%EOF\n"), "{path}");
            }
            FileClass::Document => assert!(bytes.starts_with(b"PK\x03\x04"), "{path}"),
            FileClass::Spreadsheet if path.ends_with(".xlsx") => {
                assert!(bytes.starts_with(b"PK\x03\x04"), "{path}");
            }
            FileClass::Cache => assert!(bytes.len() > 40, "{path}"),
            _ => assert!(bytes.ends_with(b"\n") && std::str::from_utf8(bytes).is_ok(), "{path}"),
        }
        classes.insert(plant.class);
    }
    assert_eq!(classes.len(), 12, "{classes:?}");
}

#[test]
fn logs_grow_at_their_end_in_the_order_of_time_under_the_name_of_their_host() {
    let settings = Settings { pace: 20.0, ..Settings::default() };
    let world = world(6, 4, settings);
    let mut logs: BTreeMap<_, String> = BTreeMap::new();
    let mut appends = 0;
    for step in
        Simulation::new(&world, at("2026-11-02T00:00:00Z"), at("2026-11-14T00:00:00Z"), Content::Bodies)
    {
        let host = world.decoy(step.decision.slot.decoy).unwrap().name.to_string();
        let class = step.decision.change.class().unwrap();
        let (path, body) = match step.action.unwrap() {
            Action::Plant(plant) if matches!(class, FileClass::CronLog | FileClass::DaemonLog) => {
                (plant.path, plant.body)
            }
            Action::Append(append) => {
                appends += 1;
                (append.path, append.body)
            }
            Action::Edit(edit) => {
                assert!(!matches!(class, FileClass::CronLog | FileClass::DaemonLog), "{}", edit.path);
                continue;
            }
            _ => continue,
        };
        let text = String::from_utf8(body.as_bytes().to_vec()).unwrap();
        logs.entry((host, path)).or_default().push_str(&text);
    }
    assert!(appends > 200, "{appends}");
    for ((host, path), text) in logs {
        let stamps: Vec<String> = text.lines().map(|line| stamp(line, &host)).collect();
        assert!(stamps.windows(2).all(|pair| pair[0] <= pair[1]), "{path}\n{text}");
    }
}

/// The time of a line in a form that sorts, whichever of the three formats it has.
fn stamp(line: &str, host: &str) -> String {
    if let Some(rest) = line.strip_prefix('[') {
        assert!(rest[20..].starts_with(&format!(" {host}: ")), "{line}");
        return rest[..19].to_owned();
    }
    if line.starts_with("20") {
        return line[..19].replace(' ', "T");
    }
    assert!(line[16..].starts_with(&format!("{host} ")), "{line}");
    assert!(line.starts_with("Nov "), "{line}");
    format!("2026-11-{:0>2}T{}", line[4..6].trim(), &line[7..15])
}

#[test]
fn files_live_on_lists_are_ticked_drafts_grow_scratch_goes() {
    let world = world(10, 4, Settings::default());
    let (mut ticked, mut grown, mut changed, mut cleared) = (0, 0, 0, 0);
    for step in
        Simulation::new(&world, at("2026-11-02T00:00:00Z"), at("2026-11-21T00:00:00Z"), Content::Bodies)
    {
        let class = step.decision.change.class().unwrap();
        match step.action.unwrap() {
            Action::Edit(edit) => {
                let first = edit.edits.first().unwrap();
                match (class, first) {
                    (FileClass::Todo, TextEdit::Replace { .. }) => ticked += 1,
                    (FileClass::Draft, TextEdit::Append { .. }) => grown += 1,
                    (FileClass::Script, TextEdit::Replace { .. }) => changed += 1,
                    _ => {}
                }
            }
            Action::Remove(_) if class == FileClass::Scratch => cleared += 1,
            _ => {}
        }
    }
    assert!(
        ticked > 30 && grown > 40 && changed > 20 && cleared > 50,
        "{ticked} {grown} {changed} {cleared}"
    );
}

fn edits_of_a_month() -> Vec<Decision> {
    let world = world(4, 8, Settings::default());
    let steps =
        Simulation::new(&world, at("2026-11-02T00:00:00Z"), at("2026-11-14T00:00:00Z"), Content::None);
    steps.map(|step| step.decision).filter(|decision| decision.change.wants().is_some()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever is found in a file, an edit can be made, and it fits what it was made for.
    #[test]
    fn an_edit_of_any_bytes_applies(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        lines in "([\\[\\]x*TODONE KEP=#\n-]|.|\n){0,400}",
    ) {
        let world = world(4, 8, Settings::default());
        let all = EDITS.get_or_init(edits_of_a_month);
        for decision in all.iter().take(150) {
            for content in [&noise[..], lines.as_bytes(), b"", b"\n", b"\n\n\n"] {
                let action = compose(&world, decision, Some(content)).unwrap();
                let Action::Edit(edit) = &action else { panic!("{action:?}") };
                let after = apply_edits(content, &edit.edits, 1 << 20);
                prop_assert!(after.is_ok(), "{:?}", after);
                prop_assert_eq!(&compose(&world, decision, Some(content)).unwrap(), &action);
            }
            let action = compose(&world, decision, None).unwrap();
            let Action::Edit(edit) = &action else { panic!("{action:?}") };
            // A document is made anew; everything else is added to.
            let whole = edit.path.as_bytes().ends_with(b"x");
            let adds = |edit: &TextEdit| match edit {
                TextEdit::Append { .. } => true,
                TextEdit::Whole { .. } => whole,
                _ => false,
            };
            prop_assert!(edit.edits.iter().all(adds), "{}", edit.path);
        }
    }
}
static EDITS: std::sync::OnceLock<Vec<Decision>> = std::sync::OnceLock::new();
