//! Worlds for tests.
#![allow(dead_code, reason = "every test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "a world for tests that is not right shall fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use verisim_core::{Action, Digest, DriverCapabilities, LedgerEntry, Owner};
use verisim_realism::{DecoyProfile, Persona, Settings, Step, World, Zone};

pub(crate) const FILES: DriverCapabilities =
    DriverCapabilities { plant: true, append: true, edit: true, remove: true, email: false, traffic: false };

pub(crate) const ROLES: [&str; 8] =
    ["developer", "administrator", "analyst", "finance", "assistant", "manager", "scientist", "courier"];
pub(crate) const ZONES: [&str; 5] =
    ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC", "Australia/Lord_Howe"];

pub(crate) fn persona(number: usize) -> Persona {
    let (name, login) = (format!("persona-{number}"), format!("user{number}"));
    let uid = 1000 + u32::try_from(number).unwrap();
    let mut persona = Persona::new(
        name.parse().unwrap(),
        format!("First{number} Last{number}"),
        login,
        Owner { uid, gid: uid },
        ROLES[number % ROLES.len()],
    )
    .unwrap();
    persona.time_zone = ZONES[number % ZONES.len()].parse().unwrap();
    persona.holidays = Arc::new(BTreeSet::from([Date::constant(2026, 12, 25), Date::constant(2027, 1, 1)]));
    persona
}

pub(crate) fn decoy(number: usize, personas: impl Iterator<Item = usize>) -> DecoyProfile {
    DecoyProfile {
        name: format!("host-{number}").parse().unwrap(),
        role: "file-server".to_owned(),
        services: vec!["ssh".to_owned()],
        personas: personas.map(|number| format!("persona-{number}").parse().unwrap()).collect(),
        has_address: true,
        capabilities: FILES,
        time_zone: Zone::utc(),
    }
}

/// `decoys` decoys with `each` personas of their own.
pub(crate) fn world(decoys: usize, each: usize, settings: Settings) -> Arc<World> {
    world_of(decoys, each, settings, |_, _| ())
}

/// The same with another seed.
pub(crate) fn world_seeded(seed: u64, decoys: usize, each: usize) -> Arc<World> {
    made(seed, decoys, each, Settings::default(), |_, _| ())
}

/// The same, with something changed about each persona.
pub(crate) fn world_of(
    decoys: usize,
    each: usize,
    settings: Settings,
    change: impl Fn(usize, &mut Persona),
) -> Arc<World> {
    made(SEED, decoys, each, settings, change)
}

/// What worlds for tests are made from, if nothing else is said.
pub(crate) const SEED: u64 = 20_261_121;

fn made(
    seed: u64,
    decoys: usize,
    each: usize,
    settings: Settings,
    change: impl Fn(usize, &mut Persona),
) -> Arc<World> {
    let personas = (0..decoys * each).map(|number| {
        let mut persona = persona(number);
        change(number, &mut persona);
        persona
    });
    let personas = personas.collect();
    let decoys = (0..decoys).map(|number| decoy(number, number * each..(number + 1) * each)).collect();
    Arc::new(World::new(seed, personas, decoys, settings).unwrap())
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What a ledger would hold after these steps.
pub(crate) fn ledger(world: &World, steps: impl Iterator<Item = Step>) -> Vec<LedgerEntry> {
    let mut all: BTreeMap<_, LedgerEntry> = BTreeMap::new();
    for Step { decision, action } in steps {
        let decoy = world.decoy(decision.slot.decoy).unwrap().name.clone();
        let at = decision.slot.at;
        let touch = |entry: &mut LedgerEntry, bytes: usize| {
            entry.edits += 1;
            entry.size += bytes as u64;
            entry.changed_at = at;
        };
        match action.unwrap() {
            Action::Plant(plant) => {
                let entry = LedgerEntry {
                    decoy: decoy.clone(),
                    path: plant.path.clone(),
                    ownership: plant.class.ownership(),
                    sha256: Digest::of(plant.body.as_bytes()),
                    size: plant.body.as_bytes().len() as u64,
                    class: plant.class,
                    persona: Some(world.persona(decision.slot.persona).unwrap().name.clone()),
                    edits: 0,
                    body: None,
                    planted_at: at,
                    changed_at: at,
                };
                all.insert((decoy, plant.path), entry);
            }
            Action::Edit(edit) => touch(all.get_mut(&(decoy, edit.path)).unwrap(), 0),
            Action::Append(append) => {
                let bytes = append.body.as_bytes().len();
                touch(all.get_mut(&(decoy, append.path)).unwrap(), bytes);
            }
            Action::Move(rename) => {
                let mut entry = all.remove(&(decoy.clone(), rename.from)).unwrap();
                entry.path = rename.to.clone();
                all.insert((decoy, rename.to), entry);
            }
            Action::Remove(remove) => {
                all.remove(&(decoy, remove.path)).unwrap();
            }
            Action::Traffic(_) | Action::Email(_) => {}
        }
    }
    all.into_values().collect()
}
