//! Real rclones: the one that is installed, and a newer one.

use crate::real_server::skip;
use std::path::{Path, PathBuf};

/// Names the newer one; `./test` sets it.
const NEWER: &str = "VERISIM_NEWER_RCLONE";
/// Where programs are.
const PLACES: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Which rclone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// What this machine has: 1.60 on Debian 12.
    Installed,
    /// What `VERISIM_NEWER_RCLONE` names: 1.65 or newer.
    Newer,
}

impl Generation {
    /// The program; `None`, said aloud, where there is none. With `CI` set that is an error.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "which tool is tested is said by the environment")]
    pub fn program(self) -> Option<PathBuf> {
        let found = match self {
            Self::Installed => {
                PLACES.iter().map(|place| Path::new(place).join("rclone")).find(|it| it.exists())
            }
            Self::Newer => std::env::var_os(NEWER).map(PathBuf::from).filter(|path| path.exists()),
        };
        if found.is_none() {
            skip(match self {
                Self::Installed => "rclone is not installed",
                Self::Newer => "VERISIM_NEWER_RCLONE names no rclone",
            });
        }
        found
    }
}
