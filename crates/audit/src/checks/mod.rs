//! The tells, one module for each. A check is a pure function; it says how much there was to judge by, and what it found.

mod access_times;
mod ages;
mod births;
mod calendar;
mod connections;
mod container;
mod documents;
mod folders;
mod inodes;
mod logs;
mod mail;
mod modes;
mod owners;
mod processes;
mod rhythm;
mod sameness;
mod seconds;
mod stories;

use crate::case::{Case, shown};
use crate::evidence::Entry;
use crate::report::Finding;

pub(crate) use rhythm::{ONE_EVENT_SECONDS, even as even_rate};
pub(crate) use sameness::{BYTES_MIN as SAME_BYTES_MIN, stem};

/// What a check came to.
pub(crate) struct Checked {
    /// How much of what the check could find out there was evidence for, from 0 to 1.
    pub(crate) reach: f64,
    /// What it found.
    pub(crate) findings: Vec<Finding>,
}

impl Checked {
    /// Nothing to judge by.
    fn blind() -> Self {
        Self { reach: 0.0, findings: Vec::new() }
    }

    fn new(reach: f64, findings: impl IntoIterator<Item = Finding>) -> Self {
        Self { reach, findings: findings.into_iter().collect() }
    }
}

/// A check, and the most that it can say.
pub(crate) struct Check {
    pub(crate) power_db: f64,
    pub(crate) run: fn(&Case<'_>) -> Checked,
}

/// All of them, in the order of the tells.
pub(crate) const CHECKS: [Check; 18] = [
    Check { power_db: births::POWER_DB, run: births::check },
    Check { power_db: seconds::POWER_DB, run: seconds::check },
    Check { power_db: access_times::POWER_DB, run: access_times::check },
    Check { power_db: folders::POWER_DB, run: folders::check },
    Check { power_db: inodes::POWER_DB, run: inodes::check },
    Check { power_db: owners::POWER_DB, run: owners::check },
    Check { power_db: modes::POWER_DB, run: modes::check },
    Check { power_db: sameness::POWER_DB, run: sameness::check },
    Check { power_db: stories::POWER_DB, run: stories::check },
    Check { power_db: logs::POWER_DB, run: logs::check },
    Check { power_db: processes::POWER_DB, run: processes::check },
    Check { power_db: connections::POWER_DB, run: connections::check },
    Check { power_db: calendar::POWER_DB, run: calendar::check },
    Check { power_db: ages::POWER_DB, run: ages::check },
    Check { power_db: rhythm::POWER_DB, run: rhythm::check },
    Check { power_db: mail::POWER_DB, run: mail::check },
    Check { power_db: container::POWER_DB, run: container::check },
    Check { power_db: documents::POWER_DB, run: documents::check },
];

/// The paths of entries, for people.
fn paths<'a>(entries: &[&'a Entry]) -> impl Iterator<Item = String> + use<'a> {
    entries.iter().take(3).map(|entry| shown(&entry.path)).collect::<Vec<_>>().into_iter()
}
