//! Looking without touching.

use bytes::Bytes;
use verisim_core::{
    ByteRange, DecoyPath, Digest, FailureKind, FileKind, FileMode, FileStat, Found, Listing, ListingEntry,
    Owner, StatRequest, Timestamp,
};
use verisim_ssh::sftp::Attributes;

use super::problem::{Outcome, at};
use super::remote::{Fetched, Remote, Wanted};
use crate::tree::{EVIDENCE_BYTES_MAX, FILE_BYTES_MAX, Problem};

/// Only the hash, of a file that could be ours.
const DIGEST: Wanted = Wanted { offset: 0, length: 0, hash_max: Some(FILE_BYTES_MAX) };
/// What is kept of a file that is not ours.
pub(super) const EVIDENCE: Wanted =
    Wanted { offset: 0, length: EVIDENCE_BYTES_MAX as u64, hash_max: Some(FILE_BYTES_MAX) };

/// The stat that a server's attributes amount to. What it did not say is 0: OpenSSH says all of it.
pub(super) fn file_stat(attributes: &Attributes, sha256: Option<Digest>) -> FileStat {
    let (atime, mtime) = attributes.times.unwrap_or_default();
    let time = |seconds: u32| Timestamp::from_second(i64::from(seconds)).unwrap_or(Timestamp::UNIX_EPOCH);
    FileStat {
        kind: attributes.kind().unwrap_or(FileKind::Special),
        size: attributes.size.unwrap_or(0),
        mode: attributes.mode().unwrap_or(FileMode::new(0)),
        owner: attributes.owner.unwrap_or(Owner::ROOT),
        inode: None,
        links: None,
        mtime: time(mtime),
        atime: time(atime),
        ctime: None,
        btime: None,
        sha256,
    }
}

fn refused(path: &DecoyPath, why: &str) -> Problem {
    Problem::new(FailureKind::Denied, format!("{path}: {why}; it was not opened"))
}

const NOT_REAL: &str = "it is on a file system that holds no files of its own";

pub(super) async fn read(remote: &dyn Remote, path: &DecoyPath, range: ByteRange) -> Outcome<Bytes> {
    let length = range.length.0.min(FILE_BYTES_MAX);
    let wanted = Wanted { offset: range.offset, length, hash_max: None };
    match remote.fetch(path.as_bytes(), wanted).await.map_err(at(path))? {
        Fetched::Absent => Err(Problem::new(FailureKind::NotFound, format!("{path}: it is not there"))),
        Fetched::NotFile(found) => {
            Err(Problem::at(path, verisim_sys::Error::NotRegular(file_stat(&found, None).kind)))
        }
        Fetched::NotReal(_) => Err(refused(path, NOT_REAL)),
        Fetched::File(content) => Ok(content.bytes),
    }
}

pub(super) async fn stat(
    remote: &dyn Remote,
    path: &DecoyPath,
    request: StatRequest,
) -> Outcome<Option<FileStat>> {
    let limit = match request {
        StatRequest::Plain | StatRequest::Times => {
            let found = remote.lstat(path.as_bytes()).await.map_err(at(path))?;
            return Ok(found.map(|found| file_stat(&found, None)));
        }
        StatRequest::Hash(limit) => limit.0.min(FILE_BYTES_MAX),
    };
    let wanted = Wanted { hash_max: Some(limit), ..DIGEST };
    match remote.fetch(path.as_bytes(), wanted).await.map_err(at(path))? {
        Fetched::Absent => Ok(None),
        Fetched::NotFile(found) => Ok(Some(file_stat(&found, None))),
        Fetched::NotReal(_) => Err(refused(path, NOT_REAL)),
        Fetched::File(content) => Ok(Some(file_stat(&content.attributes, content.digest))),
    }
}

pub(super) async fn list(remote: &dyn Remote, path: &DecoyPath, limit: usize) -> Outcome<Listing> {
    let dir = path.as_bytes();
    let Some((_, space)) = remote.place(dir).await.map_err(at(path))? else {
        return Err(match remote.lstat(dir).await.map_err(at(path))? {
            None => Problem::new(FailureKind::NotFound, format!("{path}: it is not there")),
            Some(_) => Problem::new(FailureKind::Denied, format!("{path}: it is not a directory")),
        });
    };
    if space.is_some_and(|space| space.blocks == 0) {
        return Err(refused(path, NOT_REAL));
    }
    let (names, mut more) = remote.list(dir, limit).await.map_err(at(path))?;
    let mut entries = Vec::with_capacity(names.len());
    for (name, kind) in names {
        // A path can be too long to be named from the root, and a server can name what no name is; neither is hidden
        // without a word.
        match path.join(&name) {
            Ok(path) => entries.push(ListingEntry { path, kind }),
            Err(_) => more = true,
        }
    }
    Ok(Listing { entries, more })
}

/// The hash of a regular file; `None` for anything else, and for one that is longer than any of ours.
pub(super) async fn digest(remote: &dyn Remote, path: &[u8]) -> verisim_ssh::Result<Option<Digest>> {
    Ok(match remote.fetch(path, DIGEST).await? {
        Fetched::File(content) => content.digest,
        Fetched::Absent | Fetched::NotFile(_) | Fetched::NotReal(_) => None,
    })
}

/// Everything about a file that somebody may have to be told of.
pub(super) async fn evidence(remote: &dyn Remote, path: &[u8]) -> verisim_ssh::Result<Fetched> {
    remote.fetch(path, EVIDENCE).await
}

/// What stands under a name, as evidence. What cannot be read is reported without hash and content.
pub(super) async fn found(remote: &dyn Remote, path: &[u8]) -> Found {
    match evidence(remote, path).await {
        Ok(fetched) => as_found(&fetched),
        Err(_) => match remote.lstat(path).await {
            Ok(Some(attributes)) => bare(&attributes),
            _ => nothing(),
        },
    }
}

/// What was fetched, as evidence.
pub(super) fn as_found(fetched: &Fetched) -> Found {
    match fetched {
        Fetched::Absent => nothing(),
        Fetched::NotFile(attributes) | Fetched::NotReal(attributes) => bare(attributes),
        Fetched::File(content) => Found {
            stat: Some(file_stat(&content.attributes, content.digest)),
            sha256: content.digest,
            head: content.bytes.clone(),
        },
    }
}

fn bare(attributes: &Attributes) -> Found {
    Found { stat: Some(file_stat(attributes, None)), sha256: None, head: Bytes::new() }
}

/// Evidence of a name under which nothing stands.
pub(super) fn nothing() -> Found {
    Found { stat: None, sha256: None, head: Bytes::new() }
}
