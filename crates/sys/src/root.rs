//! A directory as the root of a decoy.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use verisim_core::{DecoyPath, FileKind, Owner};

use crate::{Directory, Error, IdMap, Meta, Result, meta};

/// How often a resolution is tried that the kernel gave up because something was renamed meanwhile. A decoy that renames
/// without pause can make each attempt fail; then nothing happened, and the caller backs off.
const RESOLVE_ATTEMPTS_MAX: usize = 64;

/// A held directory inside which every path resolves, whatever links stand in it (INV-7).
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    habits: Habits,
}

/// What holds for everything below a root.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// Whether a file in the making may be one without a name.
    pub(crate) unnamed_files: bool,
    /// How the owners that the decoy sees stand for those of this machine; `None` when they are the same.
    pub(crate) ids: Option<Arc<IdMap>>,
}

impl Habits {
    /// The same as the decoy sees it.
    pub(crate) fn inside(&self, mut meta: Meta) -> Meta {
        if let Some(ids) = &self.ids {
            meta.owner = ids.inside(meta.owner);
        }
        meta
    }

    /// The owner on this machine; `None` when the decoy knows none like it.
    pub(crate) fn outside(&self, owner: Owner) -> Option<Owner> {
        self.ids.as_ref().map_or(Some(owner), |ids| ids.outside(owner))
    }
}

impl Root {
    /// A directory that is held already, whose owners are those that `ids` says.
    pub(crate) fn held(fd: OwnedFd, ids: Option<IdMap>) -> Self {
        Self { fd, habits: Habits { unnamed_files: true, ids: ids.map(Arc::new) } }
    }

    /// Opens the directory `path` of this machine, which is the operator's and may pass through links.
    ///
    /// # Errors
    /// When it is not there, not a directory, or may not be searched.
    pub fn open(path: &Path) -> Result<Self> {
        let fd =
            rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(Error::call("open the decoy's root"))?;
        Ok(Self::held(fd, None))
    }

    /// Opens the directory `path`, which must be absolute and pass through no link at all.
    ///
    /// # Errors
    /// As [`Root::open`]; and when a part of it is a link, with `ELOOP`.
    pub fn open_exact(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .map_err(Error::call("open the decoy's root"))?;
        Ok(Self::held(fd, None))
    }

    /// Stages under a name even where the file system has files without one: what happens by itself on one that has not.
    #[must_use]
    pub fn with_named_staging(mut self) -> Self {
        self.habits.unnamed_files = false;
        self
    }

    /// Which directory it is: device and inode number.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn identity(&self) -> Result<(u32, u32, u64)> {
        Meta::of(&self.fd).map(|meta| meta.identity)
    }

    /// What tells the directory from another one at the same place for as long as it exists, also after another mount or a
    /// restart, which may change the device number: its inode number, and its birth in nanoseconds since 1970 where the
    /// file system knows it, since an inode number is used again.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn lasting_identity(&self) -> Result<(u64, Option<i128>)> {
        meta::inode_and_birth(&self.fd)
    }

    /// The directory at `path`, links in it resolved inside the root.
    ///
    /// # Errors
    /// When it is not there, not a directory, may not be searched, or passes through a magic link.
    pub fn directory(&self, path: &DecoyPath) -> Result<Directory> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let relative = match path.relative() {
            b"" => b".",
            relative => relative,
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..RESOLVE_ATTEMPTS_MAX {
            match rustix::fs::openat2(&self.fd, relative, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                found => {
                    let fd = found.map_err(Error::call("resolve the directory"))?;
                    return Ok(Directory::new(fd, self.habits.clone()));
                }
            }
        }
        Err(Error::Restless)
    }

    /// The directory that holds `path`, and the name of the entry in it.
    ///
    /// # Errors
    /// As [`Root::directory`]; and for the root itself, which is no entry.
    pub fn parent_of<'p>(&self, path: &'p DecoyPath) -> Result<(Directory, &'p [u8])> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::NotRegular(FileKind::Directory));
        };
        Ok((self.directory(&parent)?, name))
    }

    /// How much is free on the file system of the root, in bytes, and whether it takes writes.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn space(&self) -> Result<(u64, bool)> {
        let found = rustix::fs::fstatvfs(&self.fd).map_err(Error::call("find out the free space"))?;
        let writable = !found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY)
            && rustix::fs::accessat(
                &self.fd,
                c".",
                rustix::fs::Access::WRITE_OK,
                rustix::fs::AtFlags::empty(),
            )
            .is_ok();
        Ok((found.f_bavail.saturating_mul(found.f_frsize), writable))
    }
}
