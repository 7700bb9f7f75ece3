//! The circuit breaker of a decoy: after failures in a row it is left alone, and asked now and then whether it is back.

use std::time::Duration;

use verisim_core::{FailureKind, Timestamp};

use crate::Settings;

/// What an outcome says about whether the decoy can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answered.
    Answered,
    /// It did not.
    Silent,
    /// It is not there at all: no need to count to five.
    Gone,
    /// The outcome says nothing about it.
    Nothing,
}

impl Sign {
    /// What a failure says.
    pub(crate) const fn of(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Network | FailureKind::Unknown | FailureKind::Auth => Self::Silent,
            FailureKind::NotFound => Self::Gone,
            FailureKind::Denied | FailureKind::NoSpace | FailureKind::HashMismatch => Self::Answered,
            FailureKind::SourceVanished
            | FailureKind::SourceChanged
            | FailureKind::Unsupported
            | FailureKind::ToolMissing
            | FailureKind::Config
            | FailureKind::Cancelled => Self::Nothing,
        }
    }
}

/// Whether a decoy is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerState {
    /// It is.
    Closed,
    /// It is left alone until then.
    Open { until: Timestamp },
    /// It is being asked whether it is back.
    HalfOpen,
}

/// What changed, for the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It became unreachable.
    Opened,
    /// It answers again.
    Closed,
}

/// The breaker of one decoy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Breaker {
    state: BreakerState,
    failures: u32,
    open_for: Duration,
}

impl Breaker {
    pub(crate) const fn new(settings: &Settings) -> Self {
        Self { state: BreakerState::Closed, failures: 0, open_for: settings.breaker_open_min }
    }

    pub(crate) const fn state(&self) -> BreakerState {
        self.state
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.state, BreakerState::Closed)
    }

    /// Takes note of an outcome.
    pub(crate) fn note(&mut self, sign: Sign, now: Timestamp, settings: &Settings) -> Option<Change> {
        match sign {
            Sign::Nothing => return None,
            Sign::Answered => {
                self.failures = 0;
                // Only work that succeeded shows that it is well: a probe that does may be followed by a relapse.
                self.open_for = settings.breaker_open_min;
                return None;
            }
            Sign::Silent => self.failures += 1,
            Sign::Gone => self.failures = settings.breaker_failures,
        }
        if self.is_closed() && self.failures >= settings.breaker_failures {
            self.open(now, settings);
            return Some(Change::Opened);
        }
        None
    }

    fn open(&mut self, now: Timestamp, settings: &Settings) {
        let until = now.saturating_add(self.open_for).unwrap_or(Timestamp::MAX);
        self.state = BreakerState::Open { until };
        self.open_for = (self.open_for * 2).min(settings.breaker_open_max);
    }

    /// A silent decoy is to be asked at once.
    pub(crate) const fn hasten(&mut self, now: Timestamp) {
        if let BreakerState::Open { until } = &mut self.state {
            *until = now;
        }
    }

    /// Whether it is time to ask; if so, somebody is asking from now on.
    pub(crate) fn begin_probe(&mut self, now: Timestamp) -> bool {
        let due = matches!(self.state, BreakerState::Open { until } if until <= now);
        if due {
            self.state = BreakerState::HalfOpen;
        }
        due
    }

    /// Takes the answer.
    pub(crate) fn end_probe(&mut self, answers: bool, now: Timestamp, settings: &Settings) -> Option<Change> {
        if self.state != BreakerState::HalfOpen {
            return None;
        }
        if answers {
            self.state = BreakerState::Closed;
            self.failures = 0;
            return Some(Change::Closed);
        }
        self.open(now, settings);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn it_opens_after_five_failures_in_a_row_and_waits_twice_as_long_each_time() {
        let settings = Settings::default();
        let mut breaker = Breaker::new(&settings);
        for _ in 0..4 {
            assert_eq!(breaker.note(Sign::Silent, at(0), &settings), None);
        }
        breaker.note(Sign::Answered, at(0), &settings);
        for _ in 0..4 {
            assert_eq!(breaker.note(Sign::Silent, at(0), &settings), None);
        }
        assert_eq!(breaker.note(Sign::Silent, at(0), &settings), Some(Change::Opened));
        let mut now = 0;
        for wait in [60, 120, 240, 480, 960, 1800, 1800] {
            assert!(!breaker.begin_probe(at(now + wait - 1)), "{wait}");
            now += wait;
            assert!(breaker.begin_probe(at(now)), "{wait}");
            assert_eq!(breaker.end_probe(false, at(now), &settings), None);
        }
        now += 1800;
        assert!(breaker.begin_probe(at(now)));
        assert_eq!(breaker.end_probe(true, at(now), &settings), Some(Change::Closed));
        assert!(breaker.is_closed());
        // A relapse right after the probe waits as long as before; work that succeeds starts afresh.
        assert_eq!(breaker.note(Sign::Gone, at(now), &settings), Some(Change::Opened));
        assert_eq!(breaker.state(), BreakerState::Open { until: at(now + 1800) });
    }

    #[test]
    fn what_says_nothing_about_the_decoy_counts_for_nothing() {
        let settings = Settings::default();
        let mut breaker = Breaker::new(&settings);
        for _ in 0..99 {
            assert_eq!(breaker.note(Sign::of(FailureKind::ToolMissing), at(0), &settings), None);
        }
        assert_eq!(breaker.note(Sign::of(FailureKind::NotFound), at(0), &settings), Some(Change::Opened));
    }
}
