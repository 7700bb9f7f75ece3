//! Keeping to a bandwidth that may change while bytes flow.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use verisim_core::{BandwidthLimit, CancellationToken, Clock};

/// How long a wait lasts at the most before the limit and the cancellation are read again.
const NAP: Duration = Duration::from_millis(50);

/// What everybody who sends to one destination may send now: bytes (below zero: what was sent ahead of time), and when that
/// was last reckoned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level(Arc<Mutex<(f64, Duration)>>);

/// A token bucket that all workers of one push share, and through its [`Level`] all pushes to one destination. It holds a
/// quarter of a second, so that a limit is kept to over any longer span.
pub(crate) struct Bucket {
    limit: Option<watch::Receiver<Option<BandwidthLimit>>>,
    clock: Arc<dyn Clock>,
    level: Level,
}

impl Bucket {
    /// A bucket for the limit that `limit` gives, read again all the time.
    pub(crate) const fn new(
        limit: Option<watch::Receiver<Option<BandwidthLimit>>>,
        clock: Arc<dyn Clock>,
        level: Level,
    ) -> Self {
        Self { limit, clock, level }
    }

    /// Waits until `bytes` may be sent. Blocks the thread; returns early when cancelled.
    pub(crate) fn take(&self, bytes: usize, cancel: &CancellationToken) {
        let Some(limit) = &self.limit else { return };
        let mut paid = false;
        while !cancel.is_cancelled() {
            let Some(limit) = *limit.borrow() else { return };
            if let Some(wait) = self.reckon(limit, if paid { 0 } else { bytes }) {
                std::thread::sleep(wait.min(NAP));
                paid = true;
            } else {
                return;
            }
        }
    }

    /// The same, without blocking a thread.
    pub(crate) async fn wait(&self, bytes: usize, cancel: &CancellationToken) {
        let Some(limit) = &self.limit else { return };
        let mut paid = false;
        while !cancel.is_cancelled() {
            let Some(limit) = *limit.borrow() else { return };
            let Some(wait) = self.reckon(limit, if paid { 0 } else { bytes }) else { return };
            tokio::time::sleep(wait.min(NAP)).await;
            paid = true;
        }
    }

    /// Takes `bytes` out and says how long to wait until the level is above zero again.
    #[expect(clippy::cast_precision_loss, reason = "rates and sizes far below 2^52")]
    fn reckon(&self, limit: BandwidthLimit, bytes: usize) -> Option<Duration> {
        let rate = (limit.bytes_per_second as f64).max(1.0);
        let mut level = self.level.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        let earned = now.saturating_sub(level.1).as_secs_f64() * rate;
        level.0 = (level.0 + earned).min(rate / 4.0) - bytes as f64;
        level.1 = now;
        (level.0 < 0.0).then(|| Duration::from_secs_f64((-level.0 / rate).clamp(0.001, 3600.0)))
    }
}
