//! Telling a destination that is away from one where a step failed.

use verisim_core::{Failure, FailureKind, OperationClass, Remote, SyncReport, SyncTask, TransportError};

use super::{Courier, steps, unless_stopped};

impl Courier {
    /// Reports that a step failed. Where the failure may come of a destination that is away, that is asked: one bad file is
    /// not a whole share, and what the share says is what the operator has to know.
    pub(super) async fn failed(
        &self,
        task: &SyncTask,
        error: TransportError,
        class: OperationClass,
    ) -> SyncReport {
        if !self.may_be_away(&task.spec.remote, &error.failure) {
            return steps::failed(task, error, class);
        }
        let asked = async { Ok(self.ask_whether_there(&task.spec.remote).await) };
        match unless_stopped(task, asked).await {
            Ok(Ok(())) => steps::failed(task, error, class),
            Ok(Err(failure)) => {
                let error = TransportError { failure, output: error.output };
                steps::failed(task, error, OperationClass::Away)
            }
            Err(stopped) => steps::failed(task, stopped, class),
        }
    }

    /// Whether the failure may come of a destination that is not there as a whole.
    pub(super) fn may_be_away(&self, remote: &Remote, failure: &Failure) -> bool {
        let as_a_whole = |name| Some(self.destinations.get(name)?.transport.capabilities().away_as_a_whole);
        is_absence(failure) && as_a_whole(&remote.destination) == Some(true)
    }

    /// Asks the destination. What it refuses for another reason, it refuses as one that is there.
    pub(super) async fn ask_whether_there(&self, remote: &Remote) -> Result<(), Failure> {
        let Some(destination) = self.destinations.get(&remote.destination) else { return Ok(()) };
        match destination.transport.stat(remote).await {
            Err(error) if is_absence(&error.failure) => Err(error.failure),
            _ => Ok(()),
        }
    }
}

/// What asking somebody who is not there comes to.
const fn is_absence(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Network | FailureKind::Unknown)
}
