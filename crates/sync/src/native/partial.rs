//! A copy before and when it gets its name: nothing that is not whole ever stands under the name of what it copies.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use verisim_core::{Digest, RelPath};

use crate::native::copy::{BUFFER_BYTES, Places, RESUME_BYTES_MIN};
use crate::native::folder::FILE_MODE;
use crate::tree::{Item, Root, Stamp};

/// How much of a partial copy is sent again: its end is the part that a crash may have spoiled.
const RESUME_OVERLAP: u64 = 4 << 20;

/// How long the name of a partial copy is, all of it hexadecimal.
pub(crate) const PARTIAL_NAME_BYTES: usize = 40;

/// The name of a file's partial copy: its path may be too long for a name, and must not matter.
pub(crate) fn partial_name(path: &RelPath) -> String {
    String::from_utf8_lossy(&Digest::of(path.as_bytes()).to_hex()[..PARTIAL_NAME_BYTES]).into_owned()
}

/// A copy in the making.
pub(crate) struct Begun {
    pub(crate) target: File,
    /// Its name among the partial copies; `None`: it has no name at all yet.
    pub(crate) name: Option<String>,
    /// How many bytes of it are there already.
    pub(crate) kept: u64,
}

/// Begins a copy: without a name, in the directory that it is for, where it is short enough to be sent again whole and the
/// file system knows such files; else among the partial copies.
pub(crate) fn begin(places: &Places<'_>, item: &Item, parent: &Root, resume: bool) -> io::Result<Begun> {
    if item.stamp.size < RESUME_BYTES_MIN && places.unnamed.load(Ordering::Relaxed) {
        match parent.open_at(".", OFlags::WRONLY | OFlags::TMPFILE, FILE_MODE) {
            Ok(fd) => return Ok(Begun { target: File::from(fd), name: None, kept: 0 }),
            Err(error) if is_unknown(&error) => places.unnamed.store(false, Ordering::Relaxed),
            Err(error) => return Err(error),
        }
    }
    let name = partial_name(&item.path);
    let (target, kept) = open_partial(places, item, &name, resume)?;
    Ok(Begun { target, name: Some(name), kept })
}

/// Whether the file system, or its server, knows no files without a name.
fn is_unknown(error: &io::Error) -> bool {
    let unknown = [Errno::OPNOTSUPP, Errno::ISDIR, Errno::INVAL, Errno::NOSYS];
    error.raw_os_error().is_some_and(|code| unknown.iter().any(|errno| errno.raw_os_error() == code))
}

/// Opens the partial copy; says how many bytes of it count.
fn open_partial(places: &Places<'_>, item: &Item, name: &str, resume: bool) -> io::Result<(File, u64)> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW;
    if resume && item.stamp.size >= RESUME_BYTES_MIN {
        match places.partial.open_at(name, flags, Mode::empty()) {
            Ok(fd) => {
                let stat = rustix::fs::fstat(&fd)?;
                let there = Stamp::of(&stat).size;
                // Another name for it would be a file elsewhere that we wrote into.
                if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()
                    && stat.st_nlink == 1
                    && there <= item.stamp.size
                {
                    let kept = there.saturating_sub(RESUME_OVERLAP);
                    let kept = kept - kept % BUFFER_BYTES as u64;
                    rustix::fs::ftruncate(&fd, kept)?;
                    return Ok((File::from(fd), kept));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let create = flags | OFlags::CREATE | OFlags::EXCL;
    let fd = match rustix::fs::openat(places.partial, name, create | OFlags::CLOEXEC, FILE_MODE) {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(places.partial, name, AtFlags::empty())?;
            rustix::fs::openat(places.partial, name, create | OFlags::CLOEXEC, FILE_MODE)?
        }
        other => other?,
    };
    Ok((File::from(fd), 0))
}

/// Gives a whole copy the name of what it is a copy of, in one step.
pub(crate) fn appear(
    places: &Places<'_>,
    target: File,
    name: Option<String>,
    parent: &Root,
    item: &Item,
) -> io::Result<()> {
    let bytes = item.path.as_bytes();
    let last = memchr::memrchr(b'/', bytes).map_or(bytes, |slash| &bytes[slash + 1..]);
    let name = match name {
        Some(name) => name,
        None => match link(&target, parent, last) {
            // Something stands there. Only a rename replaces in one step, and it asks for a name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let name = partial_name(&item.path);
                link(&target, places.partial, name.as_bytes())?;
                name
            }
            other => return other,
        },
    };
    // What was closed before it appears has reached the server of a network mount, or its error has reached us.
    drop(target);
    match rustix::fs::renameat(places.partial, &name, parent, last) {
        // What is a file now was a directory in an earlier push; what was in it has been set aside.
        Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => {
            rustix::fs::unlinkat(parent, last, AtFlags::REMOVEDIR)?;
            Ok(rustix::fs::renameat(places.partial, &name, parent, last)?)
        }
        other => Ok(other?),
    }
}

/// Gives a file without a name its first one, where nothing has that name.
fn link(target: &File, parent: &Root, name: &[u8]) -> io::Result<()> {
    let descriptor = format!("/proc/self/fd/{}", target.as_raw_fd());
    Ok(rustix::fs::linkat(rustix::fs::CWD, descriptor, parent, name, AtFlags::SYMLINK_FOLLOW)?)
}
