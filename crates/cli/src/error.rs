//! What ends a command early: a message, what to do about it, and the exit code. Kinds become words here and nowhere else.

use std::fmt;

use verisim_core::{Failure, FailureKind, FileKind, StoreError, printable};

use crate::exit::Exit;

/// Why a command could not do what was asked.
#[derive(Debug)]
pub(crate) struct CliError {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What is wrong, one line.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// What was attempted, in the words of the code; for scripts alone.
    pub(crate) operation: Option<&'static str>,
    /// Whether another process has the store.
    pub(crate) in_use: bool,
}

/// What a command answers.
pub(crate) type CliResult<T = Exit> = Result<T, CliError>;

impl CliError {
    /// An error of this exit code.
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), hint: None, operation: None, in_use: false }
    }

    /// Nobody reads the results any more, as after `| head -1`: a quiet end.
    pub(crate) const fn reader_gone() -> Self {
        Self { exit: Exit::Done, message: String::new(), hint: None, operation: None, in_use: false }
    }

    /// Whether this is no error but a quiet end.
    pub(crate) const fn is_quiet(&self) -> bool {
        matches!(self.exit, Exit::Done)
    }

    /// The same error with advice.
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// A file or folder of this machine that could not be used.
    pub(crate) fn io(exit: Exit, what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(exit, format!("{what} {}: {error}", show(path)))
    }
}

/// A path of this machine as it may stand in a message.
pub(crate) fn show(path: &std::path::Path) -> String {
    printable(&path.to_string_lossy())
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self { in_use: matches!(error, StoreError::InUse { .. }), ..Self::new(Exit::Store, error) }
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        let (exit, hint) = advice(failure.kind);
        let hint = failure.not_regular().map(not_regular_advice).or_else(|| hint.map(str::to_owned));
        Self { exit, message: failure.detail, hint, operation: Some(failure.operation), in_use: false }
    }
}

/// What to do about something that is no regular file: nobody's permissions are wanting.
pub(crate) fn not_regular_advice(kind: FileKind) -> String {
    match kind {
        FileKind::Directory => "name a file in it".to_owned(),
        FileKind::Symlink => "name what it points to".to_owned(),
        FileKind::Regular | FileKind::Special => format!(
            "{kind} can hold up whoever opens it, or lie, so that nobody here does, not even as root; put a regular file \
             in its place where there should be one"
        ),
    }
}

/// The exit code that stands for a kind of failure, and what a person can do about it.
pub(crate) const fn advice(kind: FailureKind) -> (Exit, Option<&'static str>) {
    match kind {
        FailureKind::Network => (
            Exit::Unreachable,
            Some("captures are tried again by themselves; `verisim doctor` says what is reachable"),
        ),
        FailureKind::Unknown => (Exit::Failed, None),
        FailureKind::Auth => (Exit::Unreachable, Some("check the account and the host key")),
        FailureKind::Denied => (
            Exit::Failed,
            Some("check the permissions, or run as a user who may; `verisim doctor` names each"),
        ),
        FailureKind::HashMismatch => {
            (Exit::Found, Some("what arrived is not what was sent; look at the destination's disk"))
        }
        FailureKind::SourceVanished => {
            (Exit::Failed, Some("the local file went away; whoever removed it must be kept from that"))
        }
        FailureKind::SourceChanged => (
            Exit::Failed,
            Some("the capture was still being written; mark its end with a sentinel or a longer quiet time"),
        ),
        FailureKind::NotFound => (Exit::Failed, None),
        FailureKind::Unsupported => (Exit::Failed, Some("the connector cannot do this")),
        FailureKind::ToolMissing => (Exit::Failed, Some("`verisim doctor` says what to install")),
        FailureKind::NoSpace => (Exit::Failed, Some("free some space; the job goes on by itself")),
        FailureKind::Config => (Exit::Failed, None),
        FailureKind::Cancelled => (Exit::Failed, None),
    }
}
