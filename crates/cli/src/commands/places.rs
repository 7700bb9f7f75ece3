//! Captures that wait for a place at their destination, and what has its places.

use std::collections::BTreeMap;

use serde::Serialize;
use verisim_core::{JobId, printable};
use verisim_engine::control::JobView;

/// How many of those that have the places are named.
const NAMED_MAX: usize = 4;

/// A destination of which all places are taken.
#[derive(Debug, Serialize)]
pub(super) struct Full<'a> {
    /// Its name.
    destination: &'a str,
    /// How many captures wait.
    waiting: usize,
    /// What they wait for.
    taken_by: &'a [JobId],
    #[serde(skip)]
    named: String,
}

impl std::fmt::Display for Full<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = match self.waiting {
            1 => "1 capture waits".to_owned(),
            more => format!("{more} captures wait"),
        };
        write!(f, "{waiting} for a place at {}: its places are taken by {}", self.destination, self.named)
    }
}

/// The destinations of which all places are taken, as these captures tell.
pub(super) fn full(captures: &[JobView]) -> Vec<Full<'_>> {
    let mut found: BTreeMap<&str, Full<'_>> = BTreeMap::new();
    for job in captures.iter().filter(|job| !job.behind.is_empty()) {
        let destination = job.lane.0.trim_start_matches("destination/");
        let full = found.entry(destination).or_insert_with(|| Full {
            destination,
            waiting: 0,
            taken_by: &job.behind,
            named: named(captures, &job.behind),
        });
        full.waiting += 1;
    }
    found.into_values().collect()
}

/// What a capture waits for, where that is a place.
pub(super) fn told(job: &JobView) -> Option<String> {
    let all: Vec<String> = job.behind.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    (!all.is_empty())
        .then(|| format!("waits for a place: those of {} are taken by {}", job.lane, all.join(", ")))
}

fn named(captures: &[JobView], jobs: &[JobId]) -> String {
    let name = |id: &JobId| match captures.iter().find(|job| job.id == *id) {
        Some(job) => format!("{id} {}", printable(&job.subject)),
        None => id.to_string(),
    };
    jobs.iter().take(NAMED_MAX).map(name).collect::<Vec<_>>().join(", ")
}
