//! When on a day something may happen, and how likely.

use jiff::civil::{Date, DateTime};

use super::Cohort;
use super::nature::Nature;
use super::season;
use crate::random::Seed;
use crate::week::{Hours, WorkWeek};
use crate::zone::DAY_MINUTES;

/// A stretch of a day, in minutes since its midnight, and how much happens in it by the minute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) weight: f64,
}

/// The stretches of a day in order, nothing outside them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DayHours {
    stretches: [Stretch; 4],
}

/// Minutes that free days are longer.
const BED_LATER: f64 = 30.0;
const NOTHING: Stretch = Stretch { from: 0.0, to: 0.0, weight: 0.0 };

impl DayHours {
    /// The hours of a persona on a day. `work`: the working hours that begin on it.
    pub(crate) fn of(nature: &Nature, work: Option<(f64, f64)>, arrival: f64) -> Option<Self> {
        let stretches = match (nature.cohort, work) {
            (Cohort::Office, None) => return None,
            (Cohort::Office, Some((from, to))) => {
                // Whoever works twenty minutes a day is not an hour late.
                let from = from + arrival.min((to - from) / 2.0);
                // The last tenth of the day sees no new session, so that most sessions are not cut off.
                let to = to - (to - from) / 10.0;
                [Stretch { from, to, weight: 1.0 }, NOTHING, NOTHING, NOTHING]
            }
            (Cohort::Free, Some((from, to))) => [
                Stretch { from: nature.wake.min(from), to: from, weight: nature.evening * 0.6 },
                Stretch { from, to, weight: 1.0 },
                Stretch { from: to + 60.0, to: 1320.0, weight: nature.evening },
                Stretch { from: 1320.0, to: nature.bed, weight: nature.evening * 0.9 },
            ],
            (Cohort::Free, None) => [
                Stretch { from: nature.wake + 60.0, to: 780.0, weight: 0.7 },
                Stretch { from: 780.0, to: 1140.0, weight: 1.0 },
                Stretch { from: 1140.0, to: 1350.0, weight: 0.9 },
                Stretch { from: 1350.0, to: nature.bed + BED_LATER, weight: 0.6 },
            ],
        };
        Some(Self { stretches })
    }

    /// Where a share (0 to 1) of all that happens on the day has happened.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let size = |stretch: &Stretch| (stretch.to - stretch.from).max(0.0) * stretch.weight;
        let mut left = share * self.stretches.iter().map(size).sum::<f64>();
        let mut last = self.stretches[0].from;
        for stretch in &self.stretches {
            let size = size(stretch);
            if left < size {
                return stretch.from + left / stretch.weight;
            }
            left -= size;
            if size > 0.0 {
                last = stretch.to;
            }
        }
        last
    }
}

/// Working hours between which somebody has evenings: a night shift leaves none.
const EARLIEST: u32 = 5 * 60;
const LATEST: u32 = 21 * 60 + 30;

/// The hours that somebody really keeps: who works at night, or around the clock, has no free evenings.
pub(crate) fn kept(cohort: Cohort, week: &WorkWeek) -> Cohort {
    let has_evenings = week.all().all(|hours| hours.from >= EARLIEST && hours.to <= LATEST);
    if has_evenings { cohort } else { Cohort::Office }
}

/// From when to when a day may be a persona's, in minutes of it: working hours, or a whole day from getting up. `None` on a
/// day without any.
pub(crate) fn frame(nature: &Nature, work: Option<Hours>) -> Option<(u32, u32)> {
    match (nature.cohort, work) {
        (Cohort::Office, work) => work.map(|hours| (hours.from, hours.to)),
        (Cohort::Free, work) => {
            let wake = nature.wake_minute();
            let from = work.map_or(wake, |hours| hours.from.min(wake));
            Some((from, from.min(wake) + DAY_MINUTES))
        }
    }
}

/// The minute of a day from which on nothing happens but what somebody is called for.
pub(crate) fn end(nature: &Nature, work: Option<(f64, f64)>) -> f64 {
    match (nature.cohort, work) {
        (Cohort::Office, Some((_, to))) => to,
        (Cohort::Office, None) => 0.0,
        (Cohort::Free, _) => LATE.min(nature.bed + BED_LATER + AWAKE_MINUTES),
    }
}

/// Two at night: nobody is up by choice when clocks are changed.
const LATE: f64 = 1560.0;
/// Nobody goes to bed in the middle of a sentence.
const AWAKE_MINUTES: f64 = 45.0;

/// How much is begun on a day: weeks have a shape, in which Fridays end early and one day goes to meetings.
pub(crate) fn factor(nature: &Nature, date: Date, is_work: bool) -> f64 {
    if !is_work {
        return nature.weekend;
    }
    let day = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
    let dull = if day == usize::from(nature.dull) { DULL } else { 1.0 };
    BY_WEEKDAY.get(day).copied().unwrap_or(1.0) * dull
}

/// Monday first.
const BY_WEEKDAY: [f64; 7] = [0.97, 1.1, 1.1, 1.03, 0.8, 0.9, 0.9];
const DULL: f64 = 0.6;

/// Whether somebody who keeps free hours is up at a local time, or was called in the night. `work`: the working hours that begin
/// on that day, for which one gets up.
pub(crate) fn is_free(nature: &Nature, seed: Seed, local: DateTime, work: Option<Hours>) -> bool {
    if nature.cohort != Cohort::Free {
        return false;
    }
    let minute = f64::from(local.hour()) * 60.0 + f64::from(local.minute());
    let late = LATE.min(nature.bed + BED_LATER + AWAKE_MINUTES) - f64::from(DAY_MINUTES);
    let up = work.map_or(nature.wake_minute(), |work| work.from.min(nature.wake_minute()));
    let yesterday = season::number(local.date()) - 1;
    minute >= f64::from(up) || minute < late || season::is_called(seed, nature, yesterday)
}
