//! Work that blocks for as long as a disk or a share does.

use verisim_core::{Failure, FailureKind};

/// Runs `work` on a thread of its own, outside the threads that serve everybody.
pub(crate) async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (send, receive) = tokio::sync::oneshot::channel();
    let broken = |what: String| Failure::new(FailureKind::Unknown, name, what);
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let _ = send.send(work());
        })
        .map_err(|error| broken(format!("no thread could be started: {error}")))?;
    receive.await.map_err(|_| broken("the work ended without a result".into()))?
}
