//! Instants and spans as people read them.

use std::time::Duration;

use jiff::tz::TimeZone;
use verisim_core::Timestamp;

/// An instant in universal time, to the second: `2026-11-22 03:08:43Z`.
pub(crate) fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The time of day in universal time: `03:08:43`.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S").to_string()
}

/// How far an instant is from now: `in 3m`, `5s ago`, `now`.
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    let span = at.duration_since(now);
    let rounded = rough(span.unsigned_abs());
    match (span.is_zero() || rounded == "0s", span.is_negative()) {
        (true, _) => "now".into(),
        (false, true) => format!("{rounded} ago"),
        (false, false) => format!("in {rounded}"),
    }
}

/// A span in its largest unit.
pub(crate) fn rough(span: Duration) -> String {
    match span.as_secs() {
        s if s < 90 => format!("{s}s"),
        s if s < 90 * 60 => format!("{}m", (s + 30) / 60),
        s if s < 36 * 3600 => format!("{}h", (s + 1800) / 3600),
        s => format!("{}d", (s + 43_200) / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_rough_and_signed() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let after = |seconds| distance(now + Duration::from_secs(seconds), now);
        assert_eq!(after(0), "now");
        assert_eq!(after(80), "in 80s");
        assert_eq!(after(600), "in 10m");
        assert_eq!(after(90_000), "in 25h");
        assert_eq!(distance(now - Duration::from_secs(300_000), now), "3d ago");
        assert_eq!(utc(now), "2026-11-18 11:06:40Z");
    }
}
