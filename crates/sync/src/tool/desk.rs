//! A private folder into which a tool fetches what it is asked about.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use verisim_core::Failure;

use super::Look;
use crate::errno::{Side, failure};
use crate::identity::MARKER;
use crate::native::folder;
use crate::tree::Root;

/// The longest marker that is read.
const MARKER_BYTES_MAX: u64 = 4096;

/// A private folder that goes with this value.
pub(crate) struct Desk(PathBuf);

impl Desk {
    pub(crate) fn new(below: &Path, operation: &'static str) -> Result<Self, Failure> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let lost = |error| failure(Side::State, operation, "making a private folder", &error);
        let name = format!("desk-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = below.join(name);
        // What a process of the same number left behind.
        let _ = fs::remove_dir_all(&path);
        let make = || {
            fs::DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(below)
                .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&path))
        };
        // Another desk may take the folder away with it, between the two.
        make().or_else(|_| make()).map_err(lost)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What cannot be removed now is private, and small. Others may have a desk beside it.
        let _ = fs::remove_dir_all(&self.0);
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

/// What was fetched of the folder `path` and of those above it, `folders`, read as a destination on this machine is.
pub(crate) fn on_desk(desk: &Desk, path: &[u8], folders: &[&[u8]]) -> io::Result<Look> {
    let root = Root::open(desk.path())?;
    let mut look = Look { marker: marker(desk)?, ..Look::default() };
    for folder in folders.iter().chain(std::iter::once(&path)) {
        let found = fs::symlink_metadata(desk.path().join(OsStr::from_bytes(folder)));
        match found {
            Ok(found) if !found.is_dir() => {
                look.in_the_way = Some(String::from_utf8_lossy(folder).into_owned());
                return Ok(look);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(look),
            Err(error) => return Err(error),
        }
        if *folder == path {
            look.exists = true;
            look.owner = folder::owner(&root, folder)?;
            look.sealed = folder::sealed(&root.descend(folder)?)?;
        } else {
            look.above = folder::owner(&root, folder)?.or(look.above);
        }
    }
    Ok(look)
}

/// The identity that the fetched marker of the destination names.
fn marker(desk: &Desk) -> io::Result<Option<String>> {
    let path = desk.path().join(MARKER);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() => {}
        // A link says nothing, wherever it leads.
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut text = Vec::new();
    fs::File::open(&path)?.take(MARKER_BYTES_MAX).read_to_end(&mut text)?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(line).trim().to_owned()))
}
