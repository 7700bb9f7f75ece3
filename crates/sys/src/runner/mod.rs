//! The one process runner.
//!
//! A tool is started from a program and its arguments, never through a shell, in a process group of its own, with an
//! environment that is given and nothing else. It ends with everything that it started, whatever happens: when it is done,
//! when it says nothing for too long, when it is cancelled, when whoever waits for it gives up, and when we are killed.
//! What it prints is passed on as it comes, or kept with a bound.

mod ask;
mod kept;
mod mask;
mod running;
mod spawner;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Access;

pub use self::ask::{Ask, Input, Limits};
pub use self::kept::{Ended, Printed, Ran, Taker, TimeOut};
pub use self::mask::Secrets;
use self::spawner::Spawner;
use crate::{Error, Result};

/// Starts tools. Clones share one thread, which lives as long as any of them: the kernel ends a tool together with the
/// thread that started it, and threads of a pool come and go.
#[derive(Debug, Clone)]
pub struct Runner {
    search: Arc<[PathBuf]>,
    spawner: Arc<Spawner>,
    /// What asks the kernel to end a tool together with us; util-linux has it.
    tether: Option<PathBuf>,
}

impl Runner {
    /// A runner that looks for programs in these folders: those of `PATH`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(search: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        // What is not absolute would be looked for wherever we happen to be.
        let search: Arc<[PathBuf]> = search.into_iter().filter(|dir| dir.is_absolute()).collect();
        let tether = find(&search, Path::new("setpriv"));
        Ok(Self { search, spawner: Arc::new(Spawner::start()?), tether })
    }

    /// Whether a tool ends also when this process is killed: only where util-linux is on this machine.
    #[must_use]
    pub const fn is_tethered(&self) -> bool {
        self.tether.is_some()
    }

    /// Where a program is, if it is on this machine and may be run.
    #[must_use]
    pub fn find(&self, program: impl AsRef<Path>) -> Option<PathBuf> {
        find(&self.search, program.as_ref())
    }
}

fn find(search: &[PathBuf], program: &Path) -> Option<PathBuf> {
    let may_be_run = |path: &PathBuf| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    if program.components().count() > 1 {
        return Some(program.to_path_buf()).filter(may_be_run);
    }
    search.iter().map(|dir| dir.join(program)).find(may_be_run)
}

/// What a thread that cannot be started comes to.
fn no_thread(error: &std::io::Error) -> Error {
    let errno = error.raw_os_error().map_or(rustix::io::Errno::AGAIN, rustix::io::Errno::from_raw_os_error);
    Error::Call { doing: "start a thread", errno }
}
