//! What a request came to.

use verisim_core::FailureKind;

/// A status that is no success. OpenSSH makes them out of `errno`: what has no status of its own there (a full disk, a
/// read-only file system, a name that is taken) is [`Status::Failure`], and has to be found out by looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Status {
    /// There is no more.
    #[error("end of file")]
    Eof,
    /// There is nothing under that name, or no directory on the way to it, or a loop of links.
    #[error("no such file")]
    NoSuchFile,
    /// We may not.
    #[error("permission denied")]
    PermissionDenied,
    /// Something else.
    #[error("failure")]
    Failure,
    /// The server does not understand the request; of OpenSSH, also that a name is too long.
    #[error("bad message")]
    BadMessage,
    /// The server has no connection to what holds the files.
    #[error("no connection")]
    NoConnection,
    /// It has lost it.
    #[error("connection lost")]
    ConnectionLost,
    /// The server cannot do this.
    #[error("operation not supported")]
    Unsupported,
    /// The disk is full; version 3 has no number for it, but servers that borrow that of version 5 are understood.
    #[error("no space left")]
    NoSpace,
    /// A number that version 3 does not have.
    #[error("status {0}")]
    Other(u32),
}

impl Status {
    /// The status of a number; `None` for success.
    #[must_use]
    pub const fn from_wire(number: u32) -> Option<Self> {
        Some(match number {
            0 => return None,
            1 => Self::Eof,
            2 => Self::NoSuchFile,
            3 => Self::PermissionDenied,
            4 => Self::Failure,
            5 => Self::BadMessage,
            6 => Self::NoConnection,
            7 => Self::ConnectionLost,
            8 => Self::Unsupported,
            14 | 15 => Self::NoSpace,
            other => Self::Other(other),
        })
    }

    /// The kind of failure that it is, where nothing more is known.
    #[must_use]
    pub const fn kind(self) -> FailureKind {
        match self {
            Self::NoSuchFile => FailureKind::NotFound,
            Self::PermissionDenied => FailureKind::Denied,
            Self::BadMessage => FailureKind::Config,
            Self::NoConnection | Self::ConnectionLost => FailureKind::Network,
            Self::Unsupported => FailureKind::Unsupported,
            Self::NoSpace => FailureKind::NoSpace,
            Self::Eof | Self::Failure | Self::Other(_) => FailureKind::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_kind() {
        use FailureKind as K;
        let kinds = [
            None,
            Some(K::Unknown),
            Some(K::NotFound),
            Some(K::Denied),
            Some(K::Unknown),
            Some(K::Config),
            Some(K::Network),
            Some(K::Network),
            Some(K::Unsupported),
            Some(K::Unknown),
        ];
        for (number, kind) in (0..).zip(kinds) {
            assert_eq!(Status::from_wire(number).map(Status::kind), kind, "{number}");
        }
    }
}
