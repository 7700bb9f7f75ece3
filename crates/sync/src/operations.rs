//! How much is under way at once at one destination, and how much is read back.

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

/// Why a file of `bytes` is not read back where a pass may read `bytes_max` in all. The setting is named as the configuration
/// spells it.
pub(crate) fn beyond_read_back(bytes: u64, bytes_max: u64, operation: &'static str) -> Failure {
    let what = format_args!(
        "its {bytes} bytes are beyond what is read back in one pass, which is {bytes_max} in all; a larger `read_back_max` \
         of the destination reads more"
    );
    Failure::new(FailureKind::Unsupported, operation, what)
}
