//! The real clock: the one place of the product that asks what time it is.

use std::time::{Duration, Instant, SystemTime};

use verisim_core::{Clock, Timestamp, Uptime};

/// How long a sleep may go on before the wall clock is looked at again, so that a jump of it is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Where the kernel says which start of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The machine's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock {
    started: Instant,
    /// Tells this start of the machine from every other; `None` where the kernel does not say.
    boot: Option<u64>,
}

impl SystemClock {
    /// A clock whose monotonic zero is now.
    #[expect(clippy::disallowed_methods, reason = "this is the home of the clock")]
    pub(crate) fn new() -> Self {
        let boot = std::fs::read(BOOT_ID).ok().map(|id| Uptime::boot_of(&id));
        Self { started: Instant::now(), boot }
    }
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the home of the clock")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 or after the year 9999 is set wrong; the nearest end of the range is as good as any answer.
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs())
                .ok()
                .and_then(|seconds| Timestamp::new(seconds, i32::try_from(since.subsec_nanos()).ok()?).ok())
                .unwrap_or(Timestamp::MAX),
            Err(_) => Timestamp::UNIX_EPOCH,
        }
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn uptime(&self) -> Option<Uptime> {
        let boot = self.boot?;
        let up = Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Boottime)).ok()?;
        Some(Uptime { boot, millis: u64::try_from(up.as_millis()).ok()? })
    }

    async fn sleep_until(&self, at: Timestamp) {
        // Nobody sleeps longer than it seemed at first: where the wall clock is set back, `at` is hours away of a sudden.
        let wait = at.duration_since(self.now());
        let until = self.monotonic().saturating_add(wait.try_into().unwrap_or_default());
        loop {
            let Some(nap) = nap(at.duration_since(self.now()), until.saturating_sub(self.monotonic())) else {
                return;
            };
            tokio::time::sleep(nap).await;
        }
    }
}

/// How long to sleep before both clocks are looked at again; `None` when the wall clock shows the time, or as much time has
/// passed as was missing at first.
fn nap(left: jiff::SignedDuration, bound: Duration) -> Option<Duration> {
    (left.is_positive() && !bound.is_zero()).then(|| left.unsigned_abs().min(bound).min(LOOK_AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_makes_no_sleep_longer() {
        let (hours, second) = (jiff::SignedDuration::from_hours(6), Duration::from_secs(1));
        assert_eq!(nap(hours, second), Some(second));
        assert_eq!(nap(hours, Duration::ZERO), None);
        assert_eq!(nap(hours, Duration::MAX), Some(LOOK_AGAIN));
        assert_eq!(nap(-hours, Duration::MAX), None, "a clock that is set forward ends it");
    }

    #[tokio::test]
    async fn a_sleep_ends_when_the_wall_clock_shows_the_time() {
        let clock = SystemClock::new();
        let at = clock.now() + Duration::from_millis(20);
        clock.sleep_until(at).await;
        assert!(clock.now() >= at);
        assert!(clock.monotonic() >= Duration::from_millis(15));
        clock.sleep_until(Timestamp::UNIX_EPOCH).await;
    }
}
