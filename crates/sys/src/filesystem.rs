//! Which file systems hold plain files.

use std::os::fd::AsFd;

use crate::{Error, Result};

/// Types, as `statfs` gives them, of the file systems whose regular files are bytes on a disk or in memory: reading one
/// ends, and has no effect. From `linux/magic.h` and the file systems' own headers. What is not named here may block for
/// ever (FUSE, NFS, 9p), act (procfs, sysfs, debugfs), or never end.
const REAL: [u64; 21] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x794c_7630, // overlayfs
    0x2fc1_2fc1, // ZFS
    0xf2f5_2010, // F2FS
    0xca45_1a4e, // bcachefs
    0x3153_464a, // JFS
    0x5265_4973, // ReiserFS
    0x3434,      // NILFS2
    0x6175_6673, // aufs
    0x7371_7368, // SquashFS
    0xe0f5_e1e2, // EROFS
    0x9660,      // ISO 9660
    0x4d44,      // FAT
    0x2011_bab0, // exFAT
    0x7366_746e, // NTFS3
    0x1501_3346, // UDF
    0xf15f,      // eCryptfs
];

/// Whether this is on a file system of this machine: one whose regular files are bytes on its disk or in its memory.
#[must_use]
pub fn is_local(fd: impl AsFd) -> bool {
    require_real(fd).is_ok()
}

/// Refuses what is not on a real file system.
pub(crate) fn require_real(fd: impl AsFd) -> Result<()> {
    let found = rustix::fs::fstatfs(fd).map_err(Error::call("find out its file system"))?.f_type;
    // The field's type differs between architectures; its 32 bits do not.
    let magic = u64::try_from(i128::from(found) & 0xffff_ffff).unwrap_or(0);
    if REAL.contains(&magic) { Ok(()) } else { Err(Error::NotReal(magic)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn procfs_is_not_a_real_file_system() {
        let proc = std::fs::File::open("/proc/self/status").unwrap();
        assert_eq!(require_real(&proc), Err(Error::NotReal(0x9fa0)));
        let dir = tempfile::tempdir().unwrap();
        require_real(std::fs::File::open(dir.path()).unwrap()).unwrap();
    }
}
