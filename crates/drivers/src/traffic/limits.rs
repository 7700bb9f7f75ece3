//! How much one session may take, of bytes and of time: every number of this driver.

use std::time::Duration;

use verisim_core::TrafficProtocol;

/// What a session may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// How long it may last. What was answered by then counts; a person leaves too.
    pub(super) session: Duration,
    /// How long one answer may take, from its first byte asked for to its last.
    pub(super) answer: Duration,
    /// How many bytes are taken from the other side in all.
    pub(super) received_bytes_max: u64,
}

impl Limits {
    /// Those of a protocol. A page and what belongs to it are some megabytes; anything else is small talk.
    pub(super) const fn of(protocol: TrafficProtocol) -> Self {
        let (session, received_bytes_max) = match protocol {
            TrafficProtocol::Http | TrafficProtocol::Https => (60, 8 * 1024 * 1024),
            TrafficProtocol::Ssh => (60, 4 * 1024 * 1024),
            TrafficProtocol::Mysql => (45, 1024 * 1024),
            TrafficProtocol::Smtp | TrafficProtocol::Imap => (45, 256 * 1024),
            TrafficProtocol::Smb | TrafficProtocol::Tcp => (20, 64 * 1024),
        };
        Self { session: Duration::from_secs(session), answer: Duration::from_secs(15), received_bytes_max }
    }

    /// Less patient ones, for tests of servers that never answer.
    #[must_use]
    pub(super) fn at_most(mut self, patience: Duration) -> Self {
        self.session = self.session.min(patience.saturating_mul(4));
        self.answer = self.answer.min(patience);
        self
    }
}

/// How long a connection may take to come about.
pub(super) const DIAL: Duration = Duration::from_secs(20);
/// How long a bare connection waits for the other side to speak first.
pub(super) const LISTEN: Duration = Duration::from_secs(2);
/// The longest line of a protocol of lines; RFC 5321 and RFC 9051 servers stay far below it.
pub(super) const LINE_BYTES_MAX: usize = 8 * 1024;
/// The most lines of one answer.
pub(super) const LINES_MAX: usize = 256;
/// The most lines that an SSH server may send before its version (RFC 4253, 4.2 names no number).
pub(super) const SSH_LINES_MAX: usize = 64;
/// How much of the output of one command of an SSH session is taken.
pub(super) const SSH_OUTPUT_BYTES_MAX: u64 = 64 * 1024;
/// The most requests of one session, sub-resources, redirects and followed links included.
pub(super) const REQUESTS_MAX: u32 = 40;
/// The most connections of one session.
pub(super) const CONNECTIONS_MAX: u32 = 8;
/// The longest head of an HTTP response, and the most headers in it.
pub(super) const HEAD_BYTES_MAX: usize = 32 * 1024;
/// See [`HEAD_BYTES_MAX`].
pub(super) const HEADERS_MAX: usize = 96;
/// How much of one HTTP body is taken; the connection is given up where there is more.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most redirects for one request.
pub(super) const REDIRECTS_MAX: u32 = 5;
/// The most sub-resources that are fetched for one page.
pub(super) const RESOURCES_MAX: usize = 6;
/// The longest packet of a MySQL server that is taken.
pub(super) const PACKET_BYTES_MAX: usize = 256 * 1024;
/// The most things asked for in one session, and the longest of them in bytes.
pub(super) const ASKS_MAX: usize = 16;
/// See [`ASKS_MAX`].
pub(super) const ASK_BYTES_MAX: usize = 1024;
/// How many sessions of one batch run at once.
pub(super) const SESSIONS_AT_ONCE: usize = 8;
/// How many sessions run at once, over all decoys. With what one may take, this bounds what all of them may: of memory, a
/// page each, in two forms.
pub(super) const SESSIONS_MAX: usize = 64;
/// How long a session waits for a place among them.
pub(super) const PERMIT: Duration = Duration::from_secs(30);
/// How long a session may take to come to an end once the daemon ends. Far less than a drain, so that what became of it can
/// still be written down.
pub(super) const GOODBYE: Duration = Duration::from_secs(3);
/// The longest pause before something is asked, whatever the plan says.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(15);
