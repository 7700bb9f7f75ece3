//! The one failure of every driver, connector and transport.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{FileKind, NotRegular};

/// The most characters that [`Failure::detail`] keeps.
const DETAIL_CHARS_MAX: usize = 500;

/// Why an operation did not succeed. Tool output is turned into this once, at the edge that ran the tool; from there on
/// only `kind` and `effect` are read by code. Shown to a person, it is its `detail`: `operation` is a word of the code.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    /// What went wrong, for dispatch.
    pub kind: FailureKind,
    /// Whether anything happened all the same.
    pub effect: Effect,
    /// What was attempted, as `port.method`, for instance `rootfs.write`.
    pub operation: &'static str,
    /// For people; bounded and printable; never parsed.
    pub detail: String,
    /// What caused it, where there is more to say.
    #[source]
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// A failure before which nothing happened. `detail` is made printable and cut to a bound.
    pub fn new(kind: FailureKind, operation: &'static str, detail: impl fmt::Display) -> Self {
        Self {
            kind,
            effect: Effect::NotApplied,
            operation,
            detail: printable(&detail.to_string()),
            source: None,
        }
    }

    /// The same failure with another effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// What stands there, where it was refused because it is no regular file: then no permission is wanting.
    #[must_use]
    pub fn not_regular(&self) -> Option<FileKind> {
        let cause = self.source.as_deref()?.downcast_ref::<NotRegular>()?;
        Some(cause.0)
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

/// Text as it may stand in a log, an event or a terminal: control characters (escape sequences among them) and
/// direction marks become `\u{..}`, and the whole is cut to 500 characters.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(DETAIL_CHARS_MAX));
    for c in text.chars().take(DETAIL_CHARS_MAX) {
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            c if is_deceptive(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    if text.chars().nth(DETAIL_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

/// Whether a character does something to a terminal, or hides or turns the text around it: control characters, the
/// zero-width and direction marks U+200B..200F, U+2028..202E, U+2066..2069, and U+061C.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || c.is_control()
}

/// What went wrong. The wire names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Time-out, reset, refused, name lookup, transient ssh failure.
    Network,
    /// Nothing recognised it.
    Unknown,
    /// The other side refused who we are, or its host key is unknown or changed.
    Auth,
    /// We are who we are, but may not read or write this path.
    Denied,
    /// What arrived is not what was sent.
    HashMismatch,
    /// A local file went away between transfer and verification.
    #[serde(rename = "local_file_vanished")]
    SourceVanished,
    /// A local file changed while it was being pushed, or came or changed after that.
    SourceChanged,
    /// The path, container or host does not exist.
    NotFound,
    /// The connector cannot do this.
    Unsupported,
    /// A tool is missing, here or on the far side.
    ToolMissing,
    /// Disk full or quota, either side.
    NoSpace,
    /// The tool rejected its arguments or configuration.
    Config,
    /// The operator stopped it.
    Cancelled,
}

impl FailureKind {
    /// Every kind, for tests and tables.
    pub const ALL: [Self; 13] = [
        Self::Network,
        Self::Unknown,
        Self::Auth,
        Self::Denied,
        Self::HashMismatch,
        Self::SourceVanished,
        Self::SourceChanged,
        Self::NotFound,
        Self::Unsupported,
        Self::ToolMissing,
        Self::NoSpace,
        Self::Config,
        Self::Cancelled,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Unknown => "unknown",
            Self::Auth => "auth",
            Self::Denied => "denied",
            Self::HashMismatch => "hash_mismatch",
            Self::SourceVanished => "local_file_vanished",
            Self::SourceChanged => "source_changed",
            Self::NotFound => "not_found",
            Self::Unsupported => "unsupported",
            Self::ToolMissing => "tool_missing",
            Self::NoSpace => "no_space",
            Self::Config => "config",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.wire())
    }
}

/// Whether the effect that was attempted has happened. A time-out after the request was sent is not a refused connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Certainly not: it may be tried again as it is.
    NotApplied,
    /// Nobody knows: it must be probed before it is tried again (INV-4).
    Unknown,
    /// Certainly: only the confirmation is missing.
    Applied,
}

impl Effect {
    /// Every effect, for tests and tables.
    pub const ALL: [Self; 3] = [Self::NotApplied, Self::Unknown, Self::Applied];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_name_is_what_serde_writes() {
        for kind in FailureKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.wire()));
        }
    }

    #[test]
    fn detail_is_bounded_and_carries_no_escape_sequence() {
        let failure =
            Failure::new(FailureKind::Unknown, "t.t", format!("\x1b[31mred\u{202e}\n{}", "x".repeat(9000)));
        assert!(failure.detail.chars().count() < 600);
        assert!(!failure.detail.contains(['\x1b', '\n', '\u{202e}']));
    }
}
