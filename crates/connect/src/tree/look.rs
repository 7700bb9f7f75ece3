//! Looking without touching.

use bytes::Bytes;
use verisim_core::{
    ByteRange, DecoyPath, Digest, FailureKind, FileKind, FileStat, Found, Listing, ListingEntry, StatRequest,
};
use verisim_sys::{Directory, Entry, Error, Root};

use super::problem::{Outcome, Problem};
use super::{EVIDENCE_BYTES_MAX, FILE_BYTES_MAX};

/// What stands under `path`, held; `None` when nothing does, or nothing that could hold it.
fn find(root: &Root, path: &DecoyPath) -> Outcome<Option<Entry>> {
    let found = match root.parent_of(path) {
        Ok((dir, name)) => dir.entry(name),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    };
    found.map_err(|error| Problem::at(path, error))
}

/// The directory that holds an entry which is to be changed, and the entry's name; `None` where there is no such directory.
pub(super) fn holder<'p>(root: &Root, path: &'p DecoyPath) -> Outcome<Option<(Directory, &'p [u8])>> {
    match root.parent_of(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(Problem::changing(path)(error)),
    }
}

pub(crate) fn read(root: &Root, path: &DecoyPath, range: ByteRange) -> Outcome<Bytes> {
    let Some(entry) = find(root, path)? else {
        return Err(Problem::new(FailureKind::NotFound, format!("{path}: it is not there")));
    };
    let length = usize::try_from(range.length.0.min(FILE_BYTES_MAX)).unwrap_or(usize::MAX);
    entry
        .read()
        .and_then(|file| file.read_at(range.offset, length))
        .map(Bytes::from)
        .map_err(|error| Problem::at(path, error))
}

pub(crate) fn stat(root: &Root, path: &DecoyPath, request: StatRequest) -> Outcome<Option<FileStat>> {
    if path.file_name().is_none() {
        let meta = root.directory(path).and_then(|dir| dir.meta());
        return meta.map(|meta| Some(meta.file_stat(None))).map_err(|error| Problem::at(path, error));
    }
    let Some(entry) = find(root, path)? else { return Ok(None) };
    let limit = match request {
        StatRequest::Plain | StatRequest::Times => return Ok(Some(entry.meta().file_stat(None))),
        StatRequest::Hash(limit) => limit.0.min(FILE_BYTES_MAX),
    };
    if entry.meta().kind != FileKind::Regular {
        return Ok(Some(entry.meta().file_stat(None)));
    }
    let hashed = entry.read().and_then(|file| Ok((file.hash(limit)?, file.meta()?)));
    let (digest, meta) = hashed.map_err(|error| Problem::at(path, error))?;
    Ok(Some(meta.file_stat(digest)))
}

pub(crate) fn list(root: &Root, path: &DecoyPath, limit: usize) -> Outcome<Listing> {
    let dir = root.directory(path).map_err(|error| match error.errno() {
        Some(rustix::io::Errno::NOTDIR) => {
            Problem::new(FailureKind::Denied, format!("{path}: it is not a directory"))
        }
        _ => Problem::at(path, error),
    })?;
    let names = dir.list(limit).map_err(|error| Problem::at(path, error))?;
    let mut more = names.more;
    let mut entries = Vec::with_capacity(names.entries.len());
    for (name, kind) in names.entries {
        // A path can be too long to be named from the root; the entry is not hidden without a word.
        match path.join(&name) {
            Ok(path) => entries.push(ListingEntry { path, kind }),
            Err(_) => more = true,
        }
    }
    Ok(Listing { entries, more })
}

/// The hash of a regular file; `None` for anything else, and for one that is longer than any of ours.
pub(super) fn digest(entry: &Entry) -> Result<Option<Digest>, Error> {
    if entry.meta().kind != FileKind::Regular {
        return Ok(None);
    }
    entry.read()?.hash(FILE_BYTES_MAX)
}

/// What stands under a name, as evidence. What cannot be read is reported without hash and content.
pub(super) fn found(dir: &Directory, name: &[u8]) -> Found {
    let Ok(Some(entry)) = dir.entry(name) else { return nothing() };
    let mut found = nothing();
    let mut meta = *entry.meta();
    if let Ok(file) = entry.read() {
        found.sha256 = file.hash(FILE_BYTES_MAX).ok().flatten();
        found.head = file.read_at(0, EVIDENCE_BYTES_MAX).map(Bytes::from).unwrap_or_default();
        meta = file.meta().unwrap_or(meta);
    }
    found.stat = Some(meta.file_stat(found.sha256));
    found
}

/// Evidence of a name under which nothing stands.
pub(super) fn nothing() -> Found {
    Found { stat: None, sha256: None, head: Bytes::new() }
}
