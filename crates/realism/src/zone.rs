//! Time zones, from the copy of the database that travels inside the program.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time zone by its name in the IANA database. The database of the machine is never read (INV-11).
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What a clock on the wall shows at `at`.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> DateTime {
        self.0.to_datetime(at)
    }

    /// The offset from universal time at `at`, in seconds.
    #[must_use]
    pub fn offset_seconds(&self, at: Timestamp) -> i32 {
        self.0.to_offset(at).seconds()
    }

    /// The first instant from which on the wall shows `minute` of `date` or later, on a day when the clock is changed too.
    pub(crate) fn begin(&self, date: Date, minute: u32) -> Option<Timestamp> {
        let at = self.0.to_ambiguous_timestamp(wall(date, minute)?);
        if is_gap(at.offset()) { self.last_change(at.later().ok()?) } else { at.later().ok() }
    }

    /// The instant before which the wall never showed `minute` of `date` or later.
    pub(crate) fn end(&self, date: Date, minute: u32) -> Option<Timestamp> {
        let at = self.0.to_ambiguous_timestamp(wall(date, minute)?);
        if is_gap(at.offset()) { self.last_change(at.later().ok()?) } else { at.earlier().ok() }
    }

    /// When the clock was last changed at or before `at`.
    fn last_change(&self, at: Timestamp) -> Option<Timestamp> {
        let after = at.saturating_add(SignedDuration::from_nanos(1)).ok()?;
        self.0.preceding(after).next().map(|change| change.timestamp())
    }
}

/// Whether the clock jumps over a time.
const fn is_gap(offset: AmbiguousOffset) -> bool {
    matches!(offset, AmbiguousOffset::Gap { .. })
}

/// `minute` may reach into the next day.
fn wall(date: Date, minute: u32) -> Option<DateTime> {
    let date = if minute >= DAY_MINUTES { date.tomorrow().ok()? } else { date };
    let minute = minute % DAY_MINUTES;
    let hour = i8::try_from(minute / 60).ok()?;
    Some(date.at(hour, i8::try_from(minute % 60).ok()?, 0, 0))
}

/// Minutes of a day.
pub(crate) const DAY_MINUTES: u32 = 24 * 60;

/// A time zone that the database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone of the IANA database; write for instance \"Europe/Berlin\" or \"UTC\"")]
pub struct UnknownZone(String);

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        let zone = TimeZoneDatabase::bundled().get(name);
        zone.map(Self).map_err(|_| UnknownZone(name.chars().take(80).collect()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn names_are_those_of_the_bundled_database() {
        assert_eq!("Europe/Berlin".parse::<Zone>().unwrap().name(), "Europe/Berlin");
        assert_eq!(
            "UTC".parse::<Zone>().unwrap().local(Timestamp::UNIX_EPOCH),
            date(1970, 1, 1).at(0, 0, 0, 0)
        );
        for bad in ["", "Mars/Olympus", "/etc/localtime", "Europe/Berlin\0", "../etc/passwd"] {
            assert!(bad.parse::<Zone>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_window_never_reaches_past_the_wall_on_days_when_the_clock_is_changed() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        // 02:00 to 03:00 does not exist on 29 March 2026, and happens twice on 25 October 2026.
        let shown = |at: Option<Timestamp>| berlin.local(at.unwrap()).time().to_string();
        assert_eq!(shown(berlin.begin(date(2026, 3, 29), 150)), "03:00:00");
        assert_eq!(berlin.begin(date(2026, 3, 29), 150), berlin.end(date(2026, 3, 29), 150));
        let (begin, end) = (berlin.begin(date(2026, 10, 25), 150), berlin.end(date(2026, 10, 25), 150));
        assert_eq!(begin.unwrap().as_second() - end.unwrap().as_second(), 3600);
    }
}
