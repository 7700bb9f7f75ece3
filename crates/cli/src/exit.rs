//! Exit codes: a part of the interface, so they are constants with a meaning each.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;

/// How a run of `verisim` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// The work itself failed, or was stopped.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is wrong.
    Config = 3,
    /// The store cannot be used.
    Store = 4,
    /// A decoy or a remote could not be reached.
    Unreachable = 5,
    /// Tells or mismatches were found.
    Found = 6,
}

/// Every exit code with what it means, in order.
pub(crate) const TABLE: [(Exit, &str); 7] = [
    (Exit::Done, "what was asked for is done"),
    (Exit::Failed, "the work failed, or was stopped; the message says what, and what to do"),
    (Exit::Usage, "the command line is wrong"),
    (Exit::Config, "the configuration is wrong; every mistake is listed with its line"),
    (Exit::Store, "the store cannot be used: damaged, full, newer than this program, or not ours to write"),
    (Exit::Unreachable, "a decoy or a remote could not be reached or written"),
    (Exit::Found, "tells or mismatches were found: what is there is not what should be"),
];

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table as text, a line per code.
pub(crate) fn table() -> String {
    TABLE.iter().fold(String::new(), |mut out, (exit, meaning)| {
        let _ = writeln!(out, "  {}  {meaning}", exit.code());
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_in_order() {
        for (place, (exit, _)) in TABLE.iter().enumerate() {
            assert_eq!(usize::from(exit.code()), place);
        }
        assert_eq!(table().lines().count(), TABLE.len());
    }
}
