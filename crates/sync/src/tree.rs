//! A directory tree whose names come from others: every name is resolved inside its root, and no link is followed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use verisim_core::{CancellationToken, RelPath, RootIdentity};

/// How a name below a root is resolved: never out of it, and through no link (INV-7).
const CONTAINED: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// The most entries that a tree may have. Each takes about 150 bytes while it is worked on.
pub(crate) const ENTRIES_MAX: usize = 8_000_000;

/// An open directory below which everything happens.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

impl Root {
    /// Opens the directory at `path`, which the operator named; links on the way to it are his.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// What tells this directory from another of the same name.
    pub(crate) fn identity(&self) -> io::Result<RootIdentity> {
        let mask = rustix::fs::StatxFlags::INO | rustix::fs::StatxFlags::BTIME;
        let found = rustix::fs::statx(&self.0, "", AtFlags::EMPTY_PATH, mask)?;
        let known = found.stx_mask & rustix::fs::StatxFlags::BTIME.bits() != 0;
        let born = i128::from(found.stx_btime.tv_sec) * 1_000_000_000 + i128::from(found.stx_btime.tv_nsec);
        Ok(RootIdentity {
            device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            born_ns: known.then(|| i64::try_from(born).ok()).flatten(),
        })
    }

    /// Opens what stands under `path`.
    pub(crate) fn open_at(&self, path: impl AsRef<[u8]>, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        loop {
            match rustix::fs::openat2(&self.0, path.as_ref(), flags | OFlags::CLOEXEC, mode, CONTAINED) {
                // A rename elsewhere in the tree raced with the lookup.
                Err(Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
    }

    /// The directory `path` as a root of its own.
    pub(crate) fn descend(&self, path: impl AsRef<[u8]>) -> io::Result<Self> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).map(Self)
    }

    /// Opens a regular file for reading, without waiting for the other end of a pipe and, where that is allowed, without
    /// moving its access time.
    pub(crate) fn open_file(&self, path: impl AsRef<[u8]>, extra: OFlags) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | extra;
        let path = path.as_ref();
        let fd = match self.open_at(path, flags | OFlags::NOATIME, Mode::empty()) {
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {
                self.open_at(path, flags, Mode::empty())?
            }
            other => other?,
        };
        Ok(File::from(fd))
    }

    /// What is known of `path`, which may be a link itself; `None` where nothing is.
    pub(crate) fn stat(&self, path: impl AsRef<[u8]>) -> io::Result<Option<Stat>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        match self.open_at(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(rustix::fs::fstat(fd)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the directory `path` and those above it, with this mode; it may be there already.
    pub(crate) fn make_dirs(&self, path: &RelPath, mode: Mode) -> io::Result<Self> {
        let mut here = Self(self.0.try_clone()?);
        for name in path.components() {
            match rustix::fs::mkdirat(&here.0, name, mode) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            here = here.descend(name)?;
        }
        Ok(here)
    }

    /// The directory that holds `path`, and the name in it.
    pub(crate) fn parent_of<'a>(&self, path: &'a RelPath) -> io::Result<(Self, &'a [u8])> {
        let bytes = path.as_bytes();
        match memchr::memrchr(b'/', bytes) {
            Some(slash) => Ok((self.descend(&bytes[..slash])?, &bytes[slash + 1..])),
            None => Ok((Self(self.0.try_clone()?), bytes)),
        }
    }

    /// The names in this directory, but `.` and `..`.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut out = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                if out.len() >= ENTRIES_MAX {
                    return Err(io::Error::other("the directory has too many entries"));
                }
                out.push(name.to_vec());
            }
        }
        Ok(out)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What tells whether a file is still the one that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When its content last changed, in nanoseconds since the epoch.
    pub(crate) mtime_ns: i128,
    /// Its inode.
    pub(crate) inode: u64,
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            inode: stat.st_ino,
        }
    }
}

/// What kind of thing an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Other(&'static str),
}

/// One entry of a tree.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) path: RelPath,
    pub(crate) kind: Kind,
    pub(crate) stamp: Stamp,
    /// All twelve permission bits.
    pub(crate) mode: u32,
    /// Whether it takes less room than its size: it has holes.
    pub(crate) sparse: bool,
    /// More than one name leads to it.
    pub(crate) links: bool,
}

/// What a walk met that it could not take.
#[derive(Debug)]
pub(crate) enum WalkError {
    /// A directory or an entry could not be read.
    Io {
        /// Which, printable.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// A path that no manifest can name.
    Unnameable(String),
    /// More entries than can be worked on.
    TooMany,
    /// Whoever wanted it does not any more.
    Stopped,
}

/// The whole list, uninterrupted.
#[cfg(test)]
pub(crate) fn walk(root: &Root) -> Result<Vec<Item>, WalkError> {
    walk_until(root, &CancellationToken::new())
}

/// Lists everything below `root` but our own metadata folder at its top, sorted by path. Follows no link. Ends early when it
/// is cancelled: a large tree takes minutes.
pub(crate) fn walk_until(root: &Root, cancel: &CancellationToken) -> Result<Vec<Item>, WalkError> {
    let mut out = Vec::new();
    let mut open: Vec<Option<RelPath>> = vec![None];
    while let Some(dir) = open.pop() {
        let shown = || dir.as_ref().map_or_else(|| ".".to_owned(), ToString::to_string);
        let at = |error: io::Error| WalkError::Io { what: shown(), error };
        let here = match &dir {
            Some(path) => root.descend(path.as_bytes()).map_err(at)?,
            None => root.descend(b".").map_err(at)?,
        };
        for name in here.names().map_err(at)? {
            let path = match &dir {
                Some(dir) => dir.join(&name),
                None => RelPath::new(&name),
            };
            let path = path.map_err(|error| WalkError::Unnameable(error.to_string()))?;
            if path.is_metadata() {
                continue;
            }
            let stat = match rustix::fs::statat(&here, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // It went away between the listing and the look: as if it had never been listed.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(WalkError::Io { what: path.to_string(), error: error.into() }),
            };
            if out.len() >= ENTRIES_MAX {
                return Err(WalkError::TooMany);
            }
            if cancel.is_cancelled() {
                return Err(WalkError::Stopped);
            }
            let item = item(path, &stat);
            if item.kind == Kind::Directory {
                open.push(Some(item.path.clone()));
            }
            out.push(item);
        }
    }
    out.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(out)
}

fn item(path: RelPath, stat: &Stat) -> Item {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Other("fifo"),
        FileType::Socket => Kind::Other("socket"),
        FileType::CharacterDevice => Kind::Other("character_device"),
        FileType::BlockDevice => Kind::Other("block_device"),
        FileType::Unknown => Kind::Other("unknown"),
    };
    let stamp = Stamp::of(stat);
    let occupied = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    Item {
        path,
        kind,
        stamp,
        mode: stat.st_mode & 0o7777,
        // Small files may live in the inode; only a real hole is worth looking for.
        sparse: kind == Kind::File && stamp.size >= 1 << 20 && occupied < stamp.size,
        links: kind == Kind::File && stat.st_nlink > 1,
    }
}
