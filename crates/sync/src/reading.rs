//! Reading the capture: one thread reads each file once, hashes it, and hands it over in pieces. Where there is a bandwidth it
//! waits for it, so that everything behind it does.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{Advice, OFlags};
use tokio::sync::mpsc;
use verisim_core::{CancellationToken, Digest, Failure, FailureKind, Hasher};

use crate::bandwidth::Bucket;
use crate::blocking::blocking;
use crate::errno::{Side, failure};
use crate::native::copy::next_data;
use crate::source;
use crate::tree::{Item, Root};

/// Files below this size are handed over whole.
pub(crate) const WHOLE_BYTES_MAX: u64 = 1 << 20;
/// How much of a larger file is handed over at once: one write for an OpenSSH.
const PIECE_BYTES: usize = 255 << 10;
/// How many pieces may wait to be sent.
const PIECES_MAX: usize = 8;
/// What is read at once of what is only hashed.
const HASHED_BYTES: usize = 1 << 20;

/// What is read.
pub(crate) enum Read {
    /// A small file.
    Whole { at: usize, bytes: Bytes, sha256: Digest },
    /// A large one begins.
    Begin { at: usize },
    /// A part of it, at an offset.
    Piece { offset: u64, bytes: Bytes },
    /// It ends, with the hash of all of it.
    End { sha256: Digest },
}

/// The thread that reads.
pub(crate) struct Reader {
    pub(crate) source: Arc<Root>,
    pub(crate) items: Arc<Vec<Item>>,
    /// How much of which file is there already, and is only hashed.
    pub(crate) kept: HashMap<usize, u64>,
    pub(crate) bucket: Bucket,
    pub(crate) cancel: CancellationToken,
    pub(crate) operation: &'static str,
}

