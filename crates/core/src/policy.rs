//! What to do about a failure: one exhaustive table, in one place.

use std::time::Duration;

use crate::{Effect, FailureKind};

/// How often a blocked job asks again whether what it lacked is there. Asking uses up no attempt.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// On what an operation was when it failed: `NotFound` means something else for each, and what is away comes back by itself,
/// though it may take a weekend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationClass {
    /// A question to a decoy (read, stat, list).
    Read,
    /// An effect on a decoy, or reaching it at all.
    Decoy,
    /// Writing to, or hashing at, a destination.
    Destination,
    /// Reading the capture on this machine.
    Capture,
    /// Writing to, or hashing at, a destination that is away: a mounted folder that as a whole is not there.
    Away,
}

impl OperationClass {
    /// Every class, for tests and tables.
    pub const ALL: [Self; 5] = [Self::Read, Self::Decoy, Self::Destination, Self::Capture, Self::Away];
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What happens to the job.
    pub decision: Decision,
    /// Whether the effect's fate must be found out before it is tried again (INV-4).
    pub probe_first: bool,
}

/// What happens to a job that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after the delays of [`Ladder`]; when they are used up, fail.
    BackOff,
    /// As `BackOff`, and the decoy is marked unreachable until it answers.
    Unreachable,
    /// Fail at once.
    Fail,
    /// Wait for what is missing: probe every [`PROBE_INTERVAL`] without using up an attempt.
    Block,
    /// Send what differs once more; the second time, fail.
    RetryTransfer,
    /// The capture was not complete: wait for it again.
    AwaitCompleteness,
    /// Not a failure: the answer is "it is not there".
    Answer,
    /// Create the folder; where that is not possible it is a `Config` failure.
    CreateFolder,
    /// The operator stopped it.
    Cancel,
}

/// The one table: what follows from a failure's kind, its effect, and what was being done.
#[must_use]
pub const fn policy(kind: FailureKind, effect: Effect, class: OperationClass) -> Policy {
    let decision = match kind {
        FailureKind::Network | FailureKind::Unknown => match class {
            OperationClass::Away => Decision::Block,
            OperationClass::Read
            | OperationClass::Decoy
            | OperationClass::Destination
            | OperationClass::Capture => Decision::BackOff,
        },
        FailureKind::Auth
        | FailureKind::Denied
        | FailureKind::SourceVanished
        | FailureKind::Unsupported
        | FailureKind::Config => Decision::Fail,
        FailureKind::HashMismatch => Decision::RetryTransfer,
        FailureKind::SourceChanged => Decision::AwaitCompleteness,
        FailureKind::ToolMissing | FailureKind::NoSpace => Decision::Block,
        FailureKind::Cancelled => Decision::Cancel,
        FailureKind::NotFound => match class {
            OperationClass::Read => Decision::Answer,
            OperationClass::Decoy => Decision::Unreachable,
            OperationClass::Destination => Decision::CreateFolder,
            // A capture that is not there has vanished; its name on the wire is `local_file_vanished`.
            OperationClass::Capture => Decision::Fail,
            OperationClass::Away => Decision::Block,
        },
    };
    Policy { decision, probe_first: !matches!(effect, Effect::NotApplied) }
}

/// The delays between attempts: 30 s, 2 min, 8 min, 30 min, 2 h, each with up to 10 % jitter either way. Five delays are
/// six attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder;

impl Ladder {
    /// The delays without jitter.
    pub const DELAYS: [Duration; 5] = [
        Duration::from_secs(30),
        Duration::from_secs(2 * 60),
        Duration::from_secs(8 * 60),
        Duration::from_secs(30 * 60),
        Duration::from_secs(2 * 60 * 60),
    ];

    /// The delay after the `failures`-th failure in a row (1 is the first), or `None` when all are used up.
    /// `jitter` is a uniform number; all 32 bits of it are used.
    #[must_use]
    pub fn delay(failures: u32, jitter: u32) -> Option<Duration> {
        let step = usize::try_from(failures.checked_sub(1)?).ok()?;
        let base = Self::DELAYS.get(step)?;
        // From 90 % to 110 % in steps of 2^-32 of the span, in whole microseconds.
        let span = u64::try_from(base.as_micros()).unwrap_or(u64::MAX) / 5;
        let shift = u64::try_from((u128::from(span) * u128::from(jitter)) >> 32).unwrap_or(u64::MAX);
        Some(*base - Duration::from_micros(span / 2) + Duration::from_micros(shift))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_has_the_policy_of_the_table() {
        use FailureKind as K;
        for class in OperationClass::ALL {
            for effect in Effect::ALL {
                for kind in FailureKind::ALL {
                    let expected = match (kind, class) {
                        (K::Network | K::Unknown | K::NotFound, OperationClass::Away) => Decision::Block,
                        (K::Network | K::Unknown, _) => Decision::BackOff,
                        (K::HashMismatch, _) => Decision::RetryTransfer,
                        (K::SourceChanged, _) => Decision::AwaitCompleteness,
                        (K::ToolMissing | K::NoSpace, _) => Decision::Block,
                        (K::Cancelled, _) => Decision::Cancel,
                        (K::NotFound, OperationClass::Read) => Decision::Answer,
                        (K::NotFound, OperationClass::Decoy) => Decision::Unreachable,
                        (K::NotFound, OperationClass::Destination) => Decision::CreateFolder,
                        _ => Decision::Fail,
                    };
                    let got = policy(kind, effect, class);
                    assert_eq!(got.decision, expected, "{kind} {class:?}");
                    assert_eq!(got.probe_first, effect != Effect::NotApplied, "{kind} {effect:?}");
                }
            }
        }
    }

    #[test]
    fn defect_15_six_attempts_use_all_five_delays() {
        let mut failures = 0;
        let mut used = Vec::new();
        loop {
            failures += 1;
            match Ladder::delay(failures, 1 << 31) {
                Some(delay) => used.push(delay),
                None => break,
            }
        }
        assert_eq!(used, Ladder::DELAYS);
        assert_eq!(failures, 6);
        assert_eq!(Ladder::delay(0, 0), None);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_tenth(step in 1_u32..=5, jitter: u32) {
            let base = Ladder::DELAYS[step as usize - 1];
            let delay = Ladder::delay(step, jitter).unwrap();
            prop_assert!(delay >= base * 9 / 10 && delay <= base * 11 / 10, "{:?} {:?}", base, delay);
        }
    }
}
