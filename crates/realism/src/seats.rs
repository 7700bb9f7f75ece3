//! Who works where, in flat tables: a decision at a fleet of any size touches few lines of memory.

use std::collections::BTreeMap;

use verisim_core::{DriverCapabilities, PersonaName};

use crate::mistake::Mistake;
use crate::network::{Network, Offers};
use crate::persona::{DecoyProfile, Persona, Role, is_workstation};
use crate::random::{Purpose, Seed};
use crate::settings::Settings;
use crate::world::{DecoyIndex, DeskIndex, PersonaIndex};

/// What every decision asks of a persona.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) seed: Seed,
    pub(crate) pace: f64,
    /// The desk on the first of the persona's decoys; the others follow, in the order of the decoys.
    desk: u32,
    /// On how many decoys the persona works.
    count: u32,
    /// How often which class of file is begun, in the order of [`crate::settings::CLASSES`].
    pub(crate) classes: [u32; 12],
    pub(crate) role: Role,
}

/// What every decision asks of a decoy.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) seed: Seed,
    /// Where its part of [`Seats::of_decoys`] begins.
    first: u32,
    count: u32,
    pub(crate) capabilities: DriverCapabilities,
    pub(crate) offers: Offers,
    pub(crate) is_workstation: bool,
}

/// The tables.
#[derive(Debug)]
pub(crate) struct Seats {
    pub(crate) people: Vec<Seat>,
    pub(crate) hosts: Vec<Host>,
    /// By desk, which decoy it is on.
    decoys: Vec<DecoyIndex>,
    /// Decoy by decoy, who works there at which desk.
    of_decoys: Vec<(PersonaIndex, DeskIndex)>,
    /// Who offers what to other decoys.
    pub(crate) network: Network,
}

impl Seats {
    /// Finds out who works where, and gives every persona its desks.
    pub(crate) fn new(
        seed: Seed,
        personas: &[Persona],
        decoys: &[DecoyProfile],
        by_persona: &[u32],
        settings: &Settings,
        found: &mut Vec<Mistake>,
    ) -> Self {
        let mut workplaces: Vec<Vec<DecoyIndex>> = vec![Vec::new(); personas.len()];
        let mut seated: Vec<Vec<PersonaIndex>> = Vec::with_capacity(decoys.len());
        for (decoy, place) in decoys.iter().zip(0..) {
            seated.push(seat_decoy(DecoyIndex(place), decoy, personas, by_persona, &mut workplaces, found));
        }
        let total = workplaces.iter().map(Vec::len).sum::<usize>();
        let many = [
            ("decoys of one persona", workplaces.iter().any(|all| all.len() > usize::from(u16::MAX))),
            (
                "personas, decoys, or places where a persona works",
                total.max(decoys.len()).max(personas.len()) > MANY,
            ),
        ];
        found.extend(many.into_iter().filter(|(_, over)| *over).map(|(what, _)| Mistake::TooMany(what)));
        let mut seats = Self {
            people: Vec::new(),
            hosts: Vec::new(),
            decoys: Vec::new(),
            of_decoys: Vec::new(),
            network: Network::default(),
        };
        for (persona, places) in personas.iter().zip(workplaces) {
            let (desk, count) = (count_of(&seats.decoys), count_of(&places));
            let seed = seed.purpose(Purpose::Persona).text(persona.name.as_str());
            let (role, pace) = (Role::of(&persona.role), persona.pace);
            let classes = classes(persona, role, settings);
            seats.people.push(Seat { seed, pace, desk, count, classes, role });
            seats.decoys.extend(places);
        }
        for ((decoy, seated), place) in decoys.iter().zip(seated).zip(0..) {
            let seed = seed.purpose(Purpose::Decoy).text(decoy.name.as_str());
            let (first, count) = (count_of(&seats.of_decoys), count_of(&seated));
            let (offers, is_workstation) = (Offers::of(decoy), is_workstation(&decoy.role));
            let capabilities = decoy.capabilities;
            seats.hosts.push(Host { seed, first, count, capabilities, offers, is_workstation });
            for persona in seated {
                let desk = seats.desk(persona, DecoyIndex(place)).unwrap_or(DeskIndex(u32::MAX));
                seats.of_decoys.push((persona, desk));
            }
        }
        // Where nothing can be dialled there is nothing to look up.
        if decoys.iter().any(|decoy| decoy.capabilities.traffic) {
            seats.network = Network::new(decoys, &seats.hosts);
        }
        seats
    }

    pub(crate) fn desk_count(&self) -> usize {
        self.decoys.len()
    }

    pub(crate) fn person(&self, persona: PersonaIndex) -> Option<&Seat> {
        self.people.get(persona.0 as usize)
    }

