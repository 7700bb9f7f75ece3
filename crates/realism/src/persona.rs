//! A persona and a decoy as the planner sees them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;
use verisim_core::{DecoyName, DecoyPath, DriverCapabilities, Owner, PersonaName};

use crate::{Character, ClassWeights, Cohort, Country, DayHabits, Language, Vacation, WorkWeek, Zone};

/// A fictional employee.
#[derive(Debug, Clone, PartialEq)]
pub struct Persona {
    /// The name in the configuration.
    pub name: PersonaName,
    /// The name as people write it.
    pub full_name: String,
    /// The login name on every decoy.
    pub login: String,
    /// The user and group that own the persona's files.
    pub owner: Owner,
    /// What the persona does, for instance `analyst`; see [`Role::of`].
    pub role: String,
    /// What the persona writes in.
    pub language: Language,
    /// Where the persona lives.
    pub time_zone: Zone,
    /// When the persona works, in local time.
    pub week: WorkWeek,
    /// Local dates on which the persona does not work. Shared, since a country's holidays are those of many.
    pub holidays: Arc<BTreeSet<Date>>,
    /// The country whose public holidays it keeps; `None`: it knows no others than those above.
    pub country: Option<Country>,
    /// Vacations beside those that are drawn.
    pub vacations: Vec<Vacation>,
    /// The team of the company that it is in; `None`: one that fits its role.
    pub team: Option<String>,
    /// How it spends its days.
    pub habits: DayHabits,
    /// How it writes and works with others.
    pub character: Character,
    /// The home directory on every decoy.
    pub home: DecoyPath,
    /// How many times as much happens as the settings say; 1 for an ordinary person.
    pub pace: f64,
    /// Own weights of the classes; `None` for those of the settings, changed by the role.
    pub classes: Option<ClassWeights>,
}

impl Persona {
    /// A persona with the default week, no holidays, UTC, and `/home/<login>`.
    ///
    /// # Errors
    /// When the login cannot be part of a path.
    pub fn new(
        name: PersonaName,
        full_name: impl Into<String>,
        login: impl Into<String>,
        owner: Owner,
        role: impl Into<String>,
    ) -> Result<Self, verisim_core::InvalidPath> {
        let login = login.into();
        let home = DecoyPath::new("/home")?.join(login.as_bytes())?;
        Ok(Self {
            name,
            full_name: full_name.into(),
            login,
            owner,
            role: role.into(),
            language: Language::default(),
            time_zone: Zone::utc(),
            week: WorkWeek::default(),
            holidays: Arc::default(),
            country: None,
            vacations: Vec::new(),
            team: None,
            habits: DayHabits::default(),
            character: Character::default(),
            home,
            pace: 1.0,
            classes: None,
        })
    }
}

/// The kinds of work that differ in vocabulary and in the files that they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Writes software.
    Developer,
    /// Runs machines.
    Administrator,
    /// Reads data.
    Analyst,
    /// Counts money.
    Finance,
    /// Keeps an office going.
    Assistant,
    /// Leads people.
    Manager,
    /// Makes experiments.
    Scientist,
    /// Any other work.
    Other,
}

impl Role {
    /// The kind of work that a role's name speaks of.
    #[must_use]
    pub fn of(role: &str) -> Self {
        let role = role.to_ascii_lowercase();
        let speaks_of = |words: &[&str]| words.iter().any(|word| role.contains(word));
        if speaks_of(&["develop", "engineer", "programmer"]) {
            Self::Developer
        } else if speaks_of(&["admin", "operator", "devops", "sre"]) {
            Self::Administrator
        } else if speaks_of(&["analy"]) {
            Self::Analyst
        } else if speaks_of(&["financ", "account", "controll"]) {
            Self::Finance
        } else if speaks_of(&["assist", "secret", "office"]) {
            Self::Assistant
        } else if speaks_of(&["manag", "lead", "head", "director"]) {
            Self::Manager
        } else if speaks_of(&["scien", "research", "lab"]) {
            Self::Scientist
        } else {
            Self::Other
        }
    }

    /// Which hours people of this kind keep: whoever builds things has projects of their own.
    #[must_use]
    pub const fn cohort(self) -> Cohort {
        match self {
            Self::Developer | Self::Administrator | Self::Scientist => Cohort::Free,
            Self::Analyst | Self::Finance | Self::Assistant | Self::Manager | Self::Other => Cohort::Office,
        }
    }

    /// How the role changes the weights of the classes, in hundredths, in the order of [`ClassWeights`].
    pub(crate) const fn tilt(self) -> [u32; 12] {
        match self {
            Self::Developer => [80, 100, 70, 220, 80, 80, 130, 30, 40, 400, 160, 90],
            Self::Administrator => [80, 100, 50, 200, 250, 250, 100, 40, 50, 60, 300, 40],
            Self::Analyst => [100, 100, 100, 140, 60, 20, 140, 100, 250, 90, 60, 100],
            Self::Finance => [120, 140, 110, 10, 5, 0, 60, 160, 300, 0, 20, 120],
            Self::Assistant => [120, 140, 130, 10, 5, 0, 60, 250, 180, 0, 20, 130],
            Self::Manager => [130, 140, 130, 5, 0, 0, 40, 280, 120, 0, 20, 130],
            Self::Scientist => [110, 80, 120, 150, 80, 30, 160, 90, 160, 160, 70, 90],
            Self::Other => [110, 110, 110, 40, 20, 20, 90, 150, 140, 10, 40, 120],
        }
    }

    /// How the role changes what is spoken on connections, in hundredths, in the order of [`verisim_core::TrafficProtocol::ALL`].
    pub(crate) const fn speaks(self) -> [u32; 8] {
        match self {
            Self::Developer => [180, 120, 120, 120, 40, 60, 50, 200],
            Self::Administrator => [250, 80, 80, 100, 200, 60, 80, 300],
            Self::Analyst => [80, 100, 100, 220, 20, 80, 120, 50],
            Self::Finance | Self::Assistant => [5, 110, 110, 20, 20, 150, 200, 0],
            Self::Manager => [5, 120, 120, 5, 20, 200, 120, 0],
            Self::Scientist => [150, 90, 90, 80, 20, 80, 120, 50],
            Self::Other => [30, 110, 110, 30, 20, 120, 120, 10],
        }
    }
}

/// Whether a decoy's role names a machine that a person sits at; everything else serves.
pub(crate) fn is_workstation(role: &str) -> bool {
    let role = role.to_ascii_lowercase();
    ["workstation", "desktop", "laptop", "notebook", "client", "terminal"]
        .iter()
        .any(|word| role.contains(word))
}

/// A decoy as the planner sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoyProfile {
    /// Its name, which is also its host name.
    pub name: DecoyName,
    /// What it is for, for instance `file-server`.
    pub role: String,
    /// What it offers, for instance `ssh`.
    pub services: Vec<String>,
    /// Who works on it.
    pub personas: Vec<PersonaName>,
    /// Whether other decoys have an address to reach it by; else nobody visits it.
    pub has_address: bool,
    /// What can be done on it; nothing else is planned.
    pub capabilities: DriverCapabilities,
    /// The zone that its clock shows and its logs are written in; servers mostly keep UTC.
    pub time_zone: Zone,
}
