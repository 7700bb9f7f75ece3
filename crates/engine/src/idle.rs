//! Whether the engine has nothing to do before the clock moves on: what lets a test live a month in seconds.

use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::Notify;
use verisim_core::Timestamp;

/// Shared between the loop, those who give it work, and those who wait until it rests.
#[derive(Debug, Default)]
pub(crate) struct IdleBoard {
    state: Mutex<State>,
    /// Wakes the loop.
    wake: Notify,
    /// Wakes those who wait until the loop rests.
    rested: Notify,
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    calls_seen: u64,
    resting_until: Option<Timestamp>,
    ended: bool,
}

impl IdleBoard {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// There may be work.
    pub(crate) fn call(&self) {
        self.with(|state| state.calls += 1);
        self.wake.notify_one();
    }

    /// Waits for a call.
    pub(crate) async fn called(&self) {
        self.wake.notified().await;
    }

    /// The loop begins a turn; answers whether it was called since the last one.
    pub(crate) fn begin_turn(&self) -> bool {
        self.with(|state| {
            state.resting_until = None;
            std::mem::replace(&mut state.calls_seen, state.calls) != state.calls
        })
    }

    /// The loop has nothing to do before `until`.
    pub(crate) fn rest(&self, until: Timestamp) {
        self.with(|state| state.resting_until = Some(until));
        self.rested.notify_waiters();
    }

    /// The loop is over.
    pub(crate) fn end(&self) {
        self.with(|state| state.ended = true);
        self.rested.notify_waiters();
    }

    /// Waits until the loop has nothing to do before a time that `now` has not reached, or is over.
    pub(crate) async fn idle(&self, now: impl Fn() -> Timestamp) {
        loop {
            let rested = self.rested.notified();
            tokio::pin!(rested);
            rested.as_mut().enable();
            let idle = self.with(|state| {
                state.ended
                    || (state.calls == state.calls_seen
                        && state.resting_until.is_some_and(|until| until > now()))
            });
            if idle {
                return;
            }
            rested.await;
        }
    }
}
