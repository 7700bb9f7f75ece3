//! The states of a sync job: one capture on its way home.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a sync job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncState {
    /// The capture is not complete yet, or a gate holds it.
    Waiting,
    /// Waits for a worker, perhaps after a back-off.
    Queued,
    /// A worker pushes it.
    Running,
    /// Pushed; what arrived is yet to be hashed and compared.
    AwaitingVerify,
    /// Every file matched. Rests here, until a further pass is due or cleanup may begin.
    Verified,
    /// Every interlock held when last asked.
    CleanupEligible,
    /// Local files are being deleted from a written list.
    Cleaning,
    /// Everything on the list is gone. Final.
    Cleaned,
    /// It will not be tried again by itself.
    Failed,
    /// Some files could not be proved within the bounds. Waits for a person.
    Unverified,
    /// A tool or space is missing; says where it goes on.
    Blocked(ResumeAt),
    /// The operator stopped it.
    Cancelled,
}

/// Where a blocked sync job goes on when what it lacked is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumeAt {
    /// It was pushing.
    Push,
    /// It was verifying.
    Verify,
}

/// What may happen to a sync job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncEvent {
    /// The capture is complete and the gate is clear.
    Complete,
    /// A worker took it for pushing.
    Leased,
    /// Everything was sent.
    Pushed,
    /// A failure that a later attempt may mend.
    BackOff,
    /// The lease ended without an outcome.
    LeaseLost,
    /// The capture changed under our hands, or after it was pushed.
    SourceChanged,
    /// The gate closed again before it was pushed: an override was revoked.
    GateClosed,
    /// A tool or space is missing.
    Blocked,
    /// What was missing is there again.
    Unblocked,
    /// A failure that no attempt will mend, or attempts are used up.
    Failed,
    /// Every file matched.
    Matched,
    /// Files differ, for the first time since they were last forced.
    Mismatched,
    /// Files differ although they were sent again.
    MismatchedAgain,
    /// Some files could not be proved within the bounds.
    Unproved,
    /// It was verified before, and nobody could look again just now: that is no finding.
    Unreached,
    /// A further pass is due.
    PassDue,
    /// Cleanup is on and every interlock holds.
    InterlocksHold,
    /// An interlock does not hold any more.
    InterlockLost,
    /// The list of what will go is on disk, every interlock asked again.
    ListWritten,
    /// All on the list is gone.
    ListGone,
    /// The operator wants it tried again.
    Retried,
    /// The operator stopped it.
    Cancelled,
}

/// An event that cannot happen in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job in state {state} cannot take the event '{event}'")]
pub struct IllegalTransition {
    /// The state the job was in.
    pub state: &'static str,
    /// The event that was offered.
    pub event: &'static str,
}

impl SyncState {
    /// Every state, for tests and tables.
    pub const ALL: [Self; 13] = [
        Self::Waiting,
        Self::Queued,
        Self::Running,
        Self::AwaitingVerify,
        Self::Verified,
        Self::CleanupEligible,
        Self::Cleaning,
        Self::Cleaned,
        Self::Failed,
        Self::Unverified,
        Self::Blocked(ResumeAt::Push),
        Self::Blocked(ResumeAt::Verify),
        Self::Cancelled,
    ];

    /// The state that follows.
    ///
    /// # Errors
    /// When `event` cannot happen in this state.
    pub const fn next(self, event: SyncEvent) -> Result<Self, IllegalTransition> {
        use SyncEvent as E;
        Ok(match (self, event) {
            (Self::Waiting, E::Complete) => Self::Queued,
            (Self::Waiting | Self::Running | Self::AwaitingVerify, E::Failed) => Self::Failed,
            (Self::Queued, E::Leased) => Self::Running,
            (Self::Running, E::Pushed) => Self::AwaitingVerify,
            (Self::Running, E::BackOff | E::LeaseLost) => Self::Queued,
            (Self::Running, E::Blocked) => Self::Blocked(ResumeAt::Push),
            (Self::Running, E::GateClosed) => Self::Waiting,
            // What came or changed after it was verified is evidence too.
            (Self::Running | Self::AwaitingVerify | Self::Verified, E::SourceChanged) => Self::Waiting,
            (Self::AwaitingVerify, E::Matched) => Self::Verified,
            (Self::AwaitingVerify, E::Mismatched) => Self::Queued,
            (Self::AwaitingVerify, E::MismatchedAgain) => Self::Failed,
            (Self::AwaitingVerify, E::BackOff | E::LeaseLost) => Self::AwaitingVerify,
            (Self::AwaitingVerify, E::Blocked) => Self::Blocked(ResumeAt::Verify),
            (Self::AwaitingVerify, E::Unproved) => Self::Unverified,
            (Self::AwaitingVerify, E::Unreached) => Self::Verified,
            (Self::Verified, E::PassDue) => Self::AwaitingVerify,
            (Self::Verified, E::InterlocksHold) => Self::CleanupEligible,
            (Self::CleanupEligible, E::InterlockLost) => Self::Verified,
            (Self::CleanupEligible, E::ListWritten) => Self::Cleaning,
            (Self::Cleaning, E::ListGone) => Self::Cleaned,
            // It may have been stopped before it was complete, and half a capture must not count as one.
            (Self::Failed | Self::Cancelled | Self::Unverified, E::Retried) => Self::Waiting,
            (Self::Blocked(ResumeAt::Push), E::Unblocked) => Self::Queued,
            (Self::Blocked(ResumeAt::Verify), E::Unblocked) => Self::AwaitingVerify,
            // Half of a capture may be gone: from here on the only way is forward.
            (Self::Cleaning | Self::Cleaned, E::Cancelled) => return Err(self.refuse(event)),
            (_, E::Cancelled) => Self::Cancelled,
            _ => return Err(self.refuse(event)),
        })
    }

