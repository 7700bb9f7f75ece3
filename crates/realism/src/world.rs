//! The world: who works where, and how much happens. Checked as a whole, so that everything after it can rely on it.

use jiff::Timestamp;
use verisim_core::{DecoyName, PersonaName};

use crate::mistake::{Mistake, Mistakes, check_persona, check_settings};
use crate::persona::{DecoyProfile, Persona};
use crate::planner::Unit;
use crate::random::{Purpose, Seed};
use crate::seats::{Seats, doubles, find, sorted};
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
    by_persona: Vec<u32>,
    by_decoy: Vec<u32>,
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
        let seats = Seats::new(seed, &personas, &decoys, &by_persona, &settings, &mut found);
        if found.is_empty() {
            Ok(Self { seed, settings, personas, decoys, seats, by_persona, by_decoy })
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
