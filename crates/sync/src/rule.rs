//! What the operator says of a folder of captures.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use verisim_core::{CaptureName, CleanupRule, DestinationName, RelPath};

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
