//! What an answer over SFTP means for a job.

use verisim_core::{Effect, Failure, FailureKind};
use verisim_ssh::Error;
use verisim_ssh::sftp::{Sftp, Status};

/// With less room than this a file system is full, whatever was to be written: some keep a rest that nobody can use.
const FULL_BYTES: u64 = 64 << 10;

/// The failure that an error is, before anything was sent.
pub(super) fn failed(operation: &'static str, doing: &str, error: &Error) -> Failure {
    Failure::new(error.kind(), operation, format_args!("{doing}: {error}"))
}

/// The failure that an error is in the middle of a push. That something is gone which was there a moment ago does not say why:
/// the next attempt sees whether the whole destination is.
pub(super) fn changing(operation: &'static str, doing: &str, error: &Error) -> Failure {
    let kind = match error.kind() {
        FailureKind::NotFound => FailureKind::Unknown,
        kind => kind,
    };
    Failure::new(kind, operation, format_args!("{doing}: {error}")).with_effect(Effect::Unknown)
}

/// The same, once it is found out what "failure" means, which is all that SFTP says of a full disk and of one that takes no
/// writes. `needed` bytes should have been written at `root`.
pub(super) async fn explained(
    sftp: &Sftp,
    (root, needed): (&[u8], u64),
    operation: &'static str,
    doing: &str,
    error: &Error,
) -> Failure {
    let told = changing(operation, doing, error);
    let is_vague = matches!(error.status(), Some(Status::Failure | Status::Other(_) | Status::NoSpace));
    if !is_vague || !sftp.extensions().statvfs {
        return told;
    }
    let (kind, what) = match sftp.space(root).await {
        Ok(space) if space.read_only => (FailureKind::Denied, "the file system there takes no writes"),
        Ok(space) if space.available_bytes < needed.max(FULL_BYTES) || space.free_inodes == Some(0) => {
            (FailureKind::NoSpace, "the file system there is full")
        }
        _ => return told,
    };
    Failure::new(kind, operation, format_args!("{doing}: {what}")).with_effect(Effect::Unknown)
}

/// What is not there is an answer.
pub(super) fn present<T>(result: verisim_ssh::Result<T>) -> verisim_ssh::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status() == Some(Status::NoSuchFile) => Ok(None),
        Err(error) => Err(error),
    }
}
