//! The world: who works where, and how much happens. Checked as a whole, so that everything after it can rely on it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use verisim_core::{DecoyName, PersonaName};

use crate::persona::{DecoyProfile, Persona, Role};
use crate::planner::Unit;
use crate::random::{Purpose, Seed};
use crate::settings::{PACE_MAX, Settings, weigh};

/// A persona, by its place in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonaIndex(pub u32);

/// A decoy, by its place in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecoyIndex(pub u32);

/// What one persona has on one decoy, by its place in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeskIndex(pub u32);

/// Personas, decoys and settings, checked. A plan depends on it, on the ledger, on the instant, and on nothing else (INV-9).
#[derive(Debug)]
pub struct World {
    seed: Seed,
    settings: Settings,
    people: Vec<Person>,
    decoys: Vec<Host>,
    by_persona: Vec<u32>,
    by_decoy: Vec<u32>,
    desks: u32,
}

#[derive(Debug)]
struct Person {
    persona: Persona,
    seed: Seed,
    role: Role,
    /// Where the persona works, in the order of the decoys.
    decoys: Box<[DecoyIndex]>,
    /// The desk on the first of them; the others follow.
    desk: u32,
}

#[derive(Debug)]
struct Host {
    profile: DecoyProfile,
    seed: Seed,
    desks: Vec<(PersonaIndex, DeskIndex)>,
}

impl World {
    /// Checks and joins personas and decoys. The same seed, names and settings give the same plan.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn new(
        seed: u64,
        personas: Vec<Persona>,
        decoys: Vec<DecoyProfile>,
        settings: Settings,
    ) -> Result<Self, Mistakes> {
        let seed = Seed::new(seed);
        let mut found = check_settings(&settings);
        let by_persona = sorted(&personas, |persona| &persona.name);
        let by_decoy = sorted(&decoys, |decoy| &decoy.name);
        found.extend(doubles(
            &personas,
            &by_persona,
            |p| &p.name,
            |name| Mistake::PersonaTwice(name.clone()),
        ));
        found.extend(doubles(&decoys, &by_decoy, |d| &d.name, |name| Mistake::DecoyTwice(name.clone())));
        personas.iter().for_each(|persona| check_persona(persona, &mut found));
        let (people, hosts, desks) = seat(seed, personas, decoys, &by_persona, &mut found);
        if found.is_empty() {
            Ok(Self { seed, settings, people, decoys: hosts, by_persona, by_decoy, desks })
        } else {
            Err(Mistakes(found))
        }
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All personas, in the order given.
    pub fn personas(&self) -> impl ExactSizeIterator<Item = &Persona> {
        self.people.iter().map(|person| &person.persona)
    }

    /// All decoys, in the order given.
    pub fn decoys(&self) -> impl ExactSizeIterator<Item = &DecoyProfile> {
        self.decoys.iter().map(|host| &host.profile)
    }

    /// A persona. An index of another world may name nobody, or somebody else.
    #[must_use]
    pub fn persona(&self, index: PersonaIndex) -> Option<&Persona> {
        self.people.get(index.0 as usize).map(|person| &person.persona)
    }

    /// A decoy. An index of another world may name none, or another one.
    #[must_use]
    pub fn decoy(&self, index: DecoyIndex) -> Option<&DecoyProfile> {
        self.decoys.get(index.0 as usize).map(|host| &host.profile)
    }

    /// A persona by name.
    #[must_use]
    pub fn persona_named(&self, name: &PersonaName) -> Option<PersonaIndex> {
        let at = |i: &u32| &self.people[*i as usize].persona.name;
        find(&self.by_persona, name, at).map(PersonaIndex)
    }

    /// A decoy by name.
    #[must_use]
    pub fn decoy_named(&self, name: &DecoyName) -> Option<DecoyIndex> {
        let at = |i: &u32| &self.decoys[*i as usize].profile.name;
        find(&self.by_decoy, name, at).map(DecoyIndex)
    }

    /// What this persona has on this decoy; `None` where the persona does not work there.
    #[must_use]
    pub fn desk(&self, persona: PersonaIndex, decoy: DecoyIndex) -> Option<DeskIndex> {
        let person = self.people.get(persona.0 as usize)?;
        let place = person.decoys.binary_search(&decoy).ok()?;
        Some(DeskIndex(person.desk + u32::try_from(place).ok()?))
    }

    /// Whether this is working time for the persona: in the week, and no holiday. Not asked in busy mode.
    #[must_use]
    pub fn works(&self, persona: PersonaIndex, at: Timestamp) -> bool {
        self.persona(persona).is_some_and(|persona| {
            let local = persona.time_zone.local(at);
            persona.week.covers(local) && !persona.holidays.contains(&local.date())
        })
    }

    /// How many times as much happens as with an ordinary person. The pace of busy mode holds in busy mode only: a past that
    /// is made for it is an ordinary one.
    pub(crate) fn pace(&self, persona: PersonaIndex, unit: Unit) -> f64 {
        let own = self.persona(persona).map_or(1.0, |persona| persona.pace);
        match unit {
            Unit::Day(_) if self.settings.busy => own,
            Unit::Day(_) | Unit::Quarter(_) => self.settings.pace * own,
        }
    }

    pub(crate) fn desk_count(&self) -> usize {
        self.desks as usize
    }

    /// Who works on a decoy, and their desks.
    pub(crate) fn desks_of(&self, decoy: DecoyIndex) -> &[(PersonaIndex, DeskIndex)] {
        self.decoys.get(decoy.0 as usize).map_or(&[], |host| &host.desks)
    }

    /// One of the decoys on which a persona works, by its place among them.
    pub(crate) fn workplace(&self, persona: PersonaIndex, place: u16) -> Option<(DecoyIndex, DeskIndex)> {
        let person = self.people.get(persona.0 as usize)?;
        let decoy = *person.decoys.get(usize::from(place))?;
        Some((decoy, DeskIndex(person.desk + u32::from(place))))
    }

    /// What kind of work a persona does.
    pub(crate) fn role(&self, persona: PersonaIndex) -> Role {
        self.people.get(persona.0 as usize).map_or(Role::Other, |person| person.role)
    }

    /// Where a persona works.
    pub(crate) fn workplaces(&self, persona: PersonaIndex) -> &[DecoyIndex] {
        self.people.get(persona.0 as usize).map_or(&[], |person| &person.decoys)
    }

    pub(crate) fn seed(&self, purpose: Purpose) -> Seed {
        self.seed.purpose(purpose)
    }

    pub(crate) fn persona_seed(&self, persona: PersonaIndex, purpose: Purpose) -> Seed {
        self.people.get(persona.0 as usize).map_or(self.seed, |person| person.seed).purpose(purpose)
    }

    pub(crate) fn decoy_seed(&self, decoy: DecoyIndex, purpose: Purpose) -> Seed {
        self.decoys.get(decoy.0 as usize).map_or(self.seed, |host| host.seed).purpose(purpose)
    }
}

