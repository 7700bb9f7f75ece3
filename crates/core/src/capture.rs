//! Captures, where they go, and how far one is on its way.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CaptureName, DestinationName, Digest, Findings, GateOverride, GateReport, RelPath, Timestamp};

/// A directory of evidence on this machine that is ready to be pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The rule that found it.
    pub rule: CaptureName,
    /// Its path inside the rule's folder; `None` where the folder itself is the capture.
    pub relative: Option<RelPath>,
    /// Its absolute path on this machine, in any bytes: whoever fills the rule's folder chose the last name.
    #[serde(with = "crate::path::local_path")]
    pub root: PathBuf,
    /// What the directory was when it was found: a mirror of another directory under the same name is another capture.
    pub identity: RootIdentity,
    /// 1 for the first directory of this name, 2 for the next.
    pub generation: u32,
}

/// What tells one directory from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RootIdentity {
    /// The device it is on.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Its birth in nanoseconds since the epoch, where the file system knows it: an inode is used again.
    pub born_ns: Option<i64>,
}

/// A folder at a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// The destination.
    pub destination: DestinationName,
    /// The full mirrored path of the capture below the destination's root.
    pub path: RelPath,
    /// Who owns the folder: written into its marker; a folder of another owner is refused.
    pub owner: String,
}

/// What a sync job is about. Fixed when the job is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSpec {
    /// What is pushed.
    pub capture: Capture,
    /// Where to.
    pub remote: Remote,
}

/// When local files may be deleted. Has no default: who builds one says what each interlock asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupRule {
    /// Off means that `VERIFIED` is where a job rests.
    pub enabled: bool,
    /// How many full passes must have verified it.
    pub min_passes: u32,
    /// How long the first of them must be ago.
    pub min_age: Duration,
    /// Whether a hash that is not SHA-256 counts as proof.
    pub accept_other_proof: bool,
    /// Whether the metadata folder goes too.
    pub remove_metadata: bool,
}

/// How a pass showed that what is at the destination is what was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// SHA-256, computed on the far side.
    Sha256Remote,
    /// Read back past the caches and hashed here.
    Sha256Readback,
    /// A hash that both sides know, plus the size.
    Other,
}

/// One full pass of verification that found everything as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureProof {
    /// When it began.
    pub at: Timestamp,
    /// The same by a clock that nobody sets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uptime: Option<Uptime>,
    /// How it was shown.
    pub proof: Proof,
    /// The hash of the manifest that was confirmed.
    pub manifest: Digest,
}

impl CaptureProof {
    /// How long ago it was. Since the machine was started, the clock says so that nobody sets: a wall clock that was wrong at
    /// first (no battery, no network yet) makes a pass of this minute years old when it is mended, and nothing may be deleted
    /// on that. Across a start of the machine there is only the wall clock; `None` where that was set back since.
    #[must_use]
    pub fn age(&self, now: Timestamp, uptime: Option<Uptime>) -> Option<Duration> {
        match (self.uptime, uptime) {
            (Some(then), Some(now)) if then.boot == now.boot && then.millis <= now.millis => {
                Some(Duration::from_millis(now.millis - then.millis))
            }
            _ => Duration::try_from(now.duration_since(self.at)).ok(),
        }
    }
}

/// A clock that nobody sets: how long the machine has been up, asleep or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// Tells this start of the machine from every other.
    pub boot: u64,
    /// Milliseconds since it.
    pub millis: u64,
}

impl Uptime {
    /// What tells the start of the machine that has this name: as much of its hash as a number in JSON carries everywhere.
    #[must_use]
    pub fn boot_of(name: &[u8]) -> u64 {
        let first =
            Digest::of(name).as_bytes().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        first >> 11
    }
}

/// What a manifest speaks of, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// Regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How far a sync job is: stored with the job, in the same transaction as its state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncProgress {
    /// What the capture held when it was pushed.
    pub inventory: Option<Inventory>,
    /// The hash of the manifest of the bytes sent.
    pub manifest: Option<Digest>,
    /// The passes since the last push that all matched, oldest first; the first and the last 15 are kept.
    pub passes: Vec<CaptureProof>,
    /// How many such passes there were.
    pub passes_total: u32,
    /// What a mismatch found, to be sent again by force; at most 1,000 paths.
    pub forced: Vec<RelPath>,
    /// There were more than that: everything is sent again by force.
    pub force_all: bool,
    /// The hash of the written list of what cleanup deletes.
    pub cleanup_list: Option<Digest>,
    /// Local files that cleanup left, because they are not what was verified.
    pub kept_files: u64,
    /// Why it waits or rests, for people: a gate's findings, an interlock that does not hold.
    pub note: Option<String>,
    /// What the last comparison found there that is not as it was pushed; empty again once it was sent again.
    #[serde(skip_serializing_if = "Findings::is_empty")]
    pub findings: Findings,
    /// How often the capture changed while it was pushed, or after that, since it was last verified.
    pub source_changes: u32,
    /// The rule under which it came to rest. Where the operator's rule is another now, it is looked at again.
    pub rests_under: Option<CleanupRule>,
    /// What the gate said when it was asked last; `None` where there is none, or it was not asked yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateReport>,
    /// Who let it through in spite of that, oldest first, revoked ones included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<GateOverride>,
}

/// How fast a destination may be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandwidthLimit {
    /// Bytes per second. 1 Mbit/s is 125,000 of them.
    pub bytes_per_second: u64,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_capture_with_a_name_in_any_bytes_can_be_recorded() {
        for name in [b"run-1".as_slice(), b"\xff\xfe", b"back\\slash", b"two\nlines \x1b[2J"] {
            let relative = RelPath::new(name).unwrap();
            let capture = Capture {
                rule: "cowrie".parse().unwrap(),
                relative: Some(relative),
                root: PathBuf::from("/srv/captures").join(OsStr::from_bytes(name)),
                identity: RootIdentity { device: 1, inode: 2, born_ns: None },
                generation: 1,
            };
            let json = serde_json::to_string(&capture).unwrap();
            assert_eq!(serde_json::from_str::<Capture>(&json).unwrap(), capture);
        }
    }
}
