//! A capture's folder at the destination: whose it is, and what Verisim keeps in it.

use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use verisim_core::manifest::{MANIFEST_PATH, METADATA_DIR};
use verisim_core::{Digest, Failure, FailureKind, Hasher, RelPath, Remote};

use crate::errno::{Side, failure};
use crate::tree::Root;

/// Who owns the folder; the first thing that is written.
pub(crate) const OWNER: &str = ".verisim/owner";
/// The marker before it bears its name.
const OWNER_NEW: &str = ".verisim/owner.new";
/// Files that are not complete yet.
pub(crate) const PARTIAL: &str = ".verisim/partial";
/// What was sent once and is not in the capture any more.
pub(crate) const ASIDE: &str = ".verisim/aside";
/// What is in the capture and is not a regular file: one JSON object a line.
pub(crate) const SPECIAL: &str = ".verisim/special.jsonl";
/// The longest marker that is read.
const OWNER_BYTES_MAX: u64 = 8192;

pub(crate) const DIR_MODE: Mode = Mode::from_raw_mode(0o755);
pub(crate) const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

fn refuse(what: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Config, "native.push", what)
}

fn lost(what: &str, error: &io::Error) -> Failure {
    failure(Side::Destination, "native.push", what, error)
}

/// Opens the folder for a push; makes it, with its marker, where it is not there. A folder of another owner, one below or
/// above another owner's, and one with content but no marker are refused, with nothing changed.
pub(crate) fn claim(root: &Root, to: &Remote) -> Result<Root, Failure> {
    for (at, byte) in to.path.as_bytes().iter().enumerate() {
        if *byte == b'/'
            && let Some(other) = owner(root, &to.path.as_bytes()[..at]).map_err(|e| lost("looking", &e))?
        {
            return Err(refuse(format_args!("a folder above {} belongs to {other}", to.path)));
        }
    }
    match owner(root, to.path.as_bytes()).map_err(|error| lost("reading the owner marker", &error))? {
        Some(owner) if owner == to.owner => {}
        Some(other) => return Err(refuse(format_args!("{} belongs to {other}", to.path))),
        None => {
            if has_content(root, &to.path).map_err(|error| lost("listing the folder", &error))? {
                return Err(refuse(format_args!("{} has content and no owner marker", to.path)));
            }
        }
    }
    let folder = root.make_dirs(&to.path, DIR_MODE).map_err(|error| lost("making the folder", &error))?;
    mark(&folder, &to.owner).map_err(|error| lost("writing the owner marker", &error))?;
    // Another process may have been faster.
    match owner(&folder, b"").map_err(|error| lost("reading the owner marker", &error))? {
        Some(owner) if owner == to.owner => Ok(folder),
        _ => Err(refuse(format_args!("{} was claimed by another owner just now", to.path))),
    }
}

/// Whether anything but an empty metadata folder of ours stands in the folder.
fn has_content(root: &Root, path: &RelPath) -> io::Result<bool> {
    let folder = match root.descend(path.as_bytes()) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let names = folder.names()?;
    if names.iter().any(|name| name != METADATA_DIR.as_bytes()) {
        return Ok(true);
    }
    // A kill between the making of the metadata folder and its marker leaves this.
    Ok(!names.is_empty() && !folder.descend(METADATA_DIR)?.names()?.iter().all(|name| name == b"owner.new"))
}

/// The owner that the marker of the folder `path` names.
pub(crate) fn owner(root: &Root, path: &[u8]) -> io::Result<Option<String>> {
    let at =
        if path.is_empty() { OWNER.as_bytes().to_vec() } else { [path, b"/", OWNER.as_bytes()].concat() };
    let file = match root.open_file(at, OFlags::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(OWNER_BYTES_MAX).read_to_end(&mut text)?;
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

/// Whether the folder holds what a kill leaves of a marker with this name that was being written: all of it, or its begin.
pub(crate) fn is_torn_marker(root: &Root, name: &str) -> bool {
    let Ok(file) = root.open_file(OWNER_NEW, OFlags::empty()) else { return false };
    let mut text = Vec::new();
    file.take(OWNER_BYTES_MAX).read_to_end(&mut text).is_ok() && marker(name).as_bytes().starts_with(&text)
}

/// What the marker says.
fn marker(name: &str) -> String {
    format!("{}\n", name.replace('\n', " "))
}

/// Writes the marker where there is none, and makes the folders beside it.
pub(crate) fn mark(folder: &Root, name: &str) -> io::Result<()> {
    let metadata = folder.make_dirs(&RelPath::new(METADATA_DIR).map_err(io::Error::other)?, DIR_MODE)?;
    if owner(folder, b"")?.is_none() {
        write_whole(&metadata, b"owner.new", marker(name).as_bytes())?;
        match rustix::fs::renameat_with(&metadata, "owner.new", &metadata, "owner", RenameFlags::NOREPLACE) {
            // Some network file systems know no such rename; that another process claims the very folder in this very
            // moment is found out by the reading that follows.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                rustix::fs::renameat(&metadata, "owner.new", &metadata, "owner")?;
            }
            Err(rustix::io::Errno::EXIST) => {}
            other => other?,
        }
        rustix::fs::fsync(&metadata)?;
        rustix::fs::fsync(folder)?;
    }
    Ok(())
}

/// Writes a file of our own and makes its content durable.
fn write_whole(dir: &Root, name: &[u8], content: &[u8]) -> io::Result<()> {
    let mut file = fresh(dir, name)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A file of our own to write, made anew. What stands under its name may be another name of somebody's file, or a pipe that
/// nobody reads: it is taken away, and never opened.
fn fresh(dir: &Root, name: &[u8]) -> io::Result<std::fs::File> {
    discard(dir, name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    dir.open_at(name, flags, FILE_MODE).map(std::fs::File::from)
}

/// Replaces `path`, a file of our own in the metadata folder, in one step and durably.
pub(crate) fn replace(folder: &Root, path: &str, content: &mut impl Read) -> io::Result<()> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let metadata = folder.make_dirs(&RelPath::new(METADATA_DIR).map_err(io::Error::other)?, DIR_MODE)?;
    let new = format!("{name}.new");
    let mut file = fresh(&metadata, new.as_bytes())?;
    io::copy(content, &mut file)?;
    file.sync_all()?;
    rustix::fs::renameat(&metadata, new.as_str(), &metadata, name)?;
    rustix::fs::fsync(&metadata)?;
    Ok(())
}

/// The hash of the sealed manifest in the folder, where there is one.
pub(crate) fn sealed(folder: &Root) -> io::Result<Option<Digest>> {
    let mut file = match folder.open_file(MANIFEST_PATH, OFlags::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Some(hasher.finish())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Writes the manifest into `folder`, with its marker: the commit mark.
pub(crate) fn seal(folder: &Root, manifest: &Path) -> io::Result<()> {
    replace(folder, MANIFEST_PATH, &mut std::fs::File::open(manifest)?)
}

/// Removes a file of ours that may not be there.
pub(crate) fn discard(dir: &Root, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_12_a_marker_that_a_kill_cut_short_is_known_as_ours() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert!(!is_torn_marker(&root, "lab"));
        std::fs::create_dir(dir.path().join(".verisim")).unwrap();
        for (left, ours) in [("", true), ("la", true), ("lab\n", true), ("lib", false), ("lab\nmore", false)]
        {
            std::fs::write(dir.path().join(OWNER_NEW), left).unwrap();
            assert_eq!(is_torn_marker(&root, "lab"), ours, "{left:?}");
        }
    }
}
