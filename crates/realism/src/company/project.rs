//! What teams work on.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use super::TeamIndex;
use crate::character::Vacation;

/// Something a team works on for months.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// What it is called in the corridors.
    pub code_name: String,
    /// What its tickets begin with: 2 to 10 capitals and digits, a letter first; no two projects have the same.
    pub key: String,
    /// What it is for, in the company's language.
    pub subject: String,
    /// Whose it is.
    pub team: TeamIndex,
    /// Its phases in the order of time, each from the end of the one before. At least one.
    pub phases: Vec<Phase>,
}

/// A stretch of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// What is done in it.
    pub kind: PhaseKind,
    /// Its first day.
    pub from: Date,
    /// Its last day.
    pub to: Date,
}

/// What is done in a phase of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PhaseKind {
    /// Finding out what is wanted.
    Discovery,
    /// Laying down how.
    Design,
    /// Making it.
    Build,
    /// Trying it.
    Test,
    /// Bringing it to those who use it.
    Rollout,
    /// Keeping it going.
    Operation,
}

impl PhaseKind {
    /// All, in their order.
    pub const ALL: [Self; 6] =
        [Self::Discovery, Self::Design, Self::Build, Self::Test, Self::Rollout, Self::Operation];

    /// The name in the configuration, for instance `build`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Design => "design",
            Self::Build => "build",
            Self::Test => "test",
            Self::Rollout => "rollout",
            Self::Operation => "operation",
        }
    }
}

impl fmt::Display for PhaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Phase {
    /// As it is read: `build 2026-03-02/2026-06-12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.from, self.to)
    }
}

/// A phase that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no phase: {reason}; write for instance \"build 2026-03-02/2026-06-12\"")]
pub struct InvalidPhase {
    text: String,
    reason: String,
}

impl FromStr for Phase {
    type Err = InvalidPhase;

    fn from_str(text: &str) -> Result<Self, InvalidPhase> {
        let wrong = |reason: String| InvalidPhase { text: text.chars().take(80).collect(), reason };
        let (kind, days) =
            text.split_once(' ').ok_or_else(|| wrong("it has no days behind its kind".to_owned()))?;
        let kind = kind.parse().map_err(|error: UnknownPhase| wrong(error.to_string()))?;
        let span: Vacation =
            days.trim().parse().map_err(|_| wrong("its days are not first/last".to_owned()))?;
        Ok(Self { kind, from: span.from, to: span.to })
    }
}

/// A phase that no project has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no phase; phases are discovery, design, build, test, rollout and operation")]
pub struct UnknownPhase(String);

impl FromStr for PhaseKind {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, UnknownPhase> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| UnknownPhase(text.chars().take(80).collect()))
    }
}

impl Project {
    /// In which phase it is on a date; `None` before and after.
    #[must_use]
    pub fn phase_at(&self, date: Date) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.from <= date && date <= phase.to)
    }

    /// Its first day.
    #[must_use]
    pub fn begin(&self) -> Date {
        self.phases.first().map_or(Date::MAX, |phase| phase.from)
    }

    /// Its last day.
    #[must_use]
    pub fn end(&self) -> Date {
        self.phases.last().map_or(Date::MIN, |phase| phase.to)
    }
}
