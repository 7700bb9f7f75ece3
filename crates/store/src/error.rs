//! What can go wrong inside, and what it is to the caller.

use std::path::Path;

use rusqlite::ErrorCode;
use verisim_core::StoreError;

/// A fault before it is known to whom it belongs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("a stored record cannot be understood: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Invalid(String),
}

pub(crate) type Outcome<T> = Result<T, Fault>;

impl Fault {
    pub(crate) fn invalid(detail: impl std::fmt::Display) -> Self {
        Self::Invalid(detail.to_string())
    }

    /// The error of the port that says this of the store at `path`.
    pub(crate) fn at(&self, path: &Path) -> StoreError {
        let error = match self {
            Self::Sql(error) => error,
            Self::Json(_) | Self::Invalid(_) => return StoreError::Invalid(self.to_string()),
        };
        let (path, detail) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                StoreError::Corrupt { path, detail }
            }
            Some(ErrorCode::DiskFull) => StoreError::Full { path },
            // Some of SQLite's files are grown by calls whose ENOSPC it reports as a plain I/O error.
            Some(ErrorCode::SystemIoFailure) if no_space(&path) => StoreError::Full { path },
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed,
            ) => StoreError::Io { path, detail },
            _ => StoreError::Invalid(detail),
        }
    }
}

/// Whether the file system that holds `path` has no block left for us.
fn no_space(path: &Path) -> bool {
    path.parent().is_some_and(|dir| rustix::fs::statvfs(dir).is_ok_and(|stat| stat.f_bavail == 0))
}
