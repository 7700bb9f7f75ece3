//! What an error number of the kernel means for a job.

use std::io;

use rustix::io::Errno;
use verisim_core::{Effect, Failure, FailureKind};

/// On which side of a transfer an error came up: the same number means something else on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The capture on this machine.
    Source,
    /// The destination, as a folder of this machine.
    Destination,
    /// The destination, as a tool tells of it.
    Far,
    /// Our own state folder.
    State,
}

/// The failure that `error` is, when `what` was done on `side`.
pub(crate) fn failure(side: Side, operation: &'static str, what: &str, error: &io::Error) -> Failure {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    let kind = errno.map_or(FailureKind::Unknown, |errno| kind(side, errno));
    let place = match side {
        Side::Source => "in the capture",
        Side::Destination | Side::Far => "at the destination",
        Side::State => "in the state folder",
    };
    Failure::new(kind, operation, format_args!("{what} {place}: {error}")).with_effect(Effect::Unknown)
}

/// The kind of `errno` on `side`.
pub(crate) fn kind(side: Side, errno: Errno) -> FailureKind {
    match (errno, side) {
        (Errno::NOSPC | Errno::DQUOT, _) => FailureKind::NoSpace,
        (Errno::ACCESS | Errno::PERM | Errno::ROFS, _) => FailureKind::Denied,
        (Errno::NOENT, Side::Source) => FailureKind::SourceVanished,
        // Somebody put something else where a file or a directory was.
        (Errno::LOOP | Errno::XDEV | Errno::NOTDIR | Errno::ISDIR, Side::Source) => {
            FailureKind::SourceChanged
        }
        // A link, or a file for a directory, stands in our way; or the destination does not take such a name.
        (
            Errno::LOOP
            | Errno::XDEV
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::EXIST
            | Errno::NOTEMPTY
            | Errno::NAMETOOLONG
            | Errno::ILSEQ
            | Errno::INVAL
            | Errno::FBIG,
            Side::Destination | Side::Far,
        ) => FailureKind::Config,
        // Only a folder of ours that was mounted is away when it is not there.
        (Errno::NOENT, Side::Far) => FailureKind::NotFound,
        (Errno::IO, Side::Far) => FailureKind::Unknown,
        // A mount that went away looks like an empty or a dead directory.
        (
            Errno::NOENT
            | Errno::IO
            | Errno::STALE
            | Errno::TIMEDOUT
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::NOTCONN
            | Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::NXIO
            | Errno::NODEV,
            Side::Destination | Side::Far,
        ) => FailureKind::Network,
        (Errno::STALE, Side::Source) => FailureKind::Network,
        (Errno::NOSYS | Errno::OPNOTSUPP, _) => FailureKind::Unsupported,
        _ => FailureKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_what_its_side_makes_it_mean() {
        for (side, errno, expected) in [
            (Side::Source, Errno::NOENT, FailureKind::SourceVanished),
            (Side::Destination, Errno::NOENT, FailureKind::Network),
            (Side::Destination, Errno::NOSPC, FailureKind::NoSpace),
            (Side::State, Errno::DQUOT, FailureKind::NoSpace),
            (Side::Source, Errno::ACCESS, FailureKind::Denied),
            (Side::Destination, Errno::LOOP, FailureKind::Config),
            (Side::Destination, Errno::STALE, FailureKind::Network),
            (Side::Source, Errno::IO, FailureKind::Unknown),
            (Side::Source, Errno::LOOP, FailureKind::SourceChanged),
        ] {
            assert_eq!(kind(side, errno), expected, "{side:?} {errno:?}");
        }
    }
}