    pub(crate) fn host(&self, decoy: DecoyIndex) -> Option<&Host> {
        self.hosts.get(decoy.0 as usize)
    }

    /// Has the processor fetch what is known of a persona's seat.
    pub(crate) fn fetch(&self, persona: PersonaIndex) {
        std::hint::black_box(self.person(persona).map(|seat| (seat.seed, seat.role)));
    }

    /// On how many decoys a persona works.
    pub(crate) fn workplace_count(&self, persona: PersonaIndex) -> u32 {
        self.person(persona).map_or(0, |seat| seat.count)
    }

    /// One of the decoys on which a persona works, by its place among them.
    pub(crate) fn workplace(&self, persona: PersonaIndex, place: u16) -> Option<(DecoyIndex, DeskIndex)> {
        let seat = self.person(persona).filter(|seat| u32::from(place) < seat.count)?;
        let desk = seat.desk + u32::from(place);
        Some((*self.decoys.get(desk as usize)?, DeskIndex(desk)))
    }

    pub(crate) fn desk(&self, persona: PersonaIndex, decoy: DecoyIndex) -> Option<DeskIndex> {
        let seat = self.person(persona)?;
        let from = seat.desk as usize;
        let places = self.decoys.get(from..from + seat.count as usize)?;
        let place = places.binary_search(&decoy).ok()?;
        Some(DeskIndex(seat.desk + u32::try_from(place).ok()?))
    }

    /// Who works on a decoy, and their desks.
    pub(crate) fn of_decoy(&self, decoy: DecoyIndex) -> &[(PersonaIndex, DeskIndex)] {
        let Some(host) = self.host(decoy) else { return &[] };
        let from = host.first as usize;
        self.of_decoys.get(from..from + host.count as usize).unwrap_or(&[])
    }
}

/// There are not more of anything.
const MANY: usize = 1 << 30;

fn count_of<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

/// The persona's own weights, else those of the settings, changed by the role.
fn classes(persona: &Persona, role: Role, settings: &Settings) -> [u32; 12] {
    let (base, tilt) = (settings.classes.list(), role.tilt());
    persona.classes.map_or_else(
        || std::array::from_fn(|i| base[i].saturating_mul(tilt[i])),
        |own| own.list().map(|weight| weight.saturating_mul(100)),
    )
}

/// The places of `list` in the order of a name.
pub(crate) fn sorted<T, N: Ord>(list: &[T], name: impl Fn(&T) -> &N) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(list.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|a, b| name(&list[*a as usize]).cmp(name(&list[*b as usize])));
    order
}

pub(crate) fn find<'a, N: Ord + 'a>(order: &[u32], name: &N, at: impl Fn(&u32) -> &'a N) -> Option<u32> {
    let place = order.binary_search_by(|i| at(i).cmp(name)).ok()?;
    order.get(place).copied()
}

pub(crate) fn doubles<T, N: Ord>(
    list: &[T],
    order: &[u32],
    name: impl Fn(&T) -> &N,
    mistake: impl Fn(&N) -> Mistake,
) -> Vec<Mistake> {
    let name = |i: u32| name(&list[i as usize]);
    order
        .windows(2)
        .filter(|pair| name(pair[0]) == name(pair[1]))
        .map(|pair| mistake(name(pair[0])))
        .collect()
}

fn seat_decoy(
    place: DecoyIndex,
    decoy: &DecoyProfile,
    personas: &[Persona],
    by_persona: &[u32],
    workplaces: &mut [Vec<DecoyIndex>],
    found: &mut Vec<Mistake>,
) -> Vec<PersonaIndex> {
    let mut logins: BTreeMap<&str, &PersonaName> = BTreeMap::new();
    let mut seated = Vec::with_capacity(decoy.personas.len());
    for name in &decoy.personas {
        let Some(index) = find(by_persona, name, |i| &personas[*i as usize].name) else {
            found.push(Mistake::NoSuchPersona { decoy: decoy.name.clone(), persona: name.clone() });
            continue;
        };
        let (persona, places) = (&personas[index as usize], &mut workplaces[index as usize]);
        if places.last() == Some(&place) {
            found.push(Mistake::SeatedTwice { decoy: decoy.name.clone(), persona: name.clone() });
            continue;
        }
        places.push(place);
        seated.push(PersonaIndex(index));
        if let Some(first) = logins.insert(&persona.login, name) {
            let (first, second, login) = (first.clone(), name.clone(), persona.login.clone());
            found.push(Mistake::LoginTwice { decoy: decoy.name.clone(), first, second, login });
        }
    }
    seated
}
