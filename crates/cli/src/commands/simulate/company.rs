//! A company for a simulation that is asked for without a configuration: people, and the hosts on which they work.

use verisim_core::{DriverCapabilities, Owner};
use verisim_realism::{DecoyProfile, Persona, Settings, World, Zone};

use crate::people::People;

/// On one decoy, where only one of the numbers is given.
const PEOPLE_EACH: u32 = 4;
/// The first user id that is given to people.
const UID_FIRST: u32 = 1000;
/// Where people live: half of them at the company's seat.
const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "Europe/Berlin",
    "Europe/Berlin",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kolkata",
];
/// What hosts are for, what they are called, and what they offer.
const HOSTS: [(&str, &str, &[&str]); 6] = [
    ("file-server", "files", &["ssh", "smb"]),
    ("workstation", "desk", &["ssh"]),
    ("web-server", "web", &["ssh", "http", "https"]),
    ("workstation", "desk", &["ssh"]),
    ("database", "db", &["ssh", "mysql"]),
    ("mail-server", "mail", &["ssh", "smtp", "imap"]),
];

/// A world of so many decoys and personas; the same numbers and seed invent the same world.
pub(super) fn invent(decoys: Option<u32>, personas: Option<u32>, seed: u64) -> Result<World, String> {
    let personas = personas.or_else(|| decoys.map(|decoys| decoys * PEOPLE_EACH)).unwrap_or(PEOPLE_EACH);
    let decoys = decoys.unwrap_or_else(|| personas.div_ceil(PEOPLE_EACH));
    let mut people = People::new(seed);
    let mut all = Vec::new();
    for number in 0..personas {
        let person = people.invent();
        let uid = UID_FIRST + number;
        let name = person.name.parse().map_err(|error| format!("{}: {error}", person.name))?;
        let owner = Owner { uid, gid: uid };
        let mut persona = Persona::new(name, person.full_name, person.login, owner, person.role)
            .map_err(|error| error.to_string())?;
        persona.week = person.week.parse().map_err(|error| format!("{}: {error}", person.week))?;
        let zone = ZONES[number as usize % ZONES.len()];
        persona.time_zone = zone.parse().map_err(|error| format!("{zone}: {error}"))?;
        all.push(persona);
    }
    let mut profiles = Vec::new();
    for number in 0..decoys {
        let (role, stem, services) = HOSTS[number as usize % HOSTS.len()];
        let name = format!("{stem}{:02}", number + 1);
        profiles.push(DecoyProfile {
            name: name.parse().map_err(|error| format!("{name}: {error}"))?,
            role: role.to_owned(),
            services: services.iter().map(|service| (*service).to_owned()).collect(),
            personas: seated(&all, number, decoys),
            has_address: true,
            capabilities: DriverCapabilities {
                plant: true,
                append: true,
                edit: true,
                remove: true,
                email: true,
                traffic: true,
            },
            time_zone: Zone::utc(),
        });
    }
    World::new(seed, all, profiles, Settings::default()).map_err(|mistakes| mistakes.to_string())
}

/// Who works on a decoy: everybody has one, and every second persona another one besides.
fn seated(people: &[Persona], decoy: u32, decoys: u32) -> Vec<verisim_core::PersonaName> {
    let here = |number: u32| {
        number % decoys == decoy || (number.is_multiple_of(2) && (number * 7 + 3) % decoys == decoy)
    };
    (0..).zip(people).filter(|(number, _)| here(*number)).map(|(_, persona)| persona.name.clone()).collect()
}
