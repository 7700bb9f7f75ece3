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

/// The nanoseconds of a second.
const NANOS: i128 = 1_000_000_000;

/// The most entries that a tree may have. Each takes about 100 bytes while it is worked on: 48, its path, and its hash.
pub(crate) const ENTRIES_MAX: usize = 8_000_000;

/// What glibc takes from the kernel for one list alone, and gives back with it (mallopt(3), `M_MMAP_THRESHOLD`: 32 MiB at the
/// most). What is smaller stays with the process, and so does each smaller room that a list had while it grew: 36 MiB for a
/// million entries.
const GIVEN_BACK_BYTES: usize = 33 << 20;

/// An empty list for so many entries or more. What of its room is never used takes no memory.
pub(crate) fn list_for<T>(entries: usize) -> Vec<T> {
    Vec::with_capacity(entries.max(GIVEN_BACK_BYTES / size_of::<T>().max(1)))
}

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

/// What tells whether a file is still the one that was looked at. Packed, since there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Written", into = "Written")]
#[repr(C, packed(4))]
pub(crate) struct Stamp {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its inode.
    pub(crate) inode: u64,
    /// When its content last changed: whole seconds since the epoch, and nanoseconds.
    seconds: i64,
    nanos: u32,
}

/// A stamp as a journal has it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Written {
    size: u64,
    mtime_ns: i128,
    inode: u64,
}

impl From<Written> for Stamp {
    fn from(Written { size, mtime_ns, inode }: Written) -> Self {
        Self::new(size, mtime_ns, inode)
    }
}

impl From<Stamp> for Written {
    fn from(stamp: Stamp) -> Self {
        Self { size: stamp.size, mtime_ns: stamp.mtime_ns(), inode: stamp.inode }
    }
}

impl Stamp {
    /// Of a file with this size, time and inode.
    pub(crate) fn new(size: u64, mtime_ns: i128, inode: u64) -> Self {
        let seconds = i64::try_from(mtime_ns.div_euclid(NANOS)).unwrap_or(i64::MAX);
        Self { size, inode, seconds, nanos: u32::try_from(mtime_ns.rem_euclid(NANOS)).unwrap_or(0) }
    }

    pub(crate) fn of(stat: &Stat) -> Self {
        let mtime_ns = i128::from(stat.st_mtime) * NANOS + i128::from(stat.st_mtime_nsec);
        Self::new(u64::try_from(stat.st_size).unwrap_or(0), mtime_ns, stat.st_ino)
    }

    /// When its content last changed, in nanoseconds since the epoch.
    pub(crate) fn mtime_ns(&self) -> i128 {
        i128::from(self.seconds) * NANOS + i128::from(self.nanos)
    }
}

/// What kind of thing an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Other(Other),
}

/// What is no file, directory or link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
    Unknown,
}

impl Other {
    /// Its name, for lists.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::CharacterDevice => "character_device",
            Self::BlockDevice => "block_device",
            Self::Unknown => "unknown",
        }
    }
}

/// One entry of a tree.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) path: RelPath,
    pub(crate) kind: Kind,
    pub(crate) stamp: Stamp,
    /// All twelve permission bits, and above them [`SPARSE`] and [`LINKS`].
    bits: u16,
}

/// It takes less room than its size: it has holes.
const SPARSE: u16 = 1 << 12;
/// More than one name leads to it.
const LINKS: u16 = 1 << 13;

impl Item {
    #[cfg(test)]
    pub(crate) const fn file(path: RelPath, stamp: Stamp) -> Self {
        Self { path, kind: Kind::File, stamp, bits: 0o644 }
    }

    /// All twelve permission bits.
    pub(crate) fn mode(&self) -> u32 {
        u32::from(self.bits & 0o7777)
    }

    /// Whether it takes less room than its size: it has holes.
    pub(crate) const fn is_sparse(&self) -> bool {
        self.bits & SPARSE != 0
    }

    /// Whether more than one name leads to it.
    pub(crate) const fn has_links(&self) -> bool {
        self.bits & LINKS != 0
    }
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
    let mut out = list_for(0);
    visit(root, cancel, |_, item| out.push(item))?;
    out.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(out)
}

/// Hands out what [`walk_until`] lists as it is found: directory by directory, and each entry with the directory that holds it.
pub(crate) fn visit(
    root: &Root,
    cancel: &CancellationToken,
    mut each: impl FnMut(Option<&RelPath>, Item),
) -> Result<(), WalkError> {
    let mut count = 0_usize;
    let mut open: Vec<Option<RelPath>> = vec![None];
    while let Some(dir) = open.pop() {
        let shown = || dir.as_ref().map_or_else(|| ".".to_owned(), ToString::to_string);
        let at = |error: io::Error| WalkError::Io { what: shown(), error };
        let here = match &dir {
            Some(path) => root.descend(path.as_bytes()).map_err(at)?,
            None => root.descend(b".").map_err(at)?,
        };
        for entry in Dir::read_from(&here).map_err(|error| at(error.into()))? {
            let entry = entry.map_err(|error| at(error.into()))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let path = match &dir {
                Some(dir) => dir.join(name),
                None => RelPath::new(name),
            };
            let path = path.map_err(|error| WalkError::Unnameable(error.to_string()))?;
            if path.is_metadata() {
                continue;
            }
            let stat = match rustix::fs::statat(&here, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // It went away between the listing and the look: as if it had never been listed.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(WalkError::Io { what: path.to_string(), error: error.into() }),
            };
            count += 1;
            if count > ENTRIES_MAX {
                return Err(WalkError::TooMany);
            }
            if cancel.is_cancelled() {
                return Err(WalkError::Stopped);
            }
            let item = item(path, &stat);
            if item.kind == Kind::Directory {
                open.push(Some(item.path.clone()));
            }
            each(dir.as_ref(), item);
        }
    }
    Ok(())
}

fn item(path: RelPath, stat: &Stat) -> Item {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Other(Other::Fifo),
        FileType::Socket => Kind::Other(Other::Socket),
        FileType::CharacterDevice => Kind::Other(Other::CharacterDevice),
        FileType::BlockDevice => Kind::Other(Other::BlockDevice),
        FileType::Unknown => Kind::Other(Other::Unknown),
    };
    let stamp = Stamp::of(stat);
    let occupied = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    let is_file = kind == Kind::File;
    let mut bits = u16::try_from(stat.st_mode & 0o7777).unwrap_or(0);
    // Small files may live in the inode; only a real hole is worth looking for.
    bits |= if is_file && stamp.size >= 1 << 20 && occupied < stamp.size { SPARSE } else { 0 };
    bits |= if is_file && stat.st_nlink > 1 { LINKS } else { 0 };
    Item { path, kind, stamp, bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_48_bytes_beside_its_path_and_a_stamp_keeps_every_time() {
        assert_eq!((size_of::<Item>(), size_of::<Stamp>()), (48, 28));
        for mtime_ns in [0, -5, -NANOS, 1_700_000_000 * NANOS + 999_999_999, i128::from(i64::MAX) * NANOS] {
            let stamp = Stamp::new(7, mtime_ns, 9);
            assert_eq!(stamp.mtime_ns(), mtime_ns);
            let json = serde_json::to_string(&stamp).unwrap();
            assert_eq!(json, format!("{{\"size\":7,\"mtime_ns\":{mtime_ns},\"inode\":9}}"));
            assert_eq!(serde_json::from_str::<Stamp>(&json).unwrap(), stamp);
        }
    }
}
