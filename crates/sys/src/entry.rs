//! What stands under a name, and how a regular file is opened once it is certain that it is one.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use verisim_core::{Digest, FileKind, FileMode, Hasher, Owner, Timestamp};

use crate::root::Habits;
use crate::{Error, Meta, Result, filesystem, meta};

/// The most bytes that are asked of the kernel at once.
const PIECE_BYTES: usize = 128 * 1024;

/// An entry of a directory, held by an `O_PATH` descriptor: found, but not opened. Neither a FIFO nor a device notices.
#[derive(Debug)]
pub struct Entry {
    fd: OwnedFd,
    meta: Meta,
    habits: Habits,
}

impl Entry {
    pub(crate) fn new(fd: OwnedFd, habits: Habits) -> Result<Self> {
        let meta = habits.inside(Meta::of(&fd)?);
        Ok(Self { fd, meta, habits })
    }

    /// What the kernel said when it was found.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Opens it for reading, without blocking and, where that can be avoided, without moving its access time.
    ///
    /// # Errors
    /// When it is not a regular file on a real file system, or may not be read.
    pub fn read(&self) -> Result<Regular> {
        self.open(OFlags::RDONLY)
    }

    /// Opens it for adding at its end, without blocking.
    ///
    /// # Errors
    /// When it is not a regular file on a real file system, or may not be written.
    pub fn append(&self) -> Result<Regular> {
        self.open(OFlags::WRONLY | OFlags::APPEND)
    }

    /// Sets the times of exactly what is held, and nothing else of it.
    ///
    /// # Errors
    /// When it is neither a file nor a directory on a real file system, or we may not.
    pub fn set_times(&self, atime: Timestamp, mtime: Timestamp) -> Result<()> {
        if !matches!(self.meta.kind, FileKind::Regular | FileKind::Directory) {
            return Err(Error::NotRegular(self.meta.kind));
        }
        filesystem::require_real(&self.fd)?;
        let times = meta::kernel_times(atime, mtime);
        let set = rustix::fs::utimensat(CWD, &*descriptor_path(&self.fd), &times, AtFlags::empty());
        set.map_err(|errno| match errno {
            Errno::NOENT => Error::NoProc,
            errno => Error::Call { doing: "set its times", errno },
        })
    }

    fn open(&self, how: OFlags) -> Result<Regular> {
        if self.meta.kind != FileKind::Regular {
            return Err(Error::NotRegular(self.meta.kind));
        }
        filesystem::require_real(&self.fd)?;
        // Through the held descriptor, and so exactly what was checked is opened, whatever stands under the name now.
        let path = descriptor_path(&self.fd);
        let flags = how | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat(CWD, &*path, flags | OFlags::NOATIME, Mode::empty()) {
            // Only the owner of a file may ask for that.
            Err(Errno::PERM) => rustix::fs::openat(CWD, &*path, flags, Mode::empty()),
            opened => opened,
        };
        let fd = opened.map_err(|errno| match errno {
            Errno::NOENT => Error::NoProc,
            errno => Error::Call { doing: "open it", errno },
        })?;
        let regular = Regular::new(fd, self.habits.clone());
        if regular.meta()?.identity != self.meta.identity {
            return Err(Error::Restless);
        }
        Ok(regular)
    }
}

/// An open regular file on a real file system.
#[derive(Debug)]
pub struct Regular {
    fd: OwnedFd,
    habits: Habits,
}

impl Regular {
    pub(crate) fn new(fd: OwnedFd, habits: Habits) -> Self {
        Self { fd, habits }
    }

    /// What the kernel says of it now.
    ///
    /// # Errors
    /// When it does not.
    pub fn meta(&self) -> Result<Meta> {
        Meta::of(&self.fd).map(|meta| self.habits.inside(meta))
    }

    /// At most `length` bytes from `offset` on; fewer at the end.
    ///
    /// # Errors
    /// When the disk does not give them.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        // What is reserved beforehand follows the file, not the question: a question may be far larger.
        let size = usize::try_from(self.meta()?.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut out = Vec::with_capacity(length.min(size));
        while out.len() < length && out.len() < size {
            let want = (length - out.len()).min(size - out.len()).min(PIECE_BYTES);
            let at = offset.saturating_add(out.len() as u64);
            let begin = out.len();
            out.resize(begin + want, 0);
            let got = self.piece(&mut out[begin..], at)?;
            out.truncate(begin + got);
            if got == 0 {
                break;
            }
        }
        Ok(out)
    }