impl Reader {
    /// Reads the files at these positions, in order. Ends early when nobody takes them any more.
    pub(crate) fn run(&self, positions: &[usize], out: &mpsc::Sender<Read>) -> Result<(), Failure> {
        for at in positions {
            let Some(item) = self.items.get(*at) else { continue };
            if !self.file(item, *at, out)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether anybody wants more.
    fn file(&self, item: &Item, at: usize, out: &mpsc::Sender<Read>) -> Result<bool, Failure> {
        let file = self.source.open_file(item.path.as_bytes(), OFlags::empty());
        let file = file.map_err(|error| self.unread(item, &error))?;
        source::require_same(&file, item, self.operation)?;
        if item.stamp.size < WHOLE_BYTES_MAX {
            let mut bytes = vec![0; usize::try_from(item.stamp.size).unwrap_or(0)];
            let read = fill(&file, 0, &mut bytes).map_err(|error| self.unread(item, &error))?;
            bytes.truncate(read);
            source::require_same(&file, item, self.operation)?;
            let sha256 = Digest::of(&bytes);
            self.pay(read)?;
            return Ok(out.blocking_send(Read::Whole { at, bytes: bytes.into(), sha256 }).is_ok());
        }
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        if out.blocking_send(Read::Begin { at }).is_err() {
            return Ok(false);
        }
        let mut hasher = Hasher::new();
        let kept = self.kept.get(&at).copied().unwrap_or(0);
        let kept = self.hash_kept(item, &file, kept, &mut hasher)?;
        if !self.pieces(item, &file, kept, &mut hasher, out)? {
            return Ok(false);
        }
        source::require_same(&file, item, self.operation)?;
        Ok(out.blocking_send(Read::End { sha256: hasher.finish() }).is_ok())
    }

    /// Hashes what is there already.
    fn hash_kept(&self, item: &Item, file: &File, kept: u64, hasher: &mut Hasher) -> Result<u64, Failure> {
        let (mut offset, mut buffer) = (0, vec![0; HASHED_BYTES]);
        while offset < kept {
            self.stop()?;
            let wanted = usize::try_from(kept - offset).unwrap_or(usize::MAX).min(buffer.len());
            let (space, _) = buffer.split_at_mut(wanted);
            let read = fill(file, offset, space).map_err(|error| self.unread(item, &error))?;
            if read == 0 {
                break;
            }
            hasher.update(space.split_at(read).0);
            offset += read as u64;
        }
        Ok(offset)
    }

    /// Hands over what is not there. Holes are hashed as the zeros that they are, and not sent, but for the last byte of the file.
    fn pieces(
        &self,
        item: &Item,
        file: &File,
        from: u64,
        hasher: &mut Hasher,
        out: &mpsc::Sender<Read>,
    ) -> Result<bool, Failure> {
        let (size, mut offset) = (item.stamp.size, from);
        let mut data = if item.is_sparse() { from..from } else { from..size };
        let zeros = vec![0; if item.is_sparse() { PIECE_BYTES } else { 0 }];
        while offset < size {
            self.stop()?;
            if offset >= data.end {
                data = next_data(file, offset, size).map_err(|error| self.unread(item, &error))?;
            }
            if offset < data.start {
                let hole = (data.start - offset).min(PIECE_BYTES as u64);
                hasher.update(zeros.split_at(usize::try_from(hole).unwrap_or(0)).0);
                offset += hole;
                let last = Read::Piece { offset: size - 1, bytes: Bytes::from_static(&[0]) };
                if offset == size && out.blocking_send(last).is_err() {
                    return Ok(false);
                }
                continue;
            }
            let wanted = (data.end - offset).min(PIECE_BYTES as u64);
            let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(0)];
            let read = fill(file, offset, &mut bytes).map_err(|error| self.unread(item, &error))?;
            if read == 0 {
                break;
            }
            bytes.truncate(read);
            hasher.update(&bytes);
            self.pay(read)?;
            if out.blocking_send(Read::Piece { offset, bytes: bytes.into() }).is_err() {
                return Ok(false);
            }
            offset += read as u64;
        }
        Ok(true)
    }

    /// Waits for the bandwidth.
    fn pay(&self, bytes: usize) -> Result<(), Failure> {
        self.bucket.take(bytes, &self.cancel);
        self.stop()
    }

    fn stop(&self) -> Result<(), Failure> {
        match self.cancel.is_cancelled() {
            true => Err(Failure::new(FailureKind::Cancelled, self.operation, "stopped")),
            false => Ok(()),
        }
    }

    fn unread(&self, item: &Item, error: &io::Error) -> Failure {
        failure(Side::Source, self.operation, &format!("reading {}", item.path), error)
    }
}

/// Reads at `offset` until the buffer is full or the file ends; says how much came.
fn fill(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(buffer.split_at_mut(filled).1, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What a file of our own shall hold.
pub(crate) enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this file holds.
    File(PathBuf),
}

/// Hands over a file of our own in pieces. The future reads it, and must be waited for beside whoever takes them.
pub(crate) fn pieces(
    content: Content,
    operation: &'static str,
) -> (mpsc::Receiver<Bytes>, impl Future<Output = Result<(), Failure>>) {
    let (out, taken) = mpsc::channel(PIECES_MAX);
    let reading = blocking(operation, move || {
        let path = match content {
            Content::Bytes(bytes) => {
                let _ = out.blocking_send(bytes.into());
                return Ok(());
            }
            Content::File(path) => path,
        };
        let unread = |error| failure(Side::State, operation, "reading what is to be sent", &error);
        let file = File::open(path).map_err(unread)?;
        let mut offset = 0;
        loop {
            let mut bytes = vec![0; PIECE_BYTES];
            let read = fill(&file, offset, &mut bytes).map_err(unread)?;
            bytes.truncate(read);
            offset += read as u64;
            if read == 0 || out.blocking_send(bytes.into()).is_err() {
                return Ok(());
            }
        }
    });
    (taken, reading)
}

/// The channel between who reads and who sends.
pub(crate) fn channel() -> (mpsc::Sender<Read>, mpsc::Receiver<Read>) {
    mpsc::channel(PIECES_MAX)
}
