//! Enums as they stand in columns. A code, once given, is never given another meaning.

use verisim_core::{
    ActivityState, FailureKind, JobKind, JobState, OwnershipPolicy, ResumeAt, Schedule, SyncState, Timestamp,
};

use crate::error::{Fault, Outcome};

/// States from here on are final: the partial index of open jobs is `state < 100`.
pub(crate) const FIRST_FINAL: i64 = 100;

pub(crate) const fn state(state: JobState) -> i64 {
    use ActivityState as A;
    use SyncState as S;
    match state {
        JobState::Activity(state) => match state {
            A::Queued => 1,
            A::Running => 2,
            A::Blocked => 3,
            A::Done => 101,
            A::Failed => 102,
            A::Skipped => 103,
            A::Tampered => 104,
            A::Unknown => 105,
            A::Cancelled => 106,
        },
        JobState::Sync(state) => match state {
            S::Waiting => 11,
            S::Queued => 12,
            S::Running => 13,
            S::AwaitingVerify => 14,
            S::Verified => 15,
            S::CleanupEligible => 16,
            S::Cleaning => 17,
            S::Unverified => 18,
            S::Blocked(ResumeAt::Push) => 19,
            S::Blocked(ResumeAt::Verify) => 20,
            S::Cleaned => 111,
            S::Failed => 112,
            S::Cancelled => 113,
        },
    }
}

/// Every state of either kind.
pub(crate) fn all_states() -> impl Iterator<Item = JobState> {
    ActivityState::ALL
        .into_iter()
        .map(JobState::Activity)
        .chain(SyncState::ALL.into_iter().map(JobState::Sync))
}

pub(crate) fn parse_state(code: i64) -> Outcome<JobState> {
    all_states()
        .find(|candidate| state(*candidate) == code)
        .ok_or_else(|| Fault::invalid(format_args!("a job has the unknown state {code}")))
}

/// The state that a lease gives: `QUEUED` becomes `RUNNING`, the others stay.
pub(crate) const fn leased(code: i64) -> i64 {
    match code {
        1 => 2,
        12 => 13,
        other => other,
    }
}

/// The state that a lost lease gives: `RUNNING` becomes `QUEUED`, the others stay.
pub(crate) const fn taken_back(code: i64) -> i64 {
    match code {
        2 => 1,
        13 => 12,
        other => other,
    }
}

pub(crate) const fn kind(kind: JobKind) -> i64 {
    match kind {
        JobKind::Activity => 1,
        JobKind::Sync => 2,
    }
}

/// Nanoseconds since the epoch. What lies before 1677 or after 2262 becomes the nearest time that fits: both ends mean
/// "for ever".
pub(crate) fn time(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(if at.as_nanosecond() < 0 { i64::MIN } else { i64::MAX })
}

pub(crate) fn parse_time(ns: i64) -> Outcome<Timestamp> {
    Timestamp::from_nanosecond(i128::from(ns)).map_err(Fault::invalid)
}

/// Parked is the absence of a time.
pub(crate) fn schedule(schedule: Schedule) -> Option<i64> {
    match schedule {
        Schedule::At(at) => Some(time(at)),
        Schedule::Parked => None,
    }
}

pub(crate) fn parse_schedule(ns: Option<i64>) -> Outcome<Schedule> {
    ns.map_or(Ok(Schedule::Parked), |ns| parse_time(ns).map(Schedule::At))
}

pub(crate) fn parse_failure(word: &str) -> Outcome<FailureKind> {
    FailureKind::ALL
        .into_iter()
        .find(|kind| kind.wire() == word)
        .ok_or_else(|| Fault::invalid(format_args!("{word:?} is no kind of failure")))
}

const OWNERSHIPS: [(OwnershipPolicy, &str); 4] = [
    (OwnershipPolicy::Owned, "owned"),
    (OwnershipPolicy::Append, "append"),
    (OwnershipPolicy::HandsOff, "hands_off"),
    (OwnershipPolicy::Foreign, "foreign"),
];

pub(crate) const fn ownership(policy: OwnershipPolicy) -> &'static str {
    match policy {
        OwnershipPolicy::Owned => OWNERSHIPS[0].1,
        OwnershipPolicy::Append => OWNERSHIPS[1].1,
        OwnershipPolicy::HandsOff => OWNERSHIPS[2].1,
        OwnershipPolicy::Foreign => OWNERSHIPS[3].1,
    }
}

pub(crate) fn parse_ownership(word: &str) -> Outcome<OwnershipPolicy> {
    OWNERSHIPS
        .into_iter()
        .find_map(|(policy, name)| (name == word).then_some(policy))
        .ok_or_else(|| Fault::invalid(format_args!("{word:?} is no policy of ownership")))
}

/// A number that SQLite can hold.
pub(crate) fn number(value: u64) -> Outcome<i64> {
    i64::try_from(value).map_err(|_| Fault::invalid(format_args!("{value} is too large a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_back_to_its_state_and_final_ones_lie_above_the_line() {
        for job_state in all_states() {
            let code = state(job_state);
            assert_eq!(parse_state(code).unwrap(), job_state);
            assert_eq!(code >= FIRST_FINAL, job_state.is_final(), "{job_state}");
            let running = parse_state(leased(code)).unwrap();
            let expected = if job_state.name() == "QUEUED" { "RUNNING" } else { job_state.name() };
            assert_eq!(running.name(), expected);
            let back = parse_state(taken_back(code)).unwrap();
            let expected = if job_state.name() == "RUNNING" { "QUEUED" } else { job_state.name() };
            assert_eq!(back.name(), expected);
        }
        for (policy, _) in OWNERSHIPS {
            assert_eq!(parse_ownership(ownership(policy)).unwrap(), policy);
        }
    }

    #[test]
    fn times_keep_their_nanoseconds_and_ends_of_time_are_clamped() {
        let at: Timestamp = "2026-11-22T02:03:04.123456789Z".parse().unwrap();
        assert_eq!(parse_time(time(at)).unwrap(), at);
        assert_eq!(time(Timestamp::MAX), i64::MAX);
        assert_eq!(time(Timestamp::MIN), i64::MIN);
        assert!(parse_time(i64::MAX).is_ok() && parse_time(i64::MIN).is_ok());
    }
}
