//! What is there, read back and hashed here, where the far side cannot hash: in portions, so that what is under way stays
//! small here, and within a bound.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::Path;

use async_trait::async_trait;
use tokio::sync::mpsc;
use verisim_core::manifest::Entry;
use verisim_core::{CancellationToken, Failure, FailureKind, RelPath, Remote, RemoteFile, TransportError};
use verisim_sys::Taker;

use super::bare::{self, listed};
use super::far::{Far, Rsync, Way};
use super::hashes::OPERATION;
use crate::blocking::blocking;
use crate::explain::{Tool, ToolOperation};
use crate::identity::KnownDestination;
use crate::operations::beyond_read_back;
use crate::shell::Told;
use crate::tool::{Desk, ended, hash_file, ours};
use crate::tree::{ENTRIES_MAX, Kind, Root, walk_until};

/// A portion is fetched when it has so many bytes, or so many files. One file is never cut.
const PORTION_BYTES: u64 = 256 << 20;
const PORTION_FILES: usize = 2000;
/// The longest line of a listing: a path whose every byte is shown as five characters, and what stands before it.
const LINE_BYTES_MAX: usize = 5 * 4096 + 200;

/// Reads back and tells. `at_most` says where portions go and how fast they come.
pub(super) async fn read_back(
    far: &Far,
    way: &Way,
    known: &KnownDestination,
    at: &Remote,
    (work_dir, rate): (&Path, Option<u64>),
    out: &mpsc::Sender<Vec<Told>>,
    cancel: &CancellationToken,
) -> Result<(), TransportError> {
    let look = far.look(way, at, OPERATION, cancel).await?;
    if !look.exists && look.in_the_way.is_none() && known.judge(far, look.marker.as_deref())? {
        return Ok(());
    }
    ours(&look, at, known, far, OPERATION)?;
    let files = list(far, way, at, cancel).await?;
    let mut left = far.options.read_back_max.0;
    let mut portion: Vec<&(RelPath, u64)> = Vec::new();
    let mut bytes = 0;
    for file in &files {
        if file.1 > left {
            tell(far, way, at, (std::mem::take(&mut portion), work_dir, rate), out, cancel).await?;
            bytes = 0;
            let failure = beyond_read_back(file.1, far.options.read_back_max.0, OPERATION);
            if out.send(vec![Ok(RemoteFile::Unproved { path: file.0.clone(), failure })]).await.is_err() {
                return Ok(());
            }
            continue;
        }
        left -= file.1;
        bytes += file.1;
        portion.push(file);
        if bytes >= PORTION_BYTES || portion.len() >= PORTION_FILES {
            tell(far, way, at, (std::mem::take(&mut portion), work_dir, rate), out, cancel).await?;
            bytes = 0;
        }
    }
    tell(far, way, at, (portion, work_dir, rate), out, cancel).await
}

/// Fetches a portion, hashes it and tells it.
async fn tell(
    far: &Far,
    way: &Way,
    at: &Remote,
    (portion, work_dir, rate): (Vec<&(RelPath, u64)>, &Path, Option<u64>),
    out: &mpsc::Sender<Vec<Told>>,
    cancel: &CancellationToken,
) -> Result<(), TransportError> {
    if portion.is_empty() {
        return Ok(());
    }
    let desk = Desk::new(work_dir, OPERATION)?;
    // The part of a path before `/./` is not made here.
    let below = |path: &RelPath| [at.path.as_bytes(), b"/./", path.as_bytes()].concat();
    let paths: Vec<Vec<u8>> = portion.iter().map(|(path, _)| below(path)).collect();
    bare::fetch(far, way, &desk, (&paths, rate), OPERATION, cancel).await?;
    let wanted: Vec<RelPath> = portion.into_iter().map(|(path, _)| path.clone()).collect();
    let stop = cancel.clone();
    let told = blocking(OPERATION, move || hash_all(&desk, wanted, &stop)).await?;
    // That nobody listens any more is no failure.
    let _ = out.send(told).await;
    Ok(())
}

