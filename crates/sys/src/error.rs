//! Why the kernel, or we, would not do something with a file.

use rustix::io::Errno;
use verisim_core::{FailureKind, FileKind, NotRegular};

/// What every function of this crate answers.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {doing}: {errno}")]
    Call {
        /// What was attempted.
        doing: &'static str,
        /// What the kernel answered.
        errno: Errno,
    },
    /// It is not a regular file, and so it was not opened.
    #[error("{}", NotRegular(*.0))]
    NotRegular(FileKind),
    /// It is on a file system whose files may block, lie, or act when they are read, and so it was not opened.
    #[error(
        "it is on a file system of type {0:#x}, which is not one that holds files on a disk or in memory"
    )]
    NotReal(u64),
    /// It was exchanged under our hands, again and again.
    #[error("it was replaced by something else at every attempt to open it")]
    Restless,
    /// `/proc`, through which a checked file is opened, is not mounted here.
    #[error("/proc is not mounted on this machine, so that a checked file cannot be opened safely")]
    NoProc,
    /// The kernel's own text about a process is not as it should be.
    #[error("cannot make sense of /proc/{pid}/{file}")]
    Strange {
        /// Whose text it is.
        pid: u32,
        /// Which text it is.
        file: &'static str,
    },
}

impl Error {
    /// Puts what was attempted before what the kernel answered; for `map_err`.
    pub(crate) fn call(doing: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::Call { doing, errno }
    }

    /// The kernel's answer, where it was one.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Call { errno, .. } => Some(*errno),
            Self::NotRegular(_) | Self::NotReal(_) | Self::Restless | Self::NoProc | Self::Strange { .. } => {
                None
            }
        }
    }

    /// Whether it says that there is nothing: no such entry, or something on the way that is not a directory.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self.errno(), Some(Errno::NOENT | Errno::NOTDIR))
    }

    /// Whether it says that something stands there already.
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.errno() == Some(Errno::EXIST)
    }

    /// Whether it says that a directory holds something.
    #[must_use]
    pub fn is_not_empty(&self) -> bool {
        matches!(self.errno(), Some(Errno::NOTEMPTY | Errno::EXIST))
    }

    /// The kind of failure it is. A loop of links is `Denied`: it was put there so that nobody gets through.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        let errno = match self {
            Self::NotRegular(_) | Self::NotReal(_) => return FailureKind::Denied,
            Self::Restless | Self::Strange { .. } => return FailureKind::Unknown,
            Self::NoProc => return FailureKind::ToolMissing,
            Self::Call { errno, .. } => *errno,
        };
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::SRCH => FailureKind::NotFound,
            Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::LOOP | Errno::XDEV | Errno::EXIST => {
                FailureKind::Denied
            }
            Errno::NOSPC | Errno::DQUOT => FailureKind::NoSpace,
            Errno::NOSYS | Errno::OPNOTSUPP => FailureKind::Unsupported,
            Errno::NAMETOOLONG | Errno::FBIG => FailureKind::Config,
            _ => FailureKind::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_kernel_becomes_the_kind_that_policy_needs() {
        for (errno, kind) in [
            (Errno::NOENT, FailureKind::NotFound),
            (Errno::ACCESS, FailureKind::Denied),
            (Errno::ROFS, FailureKind::Denied),
            (Errno::LOOP, FailureKind::Denied),
            (Errno::NOSPC, FailureKind::NoSpace),
            (Errno::DQUOT, FailureKind::NoSpace),
            (Errno::IO, FailureKind::Unknown),
            (Errno::OPNOTSUPP, FailureKind::Unsupported),
        ] {
            assert_eq!(Error::Call { doing: "test", errno }.kind(), kind, "{errno:?}");
        }
        assert_eq!(Error::NotRegular(FileKind::Special).kind(), FailureKind::Denied);
    }
}
