//! A held directory, and what is done with the entries right under it. Every function takes the name of one entry and
//! never follows a link at it.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RawDir, RenameFlags, Uid};
use rustix::io::Errno;
use verisim_core::{FileKind, FileMode, Owner, Timestamp};

use crate::root::Habits;
use crate::{Entry, Error, Meta, Result, filesystem, meta};

/// A directory that was resolved inside a root and is held, so that what is done with its entries happens there and
/// nowhere else, also when it is renamed meanwhile.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    habits: Habits,
}

/// The entries of a directory, without `.` and `..`.
#[derive(Debug)]
pub struct Names {
    /// Name and kind of each.
    pub entries: Vec<(Vec<u8>, FileKind)>,
    /// Whether there were more than the limit.
    pub more: bool,
}

impl Directory {
    pub(crate) fn new(fd: OwnedFd, habits: Habits) -> Self {
        Self { fd, habits }
    }

    pub(crate) fn habits(&self) -> &Habits {
        &self.habits
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What the kernel says of the directory itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn meta(&self) -> Result<Meta> {
        Meta::of(&self.fd).map(|meta| self.habits.inside(meta))
    }

    /// Refuses a directory that is not on a real file system.
    ///
    /// # Errors
    /// [`Error::NotReal`].
    pub fn require_real(&self) -> Result<()> {
        filesystem::require_real(&self.fd)
    }

    /// What stands under `name`, held without being opened. `None` when nothing does.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn entry(&self, name: &[u8]) -> Result<Option<Entry>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Entry::new(fd, self.habits.clone()).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::Call { doing: "look at it", errno }),
        }
    }

    /// Gives an entry of this directory another name in `to`, where nothing may stand.
    ///
    /// # Errors
    /// [`Error::is_occupied`] when something does, [`Error::is_absent`] when there is nothing to rename.
    pub fn rename(&self, name: &[u8], to: &Self, new_name: &[u8]) -> Result<()> {
        rustix::fs::renameat_with(&self.fd, name, &to.fd, new_name, RenameFlags::NOREPLACE)
            .map_err(Error::call("rename it"))
    }

    /// Exchanges two entries in one step.
    ///
    /// # Errors
    /// [`Error::is_absent`] when one of them is missing.
    pub fn exchange(&self, one: &[u8], other: &[u8]) -> Result<()> {
        rustix::fs::renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE).map_err(|errno| {
            // The kernel says "invalid" where the file system cannot exchange.
            let errno = if errno == Errno::INVAL { Errno::OPNOTSUPP } else { errno };
            Error::Call { doing: "exchange it with the new content", errno }
        })
    }

    /// Removes an entry that is not a directory. Whether it was there.
    ///
    /// # Errors
    /// When it is a directory, or may not be removed.
    pub fn unlink(&self, name: &[u8]) -> Result<bool> {
        present(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()), "remove it")
    }

    /// Removes an empty directory. Whether it was there.
    ///
    /// # Errors
    /// When it is not one, is not empty, or may not be removed.
    pub fn remove_directory(&self, name: &[u8]) -> Result<bool> {
        present(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR), "remove the directory")
    }

    /// Makes an empty directory that only we may enter, and holds it.
    ///
    /// # Errors
    /// [`Error::is_occupied`] when something stands there.
    pub fn make_directory(&self, name: &[u8]) -> Result<Self> {
        rustix::fs::mkdirat(&self.fd, name, Mode::RWXU).map_err(Error::call("make the directory"))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())
            .map_err(Error::call("open the directory it made"))?;
        let made = Self::new(fd, self.habits.clone());
        if made.habits.ids.is_some() {
            // Who makes it is the superuser of this machine, whom the decoy does not know; its own it does.
            made.set_owner(Owner::ROOT)?;
        }
        Ok(made)
    }

    /// Sets owner (where one is given) and mode of the directory itself. Whether the owner is as it was asked for.
    ///
    /// # Errors
    /// When the mode cannot be set, or the owner for another reason than that we may not.
    pub fn dress(&self, owner: Option<Owner>, mode: FileMode) -> Result<bool> {
        let owner_set = match owner {
            None => true,
            Some(owner) => self.meta()?.owner == owner || self.set_owner(owner)?,
        };
        rustix::fs::chmodat(&self.fd, c".", Mode::from_raw_mode(mode.bits()), AtFlags::empty())
            .map_err(Error::call("set the directory's mode"))?;
        Ok(owner_set)
    }

    fn set_owner(&self, owner: Owner) -> Result<bool> {
        let Some(owner) = self.habits.outside(owner) else { return Ok(false) };
        let (user, group) = (Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)));
        permitted(rustix::fs::chownat(&self.fd, c".", user, group, AtFlags::empty()))
    }

    /// Sets the times of the directory itself. Whether we might.
    ///
    /// # Errors
    /// When it fails for another reason than that we may not.
    pub fn set_times(&self, atime: Timestamp, mtime: Timestamp) -> Result<bool> {
        let times = meta::kernel_times(atime, mtime);
        match rustix::fs::utimensat(&self.fd, c".", &times, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::PERM | Errno::ACCESS) => Ok(false),
            Err(errno) => Err(Error::Call { doing: "set the directory's times", errno }),
        }
    }

    /// Flushes the entries of the directory to disk.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn sync(&self) -> Result<()> {
        let dir = self.reopen()?;
        rustix::fs::fsync(&dir).map_err(Error::call("flush the directory to disk"))
    }

    /// Flushes the whole file system that it is on: what many files cost together is that of one.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync_file_system(&self) -> Result<()> {
        let dir = self.reopen()?;
        rustix::fs::syncfs(&dir).map_err(Error::call("flush the file system to disk"))
    }

    /// At most `limit` entries. Kinds that the file system does not tell are looked up one by one.
    ///
    /// # Errors
    /// When it is not on a real file system, or may not be read.
    pub fn list(&self, limit: usize) -> Result<Names> {
        self.require_real()?;
        let dir = self.reopen()?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut raw = RawDir::new(&dir, &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = raw.next() {
            let entry = entry.map_err(Error::call("list the directory"))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if entries.len() == limit {
                return Ok(Names { entries, more: true });
            }
            let kind = match entry.file_type() {
                FileType::RegularFile => FileKind::Regular,
                FileType::Directory => FileKind::Directory,
                FileType::Symlink => FileKind::Symlink,
                FileType::Unknown => match self.entry(name)? {
                    Some(entry) => entry.meta().kind,
                    None => continue,
                },
                FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice => {
                    FileKind::Special
                }
            };
            entries.push((name.to_vec(), kind));
        }
        Ok(Names { entries, more: false })
    }

    /// The same directory, opened for more than being held; without moving its access time where that can be avoided.
    fn reopen(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat(&self.fd, c".", flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => rustix::fs::openat(&self.fd, c".", flags, Mode::empty()),
            opened => opened,
        };
        opened.map_err(Error::call("open the directory"))
    }
}

fn present(removed: rustix::io::Result<()>, doing: &'static str) -> Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(Error::Call { doing, errno }),
    }
}

/// Whether a change of owner happened; that we may not make it, or that the owner does not exist in our user namespace,
/// is an answer.
pub(crate) fn permitted(changed: rustix::io::Result<()>) -> Result<bool> {
    match changed {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::INVAL) => Ok(false),
        Err(errno) => Err(Error::Call { doing: "set the owner", errno }),
    }
}
