//! Reading what is on the disk, not what this machine remembers of it.
//!
//! A file is opened for direct reading, past the page cache, and its cached pages are dropped first: some file systems take
//! the flag and read through the cache all the same. Where direct reading is refused, dropping the pages alone has to do;
//! they are clean by then, because a push ends with `syncfs`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, OFlags};
use verisim_core::{CancellationToken, Digest, Hasher};

use crate::tree::Root;

/// What direct reading aligns to: no device of today asks for more.
const ALIGNMENT: usize = 4096;

/// From this size on, reading and hashing a file are two threads' work.
pub(crate) const PIPELINE_BYTES_MIN: u64 = 8 << 20;
/// Buffers in flight between the two.
const PIPELINE_DEPTH: usize = 3;

/// A buffer at an address that direct reading takes, used again for file after file.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// A buffer of `len` bytes, rounded up to whole blocks.
    pub(crate) fn new(len: usize) -> Self {
        let len = len.next_multiple_of(ALIGNMENT);
        let bytes = vec![0; len + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { bytes, start, len }
    }

    /// The first `len` bytes.
    pub(crate) fn filled(&self, len: usize) -> &[u8] {
        &self.bytes[self.start..self.start + len.min(self.len)]
    }

    /// Reads at `offset` until `wanted` bytes are there, the buffer is full, or the file ends; says how much came.
    pub(crate) fn fill(&mut self, file: &File, offset: u64, wanted: u64) -> io::Result<usize> {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.len);
        let mut filled = 0;
        while filled < wanted {
            // No more than is wanted: direct reading fills what lies beyond the end of a file with zeros, all of it.
            let until = wanted.next_multiple_of(ALIGNMENT);
            let space = &mut self.bytes[self.start + filled..self.start + until];
            match file.read_at(space, offset + filled as u64) {
                Ok(0) => break,
                // The end of a file is the only thing that ends off a block, and direct reading cannot go on there.
                Ok(read) if read % ALIGNMENT != 0 => return Ok(filled + read),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Whether reading goes past the caches of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Past every cache of this machine: the only reading that proves anything.
    PastCaches,
    /// Through the page cache: only to measure what the other costs.
    Cached,
}

/// Opens `path` for reading, past the caches where so asked.
pub(crate) fn open(root: &Root, path: &[u8], reading: Reading) -> io::Result<File> {
    if reading == Reading::Cached {
        return root.open_file(path, OFlags::empty());
    }
    let file = match root.open_file(path, OFlags::DIRECT) {
        // This file system cannot read directly.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
            root.open_file(path, OFlags::empty())?
        }
        other => other?,
    };
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(file)
}

/// Hashes a whole file of about `size` bytes; says how many there were. It reads no more than a mebibyte beyond `size`, so
/// that a file that grows for ever comes to an end.
pub(crate) fn hash(
    file: &File,
    size: u64,
    buffer: &mut Buffer,
    cancel: &CancellationToken,
) -> io::Result<(Digest, u64)> {
    let bound = size.saturating_add(1 << 20);
    if size >= PIPELINE_BYTES_MIN {
        return hash_in_two_threads(file, bound, buffer.len, cancel);
    }
    let mut hasher = Hasher::new();
    let mut offset = 0;
    while offset < bound {
        stop(cancel)?;
        // One byte more than it shall have, so that its end is seen in the same call; then all that it has grown by.
        let left = if offset <= size { size.saturating_add(1) - offset } else { bound - offset };
        let wanted = left.min(buffer.len as u64);
        let read = buffer.fill(file, offset, wanted)?;
        hasher.update(buffer.filled(read));
        offset += read as u64;
        if (read as u64) < wanted || read % ALIGNMENT != 0 {
            break;
        }
    }
    Ok((hasher.finish(), offset))
}

/// Hashes a file up to `bound`: one thread reads, another hashes.
pub(crate) fn hash_in_two_threads(
    file: &File,
    bound: u64,
    len: usize,
    cancel: &CancellationToken,
) -> io::Result<(Digest, u64)> {
    std::thread::scope(|scope| {
        let (full, to_hash) = std::sync::mpsc::sync_channel::<(Buffer, usize)>(PIPELINE_DEPTH);
        let (give_back, empty) = std::sync::mpsc::sync_channel::<Buffer>(PIPELINE_DEPTH);
        for _ in 0..PIPELINE_DEPTH {
            let _ = give_back.send(Buffer::new(len));
        }
        let hashing = scope.spawn(move || {
            let mut hasher = Hasher::new();
            for (buffer, read) in to_hash {
                hasher.update(buffer.filled(read));
                let _ = give_back.send(buffer);
            }
            hasher.finish()
        });
        let mut offset = 0;
        while offset < bound {
            stop(cancel)?;
            let mut buffer = empty.recv().map_err(|_| io::Error::other("the hashing thread ended"))?;
            let read = buffer.fill(file, offset, bound - offset)?;
            offset += read as u64;
            let last = read < len;
            full.send((buffer, read)).map_err(|_| io::Error::other("the hashing thread ended"))?;
            if last {
                break;
            }
        }
        drop(full);
        let digest = hashing.join().map_err(|_| io::Error::other("the hashing thread ended"))?;
        Ok((digest, offset))
    })
}

/// An error when the work was cancelled.
pub(crate) fn stop(cancel: &CancellationToken) -> io::Result<()> {
    if cancel.is_cancelled() { Err(io::Error::other(Stopped)) } else { Ok(()) }
}

/// The work was cancelled; travels inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(crate) struct Stopped;