/// Something in a world that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Two personas share a name.
    #[error("persona {0}: there are two of this name")]
    PersonaTwice(PersonaName),
    /// Two decoys share a name.
    #[error("decoy {0}: there are two of this name")]
    DecoyTwice(DecoyName),
    /// A decoy names a persona that does not exist.
    #[error("decoy {decoy}: there is no persona {persona}")]
    NoSuchPersona {
        /// The decoy.
        decoy: DecoyName,
        /// The name that nobody has.
        persona: PersonaName,
    },
    /// A decoy names a persona twice.
    #[error("decoy {decoy}: it names persona {persona} twice")]
    SeatedTwice {
        /// The decoy.
        decoy: DecoyName,
        /// Who.
        persona: PersonaName,
    },
    /// Two personas of one decoy have the same login.
    #[error("decoy {decoy}: personas {first} and {second} have the same login, {login}")]
    LoginTwice {
        /// The decoy.
        decoy: DecoyName,
        /// One of them.
        first: PersonaName,
        /// The other.
        second: PersonaName,
        /// Their login.
        login: String,
    },
    /// A field of a persona.
    #[error("persona {persona}: {field}: {reason}")]
    Persona {
        /// Who.
        persona: PersonaName,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A field of the settings.
    #[error("{field}: {reason}")]
    Settings {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is more of something than can be counted.
    #[error("there are too many {0}")]
    TooMany(&'static str),
}

/// Everything that is wrong with a world; at least one mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, mistake) in self.0.iter().enumerate() {
            let line_end = if place == 0 { "" } else { "\n" };
            write!(f, "{line_end}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The places of `list` in the order of a name.
fn sorted<T, N: Ord>(list: &[T], name: impl Fn(&T) -> &N) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(list.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|a, b| name(&list[*a as usize]).cmp(name(&list[*b as usize])));
    order
}

fn find<'a, N: Ord + 'a>(order: &[u32], name: &N, at: impl Fn(&u32) -> &'a N) -> Option<u32> {
    let place = order.binary_search_by(|i| at(i).cmp(name)).ok()?;
    order.get(place).copied()
}

fn doubles<T, N: Ord>(
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

fn check_settings(settings: &Settings) -> Vec<Mistake> {
    let mistakes = settings.mistakes();
    mistakes.into_iter().map(|(field, reason)| Mistake::Settings { field, reason }).collect()
}

fn check_persona(persona: &Persona, found: &mut Vec<Mistake>) {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let login = persona.login.as_bytes();
    let login_fits = (1..=32).contains(&login.len())
        && login.iter().all(|b| legal(*b))
        && (login[0].is_ascii_lowercase() || login[0] == b'_');
    let name_fits = (1..=120).contains(&persona.full_name.chars().count())
        && !persona.full_name.chars().any(char::is_control);
    let weights_fit = persona.classes.is_none_or(|weights| weigh(&weights.list()));
    let checks = [
        (
            "login",
            login_fits,
            "it must be 1 to 32 characters out of a-z, 0-9, '_', '-' and '.', a letter or '_' first",
        ),
        ("full_name", name_fits, "it must be 1 to 120 printable characters"),
        ("home", persona.home.file_name().is_some(), "it must not be the root directory"),
        ("pace", persona.pace > 0.0 && persona.pace <= PACE_MAX, "it must be more than 0 and at most 10,000"),
        ("classes", weights_fit, "weights are at most 1,000,000, and one of them is more than 0"),
    ];
    for (field, good, reason) in checks {
        if !good {
            found.push(Mistake::Persona { persona: persona.name.clone(), field, reason });
        }
    }
}

/// Finds out who works where, and gives every persona its desks.
fn seat(
    seed: Seed,
    personas: Vec<Persona>,
    decoys: Vec<DecoyProfile>,
    by_persona: &[u32],
    found: &mut Vec<Mistake>,
) -> (Vec<Person>, Vec<Host>, u32) {
    let mut workplaces: Vec<Vec<DecoyIndex>> = vec![Vec::new(); personas.len()];
    let mut seated: Vec<Vec<PersonaIndex>> = Vec::with_capacity(decoys.len());
    for (place, decoy) in decoys.iter().enumerate() {
        let Ok(place) = u32::try_from(place) else { break };
        seated.push(seat_decoy(DecoyIndex(place), decoy, &personas, by_persona, &mut workplaces, found));
    }
    let most = workplaces.iter().map(Vec::len).max().unwrap_or(0);
    let total = workplaces.iter().map(Vec::len).sum::<usize>();
    let many = [
        ("decoys of one persona", most > usize::from(u16::MAX)),
        (
            "personas, decoys, or places where a persona works on a decoy",
            u32::try_from(total.max(decoys.len()).max(personas.len())).is_err(),
        ),
    ];
    found.extend(many.into_iter().filter(|(_, over)| *over).map(|(what, _)| Mistake::TooMany(what)));
    let mut desk = 0;
    let mut people = Vec::with_capacity(personas.len());
    for (persona, decoys) in personas.into_iter().zip(workplaces) {
        let seed = seed.purpose(Purpose::Persona).text(persona.name.as_str());
        let count = u32::try_from(decoys.len()).unwrap_or(u32::MAX);
        let role = Role::of(&persona.role);
        people.push(Person { persona, seed, role, decoys: decoys.into(), desk });
        desk = desk.saturating_add(count);
    }
    let mut hosts = Vec::with_capacity(decoys.len());
    for ((profile, seated), place) in decoys.into_iter().zip(seated).zip(0..) {
        let seed = seed.purpose(Purpose::Decoy).text(profile.name.as_str());
        let desk_of = |persona: PersonaIndex| {
            let person = people.get(persona.0 as usize)?;
            let offset = person.decoys.binary_search(&DecoyIndex(place)).ok()?;
            Some((persona, DeskIndex(person.desk + u32::try_from(offset).ok()?)))
        };
        hosts.push(Host { profile, seed, desks: seated.into_iter().filter_map(desk_of).collect() });
    }
    (people, hosts, desk)
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
