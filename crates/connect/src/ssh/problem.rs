//! What an error over SSH means for a file.

use verisim_core::{DecoyPath, Effect, FailureKind};
use verisim_ssh::Error;
use verisim_ssh::sftp::Status;

use super::remote::Remote;
use crate::tree::Problem;

pub(super) type Outcome<T> = Result<T, Problem>;

/// What was said of `path`, before anything happened.
pub(super) fn at(path: &DecoyPath) -> impl Fn(Error) -> Problem + '_ {
    move |error| Problem::new(error.kind(), format!("{path}: {error}"))
}

/// What was said of `path` while the tree was being changed, where nothing stands under the final name yet: that something
/// is gone which was there a moment ago does not mean that the decoy is.
pub(super) fn changing(path: &DecoyPath) -> impl Fn(Error) -> Problem + '_ {
    move |error| match error.kind() {
        FailureKind::NotFound => Problem::new(FailureKind::Unknown, format!("{path}: {error}")),
        kind => Problem::new(kind, format!("{path}: {error}")),
    }
}

/// What was said when something should appear under its final name: an answer means that it did not, silence that nobody
/// knows.
pub(super) fn appearing(path: &DecoyPath) -> impl Fn(Error) -> Problem + '_ {
    move |error| {
        let effect = if error.is_answer() { Effect::NotApplied } else { Effect::Unknown };
        changing(path)(error).with_effect(effect)
    }
}

/// What was said after it appeared: only the confirmation is missing.
pub(super) fn confirming(path: &DecoyPath) -> impl Fn(Error) -> Problem + '_ {
    move |error| changing(path)(error).with_effect(Effect::Applied)
}

/// What was said in the middle of something of which nobody can say how far it went.
pub(super) fn unsure(path: &DecoyPath) -> impl Fn(Error) -> Problem + '_ {
    move |error| changing(path)(error).with_effect(Effect::Unknown)
}

/// Finds out what "failure" means, which is all that SFTP says of a full disk and of one that takes no writes. `needed` is
/// what should have been written in `dir`.
pub(super) async fn explained(
    remote: &dyn Remote,
    dir: &DecoyPath,
    needed: u64,
    error: Error,
    meaning: impl Fn(Error) -> Problem,
) -> Problem {
    if !matches!(error.status(), Some(Status::Failure | Status::Other(_))) {
        return meaning(error);
    }
    let kind = match remote.space(dir.as_bytes()).await {
        Ok(Some(space)) if space.read_only => FailureKind::Denied,
        Ok(Some(space)) if space.available_bytes < needed.max(1) || space.free_inodes == Some(0) => {
            FailureKind::NoSpace
        }
        _ => return meaning(error),
    };
    let what = match kind {
        FailureKind::Denied => "the file system takes no writes",
        _ => "the file system is full",
    };
    let told = meaning(error);
    told.retold(kind, format!("{dir}: {what}"))
}

/// What is not there is an answer.
pub(super) fn present<T>(result: verisim_ssh::Result<T>) -> verisim_ssh::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status() == Some(Status::NoSuchFile) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an answer says that no server gives.
pub(super) fn strange(said: &str) -> Error {
    Error::Status { doing: "read it", status: Status::Failure, said: said.into() }
}

/// That an owner may not be set is an answer.
pub(super) fn permitted(set: verisim_ssh::Result<()>) -> verisim_ssh::Result<bool> {
    match set {
        Ok(()) => Ok(true),
        Err(Error::Status { status: Status::PermissionDenied | Status::BadMessage, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
