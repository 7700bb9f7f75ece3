//! The world: who works where, and how much happens. Checked as a whole, so that everything after it can rely on it.

use jiff::Timestamp;
use verisim_core::{DecoyName, PersonaName};

use crate::absence::own_absence;
use crate::company::{self, Company, Country, Outline, Staff, TeamIndex};
use crate::life::figures::people;
use crate::life::hours;
use crate::life::nature::Nature;
use crate::mistake::{Mistake, Mistakes, check_persona, check_settings};
use crate::persona::{DecoyProfile, Persona, Role};
use crate::planner::Unit;
use crate::random::{Purpose, Seed};
use crate::seats::{Seat, Seats, doubles, find, sorted};
use crate::settings::Settings;

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
    personas: Vec<Persona>,
    decoys: Vec<DecoyProfile>,
    seats: Seats,
    /// By persona, how its days go.
    natures: Vec<Nature>,
    company: Company,
    staff: Staff,
    by_persona: Vec<u32>,
    by_decoy: Vec<u32>,
}

impl World {
    /// Checks and joins personas and decoys, in a company that is invented from the seed. The same seed, names and settings give
    /// the same plan.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn new(
        seed: u64,
        personas: Vec<Persona>,
        decoys: Vec<DecoyProfile>,
        settings: Settings,
    ) -> Result<Self, Mistakes> {
        let company = invented_company(seed, &personas, &decoys);
        Self::in_company(seed, company, personas, decoys, settings)
    }

    /// The same in a company that is given.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn in_company(
        seed: u64,
        company: Company,
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
        company::check(&company, &personas, &decoys, &mut found);
        let seats = Seats::new(seed, &personas, &decoys, &by_persona, &settings, &mut found);
        if found.is_empty() {
            let natures =
                personas.iter().zip(&seats.people).map(|(persona, seat)| nature(persona, seat)).collect();
            let staff = Staff::of(&company, &personas);
            Ok(Self {
                seed,
                settings,
                personas,
                decoys,
                seats,
                natures,
                company,
                staff,
                by_persona,
                by_decoy,
            })
        } else {
            Err(Mistakes(found))
        }
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The company.
    #[must_use]
    pub const fn company(&self) -> &Company {
        &self.company
    }

    /// The team of a persona; `None` in a company without teams.
    #[must_use]
    pub fn team(&self, persona: PersonaIndex) -> Option<TeamIndex> {
        self.staff.team(persona.0)
    }

    /// Everybody in a persona's team, the persona too; empty in a company without teams.
    pub(crate) fn teammates(&self, persona: PersonaIndex) -> &[PersonaIndex] {
        self.staff.mates(persona.0)
    }

    /// All personas, in the order given.
    pub fn personas(&self) -> impl ExactSizeIterator<Item = &Persona> {
        self.personas.iter()
    }

    /// All decoys, in the order given.
    pub fn decoys(&self) -> impl ExactSizeIterator<Item = &DecoyProfile> {
        self.decoys.iter()
    }

    /// A persona. An index of another world may name nobody, or somebody else.
    #[must_use]
    pub fn persona(&self, index: PersonaIndex) -> Option<&Persona> {
        self.personas.get(index.0 as usize)
    }

    /// A decoy. An index of another world may name none, or another one.
    #[must_use]
    pub fn decoy(&self, index: DecoyIndex) -> Option<&DecoyProfile> {
        self.decoys.get(index.0 as usize)
    }

    /// A persona by name.
    #[must_use]
    pub fn persona_named(&self, name: &PersonaName) -> Option<PersonaIndex> {
        let at = |i: &u32| &self.personas[*i as usize].name;
        find(&self.by_persona, name, at).map(PersonaIndex)
    }

    /// A decoy by name.
    #[must_use]
    pub fn decoy_named(&self, name: &DecoyName) -> Option<DecoyIndex> {
        let at = |i: &u32| &self.decoys[*i as usize].name;
        find(&self.by_decoy, name, at).map(DecoyIndex)
    }

    /// What this persona has on this decoy; `None` where the persona does not work there.
    #[must_use]
    pub fn desk(&self, persona: PersonaIndex, decoy: DecoyIndex) -> Option<DeskIndex> {
        self.seats.desk(persona, decoy)
    }

    /// Whether the persona may do something at this time: in the working week; for whoever keeps free hours, at any time but
    /// those of sleep, unless they are called; never on a holiday. Not asked in busy mode.
    #[must_use]
    pub fn works(&self, persona: PersonaIndex, at: Timestamp) -> bool {
        let Some((who, nature)) = self.persona(persona).zip(self.nature(persona)) else { return false };
        let local = who.time_zone.local(at);
        if own_absence(who, local.date()).is_some() {
            return false;
        }
        let work = who.week.hours(local.weekday());
        who.week.covers(local) || hours::is_free(nature, self.life_seed(persona), local, work)
    }

    /// How many times as much happens as with an ordinary person. The pace of busy mode holds in busy mode only: a past that
    /// is made for it is an ordinary one.
    pub(crate) fn pace(&self, persona: PersonaIndex, unit: Unit) -> f64 {
        let own = self.seats.person(persona).map_or(1.0, |seat| seat.pace);
        match unit {
            Unit::Day(_) if self.settings.busy => own,
            Unit::Day(_) | Unit::Quarter(_) => self.settings.pace * own,
        }
    }

    /// Has the processor fetch what the names of a persona's files are made of.
    pub(crate) fn fetch(&self, persona: PersonaIndex) {
        std::hint::black_box(self.persona(persona).map(|persona| persona.home.as_bytes().first().copied()));
    }

    /// How the persona's days go.
    pub(crate) fn nature(&self, persona: PersonaIndex) -> Option<&Nature> {
        self.natures.get(persona.0 as usize)
    }

    /// Gives the personas other natures.
    #[cfg(test)]
    pub(crate) fn set_natures(&mut self, natures: Vec<Nature>) {
        self.natures = natures;
    }

    /// The seed of the persona's days, weeks and months.
    pub(crate) fn life_seed(&self, persona: PersonaIndex) -> Seed {
        self.persona_seed(persona, Purpose::Rhythm)
    }

    pub(crate) const fn seats(&self) -> &Seats {
        &self.seats
    }

    pub(crate) fn seed(&self, purpose: Purpose) -> Seed {
        self.seed.purpose(purpose)
    }

    pub(crate) fn persona_seed(&self, persona: PersonaIndex, purpose: Purpose) -> Seed {
        self.seats.person(persona).map_or(self.seed, |seat| seat.seed).purpose(purpose)
    }

    pub(crate) fn decoy_seed(&self, decoy: DecoyIndex, purpose: Purpose) -> Seed {
        self.seats.host(decoy).map_or(self.seed, |host| host.seed).purpose(purpose)
    }
}

