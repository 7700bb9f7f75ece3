//! How fast a tool may send: pushes that run at once share the bandwidth of their destination.

use std::time::Duration;

use tokio::sync::watch;
use verisim_core::{BandwidthLimit, CancellationToken};

/// How long another rate must hold before a tool is begun anew for it: pushes come and go.
const SETTLE: Duration = Duration::from_secs(3);

/// The pushes that a destination has under way.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    pushes: watch::Sender<u64>,
    settle: Duration,
}

impl Default for Shares {
    fn default() -> Self {
        Self { pushes: watch::Sender::new(0), settle: SETTLE }
    }
}

impl Shares {
    /// One more push, until what is answered is dropped.
    pub(crate) fn take(&self, limit: Option<watch::Receiver<Option<BandwidthLimit>>>) -> Share {
        self.pushes.send_modify(|pushes| *pushes += 1);
        Share { shares: self.clone(), seen: self.pushes.subscribe(), limit }
    }
}

/// What one push may use.
pub(crate) struct Share {
    shares: Shares,
    seen: watch::Receiver<u64>,
    limit: Option<watch::Receiver<Option<BandwidthLimit>>>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.pushes.send_modify(|pushes| *pushes -= 1);
    }
}

impl Share {
    /// Bytes per second, now; `None`: as fast as it goes.
    pub(crate) fn now(&self) -> Option<u64> {
        let limit = (*self.limit.as_ref()?.borrow())?;
        Some((limit.bytes_per_second / (*self.seen.borrow()).max(1)).max(1))
    }

    /// Waits for a run at `rate`, and stops it once another rate holds. What it came to, and whether it was stopped for that.
    pub(crate) async fn run_at<T>(
        &mut self,
        rate: Option<u64>,
        stop: &CancellationToken,
        run: impl Future<Output = T>,
    ) -> (T, bool) {
        tokio::pin!(run);
        tokio::select! {
            came_to = &mut run => (came_to, false),
            () = self.changed(rate) => {
                stop.cancel();
                (run.await, true)
            }
        }
    }

    /// Waits until another rate than `rate` holds, and has held for a moment.
    async fn changed(&mut self, rate: Option<u64>) {
        loop {
            if self.now() != rate {
                tokio::time::sleep(self.shares.settle).await;
                if self.now() != rate {
                    return;
                }
            }
            let limit = async {
                let changed = match &mut self.limit {
                    Some(limit) => limit.changed().await.is_ok(),
                    None => false,
                };
                if !changed {
                    // Nobody can change it any more.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = limit => {}
                _ = self.seen.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(bytes_per_second: u64) -> Option<BandwidthLimit> {
        Some(BandwidthLimit { bytes_per_second })
    }

    #[tokio::test]
    async fn pushes_at_once_share_the_rate_and_a_window_that_opens_is_noticed() {
        let shares = Shares { settle: Duration::from_millis(20), ..Shares::default() };
        let (send, receive) = watch::channel(limit(1000));
        let mut one = shares.take(Some(receive.clone()));
        assert_eq!(one.now(), Some(1000));
        let two = shares.take(Some(receive));
        assert_eq!((one.now(), two.now()), (Some(500), Some(500)));
        one.changed(Some(1000)).await;
        drop(two);
        one.changed(Some(500)).await;
        assert_eq!(one.now(), Some(1000));
        send.send(None).unwrap();
        one.changed(Some(1000)).await;
        assert_eq!(one.now(), None);
    }

    #[tokio::test]
    async fn what_comes_and_goes_at_once_is_no_change() {
        let shares = Shares { settle: Duration::from_secs(3600), ..Shares::default() };
        let (send, receive) = watch::channel(None);
        let mut one = shares.take(Some(receive));
        let brief = async {
            send.send(limit(1)).unwrap();
            tokio::task::yield_now().await;
            send.send(None).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            () = one.changed(None) => unreachable!(),
            () = brief => {}
        }
    }
}
