//! Hashing files of a capture before a tool reads them.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Advice, OFlags};
use verisim_core::{CancellationToken, Digest, Failure, FailureKind, Hasher};

use crate::errno::{Side, failure};
use crate::native::read;
use crate::source;
use crate::tree::{Item, Root};

/// What is read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Hashes `wanted` (positions in `items`) with several threads and hands out each hash as it is known. The first failure ends
/// it.
pub(super) fn hash_all(
    source: &Root,
    items: &[Item],
    wanted: &[usize],
    (workers, operation): (usize, &'static str),
    cancel: &CancellationToken,
    each: &(dyn Fn(usize, &Item, Digest) -> Result<(), Failure> + Sync),
) -> Result<(), Failure> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let stop = cancel.child_token();
    let fail = |failure| {
        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        stop.cancel();
    };
    let work = || {
        let mut buffer = vec![0; BUFFER_BYTES];
        while !stop.is_cancelled() {
            let Some(&at) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let Some(item) = items.get(at) else { return };
            let hashed = hash_file(source, item, &mut buffer, &stop, operation);
            if let Err(failure) = hashed.and_then(|sha256| each(at, item, sha256)) {
                fail(failure);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, wanted.len().max(1)) {
            if let Err(error) = std::thread::Builder::new().name("hash".into()).spawn_scoped(scope, work) {
                fail(failure(Side::State, operation, "starting a thread", &error));
            }
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        _ if cancel.is_cancelled() => Err(stopped(operation)),
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// Hashes one file, which must be, before and after, what the walk saw.
pub(crate) fn hash_file(
    source: &Root,
    item: &Item,
    buffer: &mut [u8],
    cancel: &CancellationToken,
    operation: &'static str,
) -> Result<Digest, Failure> {
    let unread = |error| failure(Side::Source, operation, &format!("reading {}", item.path), &error);
    let mut file = source.open_file(item.path.as_bytes(), OFlags::empty()).map_err(unread)?;
    source::require_same(&file, item, operation)?;
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
    if item.stamp.size >= read::PIPELINE_BYTES_MIN {
        let hashed = read::hash_in_two_threads(&file, item.stamp.size, buffer.len(), cancel);
        let (sha256, _) = hashed.map_err(|error| match cancel.is_cancelled() {
            true => stopped(operation),
            false => unread(error),
        })?;
        source::require_same(&file, item, operation)?;
        return Ok(sha256);
    }
    let (mut hasher, mut left) = (Hasher::new(), item.stamp.size);
    while left > 0 {
        if cancel.is_cancelled() {
            return Err(stopped(operation));
        }
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let (space, _) = buffer.split_at_mut(wanted);
        let read = match file.read(space) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unread(error)),
        };
        hasher.update(space.split_at(read).0);
        left -= read as u64;
    }
    source::require_same(&file, item, operation)?;
    Ok(hasher.finish())
}

fn stopped(operation: &'static str) -> Failure {
    Failure::new(FailureKind::Cancelled, operation, "stopped")
}
