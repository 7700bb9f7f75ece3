//! Whether the store is still there: its lock, and whether what was opened still bears its name.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use verisim_core::{StoreError, StoreResult};

use crate::open::{PRIVATE, beside, unusable};

/// The exclusive lock on a store, and what tells that nobody took the store away from under it.
///
/// The database itself is not locked: SQLite needs its own locks on it, and closing any descriptor of it would end them.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// Held, not read: closing them lets go of the locks.
    #[expect(dead_code, reason = "a lock lasts as long as its descriptor")]
    locks: Vec<File>,
    /// What was opened, and under which names.
    files: Vec<(PathBuf, (u64, u64))>,
}

impl Presence {
    /// Takes the exclusive lock on a file beside the database, for as long as the answer lives; and one on the folder, so
    /// that a second process is kept out also after that file was deleted.
    pub(crate) fn lock(path: &Path) -> StoreResult<Self> {
        let name = beside(path, ".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(PRIVATE)
            .open(&name)
            .map_err(|error| unusable(path, &error))?;
        let how = FlockOperation::NonBlockingLockExclusive;
        take(&file, how, path)?;
        file.set_permissions(Permissions::from_mode(PRIVATE)).map_err(|error| unusable(&name, &error))?;
        let identity = identity(&file.metadata().map_err(|error| unusable(&name, &error))?);
        let locks = [Some(file), take_folder(how, path)?];
        Ok(Self { locks: locks.into_iter().flatten().collect(), files: vec![(name, identity)] })
    }

    /// The lock of those who only look: shared, and without making the file. Where it is not there, nobody ever wrote.
    pub(crate) fn lock_to_look(path: &Path) -> StoreResult<Self> {
        let how = FlockOperation::NonBlockingLockShared;
        let file = match File::open(beside(path, ".lock")) {
            Ok(file) => take(&file, how, path).map(|()| Some(file))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(path, &error)),
        };
        let locks = [file, take_folder(how, path)?];
        Ok(Self { locks: locks.into_iter().flatten().collect(), files: Vec::new() })
    }

    /// Remembers what the database is, now that it is there.
    pub(crate) fn watch(&mut self, path: &Path) -> StoreResult<()> {
        let meta = std::fs::metadata(path).map_err(|error| unusable(path, &error))?;
        self.files.push((path.to_owned(), identity(&meta)));
        Ok(())
    }

    /// Whether everything still bears its name. A question that cannot be answered is no proof of absence: what is wrong
    /// then shows in the write itself.
    pub(crate) fn holds(&self) -> bool {
        self.files.iter().all(|(name, opened)| match std::fs::metadata(name) {
            Ok(meta) => identity(&meta) == *opened,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        })
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn take(file: &File, how: FlockOperation, path: &Path) -> StoreResult<()> {
    match rustix::fs::flock(file, how) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// The same lock on the folder. Not every file system can lock one: where it cannot, the file alone is what counts.
fn take_folder(how: FlockOperation, path: &Path) -> StoreResult<Option<File>> {
    let Ok(folder) = File::open(folder_of(path)) else { return Ok(None) };
    match take(&folder, how, path) {
        Ok(()) => Ok(Some(folder)),
        Err(error @ StoreError::InUse { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The folder that holds a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
