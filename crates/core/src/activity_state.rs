//! The states of an activity job: one action on a decoy.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::IllegalTransition;

/// Where an activity job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ActivityState {
    /// Waits for a worker, perhaps after a back-off.
    Queued,
    /// A worker holds its lease.
    Running,
    /// The effect is confirmed. Final.
    Done,
    /// It will not be tried again. Final.
    Failed,
    /// Its deadline passed before it could run (INV-10). Final.
    Skipped,
    /// What was found on the decoy is not what we left there; nothing was overwritten. Final.
    Tampered,
    /// Whether it happened cannot be known, and it is not repeated (INV-4). Final.
    Unknown,
    /// Waits for a tool or for space.
    Blocked,
    /// The operator stopped it. Final.
    Cancelled,
}

/// What may happen to an activity job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActivityEvent {
    /// A worker took it.
    Leased,
    /// The effect was read back or otherwise confirmed.
    Confirmed,
    /// A failure that a later attempt may mend.
    BackOff,
    /// The lease ended without an outcome.
    LeaseLost,
    /// A failure that no attempt will mend, or attempts are used up.
    Failed,
    /// The deadline passed.
    Stale,
    /// Foreign content was found.
    Tampered,
    /// The effect's fate cannot be found out.
    FateUnknown,
    /// A tool or space is missing.
    Blocked,
    /// What was missing is there again.
    Unblocked,
    /// The operator stopped it.
    Cancelled,
}

impl ActivityState {
    /// Every state, for tests and tables.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Skipped,
        Self::Tampered,
        Self::Unknown,
        Self::Blocked,
        Self::Cancelled,
    ];

    /// The state that follows.
    ///
    /// # Errors
    /// When `event` cannot happen in this state.
    pub const fn next(self, event: ActivityEvent) -> Result<Self, IllegalTransition> {
        use ActivityEvent as E;
        Ok(match (self, event) {
            (Self::Queued, E::Leased) => Self::Running,
            (Self::Queued, E::Stale) => Self::Skipped,
            (Self::Queued | Self::Running | Self::Blocked, E::Cancelled) => Self::Cancelled,
            (Self::Running, E::Confirmed) => Self::Done,
            (Self::Running, E::BackOff | E::LeaseLost) => Self::Queued,
            (Self::Running | Self::Blocked, E::Failed) => Self::Failed,
            (Self::Running | Self::Blocked, E::Stale) => Self::Skipped,
            (Self::Running, E::Tampered) => Self::Tampered,
            (Self::Running, E::FateUnknown) => Self::Unknown,
            (Self::Running, E::Blocked) => Self::Blocked,
            (Self::Blocked, E::Unblocked) => Self::Queued,
            _ => return Err(IllegalTransition { state: self.name(), event: event.name() }),
        })
    }

    /// Whether nothing can happen to the job any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Blocked)
    }

    /// The name in the store and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
            Self::Tampered => "TAMPERED",
            Self::Unknown => "UNKNOWN",
            Self::Blocked => "BLOCKED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl ActivityEvent {
    /// Every event, for tests and tables.
    pub const ALL: [Self; 11] = [
        Self::Leased,
        Self::Confirmed,
        Self::BackOff,
        Self::LeaseLost,
        Self::Failed,
        Self::Stale,
        Self::Tampered,
        Self::FateUnknown,
        Self::Blocked,
        Self::Unblocked,
        Self::Cancelled,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::Confirmed => "confirmed",
            Self::BackOff => "back-off",
            Self::LeaseLost => "lease lost",
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::Tampered => "tampered",
            Self::FateUnknown => "fate unknown",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ActivityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair, written out once more as a list: an edge that is added to the code alone fails here.
    #[test]
    fn every_pair_of_state_and_event_is_as_the_table_says() {
        use ActivityEvent as E;
        use ActivityState as S;
        let edges = [
            (S::Queued, E::Leased, S::Running),
            (S::Queued, E::Stale, S::Skipped),
            (S::Queued, E::Cancelled, S::Cancelled),
            (S::Running, E::Confirmed, S::Done),
            (S::Running, E::BackOff, S::Queued),
            (S::Running, E::LeaseLost, S::Queued),
            (S::Running, E::Failed, S::Failed),
            (S::Running, E::Stale, S::Skipped),
            (S::Running, E::Tampered, S::Tampered),
            (S::Running, E::FateUnknown, S::Unknown),
            (S::Running, E::Blocked, S::Blocked),
            (S::Running, E::Cancelled, S::Cancelled),
            (S::Blocked, E::Unblocked, S::Queued),
            (S::Blocked, E::Failed, S::Failed),
            (S::Blocked, E::Stale, S::Skipped),
            (S::Blocked, E::Cancelled, S::Cancelled),
        ];
        for state in S::ALL {
            for event in E::ALL {
                let expected =
                    edges.iter().find(|(s, e, _)| (*s, *e) == (state, event)).map(|(_, _, to)| *to);
                assert_eq!(state.next(event).ok(), expected, "{state} on {event:?}");
            }
            assert_eq!(state.is_final(), E::ALL.iter().all(|event| state.next(*event).is_err()), "{state}");
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
    }
}
