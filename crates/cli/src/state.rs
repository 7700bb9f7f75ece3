//! The state folder: private to us, with the store, the control socket and the work folders of syncs in it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;

const ADVICE: &str = "name a folder that this user may write, with `state = ..` or --state DIR";

/// A new file for us alone, whatever the process masks.
fn private(path: &Path) -> std::io::Result<fs::File> {
    let file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// The state folder.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// The folder at `path`, whether or not it is there: for those who only look.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder at `path` as it is, where it is there: nothing is made.
    ///
    /// # Errors
    /// When somebody else could write to it: what is in it might be anybody's.
    pub(crate) fn look(path: &Path) -> CliResult<Option<Self>> {
        let this = Self::at(path);
        match this.exposure() {
            Ok(None) => Ok(Some(this)),
            Ok(Some(what)) => {
                Err(CliError::new(Exit::Store, what).hint(format!("chmod 0700 {}", show(path))))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(CliError::io(Exit::Store, "cannot look at the state folder", path, &error).hint(ADVICE))
            }
        }
    }

    /// The folder at `path`, made where it is missing, for us alone.
    ///
    /// # Errors
    /// When it cannot be made or written, or somebody else could write to it.
    pub(crate) fn open(path: &Path) -> CliResult<Self> {
        let trouble =
            |what: &str, error: &std::io::Error| CliError::io(Exit::Store, what, path, error).hint(ADVICE);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| trouble("cannot make the state folder", &error))?;
        let this = Self::look(path)?.unwrap_or_else(|| Self::at(path));
        rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
            .map_err(|error| trouble("cannot write to the state folder", &error.into()))?;
        Ok(this)
    }

    /// What keeps the folder from being ours alone; `None` when it is.
    fn exposure(&self) -> std::io::Result<Option<String>> {
        let meta = fs::metadata(&self.path)?;
        let mode = meta.permissions().mode() & 0o7777;
        let us = rustix::process::geteuid().as_raw();
        if meta.uid() != us && us != 0 {
            return Ok(Some(format!("the state folder {} belongs to another user", show(&self.path))));
        }
        Ok((mode & 0o022 != 0).then(|| {
            format!("the state folder {} can be written by others (mode {mode:04o})", show(&self.path))
        }))
    }

    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join("verisim.db")
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(verisim_engine::control::SOCKET_NAME)
    }

    /// What tells our captures from those of other installations at one destination. Made once; no secret.
    pub(crate) fn installation(&self) -> CliResult<String> {
        let file = self.path.join("installation");
        let trouble = |error: &std::io::Error| CliError::io(Exit::Store, "cannot use", &file, error);
        match fs::read_to_string(&file) {
            Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(trouble(&error)),
        }
        let name = crate::wire::random_token()?;
        self.write(&file, format!("{name}\n").as_bytes())?;
        Ok(name)
    }

    /// Who the personas were on the decoys.
    pub(crate) fn owners(&self) -> PathBuf {
        self.path.join("owners.json")
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which configuration it belongs to.
    pub(crate) fn claim(&self) -> PathBuf {
        self.path.join("configuration")
    }

    /// Which decoys were found.
    pub(crate) fn discovered(&self) -> PathBuf {
        self.path.join("discovered.json")
    }

    /// Writes a file of ours whole, and renames it, so that no other start reads half of it.
    pub(crate) fn write(&self, file: &Path, content: &[u8]) -> CliResult<()> {
        let staged = file.with_extension("new");
        private(&staged)
            .and_then(|mut new| new.write_all(content).and_then(|()| new.sync_all()))
            .and_then(|()| fs::rename(&staged, file))
            .map_err(|error| CliError::io(Exit::Store, "cannot write", file, &error))
    }

    /// The folder for journals of syncs.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("sync")
    }
}
