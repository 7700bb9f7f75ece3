//! Sending one file: one reading that hashes and copies, under a temporary name, then one step to its own name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};

use rustix::fs::{Advice, Mode, OFlags, SeekFrom, Timespec, Timestamps};
use rustix::io::Errno;
use verisim_core::{CancellationToken, Digest, Failure, FailureKind, Hasher, RelPath};

use crate::bandwidth::Bucket;
use crate::errno::{Side, failure};
use crate::native::{partial, read};
use crate::source;
use crate::tree::{Item, Root};

/// What is read and written at once.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;
/// From this size on hashing has a thread of its own, and what was written is sent to the disk at once.
const LARGE_BYTES_MIN: u64 = 4 << 20;
/// From this size on an interrupted file goes on where it was.
pub(crate) const RESUME_BYTES_MIN: u64 = 32 << 20;
/// How much is written before it is sent to the disk.
const FLUSH_BYTES: u64 = 16 << 20;
/// Buffers in flight between reading and hashing.
const DEPTH: usize = 4;

/// Where everything of one push happens.
pub(crate) struct Places<'a> {
    pub(crate) source: &'a Root,
    pub(crate) folder: &'a Root,
    pub(crate) partial: &'a Root,
    pub(crate) bucket: &'a Bucket,
    pub(crate) cancel: &'a CancellationToken,
    /// Files without a name may be made in the folder: until one was refused.
    pub(crate) unnamed: AtomicBool,
    /// Called with the bytes that were sent just now.
    pub(crate) advanced: &'a (dyn Fn(u64) + Sync),
}

/// The directory that a worker put its last file into: the next one most often goes there too.
#[derive(Default)]
pub(crate) struct LastParent(Option<(Vec<u8>, Arc<Root>)>);

impl LastParent {
    fn of(&mut self, folder: &Root, path: &RelPath) -> io::Result<Arc<Root>> {
        let bytes = path.as_bytes();
        let dir = memchr::memrchr(b'/', bytes).map_or(&b"."[..], |slash| &bytes[..slash]);
        if let Some((last, root)) = &self.0
            && last == dir
        {
            return Ok(Arc::clone(root));
        }
        let root = Arc::new(folder.descend(dir)?);
        self.0 = Some((dir.to_vec(), Arc::clone(&root)));
        Ok(root)
    }
}

fn lost(what: &'static str, path: &RelPath) -> impl Fn(io::Error) -> Failure {
    let path = path.to_string();
    move |error| at(Side::Destination, what, &path, &error)
}

fn unread(what: &'static str, path: &RelPath) -> impl Fn(io::Error) -> Failure {
    let path = path.to_string();
    move |error| at(Side::Source, what, &path, &error)
}

fn at(side: Side, what: &'static str, path: &str, error: &io::Error) -> Failure {
    if error.get_ref().is_some_and(|inner| inner.is::<read::Stopped>()) {
        return Failure::new(FailureKind::Cancelled, "native.push", "stopped");
    }
    failure(side, "native.push", &format!("{what} {path}"), error)
}

/// Sends `item` and says the hash of what was sent. `resume` says that a partial copy was begun from the very same file.
pub(crate) fn send(
    places: &Places<'_>,
    item: &Item,
    resume: bool,
    last: &mut LastParent,
    buffer: &mut Vec<u8>,
) -> Result<Digest, Failure> {
    let source = places
        .source
        .open_file(item.path.as_bytes(), OFlags::empty())
        .map_err(unread("opening", &item.path))?;
    source::require_same(&source, item, "native.push")?;
    let parent = last.of(places.folder, &item.path).map_err(lost("finding the place of", &item.path))?;
    let begun = partial::begin(places, item, &parent, resume).map_err(lost("beginning", &item.path))?;
    let partial::Begun { target, name, kept } = begun;
    let large = item.stamp.size >= LARGE_BYTES_MIN;
    let sha256 = if large {
        let _ = rustix::fs::fadvise(&source, 0, None, Advice::Sequential);
        let _ = rustix::fs::fadvise(&source, 0, None, Advice::NoReuse);
        send_large(places, item, &source, &target, kept)?
    } else {
        send_small(places, item, &source, &target, buffer)?
    };
    source::require_same(&source, item, "native.push")?;
    dress(&target, item).map_err(lost("setting mode and time of", &item.path))?;
    partial::appear(places, target, name, &parent, item).map_err(lost("naming", &item.path))?;
    Ok(sha256)
}

fn send_small(
    places: &Places<'_>,
    item: &Item,
    source: &File,
    target: &File,
    buffer: &mut Vec<u8>,
) -> Result<Digest, Failure> {
    buffer.resize(BUFFER_BYTES, 0);
    let mut hasher = Hasher::new();
    let mut offset = 0;
    while offset < item.stamp.size {
        let wanted = usize::try_from(item.stamp.size - offset).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        read::stop(places.cancel).map_err(lost("sending", &item.path))?;
        let read = source.read_at(&mut buffer[..wanted], offset).map_err(unread("reading", &item.path))?;
        if read == 0 {
            break;
        }
        places.bucket.take(read, places.cancel);
        hasher.update(&buffer[..read]);
        target.write_all_at(&buffer[..read], offset).map_err(lost("writing", &item.path))?;
        offset += read as u64;
        (places.advanced)(read as u64);
    }
    Ok(hasher.finish())
}