fn hash_all(desk: &Desk, wanted: Vec<RelPath>, cancel: &CancellationToken) -> Result<Vec<Told>, Failure> {
    let lost = |what: &dyn std::fmt::Display| Failure::new(FailureKind::Unknown, OPERATION, what);
    let root = Root::open(desk.path()).map_err(|error| lost(&error))?;
    let items = walk_until(&root, cancel).map_err(|error| lost(&format_args!("{error:?}")))?;
    let mut buffer = vec![0; 1 << 20];
    let mut told = Vec::with_capacity(wanted.len());
    for path in wanted {
        let item = items.binary_search_by(|item| item.path.cmp(&path)).ok().and_then(|at| items.get(at));
        told.push(Ok(match item.filter(|item| item.kind == Kind::File) {
            Some(item) => {
                let sha256 = hash_file(&root, item, &mut buffer, cancel, OPERATION)?;
                RemoteFile::Hashed(Entry { path, sha256 })
            }
            // It was listed, and did not come.
            None => {
                let failure =
                    Failure::new(FailureKind::NotFound, OPERATION, "it went away while it was read back");
                RemoteFile::Unproved { path, failure }
            }
        }));
    }
    Ok(told)
}

/// The regular files there, with their sizes, sorted.
async fn list(
    far: &Far,
    way: &Way,
    at: &Remote,
    cancel: &CancellationToken,
) -> Result<Vec<(RelPath, u64)>, TransportError> {
    let arguments: [OsString; 4] =
        ["--recursive", "--list-only", "--no-human-readable", "--exclude=/.verisim/"].map(OsString::from);
    let place = far.place(&[at.path.as_bytes(), b"/"].concat());
    let rsync = Rsync {
        arguments: arguments.into(),
        places: vec![place],
        folder: None,
        list: None,
        largest_bytes: 0,
    };
    let mut listing = Listing::default();
    let ran = far.rsync(way, rsync, &mut listing, cancel).await?;
    if let Some(failure) = listing.failed {
        return Err(failure.into());
    }
    ended(&ran, Tool::Rsync, ToolOperation::Fetch, OPERATION, None)?;
    listing.files.sort();
    Ok(listing.files)
}

/// Takes a listing apart.
#[derive(Default)]
struct Listing {
    line: Vec<u8>,
    files: Vec<(RelPath, u64)>,
    failed: Option<Failure>,
}

impl Listing {
    fn line(&mut self) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.line);
        let Some((b'-', size, name)) = listed(&line) else { return Ok(()) };
        let failed = |what: &dyn std::fmt::Display| Failure::new(FailureKind::Unsupported, OPERATION, what);
        if self.files.len() >= ENTRIES_MAX {
            return Err(failed(&"the folder has more than 8,000,000 entries"));
        }
        let path = RelPath::new(unescape(name)).map_err(|error| failed(&error))?;
        if !path.is_metadata() {
            self.files.push((path, size));
        }
        Ok(())
    }
}

#[async_trait]
impl Taker for Listing {
    async fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        for byte in piece {
            if *byte != b'\n' {
                self.line.push(*byte);
            }
            let too_long = self.line.len() > LINE_BYTES_MAX;
            let done = match *byte {
                b'\n' => self.line(),
                _ if too_long => {
                    Err(Failure::new(FailureKind::Unknown, OPERATION, "the listing has no lines"))
                }
                _ => Ok(()),
            };
            if let Err(failure) = done {
                self.failed = Some(failure);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// A name as rsync shows it, in its own bytes: `\#012` stands for a newline (rsync(1), --8-bit-output).
fn unescape(shown: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(shown.len());
    let mut rest = shown;
    while let Some((first, after)) = rest.split_first() {
        let octal = rest.strip_prefix(b"\\#").and_then(|tail| tail.split_at_checked(3));
        let byte = octal.and_then(|(digits, tail)| {
            let digits =
                std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
            Some((u8::from_str_radix(digits, 8).ok()?, tail))
        });
        match byte {
            Some((byte, tail)) => {
                out.push(byte);
                rest = tail;
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        for (shown, name) in [
            (&b"plain"[..], &b"plain"[..]),
            (b"two\\#012lines", b"two\nlines"),
            (b"\\#377\\#376", b"\xff\xfe"),
            (b"\\#134#123", b"\\#123"),
            (b"back\\slash\\n", b"back\\slash\\n"),
            (b"\\#9", b"\\#9"),
        ] {
            assert_eq!(unescape(shown), name);
        }
    }
}
