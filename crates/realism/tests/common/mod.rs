//! Worlds for tests.
#![allow(dead_code, reason = "every test file uses some of it")]

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use verisim_core::{DriverCapabilities, Owner};
use verisim_realism::{DecoyProfile, Persona, Settings, World, Zone};

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
        capabilities: FILES,
        time_zone: Zone::utc(),
    }
}

/// `decoys` decoys with `each` personas of their own.
pub(crate) fn world(decoys: usize, each: usize, settings: Settings) -> Arc<World> {
    let personas = (0..decoys * each).map(persona).collect();
    let decoys = (0..decoys).map(|number| decoy(number, number * each..(number + 1) * each)).collect();
    Arc::new(World::new(20_261_121, personas, decoys, settings).unwrap())
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
