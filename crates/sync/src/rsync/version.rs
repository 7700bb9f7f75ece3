//! Versions of rsync.

use std::fmt;

/// A version of rsync, as its `--version` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RsyncVersion {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
    /// The third.
    pub patch: u32,
}

/// The first version without the 33 security holes that 3.5.0 closed (its NEWS).
pub const SAFE_SINCE: RsyncVersion = RsyncVersion { major: 3, minor: 5, patch: 0 };
/// The first version that knows `--fsync`.
pub(super) const FSYNC_SINCE: RsyncVersion = RsyncVersion { major: 3, minor: 2, patch: 4 };
/// The first version that knows everything that we ask of it, here.
pub(super) const USABLE_SINCE: RsyncVersion = RsyncVersion { major: 3, minor: 1, patch: 0 };

impl RsyncVersion {
    /// Reads the first line of `rsync --version`: `rsync  version 3.2.7  protocol version 31`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (Some("rsync"), Some("version"), Some(version)) = (words.next(), words.next(), words.next())
        else {
            return None;
        };
        let version = version.strip_prefix('v').unwrap_or(version);
        let mut numbers = version.split('.').map(|number| {
            let digits = number.bytes().take_while(u8::is_ascii_digit).count();
            number.split_at(digits).0.parse().ok()
        });
        let (major, minor) = (numbers.next()??, numbers.next()??);
        let patch = numbers.next().flatten().unwrap_or(0);
        Some(Self { major, minor, patch })
    }
}

impl fmt::Display for RsyncVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_rsync_says_its_version_is_read() {
        for (line, expected) in [
            ("rsync  version 3.5.0  protocol version 32", Some((3, 5, 0))),
            ("rsync  version v3.2.7dev  protocol version 31", Some((3, 2, 7))),
            ("rsync  version 3.1.3pre1  protocol version 31", Some((3, 1, 3))),
            ("rsync version 3.4  protocol version 32", Some((3, 4, 0))),
            ("openrsync: protocol version 29", None),
            ("", None),
            ("rsync version 99999999999999.1.1", None),
        ] {
            let expected = expected.map(|(major, minor, patch)| RsyncVersion { major, minor, patch });
            assert_eq!(RsyncVersion::parse(line), expected, "{line}");
        }
        assert!(RsyncVersion { major: 3, minor: 4, patch: 9 } < SAFE_SINCE);
    }
}