/// How a persona's days go, by its role and its working week.
fn nature(persona: &Persona, seat: &Seat) -> Nature {
    let seed = seat.seed.purpose(Purpose::Rhythm);
    let cohort = hours::kept(seat.role.cohort(), &persona.week);
    let nature = Nature::of(seed, cohort, people(cohort)).with_habits(persona.habits);
    let is_on_call = persona.habits.on_call.unwrap_or(seat.role == Role::Administrator);
    if is_on_call { nature.and_on_call(seed) } else { nature }
}

/// A company for these people: in the language that most of them have, and where most of them live.
fn invented_company(seed: u64, personas: &[Persona], decoys: &[DecoyProfile]) -> Company {
    let language = most(personas.iter().map(|persona| persona.language)).unwrap_or_default();
    let of_language = Country::ALL.into_iter().rev().find(|country| country.language() == language);
    let country = most(personas.iter().filter_map(|persona| persona.country)).or(of_language);
    let outline = Outline { language, country: country.unwrap_or(Country::Gb), ..Outline::default() };
    let mut company = Company::invent(seed, &outline);
    company.hosts.retain(|host| decoys.iter().all(|decoy| decoy.name.as_str() != host.name));
    company
}

/// What there is most of; of two with the same count the first in their order.
fn most<T: Ord + Copy>(all: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = std::collections::BTreeMap::new();
    all.for_each(|one| *counts.entry(one).or_insert(0_u32) += 1);
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(one, _)| one)
}
