//! Versions of rclone.

use std::fmt;

/// A version of rclone, as `rclone version` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RcloneVersion {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
    /// The third.
    pub patch: u32,
}

/// The first version that knows everything that we ask of it in any case; Debian 12 has it.
pub(super) const USABLE_SINCE: RcloneVersion = RcloneVersion { major: 1, minor: 60, patch: 0 };
/// The first version that writes files under another name and renames them, unless it is told not to (its changelog).
pub(super) const PARTIALS_SINCE: RcloneVersion = RcloneVersion { major: 1, minor: 63, patch: 0 };

impl RcloneVersion {
    /// Reads the first line of `rclone version`: `rclone v1.60.1-DEV`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let version = line.trim().strip_prefix("rclone v")?;
        let mut numbers = version.split('.').map(|number| {
            let digits = number.bytes().take_while(u8::is_ascii_digit).count();
            number.split_at(digits).0.parse().ok()
        });
        let (major, minor) = (numbers.next()??, numbers.next()??);
        Some(Self { major, minor, patch: numbers.next().flatten().unwrap_or(0) })
    }
}

impl fmt::Display for RcloneVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_rclone_says_its_version_is_read() {
        for (line, expected) in [
            ("rclone v1.60.1-DEV", Some((1, 60, 1))),
            ("rclone v1.75.2", Some((1, 75, 2))),
            ("rclone v1.72.0-beta.9155.abcdef", Some((1, 72, 0))),
            ("rclone v1.70", Some((1, 70, 0))),
            ("rclone 1.70", None),
            ("", None),
            ("rclone v99999999999999.1.1", None),
        ] {
            let expected = expected.map(|(major, minor, patch)| RcloneVersion { major, minor, patch });
            assert_eq!(RcloneVersion::parse(line), expected, "{line}");
        }
        assert!(USABLE_SINCE < PARTIALS_SINCE);
    }
}
