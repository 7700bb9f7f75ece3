//! Rotation of logs in a past, as logrotate does it: once a week, four old ones kept, compressed from the second on.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use verisim_core::DecoyPath;

use crate::random::Seed;

/// So many rotated logs are kept.
pub(crate) const KEPT: u32 = 4;
/// The number that a gzip header has for Unix.
const UNIX: u8 = 3;
/// From the Monday before 1970 to its first day, in seconds; and a week.
const MONDAY: i64 = 3 * 86_400;
const WEEK: i64 = 7 * 86_400;

/// Whether the weekly run of logrotate lies between two instants.
pub(crate) fn is_due(last: Timestamp, now: Timestamp) -> bool {
    let week = |at: Timestamp| (at.as_second() + MONDAY).div_euclid(WEEK);
    week(last) < week(now)
}

/// Whether somebody rotates this log: what lies in the system's folder, and every other one at home.
pub(crate) fn is_rotated(path: &DecoyPath) -> bool {
    let name = path.as_bytes();
    name.ends_with(b".log")
        && (name.starts_with(b"/var/log/") || Seed::new(1).bytes(name).number().is_multiple_of(2))
}

/// The name of a rotated log: `.1`, then `.2.gz`.
pub(crate) fn name(log: &DecoyPath, number: u32) -> Option<DecoyPath> {
    let mut name = log.as_bytes().to_vec();
    name.extend(format!(".{number}{}", if number > 1 { ".gz" } else { "" }).into_bytes());
    DecoyPath::new(name).ok()
}

/// The log as `gzip` makes it of its standard input: without a name and a time.
pub(crate) fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().operating_system(UNIX).write(Vec::new(), Compression::new(6));
    // A write into memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
