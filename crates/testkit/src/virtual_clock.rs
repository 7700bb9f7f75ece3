//! A clock that only moves when a test moves it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use verisim_core::{Clock, Timestamp, Uptime};

/// A clock that only moves when a test moves it, so that a month passes in seconds.
#[derive(Debug)]
pub struct VirtualClock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    monotonic: Duration,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    next_sleeper: u64,
    boot: u64,
}

/// How many clocks were made: each is a machine that was started anew.
static MADE: AtomicU64 = AtomicU64::new(0);

impl State {
    /// Takes out the wakers of everybody whose time has come.
    fn take_due(&mut self) -> Vec<Waker> {
        let later = self.sleepers.split_off(&(self.now, u64::MAX));
        std::mem::replace(&mut self.sleepers, later).into_values().collect()
    }
}

impl VirtualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Arc<Self> {
        let boot = MADE.fetch_add(1, Ordering::Relaxed);
        let (monotonic, sleepers) = (Duration::ZERO, BTreeMap::new());
        let state = State { now: start, monotonic, sleepers, next_sleeper: 0, boot };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves both clocks on and wakes whoever's time has come.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.lock();
            state.now = state.now.saturating_add(by).unwrap_or(Timestamp::MAX);
            state.monotonic += by;
            state.take_due()
        };
        due.into_iter().for_each(Waker::wake);
    }

    /// Moves on to `at`; does nothing where that is past.
    pub fn advance_to(&self, at: Timestamp) {
        let span = at.duration_since(self.now());
        self.advance(Duration::try_from(span).unwrap_or(Duration::ZERO));
    }

    /// Moves on to the earliest time that anybody waits for, and answers it; `None` when nobody waits.
    pub fn advance_to_next(&self) -> Option<Timestamp> {
        let at = self.next_deadline()?;
        self.advance_to(at);
        Some(at)
    }

    /// The earliest time that anybody waits for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.lock().sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Sets the wall clock, as an operator does; the monotonic one goes on as if nothing had happened.
    pub fn jump(&self, to: Timestamp) {
        let due = {
            let mut state = self.lock();
            state.now = to;
            state.take_due()
        };
        due.into_iter().for_each(Waker::wake);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    fn uptime(&self) -> Option<Uptime> {
        let state = self.lock();
        let millis = u64::try_from(state.monotonic.as_millis()).unwrap_or(u64::MAX);
        Some(Uptime { boot: state.boot, millis })
    }

    async fn sleep_until(&self, at: Timestamp) {
        Sleep { clock: self, at, id: None }.await;
    }
}

struct Sleep<'a> {
    clock: &'a VirtualClock,
    at: Timestamp,
    id: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.now >= self.at {
            return Poll::Ready(());
        }
        let id = self.id.unwrap_or(state.next_sleeper);
        state.next_sleeper = state.next_sleeper.max(id + 1);
        state.sleepers.insert((self.at, id), context.waker().clone());
        drop(state);
        self.id = Some(id);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clock.lock().sleepers.remove(&(self.at, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_order_and_those_given_up_are_forgotten() {
        let start = Timestamp::UNIX_EPOCH;
        let clock = VirtualClock::new(start);
        let at = move |seconds| start + Duration::from_secs(seconds);
        let early = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                clock.sleep_until(at(10)).await;
                clock.now()
            }
        });
        tokio::select! {
            () = clock.sleep_until(at(5)) => panic!("nobody moved the clock"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(clock.advance_to_next(), Some(at(10)));
        assert_eq!(early.await.unwrap(), at(10));
        assert_eq!(clock.advance_to_next(), None);
        clock.jump(start);
        assert_eq!((clock.now(), clock.monotonic()), (start, Duration::from_secs(10)));
    }
}
