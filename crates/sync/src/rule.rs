//! What the operator says of a folder of captures.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use verisim_core::{CaptureName, CleanupRule, DestinationName, JobId, RelPath, Timestamp};

use crate::gate::GateRule;

/// A folder that is watched for captures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureRule {
    /// Its name; the first component of the remote path.
    pub name: CaptureName,
    /// The folder, absolute.
    pub path: PathBuf,
    /// What of it is one capture.
    pub each: Each,
    /// When a capture is complete.
    pub complete: Completeness,
    /// What a complete capture must pass before it goes; empty for no gate.
    pub gate: Arc<[GateRule]>,
    /// Where it goes.
    pub destination: DestinationName,
    /// When local files may be deleted.
    pub cleanup: CleanupRule,
    /// When what was cleaned up is looked at again; `None` for never.
    pub audit: Option<AuditRule>,
}

/// When what was cleaned up is looked at again at its destination: in each round a share of the captures, and each of them once in so
/// many rounds. A capture is looked at whole: one that is large is not spread over the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRule {
    /// How long a round is.
    pub every: Duration,
    /// In how many rounds every capture has its turn.
    pub rounds: u32,
}

impl AuditRule {
    /// The round of the last turn that a capture had up to `now`; `None` where it had none since `since`.
    #[must_use]
    pub fn round(self, job: JobId, since: Timestamp, now: Timestamp) -> Option<i64> {
        let seconds = i64::try_from(self.every.as_secs()).unwrap_or(i64::MAX).max(1);
        let number = |at: Timestamp| at.as_second().div_euclid(seconds);
        let rounds = i64::from(self.rounds.max(1));
        let behind = number(now).saturating_sub(job.0.rem_euclid(rounds)).rem_euclid(rounds);
        let last = number(now).saturating_sub(behind);
        (last > number(since)).then_some(last)
    }
}

/// What of a rule's folder is one capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each {
    /// Every directory directly below the folder.
    Directory,
    /// The folder itself.
    Whole,
}

/// When a capture is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// A regular file of this path is there.
    Sentinel(RelPath),
    /// A JSON object of this path says of each file how large it will be, and each is: `{"data/run.bin": 1048576}`.
    Manifest(RelPath),
    /// Nothing in it changed for so long, as seen by our own looks and our own clock.
    Quiet(Duration),
}

impl CaptureRule {
    /// How long after one pass of verification the next is due: as many as are asked for fit into the age that is asked
    /// for, evenly.
    #[must_use]
    pub fn pass_spacing(&self) -> Duration {
        let gaps = self.cleanup.min_passes.saturating_sub(1).max(1);
        (self.cleanup.min_age / gaps).max(Duration::from_secs(1))
    }
}
