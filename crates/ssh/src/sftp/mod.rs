//! SFTP version 3 (draft-ietf-secsh-filexfer-02), with the extensions of OpenSSH (its file PROTOCOL, section 4).
//!
//! Every call is one request and its answer. Calls may be made all at once: their requests then travel together, up to a
//! bound, so that a hundred small files take as many round trips as one. A server carries out what one session asks of it in
//! the order in which it was sent; where that order matters, requests are sent by [`Sftp::send`] and waited for later.

mod attributes;
mod calls;
mod line;
mod orders;
mod packet;
mod status;

pub use attributes::{Attributes, FileType, SetAttributes};
pub use calls::{Entry, Handle, OpenFlags, READ_BYTES_MAX, Space};
pub use orders::{Order, Sent, WRITE_BYTES_MAX};
pub use status::Status;

use std::time::Duration;

use crate::{Result, Session};

/// How long any one request may take: far longer than a disk under load needs. A server that is silent for longer is given
/// up, with everything that was asked of it.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// An SFTP session: one channel, and the requests on it.
pub struct Sftp {
    line: line::Line,
    extensions: Extensions,
}

/// What the server can beyond version 3, of what is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// A rename that replaces, in one step: `posix-rename@openssh.com`.
    pub posix_rename: bool,
    /// A second name for a file: `hardlink@openssh.com`.
    pub hardlink: bool,
    /// Flushing to disk: `fsync@openssh.com`.
    pub fsync: bool,
    /// What the file system is: `statvfs@openssh.com`.
    pub statvfs: bool,
    /// What the file system of an open file is: `fstatvfs@openssh.com`.
    pub fstatvfs: bool,
}

impl std::fmt::Debug for Sftp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sftp").field("extensions", &self.extensions).finish_non_exhaustive()
    }
}

impl Sftp {
    /// Opens the subsystem, and learns what the server can.
    ///
    /// # Errors
    /// [`crate::Error::NotOffered`] when there is none.
    pub async fn open(session: &Session) -> Result<Self> {
        let (line, extensions) = line::Line::open(session, ANSWER_TIME_MAX).await?;
        Ok(Self { line, extensions })
    }

    /// What the server can.
    #[must_use]
    pub const fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.line.broken().is_some()
    }

    /// Why it is over.
    #[must_use]
    pub fn broken(&self) -> Option<crate::Error> {
        self.line.broken()
    }
}
