//! The working week: on which days a persona works, and from when to when.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{DateTime, Weekday};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::zone::DAY_MINUTES;

/// Days and hours, in local time. Written as `mon-fri 08:30-17:30`; more stretches are joined by commas, as in
/// `mon-thu 08:30-17:30, fri 08:30-14:00` or `mon, wed, fri 09:00-13:00`. Hours that end before they begin reach into the
/// next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkWeek {
    /// By day, Monday first.
    days: [Option<Hours>; 7],
}

/// One stretch of work, in minutes of the local day on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// When it begins: less than 1,440.
    pub from: u32,
    /// When it ends: more than `from`; beyond 1,440 it is on the next day.
    pub to: u32,
}

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl WorkWeek {
    /// The hours that begin on this day.
    #[must_use]
    pub fn hours(&self, day: Weekday) -> Option<Hours> {
        self.days[usize::from(day.to_monday_zero_offset().unsigned_abs())]
    }

    /// The hours of all days that have some.
    pub(crate) fn all(&self) -> impl Iterator<Item = Hours> {
        self.days.iter().flatten().copied()
    }

    /// Whether a clock on the wall that shows `local` shows working time.
    #[must_use]
    pub fn covers(&self, local: DateTime) -> bool {
        let minute = u32::from(local.hour().unsigned_abs()) * 60 + u32::from(local.minute().unsigned_abs());
        let today = self.hours(local.weekday());
        let before = self.hours(local.weekday().previous());
        today.is_some_and(|hours| (hours.from..hours.to).contains(&minute))
            || before.is_some_and(|hours| minute + DAY_MINUTES < hours.to)
    }

    /// Whether the hours of some day are a whole day, from one time on the clock to the same.
    #[must_use]
    pub fn has_whole_day(&self) -> bool {
        self.days.iter().flatten().any(|hours| hours.to - hours.from == DAY_MINUTES)
    }

    /// Whether the hours of one day reach into those of the next.
    fn overlaps(&self) -> bool {
        (0..7).any(|day| match (self.days[day], self.days[(day + 1) % 7]) {
            (Some(first), Some(second)) => first.to > second.from + DAY_MINUTES,
            _ => false,
        })
    }
}

impl Default for WorkWeek {
    /// Monday to Friday, 08:30 to 17:30.
    fn default() -> Self {
        let hours = Some(Hours { from: 510, to: 1050 });
        Self { days: [hours, hours, hours, hours, hours, None, None] }
    }
}

/// A working week that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no working week: {reason}; write for instance \"mon-fri 08:30-17:30\"")]
pub struct InvalidWeek {
    text: String,
    reason: &'static str,
}

impl FromStr for WorkWeek {
    type Err = InvalidWeek;

    fn from_str(text: &str) -> Result<Self, InvalidWeek> {
        parse(text).map_err(|reason| InvalidWeek { text: text.chars().take(80).collect(), reason })
    }
}

fn parse(text: &str) -> Result<WorkWeek, &'static str> {
    let mut week = WorkWeek { days: [None; 7] };
    let mut waiting = [false; 7];
    for piece in text.split(',') {
        let mut words = piece.split_whitespace();
        mark(words.next().ok_or("a stretch between commas is empty")?, &mut waiting)?;
        if let Some(hours) = words.next() {
            let hours = parse_hours(hours).ok_or("hours are written as 08:30-17:30")?;
            for (day, wanted) in week.days.iter_mut().zip(&mut waiting) {
                if std::mem::take(wanted) && day.replace(hours).is_some() {
                    return Err("a day is named twice");
                }
            }
        }
        if words.next().is_some() {
            return Err("stretches are joined by commas");
        }
    }
    if waiting.contains(&true) {
        return Err("the last days have no hours");
    }
    if week.overlaps() {
        return Err("the hours of one day reach into those of the next");
    }
    Ok(week)
}

fn mark(days: &str, waiting: &mut [bool; 7]) -> Result<(), &'static str> {
    let position = |name: &str| {
        let name = name.to_ascii_lowercase();
        DAY_NAMES.iter().position(|day| *day == name).ok_or("days are mon, tue, wed, thu, fri, sat and sun")
    };
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (mut day, last) = (position(first)?, position(last)?);
    loop {
        waiting[day] = true;
        if day == last {
            return Ok(());
        }
        day = (day + 1) % 7;
    }
}

fn parse_hours(text: &str) -> Option<Hours> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    let to = if to <= from { to + DAY_MINUTES } else { to };
    (from < DAY_MINUTES).then_some(Hours { from, to })
}

fn minutes(text: &str) -> Option<u32> {
    let digits = |text: &str| {
        ((1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())?
    };
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY_MINUTES).then_some(total)
}

impl fmt::Display for WorkWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (name, hours) in DAY_NAMES.iter().zip(self.days) {
            let Some(Hours { from, to }) = hours else { continue };
            let to = if to > DAY_MINUTES { to - DAY_MINUTES } else { to };
            let comma = if std::mem::take(&mut first) { "" } else { ", " };
            write!(f, "{comma}{name} {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)?;
        }
        Ok(())
    }
}

impl Serialize for WorkWeek {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WorkWeek {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weeks_are_read_as_people_write_them() {
        for (text, shown) in [
            ("mon-fri 08:30-17:30", WorkWeek::default().to_string()),
            ("sat-mon 9:00-13:00", "mon 09:00-13:00, sat 09:00-13:00, sun 09:00-13:00".to_owned()),
            (
                "mon, wed 08:00-12:00, fri 22:00-06:00",
                "mon 08:00-12:00, wed 08:00-12:00, fri 22:00-06:00".to_owned(),
            ),
            ("Sun 00:00-24:00", "sun 00:00-24:00".to_owned()),
        ] {
            let week = text.parse::<WorkWeek>().unwrap();
            assert_eq!(week.to_string(), shown);
            assert_eq!(shown.parse::<WorkWeek>().unwrap(), week);
        }
        for bad in [
            "",
            "mon",
            "mon-fri",
            "mon 8-17",
            "mon 08:30-25:00",
            "mon 24:00-24:00",
            "foo 08:00-09:00",
            "mon 08:60-09:00",
            "mon 08:00-09:00 tue",
            "mon-fri 08:00-09:00, wed 10:00-11:00",
            "mon 22:00-09:00, tue 08:00-10:00",
            "mon +8:00-9:00",
        ] {
            assert!(bad.parse::<WorkWeek>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_night_shift_covers_the_next_morning() {
        let week: WorkWeek = "fri 22:00-06:00".parse().unwrap();
        let friday = date(2026, 11, 20);
        assert!(!week.covers(friday.at(21, 59, 59, 0)));
        assert!(week.covers(friday.at(22, 0, 0, 0)));
        assert!(week.covers(friday.tomorrow().unwrap().at(5, 59, 0, 0)));
        assert!(!week.covers(friday.tomorrow().unwrap().at(6, 0, 0, 0)));
        assert!(!week.covers(friday.at(3, 0, 0, 0)));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_written_back(text in "[a-z0-9:, -]{0,40}|.*") {
            if let Ok(week) = text.parse::<WorkWeek>() {
                prop_assert_eq!(week.to_string().parse::<WorkWeek>().unwrap(), week);
            }
        }
    }
}
