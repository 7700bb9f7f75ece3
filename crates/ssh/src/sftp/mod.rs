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
mod reads;
mod status;

pub use attributes::{Attributes, FileType, SetAttributes};
pub use calls::{Entry, Handle, OpenFlags, READ_BYTES_MAX, Space};
pub use orders::{Order, Sent, WRITE_BYTES_MAX};
pub use reads::Reads;
pub use status::Status;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::{Result, Session};

/// How long any one request may take: far longer than a disk under load needs. A server that is silent for longer is given
/// up, with everything that was asked of it.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// An SFTP session: one channel, and the requests on it.
pub struct Sftp {
    line: line::Line,
    extensions: Extensions,
    /// How much one write carries, and one read asks for.
    write_bytes: AtomicUsize,
    read_bytes: AtomicUsize,
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
    /// Setting attributes of a name without following it: `lsetstat@openssh.com`.
    pub lsetstat: bool,
    /// Saying how much it takes and gives at once: `limits@openssh.com`.
    pub limits: bool,
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
        let (write_bytes, read_bytes) = (WRITE_BYTES_MAX.into(), (READ_BYTES_MAX as usize).into());
        Ok(Self { line, extensions, write_bytes, read_bytes })
    }

    /// What the server can.
    #[must_use]
    pub const fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Asks how much the server takes and gives at once, and makes use of it from then on. One that does not say takes and
    /// gives what every server does.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn learn_limits(&self) -> Result<()> {
        if !self.extensions.limits {
            return Ok(());
        }
        match self.limits().await {
            Ok((read, write)) => {
                self.read_bytes.store(read, Ordering::Relaxed);
                self.write_bytes.store(write, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.is_answer() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How many bytes one write may carry.
    #[must_use]
    pub fn write_bytes(&self) -> usize {
        self.write_bytes.load(Ordering::Relaxed)
    }

    /// How many bytes one read may ask for.
    #[must_use]
    pub fn read_bytes(&self) -> usize {
        self.read_bytes.load(Ordering::Relaxed)
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
