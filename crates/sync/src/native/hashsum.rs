//! Hashing what is at a destination: in parallel, told in order, with a bounded number of results waiting for their turn.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use verisim_core::manifest::Entry;
use verisim_core::{CancellationToken, Failure, FailureKind, RemoteFile, TransportError};

use crate::errno::{Side, failure};
use crate::native::read::{self, Buffer, Reading};
use crate::tree::{Item, Kind, Root, WalkError, walk_until};

/// How many times as many threads read small files past the caches: each waits for the disk most of the time, and a disk
/// that is asked for many blocks at once gives each almost as soon as one.
const WAITING_FACTOR: usize = 4;
/// Files of this average size and below are small.
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// How many files a worker takes, and are told, at once: small files are hashed faster than threads are woken.
const RUN: usize = 32;
/// How many runs the fastest worker may be ahead of what was told.
const AHEAD_MAX: usize = 128;
const OPERATION: &str = "native.hashsum";

/// One item of the stream.
pub(crate) type Told = Result<RemoteFile, TransportError>;
/// What is told at once.
pub(crate) type Run = Vec<Told>;

/// Lists every regular file below `folder`, sorted.
pub(crate) fn list(folder: &Root, cancel: &CancellationToken) -> Result<Vec<Item>, Failure> {
    let items = walk_until(folder, cancel).map_err(|error| match error {
        WalkError::Stopped => Failure::new(FailureKind::Cancelled, OPERATION, "stopped"),
        WalkError::Io { what, error } => {
            failure(Side::Destination, OPERATION, &format!("reading {what}"), &error)
        }
        WalkError::Unnameable(what) => Failure::new(FailureKind::Config, OPERATION, what),
        WalkError::TooMany => {
            Failure::new(FailureKind::Config, OPERATION, "the folder has more than 8,000,000 entries")
        }
    })?;
    Ok(items.into_iter().filter(|item| item.kind == Kind::File).collect())
}

/// What is hashed, and how.
pub(crate) struct Hashing<'a> {
    /// The folder.
    pub(crate) folder: &'a Root,
    /// Its files.
    pub(crate) items: &'a [Item],
    /// How many at once, at the least.
    pub(crate) workers: usize,
    /// Past the caches, or not.
    pub(crate) reading: Reading,
    /// Whether the destination is there at all, asked when a file cannot be read.
    pub(crate) is_there: &'a (dyn Fn() -> Result<(), Failure> + Sync),
    /// Stops it.
    pub(crate) cancel: &'a CancellationToken,
}

/// Hashes with several threads and tells each file in order. Ends early when nobody listens any more.
pub(crate) fn run(hashing: &Hashing<'_>, out: &mpsc::Sender<Run>) {
    let Hashing { items, workers, reading, cancel, .. } = *hashing;
    let workers = threads(items, workers, reading);
    let queue = Queue { state: Mutex::default(), room: Condvar::new(), told: Condvar::new() };
    let runs: Vec<&[Item]> = items.chunks(run_len(items.len(), workers)).collect();
    std::thread::scope(|scope| {
        let mut started = 0;
        for _ in 0..workers.clamp(1, runs.len().max(1)) {
            let worker = || {
                let mut buffer = Buffer::new(1 << 20);
                while let Some(at) = queue.take(runs.len(), cancel) {
                    let hash = |item| one(hashing, item, &mut buffer);
                    let run = runs.get(at).copied().unwrap_or_default();
                    queue.put(at, run.iter().map(hash).collect());
                }
                queue.end();
            };
            match std::thread::Builder::new().name("hash".into()).spawn_scoped(scope, worker) {
                Ok(_) => started += 1,
                Err(_) => queue.end(),
            }
        }
        if started == 0 {
            let failure = Failure::new(FailureKind::Unknown, OPERATION, "no thread could be started");
            let _ = out.blocking_send(vec![Err(failure.into())]);
        }
        for at in 0..runs.len() {
            let Some(told) = queue.wait_for(at, started) else { break };
            if out.blocking_send(told).is_err() {
                break;
            }
        }
        if cancel.is_cancelled() {
            let stopped = Failure::new(FailureKind::Cancelled, OPERATION, "stopped");
            let _ = out.blocking_send(vec![Err(stopped.into())]);
        }
        cancel.cancel();
        queue.room.notify_all();
    });
}

fn threads(items: &[Item], workers: usize, reading: Reading) -> usize {
    let bytes: u64 = items.iter().map(|item| item.stamp.size).sum();
    let small = bytes / (items.len().max(1) as u64) <= SMALL_BYTES_MAX;
    if small && reading == Reading::PastCaches { workers * WAITING_FACTOR } else { workers }
}