/// Reads, hands each buffer to a hashing thread, and writes it meanwhile. The first `kept` bytes are only hashed; holes are
/// neither read nor written.
fn send_large(
    places: &Places<'_>,
    item: &Item,
    source: &File,
    target: &File,
    kept: u64,
) -> Result<Digest, Failure> {
    std::thread::scope(|scope| {
        let (to_hasher, pieces) = mpsc::sync_channel::<Piece>(DEPTH);
        let (give_back, used) = mpsc::channel::<Arc<Vec<u8>>>();
        let hashing = scope.spawn(move || {
            let zeros = vec![0; BUFFER_BYTES];
            let mut hasher = Hasher::new();
            for piece in pieces {
                match piece {
                    Piece::Hole(len) => hasher.update(&zeros[..len]),
                    Piece::Bytes(bytes) => {
                        hasher.update(&bytes);
                        let _ = give_back.send(bytes);
                    }
                }
            }
            hasher.finish()
        });
        let mut stream = Stream { places, item, source, target, used, spare: Vec::new(), flushed: kept };
        let sent = stream.run(kept, &to_hasher);
        drop(to_hasher);
        let digest = hashing.join();
        sent?;
        digest.map_err(|_| Failure::new(FailureKind::Unknown, "native.push", "the hashing thread ended"))
    })
}

enum Piece {
    Bytes(Arc<Vec<u8>>),
    /// So many zeros that stand in no block.
    Hole(usize),
}

struct Stream<'a> {
    places: &'a Places<'a>,
    item: &'a Item,
    source: &'a File,
    target: &'a File,
    used: mpsc::Receiver<Arc<Vec<u8>>>,
    spare: Vec<Vec<u8>>,
    flushed: u64,
}

impl Stream<'_> {
    fn run(&mut self, kept: u64, to_hasher: &mpsc::SyncSender<Piece>) -> Result<(), Failure> {
        let size = self.item.stamp.size;
        let gone = |_| Failure::new(FailureKind::Unknown, "native.push", "the hashing thread ended");
        let mut offset = 0;
        // Where the data that `offset` lies in, or before, begins and ends.
        let mut data = if self.item.is_sparse() { 0..0 } else { 0..size };
        while offset < size {
            read::stop(self.places.cancel).map_err(lost("sending", &self.item.path))?;
            if offset >= data.end {
                data = next_data(self.source, offset, size)
                    .map_err(unread("looking for holes in", &self.item.path))?;
            }
            if offset < data.start {
                let len = (data.start - offset).min(BUFFER_BYTES as u64);
                to_hasher.send(Piece::Hole(usize::try_from(len).unwrap_or(0))).map_err(gone)?;
                (self.places.advanced)(len);
                offset += len;
                continue;
            }
            let wanted = (data.end - offset).min(BUFFER_BYTES as u64);
            let mut bytes = self.buffer(usize::try_from(wanted).unwrap_or(0));
            let read = self.source.read_at(&mut bytes, offset).map_err(unread("reading", &self.item.path))?;
            if read == 0 {
                break;
            }
            bytes.truncate(read);
            let bytes = Arc::new(bytes);
            to_hasher.send(Piece::Bytes(Arc::clone(&bytes))).map_err(gone)?;
            if offset >= kept {
                self.places.bucket.take(read, self.places.cancel);
                self.target.write_all_at(&bytes, offset).map_err(lost("writing", &self.item.path))?;
            }
            drop(bytes);
            offset += read as u64;
            (self.places.advanced)(read as u64);
            self.flush(offset);
        }
        if self.item.is_sparse() {
            // A hole at the end.
            self.target.set_len(offset).map_err(lost("writing", &self.item.path))?;
        }
        Ok(())
    }

    fn buffer(&mut self, len: usize) -> Vec<u8> {
        self.spare.extend(self.used.try_iter().filter_map(Arc::into_inner));
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.resize(len, 0);
        buffer
    }

    /// Has the kernel begin to write what is new, and forget what it has written: else all of a large file would be written
    /// in one go at the end, and would drive everything else out of memory meanwhile.
    fn flush(&mut self, offset: u64) {
        if offset >= self.flushed + FLUSH_BYTES {
            let len = std::num::NonZeroU64::new(offset - self.flushed);
            let _ = rustix::fs::fadvise(self.target, self.flushed, len, Advice::DontNeed);
            self.flushed = offset;
        }
    }
}

/// The data of a file of `size` bytes at or behind `offset`; empty at its end where there is none.
pub(crate) fn next_data(file: &File, offset: u64, size: u64) -> io::Result<std::ops::Range<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(start) => {
            let end = rustix::fs::seek(file, SeekFrom::Hole(start))?;
            Ok(start..end.clamp(start, size))
        }
        Err(Errno::NXIO) => Ok(size..size),
        // A file system that knows no holes.
        Err(Errno::INVAL) => Ok(offset..size),
        Err(error) => Err(error.into()),
    }
}

/// Gives the copy the permission bits and the times of the original. Set-id bits stay off in storage, and we must be able
/// to read what we wrote.
fn dress(target: &File, item: &Item) -> io::Result<()> {
    let mode = Mode::from_raw_mode(item.mode() & 0o777 | 0o400);
    match rustix::fs::fchmod(target, mode) {
        // Some mounts have no modes.
        Ok(()) | Err(Errno::PERM | Errno::NOTSUP | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    match rustix::fs::futimens(target, &times(item.stamp.mtime_ns())) {
        Ok(()) | Err(Errno::PERM | Errno::NOTSUP | Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Both times of a copy: those of the original's content.
pub(crate) fn times(mtime_ns: i128) -> Timestamps {
    let seconds = i64::try_from(mtime_ns.div_euclid(1_000_000_000)).unwrap_or(0);
    let nanos = i64::try_from(mtime_ns.rem_euclid(1_000_000_000)).unwrap_or(0);
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
    Timestamps { last_access: time, last_modification: time }
}
