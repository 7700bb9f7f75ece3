//! Why something over SSH did not succeed.

use std::path::PathBuf;

use verisim_core::FailureKind;

use crate::sftp::Status;

/// What every function of this crate answers.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something over SSH did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name of the host does not resolve.
    #[error("the name {host} does not resolve: {detail}")]
    Resolve {
        /// The host.
        host: String,
        /// What the resolver said.
        detail: String,
    },
    /// No connection came about.
    #[error("no connection to {host} port {port}: {detail}")]
    Connect {
        /// The host.
        host: String,
        /// Its port.
        port: u16,
        /// Why.
        detail: String,
    },
    /// Nobody vouches for the host key.
    #[error(
        "the key of {host} is not known: it shows {fingerprint}{}", if *.authority { "; a certificate authority is known for it, but certificates of hosts are not supported" } else { "" }
    )]
    HostKeyUnknown {
        /// The host, as it would stand in `known_hosts`.
        host: String,
        /// The fingerprint of the key that it showed.
        fingerprint: String,
        /// Whether a `@cert-authority` line matches the host.
        authority: bool,
    },
    /// Another host key than before.
    #[error(
        "the key of {host} has CHANGED to {fingerprint}: somebody may sit in between, or the host was set up anew; line \
         {line} of {} has another", .file.display()
    )]
    HostKeyChanged {
        /// The host.
        host: String,
        /// The fingerprint of the key that it showed.
        fingerprint: String,
        /// The file that knows another.
        file: PathBuf,
        /// The line in it.
        line: usize,
    },
    /// A host key that is marked as revoked.
    #[error("the key of {host} is revoked: line {line} of {}", .file.display())]
    HostKeyRevoked {
        /// The host.
        host: String,
        /// The file that says so.
        file: PathBuf,
        /// The line in it.
        line: usize,
    },
    /// Another host key than the first that was seen.
    #[error(
        "the key of {host} is another one than before: {fingerprint}; the host was made anew, or somebody sits in between"
    )]
    HostKeyOther {
        /// The host.
        host: String,
        /// The fingerprint of the key that it showed.
        fingerprint: String,
    },
    /// None of our keys lets us in.
    #[error("{user}@{host} refused every key that was offered ({offered}){notes}")]
    Refused {
        /// Who we wanted to be.
        user: String,
        /// Where.
        host: String,
        /// How many were offered.
        offered: usize,
        /// Keys that could not be used, and why.
        notes: String,
    },
    /// A file of ours cannot be used.
    #[error("{}: {detail}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        detail: String,
    },
    /// The two sides have no algorithm in common, or the other side breaks the protocol before anybody is logged in.
    #[error("no secure connection to {host}: {detail}")]
    Handshake {
        /// The host.
        host: String,
        /// Why.
        detail: String,
    },
    /// The other side took the connection and closed it before it said that it speaks SSH.
    #[error(
        "{host} took the connection and closed it before SSH began{}: too many connections at once there (MaxStartups or \
         PerSourcePenalties of its sshd), fail2ban, or a firewall", if .said.is_empty() { String::new() } else { format!(" ({})", .said) }
    )]
    HungUp {
        /// The host.
        host: String,
        /// What it said instead; printable, and mostly nothing.
        said: String,
    },
    /// The other side did not answer in time.
    #[error("no answer within {seconds} s to: {doing}")]
    TimedOut {
        /// What was asked.
        doing: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// The connection broke.
    #[error("the connection broke: {detail}")]
    Lost {
        /// How.
        detail: String,
    },
    /// The other side said what it may not say; the session is over.
    #[error("the server breaks the protocol: {detail}")]
    Protocol {
        /// What it said.
        detail: String,
    },
    /// The server would not open a channel.
    #[error("the server opens no channel: {refusal}")]
    Channel {
        /// Why.
        refusal: Refusal,
    },
    /// The server has no such subsystem, or runs no commands.
    #[error("the server does not offer {what}")]
    NotOffered {
        /// What.
        what: &'static str,
    },
    /// SFTP answered with a status that is no success.
    #[error("{doing}: {status}{}", if .said.is_empty() { String::new() } else { format!(" ({})", .said) })]
    Status {
        /// What was asked.
        doing: &'static str,
        /// The status.
        status: Status,
        /// What the server says about it; printable.
        said: String,
    },
}

/// Why a server would not open a channel (RFC 4254, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its configuration forbids it.
    #[error("its configuration forbids it")]
    Prohibited,
    /// A connection to where it should lead did not come about.
    #[error("it cannot connect to there")]
    ConnectFailed,
    /// It knows no such channel.
    #[error("it knows no such channel")]
    UnknownType,
    /// It has no room for one more.
    #[error("it has no room for one more")]
    Shortage,
    /// Another reason.
    #[error("for a reason of its own")]
    Other,
}

impl Error {
    /// The kind of failure that it is.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::HungUp { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Protocol { .. } => FailureKind::Network,
            Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyRevoked { .. }
            | Self::HostKeyOther { .. }
            | Self::Refused { .. } => FailureKind::Auth,
            Self::File { .. } | Self::Handshake { .. } => FailureKind::Config,
            Self::Channel { refusal } => match refusal {
                Refusal::Prohibited => FailureKind::Denied,
                Refusal::ConnectFailed | Refusal::Shortage | Refusal::Other => FailureKind::Network,
                Refusal::UnknownType => FailureKind::Unsupported,
            },
            Self::NotOffered { .. } => FailureKind::Unsupported,
            Self::Status { status, .. } => status.kind(),
        }
    }

    /// Whether the server answered, so that what was asked has certainly not happened.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Status { .. } | Self::NotOffered { .. } | Self::Channel { .. })
    }

    /// The status, where SFTP answered with one.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the connection, or the SFTP session on it, can be used no more.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. } | Self::HungUp { .. } | Self::TimedOut { .. } | Self::Protocol { .. }
        )
    }
}
