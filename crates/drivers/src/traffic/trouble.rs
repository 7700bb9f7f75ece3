//! Why a session did not go as it should, and what that means for the job.

use std::fmt;
use std::io;

use verisim_core::{Effect, Failure, FailureKind, Traffic, printable};

/// Why a session ended before its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There was no connection: what the connector says.
    NotConnected(Failure),
    /// The connection broke.
    Broken(io::Error),
    /// The other side ended it.
    Ended,
    /// It took too long.
    TooSlow,
    /// We broke it off, because the daemon ends.
    BrokenOff,
    /// The other side does not speak the protocol, or sends without end.
    Garbled(String),
    /// The other side does not let us in; this is what it says.
    Refused(String),
}

impl Trouble {
    pub(super) fn garbled(what: impl fmt::Display) -> Self {
        Self::Garbled(printable(&what.to_string()))
    }

    pub(super) fn refused(what: impl fmt::Display) -> Self {
        Self::Refused(printable(&what.to_string()))
    }

    /// The failure of the job. A session on which nothing was sent did not happen, and may be tried again; one on which
    /// something was is of unknown fate, and is not repeated (INV-4). A login that was refused is certain: it failed, and
    /// its kind is one that is never tried again.
    ///
    /// Its text says where the session should have gone.
    pub(super) fn into_failure(self, plan: &Traffic, operation: &'static str, sent_bytes: u64) -> Failure {
        let effect = if sent_bytes == 0 { Effect::NotApplied } else { Effect::Unknown };
        let (kind, effect) = match &self {
            Self::NotConnected(failure) => {
                let told =
                    Failure::new(failure.kind, failure.operation, format!("{plan}: {}", failure.detail));
                return told.with_effect(failure.effect);
            }
            Self::Refused(_) => (FailureKind::Auth, Effect::NotApplied),
            Self::Broken(_) | Self::Ended | Self::TooSlow | Self::BrokenOff => (FailureKind::Network, effect),
            Self::Garbled(_) => (FailureKind::Unknown, effect),
        };
        Failure::new(kind, operation, format!("{plan}: {self}")).with_effect(effect)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(failure) => write!(f, "{failure}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Ended => f.write_str("the other side ended the connection"),
            Self::BrokenOff => f.write_str("broken off, because the daemon ends"),
            Self::TooSlow => f.write_str("the other side took too long"),
            Self::Garbled(what) => write!(f, "the other side does not speak the protocol: {what}"),
            Self::Refused(what) => write!(f, "the other side refused the login: {what}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // The meter's word for a session that has taken its share.
            io::ErrorKind::FileTooLarge => Self::Garbled("it sends without end".into()),
            io::ErrorKind::UnexpectedEof => Self::Ended,
            _ => Self::Broken(error),
        }
    }
}