/// So that every worker has its share of a few files, each of which may be large.
fn run_len(items: usize, workers: usize) -> usize {
    (items / (workers.max(1) * 4)).clamp(1, RUN)
}

fn one(hashing: &Hashing<'_>, item: &Item, buffer: &mut Buffer) -> Told {
    let hashed = read::open(hashing.folder, item.path.as_bytes(), hashing.reading)
        .and_then(|file| read::hash(&file, item.stamp.size, buffer, hashing.cancel));
    match hashed {
        Ok((sha256, _)) => Ok(RemoteFile::Hashed(Entry { path: item.path.clone(), sha256 })),
        // It was there when the folder was listed: whoever compares will miss it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RemoteFile::Unproved {
            path: item.path.clone(),
            failure: Failure::new(FailureKind::NotFound, OPERATION, "it went away while it was hashed"),
        }),
        Err(error) => {
            let failure = failure(Side::Destination, OPERATION, &format!("hashing {}", item.path), &error);
            match failure.kind {
                // One bad sector is that file's matter; a share that went away is everybody's, and proves nothing of any file.
                FailureKind::Unknown | FailureKind::Network => match (hashing.is_there)() {
                    Ok(()) => Ok(RemoteFile::Unproved { path: item.path.clone(), failure }),
                    Err(gone) => Err(gone.into()),
                },
                FailureKind::Denied | FailureKind::Config => {
                    Ok(RemoteFile::Unproved { path: item.path.clone(), failure })
                }
                _ => Err(failure.into()),
            }
        }
    }
}

/// Which run is next, and the results that wait for their turn.
struct Queue {
    state: Mutex<State>,
    /// The fastest worker may go on.
    room: Condvar,
    /// The run whose turn it is has come in, or a worker has ended.
    told: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    told: usize,
    ended: usize,
    waiting: BTreeMap<usize, Run>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next run to hash, when that is not too far ahead.
    fn take(&self, len: usize, cancel: &CancellationToken) -> Option<usize> {
        let mut state = self.lock();
        while state.next < len && !cancel.is_cancelled() {
            if state.next < state.told + AHEAD_MAX {
                state.next += 1;
                return Some(state.next - 1);
            }
            let wait = std::time::Duration::from_millis(100);
            state = self.room.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn put(&self, at: usize, run: Run) {
        let mut state = self.lock();
        state.waiting.insert(at, run);
        if at == state.told {
            self.told.notify_one();
        }
    }

    fn end(&self) {
        self.lock().ended += 1;
        self.told.notify_one();
    }

    /// The results of run `at`; `None` when every worker ended without them.
    fn wait_for(&self, at: usize, workers: usize) -> Option<Run> {
        let mut state = self.lock();
        loop {
            if let Some(run) = state.waiting.remove(&at) {
                let was_full = state.next >= state.told + AHEAD_MAX;
                state.told = at + 1;
                if was_full {
                    self.room.notify_all();
                }
                return Some(run);
            }
            if state.ended >= workers {
                return None;
            }
            state = self.told.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;
    use crate::tree::walk;

    /// A file that cannot be opened as those of a dead share cannot: a socket, which the kernel answers with ENXIO.
    fn told(is_there: &(dyn Fn() -> Result<(), Failure> + Sync)) -> Vec<Told> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), b"alpha").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("b")).unwrap();
        std::fs::write(dir.path().join("c"), b"gamma").unwrap();
        let folder = Root::open(dir.path()).unwrap();
        let mut items = walk(&folder).unwrap();
        items.iter_mut().for_each(|item| item.kind = Kind::File);
        let (out, mut runs) = mpsc::channel(100);
        let cancel = CancellationToken::new();
        let hashing = Hashing {
            folder: &folder,
            items: &items,
            workers: 1,
            reading: Reading::Cached,
            is_there,
            cancel: &cancel,
        };
        run(&hashing, &out);
        drop(out);
        std::iter::from_fn(|| runs.try_recv().ok()).flatten().collect()
    }

    #[test]
    fn one_bad_file_is_not_proved_and_a_share_that_went_away_says_nothing_of_any() {
        let there = told(&|| Ok(()));
        assert!(matches!(
            there.as_slice(),
            [Ok(RemoteFile::Hashed(_)), Ok(RemoteFile::Unproved { .. }), Ok(RemoteFile::Hashed(_))]
        ));
        let gone = || Err(Failure::new(FailureKind::Network, OPERATION, "it is not mounted"));
        let away = told(&gone);
        let failure = away.into_iter().find_map(Result::err).unwrap().failure;
        assert_eq!((failure.kind, failure.detail.as_str()), (FailureKind::Network, "it is not mounted"));
    }
}
