//! The port of what carries committed events to whoever listens.

use async_trait::async_trait;

use crate::{Event, Failure};

/// Carries committed events to whoever listens.
///
/// Contract: only committed events are published (INV-2), in the order of their ids, at least once each; a listener tells a
/// repeated one by its id. A listener that is slow keeps neither the publisher nor the others waiting.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Hands on events. On an error some may have been delivered; all of them are handed on again later.
    async fn publish(&self, events: &[Event]) -> Result<(), Failure>;
}
