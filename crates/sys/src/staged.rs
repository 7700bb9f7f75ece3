//! A file that has no name yet.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use verisim_core::{FileKind, Owner};

use crate::entry::descriptor_path;
use crate::{Directory, Error, Regular, Result};

/// A file in the making. It has no name, or, where the file system knows no files without one, the partial name, which
/// only ever stands for something unfinished of ours. Dropped before it appears, it leaves nothing behind.
#[derive(Debug)]
pub struct Staged<'d> {
    dir: &'d Directory,
    file: Regular,
    partial: Option<Partial<'d>>,
}

/// The name of something unfinished, which goes with this value unless it is given away.
#[derive(Debug)]
struct Partial<'d> {
    dir: &'d Directory,
    name: &'d [u8],
    armed: bool,
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if self.armed {
            // Nothing more can be done about a leftover that will not go; the next use of the name meets it.
            let _ = self.dir.unlink(self.name);
        }
    }
}

impl<'d> Staged<'d> {
    /// Begins an empty file in `dir` that only we may read.
    ///
    /// # Errors
    /// When there is no space, or we may not write there.
    pub fn begin(dir: &'d Directory, partial: &'d [u8]) -> Result<Self> {
        // Reading it back must not move its access time, therefore NOATIME.
        let flags = OFlags::RDWR | OFlags::NOATIME | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        if dir.habits().unnamed_files {
            match rustix::fs::openat(dir.fd(), c".", flags | OFlags::TMPFILE, mode) {
                // "Is a directory" comes from file systems and kernels that do not know the flag.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
                opened => {
                    let fd = opened.map_err(Error::call("make a file in the directory"))?;
                    return Self::belonging_to_the_decoy(dir, fd, None);
                }
            }
        }
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let opened = match rustix::fs::openat(dir.fd(), partial, flags, mode) {
            Err(Errno::EXIST) => {
                Self::discard_partial(dir, partial)?;
                rustix::fs::openat(dir.fd(), partial, flags, mode)
            }
            opened => opened,
        };
        let fd = opened.map_err(Error::call("make a file in the directory"))?;
        Self::belonging_to_the_decoy(dir, fd, Some(Partial { dir, name: partial, armed: true }))
    }

    /// Who made it is a user of this machine. Where the decoy has users of its own, it is given to their superuser.
    fn belonging_to_the_decoy(dir: &'d Directory, fd: OwnedFd, partial: Option<Partial<'d>>) -> Result<Self> {
        let file = Regular::new(fd, dir.habits().clone());
        if dir.habits().ids.is_some() {
            file.set_owner(Owner::ROOT)?;
        }
        Ok(Self { dir, file, partial })
    }

    /// Removes what a killed process left under the partial name: a regular file, or an empty directory.
    ///
    /// # Errors
    /// When something else stands there, or it may not be removed.
    pub fn discard_partial(dir: &Directory, partial: &[u8]) -> Result<()> {
        match dir.entry(partial)?.map(|entry| entry.meta().kind) {
            None => Ok(()),
            Some(FileKind::Regular) => dir.unlink(partial).map(|_| ()),
            Some(FileKind::Directory) => dir.remove_directory(partial).map(|_| ()),
            Some(kind @ (FileKind::Symlink | FileKind::Special)) => Err(Error::NotRegular(kind)),
        }
    }

    /// The file, to be written and dressed.
    #[must_use]
    pub fn file(&self) -> &Regular {
        &self.file
    }

    /// Gives the file its name, in one step, if nothing stands there; the open file comes back.
    ///
    /// # Errors
    /// [`Error::is_occupied`] when something does.
    pub fn appear(self, name: &[u8]) -> Result<Regular> {
        let Self { dir, file, partial } = self;
        let appeared = match partial {
            None => {
                let path = descriptor_path(file.fd());
                rustix::fs::linkat(CWD, &*path, dir.fd(), name, AtFlags::SYMLINK_FOLLOW)
            }
            Some(mut partial) => {
                let appeared =
                    rustix::fs::renameat_with(dir.fd(), partial.name, dir.fd(), name, RenameFlags::NOREPLACE);
                partial.armed = appeared.is_err();
                appeared
            }
        };
        appeared.map_err(Error::call("let it appear under its name"))?;
        Ok(file)
    }
}
