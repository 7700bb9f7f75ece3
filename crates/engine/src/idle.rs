//! Whether the engine has nothing to do before the clock moves on: what lets a test live a month in seconds.

use std::collections::BTreeMap;
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
    resting: Option<Rest>,
    /// When the tasks that wait on the clock go on.
    naps: BTreeMap<u64, Timestamp>,
    next_nap: u64,
    ended: bool,
}

/// The loop waits.
#[derive(Debug, Clone, Copy)]
struct Rest {
    /// Until then, if nothing happens before.
    until: Timestamp,
    /// How many tasks run beside it.
    tasks: usize,
}

impl State {
    /// Until when nothing happens by itself; `None` when something may happen at `now`.
    fn idle_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.ended {
            return Some(Timestamp::MAX);
        }
        let rest = self.resting?;
        let next = self.naps.values().copied().fold(rest.until, Timestamp::min);
        let is_idle = rest.tasks == self.naps.len() && self.calls == self.calls_seen && next > now;
        is_idle.then_some(next)
    }
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
            state.resting = None;
            std::mem::replace(&mut state.calls_seen, state.calls) != state.calls
        })
    }

    /// The loop has nothing to do before `until`, but for what `tasks` tasks beside it may bring.
    pub(crate) fn rest(&self, until: Timestamp, tasks: usize) {
        self.with(|state| state.resting = Some(Rest { until, tasks }));
        self.rested.notify_waiters();
    }

    /// A task waits on the clock until `until`, as long as the answer lives.
    pub(crate) fn nap(&self, until: Timestamp) -> Nap<'_> {
        let id = self.with(|state| {
            state.next_nap += 1;
            state.naps.insert(state.next_nap, until);
            state.next_nap
        });
        self.rested.notify_waiters();
        Nap { board: self, id }
    }

    /// The loop is over.
    pub(crate) fn end(&self) {
        self.with(|state| state.ended = true);
        self.rested.notify_waiters();
    }

    /// Waits until nothing can happen before the clock moves on from `now`, or the loop is over. Answers when it must have
    /// moved to for something to happen.
    pub(crate) async fn idle(&self, now: impl Fn() -> Timestamp) -> Timestamp {
        loop {
            let rested = self.rested.notified();
            tokio::pin!(rested);
            rested.as_mut().enable();
            if let Some(until) = self.with(|state| state.idle_until(now())) {
                return until;
            }
            rested.await;
        }
    }
}

/// A task waits on the clock.
pub(crate) struct Nap<'a> {
    board: &'a IdleBoard,
    id: u64,
}

impl Drop for Nap<'_> {
    fn drop(&mut self) {
        self.board.with(|state| state.naps.remove(&self.id));
    }
}
