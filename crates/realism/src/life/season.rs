//! What lasts longer than a day: spells in which a project sleeps, and momentum.

use std::ops::Range;

use jiff::civil::Date;

use super::model::{DRIFT_DAYS, DRIFT_DAYS_MAX, DRIFT_SIGMA, MOMENTUM_LASTS, MOOD_LASTS, SLEEP_SIGMA};
use super::nature::Nature;
use crate::random::{Generator, Purpose, Seed, whole};

/// Days of a block: spells begin at most once in each.
const BLOCK: i32 = 21;
/// No spell is longer, so that no more than so many blocks have to be asked.
const SLEEP_DAYS_MAX: f64 = 56.0;
const BLOCKS_BACK: i32 = 3;

/// How much a persona is there for its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    /// As ever.
    Here,
    /// A project falls asleep or wakes; a vacation begins or is over: something is looked after now and then.
    Drifting,
    /// A project sleeps.
    Asleep,
    /// On vacation.
    Away,
}

/// How much a persona is there on a day, counted from 1970.
pub(crate) fn presence(seed: Seed, nature: &Nature, day: i32) -> Presence {
    vacation(seed, nature, day).max(sleep(seed, nature, day))
}

/// No edge of a spell is as far from it: what lies beyond needs no draw.
const FAR: i32 = 11;

/// So many days lie at least between two spells: nobody is as good as gone for months.
const AWAKE_DAYS: i32 = 14;

/// Whether the persona's project sleeps.
fn sleep(seed: Seed, nature: &Nature, day: i32) -> Presence {
    let block = day.div_euclid(BLOCK);
    let of = |block: i32| {
        let Some((begin, mut draw)) = spell_of(seed, nature, block) else {
            return Presence::Here;
        };
        if day < begin - FAR {
            return Presence::Here;
        }
        let end = begin + spell_days(nature, &mut draw);
        match around(day, begin..end, Presence::Asleep, &mut draw) {
            Presence::Here => Presence::Here,
            _ if follows_a_spell(seed, nature, block, begin) => Presence::Here,
            asleep => asleep,
        }
    };
    (block - BLOCKS_BACK..=block + 1).map(of).max().unwrap_or(Presence::Here)
}

/// When a spell would begin in a block, if one does, and what its length is drawn with.
fn spell_of(seed: Seed, nature: &Nature, block: i32) -> Option<(i32, Generator)> {
    let mut draw = Generator::new(seed.purpose(Purpose::Spell).word(key(block)));
    (draw.unit() < nature.sleep).then(|| (block * BLOCK + small(draw.unit() * f64::from(BLOCK)), draw))
}

fn spell_days(nature: &Nature, draw: &mut Generator) -> i32 {
    small(draw.lognormal(nature.sleep_days, SLEEP_SIGMA).min(SLEEP_DAYS_MAX))
}

/// Whether a spell that would begin on a day of a block begins too soon after one of an earlier block would be over.
fn follows_a_spell(seed: Seed, nature: &Nature, block: i32, begin: i32) -> bool {
    (block - BLOCKS_BACK..block).any(|earlier| {
        spell_of(seed, nature, earlier)
            .is_some_and(|(first, mut draw)| first + spell_days(nature, &mut draw) + AWAKE_DAYS > begin)
    })
}

/// What a spell makes of a day: in the days before and after it things are looked after now and then.
fn around(day: i32, spell: Range<i32>, within: Presence, draw: &mut Generator) -> Presence {
    if day < spell.start - FAR || day >= spell.end + FAR {
        return Presence::Here;
    }
    let mut edge = || small(draw.lognormal(DRIFT_DAYS, DRIFT_SIGMA).min(DRIFT_DAYS_MAX));
    let (before, after) = (edge(), edge());
    if spell.contains(&day) {
        within
    } else if (spell.start - before..spell.end + after).contains(&day) {
        Presence::Drifting
    } else {
        Presence::Here
    }
}

/// How much is done on a day, around 1, by the momentum of its three weeks and of its week and by its own mood; 0 on a day on
/// which they are too low for anything.
pub(crate) fn intensity(seed: Seed, nature: &Nature, day: i32) -> f64 {
    let one = |purpose, number| Generator::new(seed.purpose(purpose).word(key(number))).normal();
    let mix = |lasts: f64, long: f64, short: f64| lasts * long + libm::sqrt(1.0 - lasts * lasts) * short;
    let week = week(day);
    let momentum = mix(MOMENTUM_LASTS, one(Purpose::Month, week.div_euclid(3)), one(Purpose::Week, week));
    let mood = mix(MOOD_LASTS, one(Purpose::Mood, day - 1), one(Purpose::Mood, day));
    let drive = nature.momentum * momentum + nature.mood * mood;
    let variance = nature.momentum * nature.momentum + nature.mood * nature.mood;
    if drive < nature.idle * libm::sqrt(variance) {
        return 0.0;
    }
    // Without the idle days it would be 1 on average.
    libm::exp((drive - variance / 2.0).min(2.5))
}

pub(crate) fn key(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

pub(crate) fn small(number: f64) -> i32 {
    i32::try_from(whole(number)).unwrap_or(i32::MAX)
}

/// Days of a quarter of a year: at most one vacation begins in each.
const QUARTER: i32 = 91;

/// Whether the persona is on vacation: for one, two or three weeks with the weekends around.
fn vacation(seed: Seed, nature: &Nature, day: i32) -> Presence {
    let of = |quarter: i32| {
        let mut draw = Generator::new(seed.purpose(Purpose::Away).word(key(quarter)));
        if draw.unit() >= nature.away {
            return Presence::Here;
        }
        let weeks = 1 + draw.weighted(&VACATIONS).unwrap_or(0);
        // Day 2 of 1970 was a Saturday, and the quarter has thirteen of them.
        let first = quarter * QUARTER;
        let saturday = first + (2 - first).rem_euclid(7) + 7 * small(draw.unit() * 13.0);
        around(day, saturday..saturday + 2 + 7 * small(weeks as f64), Presence::Away, &mut draw)
    };
    let quarter = day.div_euclid(QUARTER);
    (quarter - 1..=quarter + 1).map(of).max().unwrap_or(Presence::Here)
}

/// Whether the persona is on a vacation that is drawn.
pub(crate) fn is_vacation(seed: Seed, nature: &Nature, day: i32) -> bool {
    vacation(seed, nature, day) == Presence::Away
}

/// How often vacations are of one, two and three weeks.
const VACATIONS: [u32; 3] = [30, 45, 25];

/// How likely in a hundred nights of being on call somebody is called.
const CALLED_PERCENT: u32 = 22;

/// Whether the persona is called in the night that follows a day, counted from 1970.
pub(crate) fn is_called(seed: Seed, nature: &Nature, day: i32) -> bool {
    is_on_call(nature, day)
        && Generator::new(seed.purpose(Purpose::Night).word(key(day))).percent(CALLED_PERCENT)
}

/// Whether the persona is on call on a day, counted from 1970.
pub(crate) fn is_on_call(nature: &Nature, day: i32) -> bool {
    nature.on_call.is_some_and(|(weeks, which)| week(day).rem_euclid(i32::from(weeks)) == i32::from(which))
}

/// The week of a day, counted from 1970, which began on a Thursday: weeks begin on Mondays.
const fn week(day: i32) -> i32 {
    (day + 3).div_euclid(7)
}

/// A date as a day, counted from 1970.
pub(crate) fn number(date: Date) -> i32 {
    let days = date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24;
    i32::try_from(days).unwrap_or(0)
}
