//! The capture on this machine: what it is, and whether it still is what it was.

use std::io;
use std::ops::Range;

use verisim_core::manifest::METADATA_DIR;
use verisim_core::{CancellationToken, Capture, Failure, FailureKind, RelPath, RootIdentity};

use crate::errno::{Side, failure};
use crate::native::folder;
use crate::tree::{self, Item, Kind, Root, Stamp, WalkError};

/// What we ourselves leave in the metadata folder of a capture.
pub(crate) const OURS: [&[u8]; 6] = [
    b"owner",
    b"owner.new",
    b"checksums.sha256",
    b"checksums.sha256.new",
    b"lifecycle.jsonl",
    b"lifecycle.jsonl.new",
];

/// Opens the capture, and only if it is the very directory that was found.
pub(crate) fn open(capture: &Capture, operation: &'static str) -> Result<Root, Failure> {
    let lost = |error: io::Error| failure(Side::Source, operation, "opening the capture", &error);
    let root = Root::open(&capture.root).map_err(|error| match error.kind() {
        // A path that is no directory any more is a capture that is gone.
        io::ErrorKind::NotADirectory => {
            Failure::new(FailureKind::SourceVanished, operation, "the capture is no directory any more")
        }
        _ => lost(error),
    })?;
    if is_same(&root.identity().map_err(lost)?, &capture.identity) {
        return Ok(root);
    }
    let what = format_args!("another directory stands at {} now", capture.root.display());
    Err(Failure::new(FailureKind::SourceVanished, operation, what))
}

/// Whether two identities are one directory: births are compared where both are known.
pub(crate) fn is_same(left: &RootIdentity, right: &RootIdentity) -> bool {
    let births = left.born_ns.zip(right.born_ns).is_none_or(|(left, right)| left == right);
    left.device == right.device && left.inode == right.inode && births
}

/// Refuses a capture that brings a metadata folder of its own: what is in it would not be pushed, and would hide there.
pub(crate) fn refuse_foreign_metadata(
    root: &Root,
    owner: &str,
    operation: &'static str,
) -> Result<(), Failure> {
    let lost = |error: io::Error| failure(Side::Source, operation, "looking at .verisim", &error);
    if root.stat(METADATA_DIR).map_err(lost)?.is_none() {
        return Ok(());
    }
    let ours = root.descend(METADATA_DIR).and_then(|dir| dir.names()).is_ok_and(|names| {
        names.iter().all(|name| OURS.contains(&name.as_slice()))
            && (names.is_empty()
                || folder::owner(root, b"").is_ok_and(|found| found.as_deref() == Some(owner))
                || (names == [b"owner.new"] && folder::is_torn_marker(root, owner)))
    });
    if ours {
        return Ok(());
    }
    let what = "the capture has a folder .verisim that is not of this push: that name is Verisim's, and the capture may be a \
                copy of one that was pushed before; to push it, move its .verisim away and retry the job";
    Err(Failure::new(FailureKind::Config, operation, what))
}

/// Lists the capture.
pub(crate) fn walk(root: &Root, operation: &'static str) -> Result<Vec<Item>, Failure> {
    walk_until(root, operation, &CancellationToken::new())
}

/// Lists the capture, as long as nobody cancels it.
pub(crate) fn walk_until(
    root: &Root,
    operation: &'static str,
    cancel: &CancellationToken,
) -> Result<Vec<Item>, Failure> {
    tree::walk_until(root, cancel).map_err(|error| unwalked(error, operation))
}

fn unwalked(error: WalkError, operation: &'static str) -> Failure {
    match error {
        WalkError::Stopped => Failure::new(FailureKind::Cancelled, operation, "stopped"),
        WalkError::Io { what, error } => failure(Side::Source, operation, &format!("reading {what}"), &error),
        WalkError::Unnameable(what) => Failure::new(FailureKind::Unsupported, operation, what),
        WalkError::TooMany => {
            Failure::new(FailureKind::Unsupported, operation, "the capture has more than 8,000,000 entries")
        }
    }
}

/// Fails when an open file is not what the walk saw any more.
pub(crate) fn require_same(
    file: &std::fs::File,
    item: &Item,
    operation: &'static str,
) -> Result<(), Failure> {
    let stat = rustix::fs::fstat(file).map_err(|error| {
        failure(Side::Source, operation, &format!("looking at {}", item.path), &error.into())
    })?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() && Stamp::of(&stat) == item.stamp {
        return Ok(());
    }
    let what = format_args!("{} changed while it was pushed", item.path);
    Err(Failure::new(FailureKind::SourceChanged, operation, what))
}

/// Looks once more: the capture must hold what `before` says, nothing less and nothing more. No second list is made.
pub(crate) fn require_unchanged(
    root: &Root,
    before: &[Item],
    operation: &'static str,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let mut seen = vec![false; before.len()];
    // The first that changed, in the order of the paths.
    let mut changed: Option<(RelPath, &str)> = None;
    let mut note = |path: RelPath, how| {
        if changed.as_ref().is_none_or(|(first, _)| path < *first) {
            changed = Some((path, how));
        }
    };
    let mut here: Option<(Option<RelPath>, Range<usize>)> = None;
    let visited = tree::visit(root, cancel, |directory, item| {
        // Entries come directory by directory.
        if here.as_ref().is_none_or(|(last, _)| last.as_ref() != directory) {
            here = Some((directory.cloned(), below(before, directory)));
        }
        let range = here.as_ref().map_or(0..0, |(_, range)| range.clone());
        let among = before.get(range.clone()).unwrap_or_default();
        let found = among.binary_search_by(|was| was.path.cmp(&item.path)).map(|at| range.start + at);
        let Some((was, seen)) = found.ok().and_then(|at| before.get(at).zip(seen.get_mut(at))) else {
            return note(item.path, "appeared");
        };
        *seen = true;
        if item.kind != was.kind || (item.kind == Kind::File && item.stamp != was.stamp) {
            note(item.path, "changed");
        }
    });
    visited.map_err(|error| unwalked(error, operation))?;
    if let Some((was, _)) = before.iter().zip(&seen).find(|(_, seen)| !**seen) {
        let what = format_args!("{} went away while the capture was pushed", was.path);
        return Err(Failure::new(FailureKind::SourceVanished, operation, what));
    }
    match changed {
        None => Ok(()),
        Some((path, how)) => {
            let what = format_args!("{path} {how} while the capture was pushed");
            Err(Failure::new(FailureKind::SourceChanged, operation, what))
        }
    }
}

/// Where everything below a directory stands among `items`, which are sorted.
fn below(items: &[Item], directory: Option<&RelPath>) -> Range<usize> {
    let Some(directory) = directory.map(RelPath::as_bytes) else { return 0..items.len() };
    let side = |item: &Item| {
        let (head, rest) = item.path.as_bytes().split_at_checked(directory.len()).unwrap_or((b"", b""));
        // A path that is shorter is no entry of it, and neither is one that goes on with another byte than a slash.
        match head == directory {
            true => rest.first().copied().unwrap_or(0).cmp(&b'/'),
            false => item.path.as_bytes().cmp(directory),
        }
    };
    let begin = items.partition_point(|item| side(item).is_lt());
    begin..items.partition_point(|item| side(item).is_le())
}
