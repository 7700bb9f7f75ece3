//! Waits that hear of it when what they wait for is not wanted any more.

use verisim_core::{CancellationToken, Failure, FailureKind};

/// Waits for `work` unless it is cancelled; then the work is dropped, and nothing of it goes on.
pub(crate) async fn unless_stopped<T, E: From<Failure>>(
    cancel: &CancellationToken,
    operation: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Failure::new(FailureKind::Cancelled, operation, "stopped").into()),
        done = work => done,
    }
}
