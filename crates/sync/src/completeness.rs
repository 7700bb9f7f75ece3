//! When a capture is complete: judged by what is there and by our own clock, never by the times that files bear.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use verisim_core::{CancellationToken, Capture, Digest, Failure, FailureKind, Hasher, RelPath, Timestamp};

use crate::errno::{Side, failure};
use crate::rule::Completeness;
use crate::source;
use crate::tree::{Item, Kind, Root};

const OPERATION: &str = "sync.completeness";
/// The longest manifest of expected sizes that is read.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// How often is looked at the least and at the most.
const LOOK_MIN: Duration = Duration::from_secs(1);
const LOOK_MAX: Duration = Duration::from_secs(60);
/// How long a capture that changed under our hands must be still, in spite of a sentinel: so long times two to the power of
/// how often that happened.
const SETTLE: Duration = Duration::from_secs(5);
const SETTLE_MAX: Duration = Duration::from_secs(3600);
/// What was seen, in the job's work folder.
const LOOK_FILE: &str = "look.json";

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    Complete,
    /// Not yet: why, and when to look again.
    Wait {
        why: String,
        again: Duration,
    },
}

/// What was seen last, and since when it is as it is.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    fingerprint: Digest,
    since: Timestamp,
}

/// Looks at the capture. `source_changes` says how often it changed while it was pushed.
pub(crate) fn look(
    capture: &Capture,
    owner: &str,
    rule: &Completeness,
    source_changes: u32,
    work_dir: &Path,
    now: Timestamp,
    cancel: &CancellationToken,
) -> Result<Look, Failure> {
    let root = source::open(capture, OPERATION)?;
    source::refuse_foreign_metadata(&root, owner, OPERATION)?;
    let settle = match source_changes {
        0 => Duration::ZERO,
        times => SETTLE.saturating_mul(1 << times.clamp(1, 16)).min(SETTLE_MAX),
    };
    let quiet = match rule {
        Completeness::Quiet(quiet) => settle.max(*quiet),
        Completeness::Sentinel(path) => match regular_size(&root, path)? {
            Some(_) => settle,
            None => return Ok(wait(format!("{path} is not there yet"), LOOK_MAX / 12)),
        },
        Completeness::Manifest(path) => match sizes_missing(&root, path)? {
            None => settle,
            Some(why) => return Ok(wait(why, LOOK_MAX / 12)),
        },
    };
    if quiet.is_zero() && !matches!(rule, Completeness::Quiet(_)) {
        return Ok(Look::Complete);
    }
    still(&root, quiet, work_dir, now, cancel)
}

fn wait(why: String, again: Duration) -> Look {
    Look::Wait { why, again: again.clamp(LOOK_MIN, LOOK_MAX) }
}

/// Whether nothing changed between our looks for as long as `quiet`. Two looks at least, so that a clock that jumped
/// forward alone proves nothing.
fn still(
    root: &Root,
    quiet: Duration,
    work_dir: &Path,
    now: Timestamp,
    cancel: &CancellationToken,
) -> Result<Look, Failure> {
    let lost = |error: std::io::Error| failure(Side::State, OPERATION, "keeping what was seen", &error);
    let fingerprint = fingerprint(&source::walk_until(root, OPERATION, cancel)?);
    let path = work_dir.join(LOOK_FILE);
    // The same at every look, so that one event tells it.
    let why = format!("waits until nothing in it has changed for {} s", quiet.as_secs());
    let seen: Option<Seen> = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    // A clock that was set back begins anew.
    let since =
        seen.filter(|seen| seen.fingerprint == fingerprint && seen.since <= now).map(|seen| seen.since);
    if let Some(since) = since {
        let been = Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO);
        if been >= quiet {
            return Ok(Look::Complete);
        }
        return Ok(wait(why, quiet - been));
    }
    std::fs::create_dir_all(work_dir).map_err(lost)?;
    let seen = serde_json::to_vec(&Seen { fingerprint, since: now }).map_err(|error| lost(error.into()))?;
    let new = work_dir.join("look.new");
    crate::private::write(&new, &seen).and_then(|()| std::fs::rename(&new, &path)).map_err(lost)?;
    Ok(wait(why, quiet.max(LOOK_MIN)))
}

/// One hash over the name, kind, size, time and inode of everything.
pub(crate) fn fingerprint(items: &[Item]) -> Digest {
    let mut hasher = Hasher::new();
    for item in items {
        let stamp = item.stamp;
        let kind = match item.kind {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Symlink => "symlink",
            Kind::Other(other) => other.name(),
        };
        hasher.update(
            format!("{kind} {} {} {} ", { stamp.size }, stamp.mtime_ns(), { stamp.inode }).as_bytes(),
        );
        hasher.update(item.path.as_bytes());
        hasher.update(&[0]);
    }
    hasher.finish()
}

fn regular_size(root: &Root, path: &RelPath) -> Result<Option<u64>, Failure> {
    let stat = match root.stat(path.as_bytes()) {
        Ok(stat) => stat,
        // A link or a file where a directory should be: the file asked for is not there.
        Err(error) if matches!(error.raw_os_error(), Some(20 | 40)) => None,
        Err(error) => return Err(failure(Side::Source, OPERATION, &format!("looking at {path}"), &error)),
    };
    Ok(stat
        .filter(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file())
        .and_then(|stat| u64::try_from(stat.st_size).ok()))
}

/// Why the manifest of expected sizes is not met yet; `None` when it is.
fn sizes_missing(root: &Root, path: &RelPath) -> Result<Option<String>, Failure> {
    let too_long = || {
        let what = format_args!("{path} is longer than {MANIFEST_BYTES_MAX} bytes");
        Failure::new(FailureKind::Unsupported, OPERATION, what)
    };
    match regular_size(root, path)? {
        None => return Ok(Some(format!("{path} is not there yet"))),
        Some(size) if size > MANIFEST_BYTES_MAX => return Err(too_long()),
        Some(_) => {}
    }
    let lost = |error: std::io::Error| failure(Side::Source, OPERATION, &format!("reading {path}"), &error);
    let file = root.open_file(path.as_bytes(), OFlags::empty()).map_err(lost)?;
    let mut bytes = Vec::new();
    let read = file.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(lost)?;
    if read as u64 > MANIFEST_BYTES_MAX {
        return Err(too_long());
    }
    let expected: BTreeMap<RelPath, u64> = match serde_json::from_slice(&bytes) {
        Ok(expected) => expected,
        // It may be half written; one that stays so is visible as the reason for waiting.
        Err(error) => return Ok(Some(format!("{path} is not a JSON object of sizes: {error}"))),
    };
    for (file, size) in &expected {
        match regular_size(root, file)? {
            Some(found) if found == *size => {}
            // Without the size it has now: it grows, and each look would be news.
            Some(_) => return Ok(Some(format!("{file} has not its {size} bytes"))),
            None => return Ok(Some(format!("{file} is not there yet"))),
        }
    }
    Ok(None)
}
