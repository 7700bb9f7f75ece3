//! The sessions of a day, and the gaps in them.

use super::hours::DayHours;
use super::model::{BREAK_MINUTES, BREAK_SIGMA, FOLLOW_SIGMA};
use super::nature::{Nature, chance};
use crate::random::Generator;

/// One session of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sitting {
    /// Its moments: from here up to and without there in [`Sheet::minutes`].
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Whether files are only looked at.
    pub(crate) looks: bool,
}

/// The sessions of a day. Nothing in two of them overlaps.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// When something may happen, in minutes since the day's midnight; rising within a session.
    pub(crate) minutes: Vec<f64>,
    pub(crate) sittings: Vec<Sitting>,
}

impl Sheet {
    /// The first and the last minute of a session.
    pub(crate) fn ends(&self, sitting: &Sitting) -> Option<(f64, f64)> {
        let minutes = self.minutes.get(sitting.from..sitting.to)?;
        Some((*minutes.first()?, *minutes.last()?))
    }

    /// A session in the parts between which nothing happens for longer than so many minutes.
    pub(crate) fn parts(&self, whole: Sitting, minutes: f64) -> impl Iterator<Item = Sitting> {
        let all = self.minutes.get(whole.from..whole.to).unwrap_or_default();
        let mut from = whole.from;
        all.chunk_by(move |one, next| next - one <= minutes).map(move |part| {
            let part = Sitting { from, to: from + part.len(), looks: whole.looks };
            from = part.to;
            part
        })
    }
}

/// What the sessions of a day are drawn from.
#[derive(Debug)]
pub(crate) struct Day<'a> {
    pub(crate) nature: &'a Nature,
    pub(crate) hours: DayHours,
    /// The minute from which on nothing happens.
    pub(crate) end: f64,
    /// From when to when lunch is.
    pub(crate) lunch: (f64, f64),
    /// How much a session holds, and how fast one thing follows the other, as a factor.
    pub(crate) volume: f64,
    pub(crate) pace: f64,
}

/// No session has more moments at an ordinary pace, and none at any.
const MOMENTS_MAX: usize = 512;
const MOMENTS_LIMIT: usize = 4096;
/// Sessions in which nothing is changed: the log-odds that one look follows another, and the median minutes between.
const LOOK_FOLLOW: f64 = 0.4;
const LOOK_MINUTES: f64 = 7.0;
const LOOK_SIGMA: f64 = 1.2;
/// So many minutes lie at least between sessions of the two kinds.
const APART_MINUTES: f64 = 6.0;

/// When somebody is called, in minutes since the midnight before: from half past two to five. It is over at half past six.
const NIGHT_MINUTE: f64 = 1440.0 + 150.0;
const NIGHT_MINUTES: f64 = 150.0;
const NIGHT_END_MINUTE: f64 = 1440.0 + 390.0;
/// The log-odds that more is to be done.
const NIGHT_FOLLOW: f64 = 0.8;

impl Day<'_> {
    /// So many sessions of work, pushed apart; `lone`: of one moment each.
    pub(crate) fn work(&self, count: u32, lone: bool, draw: &mut Generator, sheet: &mut Sheet) {
        let mut begins: Vec<f64> = (0..count).map(|_| self.hours.at(draw.unit())).collect();
        begins.sort_unstable_by(f64::total_cmp);
        let mut free_from = f64::MIN;
        for begin in begins {
            let odds = self.nature.follow + FOLLOW_SIGMA * draw.normal();
            let follow = if lone { 0.0 } else { self.follow(chance(odds)) };
            let from = sheet.minutes.len();
            let last = self.session(begin.max(free_from), follow, false, draw, &mut sheet.minutes);
            sheet.close(from, false);
            free_from = last + draw.lognormal(BREAK_MINUTES, BREAK_SIGMA);
        }
    }

    /// So many sessions of looking around, less those for which other sessions leave no room.
    pub(crate) fn look(&self, count: u32, draw: &mut Generator, sheet: &mut Sheet) {
        for _ in 0..count {
            let begin = self.hours.at(draw.unit());
            let from = sheet.minutes.len();
            self.session(begin, self.follow(chance(LOOK_FOLLOW)), true, draw, &mut sheet.minutes);
            let looks = Sitting { from, to: sheet.minutes.len(), looks: true };
            let Some((first, last)) = sheet.ends(&looks) else { continue };
            let meets = |other: &Sitting| {
                sheet
                    .ends(other)
                    .is_some_and(|(begin, end)| first < end + APART_MINUTES && begin < last + APART_MINUTES)
            };
            if sheet.sittings.iter().any(meets) {
                sheet.minutes.truncate(from);
            } else {
                sheet.sittings.push(looks);
            }
        }
    }

    /// The night after the day, in which somebody was called: one session in the small hours.
    pub(crate) fn night(&self, draw: &mut Generator, sheet: &mut Sheet) {
        let begin = NIGHT_MINUTE + NIGHT_MINUTES * draw.unit();
        let night = Day { end: NIGHT_END_MINUTE, lunch: (begin, begin), hours: self.hours, ..*self };
        let from = sheet.minutes.len();
        night.session(begin, self.follow(chance(NIGHT_FOLLOW)), false, draw, &mut sheet.minutes);
        sheet.close(from, false);
    }

    /// The chance that a moment is followed by another one, where a session holds `volume` times as many.
    fn follow(&self, ordinary: f64) -> f64 {
        let mean = self.volume / (1.0 - ordinary).max(1e-6);
        if mean > 1.0 { 1.0 - 1.0 / mean } else { 0.0 }
    }

    /// One session from `begin` on; answers when its last moment would be, whether or not the day still had it.
    fn session(
        &self,
        begin: f64,
        follow: f64,
        looks: bool,
        draw: &mut Generator,
        minutes: &mut Vec<f64>,
    ) -> f64 {
        let mut minute = self.after_lunch(begin);
        let most = if self.volume > 1.0 { MOMENTS_LIMIT } else { MOMENTS_MAX };
        for _ in 0..most {
            if minute >= self.end || minutes.len() >= MOMENTS_LIMIT {
                break;
            }
            minutes.push(minute);
            if draw.unit() >= follow {
                break;
            }
            minute = self.after_lunch(minute + self.gap(looks, draw));
        }
        minute
    }

    /// A quick follow-up or a thinking gap: more than a second, in minutes.
    fn gap(&self, looks: bool, draw: &mut Generator) -> f64 {
        let nature = self.nature;
        let minutes = if looks {
            draw.lognormal(LOOK_MINUTES, LOOK_SIGMA)
        } else if draw.unit() < nature.quick {
            draw.lognormal(nature.quick_minutes, nature.quick_sigma)
        } else {
            draw.lognormal(nature.think_minutes, nature.think_sigma)
        };
        1.0 / 60.0 + minutes / self.pace
    }

    /// What would fall into the lunch comes after it.
    fn after_lunch(&self, minute: f64) -> f64 {
        let (from, to) = self.lunch;
        if minute >= from && minute < to { minute + (to - from) } else { minute }
    }
}

impl Sheet {
    fn close(&mut self, from: usize, looks: bool) {
        if self.minutes.len() > from {
            self.sittings.push(Sitting { from, to: self.minutes.len(), looks });
        }
    }
}
