//! How much is under way at once at one destination.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use verisim_core::{Failure, FailureKind};

/// How many pushes and hashings one destination has under way at once; more wait.
const OPERATIONS_MAX: usize = 4;

/// The places for what is under way at one destination.
#[derive(Debug)]
pub(crate) struct Operations(Arc<Semaphore>);

impl Default for Operations {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(OPERATIONS_MAX)))
    }
}

impl Operations {
    /// Waits for a place, which is free again when what is answered is dropped.
    pub(crate) async fn place(&self, operation: &'static str) -> Result<OwnedSemaphorePermit, Failure> {
        let place = Arc::clone(&self.0).acquire_owned().await;
        place.map_err(|_| Failure::new(FailureKind::Unknown, operation, "the transport was closed"))
    }
}
