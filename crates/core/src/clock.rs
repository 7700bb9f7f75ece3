//! Time is passed in, so that a month passes in seconds when nobody waits for it.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Timestamp, Uptime};

/// The time, and waiting for it.
///
/// Contract: `now` may jump either way (the operator sets the clock); who measures a span uses `monotonic`. `sleep_until`
/// returns soon after `now() >= at`, at once where that holds already, and notices a jump of the clock within a minute.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// A clock that never goes back; its zero means nothing.
    fn monotonic(&self) -> Duration;
    /// How long the machine has been up: what must outlive the process and must not believe a wall clock that was set counts
    /// by this one. `None` where it is not known.
    fn uptime(&self) -> Option<Uptime>;
    /// Waits until the wall clock shows `at`.
    async fn sleep_until(&self, at: Timestamp);
}