    /// The hash of its whole content; `None` when there is more of it than `limit` bytes.
    ///
    /// # Errors
    /// When the disk does not give it.
    pub fn hash(&self, limit: u64) -> Result<Option<Digest>> {
        let size = self.meta()?.size;
        if size > limit {
            return Ok(None);
        }
        // One byte more than it should have, so that the end is seen in the same call.
        let piece = usize::try_from(size.saturating_add(1)).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let mut buffer = vec![0; piece];
        let mut hasher = Hasher::default();
        let mut at = 0;
        loop {
            let got = self.piece(&mut buffer, at)?;
            if got == 0 {
                return Ok(Some(hasher.finish()));
            }
            at += got as u64;
            if at > limit {
                return Ok(None);
            }
            hasher.update(&buffer[..got]);
            if got < buffer.len() && at == size {
                return Ok(Some(hasher.finish()));
            }
        }
    }

    fn piece(&self, buffer: &mut [u8], at: u64) -> Result<usize> {
        loop {
            match rustix::io::pread(&self.fd, &mut *buffer, at) {
                Err(Errno::INTR) => {}
                read => return read.map_err(Error::call("read it")),
            }
        }
    }

    /// Writes all of `bytes` where the file stands: at its end for one opened by [`Entry::append`]. How much was written
    /// stands beside the error.
    ///
    /// # Errors
    /// When the disk does not take them all.
    pub fn write(&self, bytes: &[u8]) -> std::result::Result<(), (usize, Error)> {
        let mut done = 0;
        while done < bytes.len() {
            match rustix::io::write(&self.fd, &bytes[done..]) {
                Ok(0) => return Err((done, Error::Call { doing: "write it", errno: Errno::IO })),
                Ok(written) => done += written,
                Err(Errno::INTR) => {}
                Err(errno) => return Err((done, Error::Call { doing: "write it", errno })),
            }
        }
        Ok(())
    }

    /// Sets space aside for `length` bytes at `offset`, so that writing them does not end half-way for want of it. Where
    /// the file system cannot do that, nothing happens.
    ///
    /// # Errors
    /// When there is not so much space.
    pub fn reserve(&self, offset: u64, length: u64) -> Result<()> {
        match rustix::fs::fallocate(&self.fd, FallocateFlags::KEEP_SIZE, offset, length.max(1)) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                Err(Error::Call { doing: "set space aside for it", errno })
            }
            _ => Ok(()),
        }
    }

    /// Sets the owner. Whether we might, and the decoy knows such an owner.
    ///
    /// # Errors
    /// When it fails for another reason.
    pub fn set_owner(&self, owner: Owner) -> Result<bool> {
        let Some(owner) = self.habits.outside(owner) else { return Ok(false) };
        let (user, group) = (rustix::fs::Uid::from_raw(owner.uid), rustix::fs::Gid::from_raw(owner.gid));
        crate::directory::permitted(rustix::fs::fchown(&self.fd, Some(user), Some(group)))
    }

    /// Sets the mode.
    ///
    /// # Errors
    /// When we may not.
    pub fn set_mode(&self, mode: FileMode) -> Result<()> {
        rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode.bits())).map_err(Error::call("set the mode"))
    }

    /// Sets the times.
    ///
    /// # Errors
    /// When we may not.
    pub fn set_times(&self, atime: Timestamp, mtime: Timestamp) -> Result<()> {
        rustix::fs::futimens(&self.fd, &meta::kernel_times(atime, mtime))
            .map_err(Error::call("set the times"))
    }

    /// Flushes content and metadata to disk.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.fd).map_err(Error::call("flush it to disk"))
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

/// The path by which the kernel finds an open descriptor of ours again.
pub(crate) fn descriptor_path(fd: &OwnedFd) -> String {
    use std::os::fd::AsRawFd as _;
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
