//! What the kernel says of an entry.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, StatxTimestamp, Timespec, Timestamps};
use verisim_core::{Digest, FileKind, FileMode, FileStat, Owner, Timestamp};

use crate::{Error, Result};

/// What the kernel says of an entry, in the same widths on every architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// What it is.
    pub kind: FileKind,
    /// Its permission bits.
    pub mode: FileMode,
    /// Its owner.
    pub owner: Owner,
    /// Its length in bytes.
    pub size: u64,
    /// How many names it has.
    pub links: u64,
    /// Its device and inode number: what makes it this entry and no other.
    pub identity: (u32, u32, u64),
    /// When its content changed.
    pub mtime: Timestamp,
    /// When it was last read.
    pub atime: Timestamp,
    /// When its inode changed.
    pub ctime: Timestamp,
    /// When its inode was made, where the file system knows that.
    pub btime: Option<Timestamp>,
}

impl Meta {
    /// Of what `fd` stands for, which may be an `O_PATH` descriptor, also of a link.
    pub(crate) fn of(fd: impl AsFd) -> Result<Self> {
        let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        rustix::fs::statx(fd, c"", flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)
            .map(|found| Self::from_statx(&found))
            .map_err(Error::call("stat it"))
    }

    fn from_statx(found: &Statx) -> Self {
        let mode = u32::from(found.stx_mode);
        Self {
            kind: match FileType::from_raw_mode(mode) {
                FileType::RegularFile => FileKind::Regular,
                FileType::Directory => FileKind::Directory,
                FileType::Symlink => FileKind::Symlink,
                _ => FileKind::Special,
            },
            mode: FileMode::new(mode),
            owner: Owner { uid: found.stx_uid, gid: found.stx_gid },
            size: found.stx_size,
            links: u64::from(found.stx_nlink),
            identity: (found.stx_dev_major, found.stx_dev_minor, found.stx_ino),
            mtime: from_statx(found.stx_mtime),
            atime: from_statx(found.stx_atime),
            ctime: from_statx(found.stx_ctime),
            btime: (found.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| from_statx(found.stx_btime)),
        }
    }

    /// The same in the vocabulary of the ports.
    #[must_use]
    pub fn file_stat(&self, sha256: Option<Digest>) -> FileStat {
        FileStat {
            kind: self.kind,
            size: self.size,
            mode: self.mode,
            owner: self.owner,
            inode: Some(self.identity.2),
            links: Some(self.links),
            mtime: self.mtime,
            atime: self.atime,
            ctime: Some(self.ctime),
            btime: self.btime,
            sha256,
        }
    }
}

/// The inode number of what `fd` stands for, and when it was made, where the file system knows that.
pub(crate) fn inode_and_birth(fd: impl AsFd) -> Result<(u64, Option<i128>)> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let found = rustix::fs::statx(fd, c"", flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)
        .map_err(Error::call("stat it"))?;
    let born = i128::from(found.stx_btime.tv_sec) * 1_000_000_000 + i128::from(found.stx_btime.tv_nsec);
    let known = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok((found.stx_ino, known.then_some(born)))
}

fn from_statx(found: StatxTimestamp) -> Timestamp {
    timestamp(found.tv_sec, found.tv_nsec)
}

/// A time that no calendar of ours holds (a decoy may set any) becomes the nearest one that it does.
fn timestamp(second: i64, nanosecond: u32) -> Timestamp {
    let nearest = if second < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::new(second, i32::try_from(nanosecond).unwrap_or(0)).unwrap_or(nearest)
}

/// The pair that `utimensat` takes.
pub(crate) fn kernel_times(atime: Timestamp, mtime: Timestamp) -> Timestamps {
    Timestamps { last_access: timespec(atime), last_modification: timespec(mtime) }
}

/// The kernel counts nanoseconds upwards from a whole second, jiff away from the epoch.
fn timespec(time: Timestamp) -> Timespec {
    let (second, nanosecond) = (time.as_second(), time.subsec_nanosecond());
    if nanosecond < 0 {
        Timespec { tv_sec: second - 1, tv_nsec: i64::from(nanosecond) + 1_000_000_000 }
    } else {
        Timespec { tv_sec: second, tv_nsec: i64::from(nanosecond) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_the_epoch_keeps_its_nanoseconds() {
        let time = Timestamp::new(-5, -250).unwrap();
        let kernel = timespec(time);
        assert_eq!((kernel.tv_sec, kernel.tv_nsec), (-6, 999_999_750));
        assert_eq!(timestamp(-6, 999_999_750), time);
        assert_eq!(timestamp(i64::MAX, 0), Timestamp::MAX);
    }
}
