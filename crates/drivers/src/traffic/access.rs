//! Who may log in where: the secrets of personas, and the SSH client that stands elsewhere.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use verisim_core::{ByteCount, CancellationToken, DecoyName, Stream, TrafficAsk, TrafficProtocol};

/// A password. It does not show itself in debug output (INV-8).
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// The passwords that personas have on decoys.
pub trait Passwords: Send + Sync {
    /// The password of an account on a decoy for a protocol; `None` where nobody knows it, and nobody logs in.
    fn password(&self, to: &DecoyName, protocol: TrafficProtocol, login: &str) -> Option<Password>;
}

/// No password is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPasswords;

impl Passwords for NoPasswords {
    fn password(&self, _: &DecoyName, _: TrafficProtocol, _: &str) -> Option<Password> {
        None
    }
}

/// An SSH client that logs in over a connection that somebody else made. It keeps the keys and passwords of accounts and
/// what is known of host keys.
#[async_trait]
pub trait SshLogin: Send + Sync {
    /// Whether it has what it takes to log in to this account of this decoy.
    fn knows(&self, to: &DecoyName, login: &str) -> bool;

    /// Logs in, runs the commands one after the other with their pauses, and leaves as a client leaves. What it learns goes
    /// into `seen` as it goes: the call may be dropped at any moment, and what was seen by then counts.
    ///
    /// # Errors
    /// Why the session ended before its last command. A command that fails is no error.
    async fn visit(
        &self,
        stream: Box<dyn Stream>,
        visit: &SshVisit<'_>,
        seen: &mut SshSeen,
    ) -> Result<(), SshTrouble>;
}

/// What is done in an SSH session.
#[derive(Debug, Clone, Copy)]
pub struct SshVisit<'a> {
    /// Whose host it is.
    pub to: &'a DecoyName,
    /// The account.
    pub login: &'a str,
    /// The version that this end shows; `None` for what is usual.
    pub agent: Option<&'a str>,
    /// The command lines.
    pub commands: &'a [TrafficAsk],
    /// How long one answer may take.
    pub answer_time_max: Duration,
    /// Once it is cancelled, nothing more is asked, and the client leaves.
    pub ending: &'a CancellationToken,
    /// How much of the output of one command is taken.
    pub output_bytes_max: ByteCount,
}

/// What was seen of an SSH session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshSeen {
    /// The version that the server shows, as far as the client knows it.
    pub banner: Option<Vec<u8>>,
    /// Whether the login succeeded.
    pub logged_in: bool,
    /// The commands that ended, in order.
    pub ran: Vec<SshRan>,
}

/// What a command of an SSH session came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SshRan {
    /// Its exit code, where there was one.
    pub code: Option<u32>,
    /// How long its output was, as far as it was taken.
    pub output_bytes: u64,
}

/// Why an SSH session ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshTrouble {
    /// The server refused the login, or its host key is not the one that is known.
    Refused(String),
    /// The connection broke, or the server does not speak SSH as it should.
    Broken(String),
}
