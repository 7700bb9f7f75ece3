//! Destinations that are away: since when, and when each is asked next. In memory only: the first job that a new start
//! tries finds out again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use verisim_core::{Lane, PROBE_INTERVAL, Remote, Timestamp};

/// Every destination that is away, by its lane.
#[derive(Debug, Default)]
pub(crate) struct AwayBoard {
    lanes: Mutex<BTreeMap<Lane, Away>>,
}

/// What a step found out.
#[derive(Debug, Clone)]
pub(crate) struct FoundAway {
    /// A folder there, by which it can be asked.
    pub(crate) remote: Remote,
    /// Since when, as far as is known.
    pub(crate) since: Timestamp,
    /// Why it counts as away.
    pub(crate) why: String,
}

#[derive(Debug)]
struct Away {
    found: FoundAway,
    /// When it is asked next; `None` while it is.
    ask_at: Option<Timestamp>,
}

impl AwayBoard {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Lane, Away>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note; answers whether it is news.
    pub(crate) fn note(&self, lane: &Lane, found: FoundAway, now: Timestamp) -> bool {
        let mut lanes = self.lock();
        if lanes.contains_key(lane) {
            return false;
        }
        lanes.insert(lane.clone(), Away { found, ask_at: Some(next(now)) });
        true
    }

    /// The lanes in which nothing is begun.
    pub(crate) fn lanes(&self) -> Vec<Lane> {
        self.lock().keys().cloned().collect()
    }

    /// Since when the destination of this lane is away, and why.
    pub(crate) fn get(&self, lane: &Lane) -> Option<FoundAway> {
        self.lock().get(lane).map(|away| away.found.clone())
    }

    /// When the next one is asked.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.lock().values().filter_map(|away| away.ask_at).min()
    }

    /// Takes those whose time has come: whoever calls this asks them.
    pub(crate) fn begin(&self, now: Timestamp) -> Vec<(Lane, Remote)> {
        let mut lanes = self.lock();
        let due = lanes.iter_mut().filter(|(_, away)| away.ask_at.is_some_and(|at| at <= now));
        due.map(|(lane, away)| {
            away.ask_at = None;
            (lane.clone(), away.found.remote.clone())
        })
        .collect()
    }

    /// It was asked and is away still.
    pub(crate) fn still(&self, lane: &Lane, why: String, now: Timestamp) {
        if let Some(away) = self.lock().get_mut(lane) {
            away.found.why = why;
            away.ask_at = Some(next(now));
        }
    }

    /// It is back; answers what was known of it.
    pub(crate) fn back(&self, lane: &Lane) -> Option<FoundAway> {
        self.lock().remove(lane).map(|away| away.found)
    }

    /// Somebody does not want to wait for the next time.
    pub(crate) fn ask_now(&self, lane: &Lane, now: Timestamp) {
        if let Some(away) = self.lock().get_mut(lane) {
            away.ask_at = away.ask_at.map(|at| at.min(now));
        }
    }
}

fn next(now: Timestamp) -> Timestamp {
    now.saturating_add(PROBE_INTERVAL).unwrap_or(Timestamp::MAX)
}