    const fn refuse(self, event: SyncEvent) -> IllegalTransition {
        IllegalTransition { state: self.name(), event: event.name() }
    }

    /// Whether nothing happens to the job by itself any more and its history may be pruned by age.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Cleaned | Self::Failed | Self::Cancelled)
    }

    /// The name in the store and on the wire; where a blocked job goes on is a field of its own.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::AwaitingVerify => "AWAITING_VERIFY",
            Self::Verified => "VERIFIED",
            Self::CleanupEligible => "CLEANUP_ELIGIBLE",
            Self::Cleaning => "CLEANING",
            Self::Cleaned => "CLEANED",
            Self::Failed => "FAILED",
            Self::Unverified => "UNVERIFIED",
            Self::Blocked(_) => "BLOCKED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl SyncEvent {
    /// Every event, for tests and tables.
    pub const ALL: [Self; 22] = [
        Self::Complete,
        Self::Leased,
        Self::Pushed,
        Self::BackOff,
        Self::LeaseLost,
        Self::SourceChanged,
        Self::GateClosed,
        Self::Blocked,
        Self::Unblocked,
        Self::Failed,
        Self::Matched,
        Self::Mismatched,
        Self::MismatchedAgain,
        Self::Unproved,
        Self::Unreached,
        Self::PassDue,
        Self::InterlocksHold,
        Self::InterlockLost,
        Self::ListWritten,
        Self::ListGone,
        Self::Retried,
        Self::Cancelled,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Leased => "leased",
            Self::Pushed => "pushed",
            Self::BackOff => "back-off",
            Self::LeaseLost => "lease lost",
            Self::SourceChanged => "source changed",
            Self::GateClosed => "gate closed",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Failed => "failed",
            Self::Matched => "matched",
            Self::Mismatched => "mismatched",
            Self::MismatchedAgain => "mismatched again",
            Self::Unproved => "unproved",
            Self::Unreached => "unreached",
            Self::PassDue => "pass due",
            Self::InterlocksHold => "interlocks hold",
            Self::InterlockLost => "interlock lost",
            Self::ListWritten => "list written",
            Self::ListGone => "list gone",
            Self::Retried => "retried",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for SyncState {
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
        use SyncEvent as E;
        use SyncState as S;
        let mut edges = vec![
            (S::Waiting, E::Complete, S::Queued),
            (S::Waiting, E::Failed, S::Failed),
            (S::Queued, E::Leased, S::Running),
            (S::Running, E::Pushed, S::AwaitingVerify),
            (S::Running, E::BackOff, S::Queued),
            (S::Running, E::LeaseLost, S::Queued),
            (S::Running, E::SourceChanged, S::Waiting),
            (S::Running, E::GateClosed, S::Waiting),
            (S::Running, E::Blocked, S::Blocked(ResumeAt::Push)),
            (S::Running, E::Failed, S::Failed),
            (S::AwaitingVerify, E::Matched, S::Verified),
            (S::AwaitingVerify, E::Mismatched, S::Queued),
            (S::AwaitingVerify, E::MismatchedAgain, S::Failed),
            (S::AwaitingVerify, E::Failed, S::Failed),
            (S::AwaitingVerify, E::BackOff, S::AwaitingVerify),
            (S::AwaitingVerify, E::LeaseLost, S::AwaitingVerify),
            (S::AwaitingVerify, E::Blocked, S::Blocked(ResumeAt::Verify)),
            (S::AwaitingVerify, E::SourceChanged, S::Waiting),
            (S::AwaitingVerify, E::Unproved, S::Unverified),
            (S::AwaitingVerify, E::Unreached, S::Verified),
            (S::Verified, E::PassDue, S::AwaitingVerify),
            (S::Verified, E::SourceChanged, S::Waiting),
            (S::Verified, E::InterlocksHold, S::CleanupEligible),
            (S::CleanupEligible, E::ListWritten, S::Cleaning),
            (S::CleanupEligible, E::InterlockLost, S::Verified),
            (S::Cleaning, E::ListGone, S::Cleaned),
            (S::Failed, E::Retried, S::Waiting),
            (S::Cancelled, E::Retried, S::Waiting),
            (S::Unverified, E::Retried, S::Waiting),
            (S::Blocked(ResumeAt::Push), E::Unblocked, S::Queued),
            (S::Blocked(ResumeAt::Verify), E::Unblocked, S::AwaitingVerify),
        ];
        for state in S::ALL {
            if !matches!(state, S::Cleaning | S::Cleaned) {
                edges.push((state, E::Cancelled, S::Cancelled));
            }
        }
        for state in S::ALL {
            for event in E::ALL {
                let expected =
                    edges.iter().find(|(s, e, _)| (*s, *e) == (state, event)).map(|(_, _, to)| *to);
                assert_eq!(state.next(event).ok(), expected, "{state} on {event:?}");
            }
        }
    }

    #[test]
    fn defect_03_every_state_can_be_reached_from_waiting_and_every_unfinished_one_can_be_left() {
        let mut reached = vec![SyncState::Waiting];
        let mut index = 0;
        while index < reached.len() {
            for event in SyncEvent::ALL {
                if let Ok(to) = reached[index].next(event)
                    && !reached.contains(&to)
                {
                    reached.push(to);
                }
            }
            index += 1;
        }
        assert_eq!(reached.len(), SyncState::ALL.len());
        for state in SyncState::ALL {
            let leaves = SyncEvent::ALL.iter().any(|event| state.next(*event).is_ok_and(|to| to != state));
            assert_eq!(leaves, state != SyncState::Cleaned, "{state}");
        }
    }
}
