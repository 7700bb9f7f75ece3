//! A persona's day: sessions that come in bursts, heavy-tailed gaps, a lunch, days on which nothing happens.
//!
//! Every unit of planning (a local day; in busy mode a quarter of an hour) is drawn by a generator of its own, so that it
//! costs the same whatever the fleet, and can be drawn again by whoever starts in the middle of it.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::planner::Unit;
use crate::random::{Generator, Purpose, Seed, whole};
use crate::world::{PersonaIndex, World};
use crate::zone::DAY_MINUTES;

/// A moment at which a persona may do something. Lean, since one day of every persona is held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Nanoseconds since 1970.
    pub(crate) at: i64,
    /// Which of the unit's sessions, from 1.
    pub(crate) session: u16,
    /// Which moment of the session, from 0.
    pub(crate) sequence: u16,
    /// On which of the persona's decoys.
    pub(crate) workplace: u16,
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
/// No persona has more moments in one unit, whatever the pace.
const MOMENTS_MAX: usize = 4096;
/// Hardly a day has more.
const MOMENTS_USUAL: usize = 32;
/// A quarter of an hour, the unit of busy mode.
const QUARTER: i64 = 15 * MINUTE;

/// Within a session: the median gap in minutes and the standard deviation of its logarithm. The people of public commit
/// records have 1.0 to 1.6 for the latter within a day.
const GAP_MINUTES: f64 = 6.0;
const GAP_SIGMA: f64 = 1.25;
/// Between sessions: at least so long, in minutes, as a median.
const BREAK_MINUTES: f64 = 45.0;
const BREAK_SIGMA: f64 = 0.6;

/// What is a persona's own about how days go.
struct Rhythm {
    /// How much happens, around 1.
    volume: f64,
    /// How long gaps are, around 1.
    slowness: f64,
    /// How late the first session is, in minutes, as a median.
    arrival: f64,
    /// When lunch begins, in minutes of the day.
    lunch: u32,
}

impl Rhythm {
    fn of(world: &World, persona: PersonaIndex) -> Self {
        let mut draw = Generator::new(world.persona_seed(persona, Purpose::Rhythm));
        Self {
            volume: draw.lognormal(0.97, 0.25),
            slowness: draw.lognormal(1.0, 0.3),
            arrival: draw.lognormal(12.0, 0.7),
            lunch: 11 * 60 + 30 + draw.below(90),
        }
    }
}

/// A stretch of instants, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    begin: i64,
    end: i64,
}

/// What is drawn of one unit.
struct Sheet {
    draw: Generator,
    moments: Vec<Moment>,
    window: Span,
    lunch: Span,
    /// By workplace, what lots are drawn with.
    workplaces: Vec<Seed>,
    primary: u16,
    pace: f64,
    slowness: f64,
    moments_mean: f64,
}

/// The moments of one unit, in time order. Strictly rising, all inside the working window.
pub(crate) fn moments(world: &World, persona: PersonaIndex, unit: Unit) -> Vec<Moment> {
    let workplaces = workplaces(world, persona);
    if workplaces.is_empty() {
        return Vec::new();
    }
    let settings = world.settings();
    let rhythm = Rhythm::of(world, persona);
    let pace = world.pace(persona, unit);
    let primary = chosen(&workplaces, world.persona_seed(persona, Purpose::Decoy).number());
    let sheet = |draw, window, lunch, volume: f64| Sheet {
        draw,
        moments: Vec::with_capacity(MOMENTS_USUAL),
        window,
        lunch,
        workplaces,
        primary,
        pace,
        slowness: rhythm.slowness,
        moments_mean: settings.moments_per_session * volume,
    };
    match unit {
        Unit::Quarter(number) => {
            let begin = i64::from(number) * QUARTER;
            let window = Span { begin, end: begin + QUARTER };
            let seed = world.persona_seed(persona, Purpose::Quarter).word(u64::from(number.cast_unsigned()));
            let volume = settings.moments_per_session.max(2.0) / settings.moments_per_session;
            let mut sheet = sheet(Generator::new(seed), window, Span { begin, end: begin }, volume);
            sheet.fill();
            sheet.moments
        }
        Unit::Day(date) => {
            let Some((window, from)) = window(world, persona, date) else { return Vec::new() };
            let mut draw = Generator::new(world.persona_seed(persona, Purpose::Day).word(date_word(date)));
            if draw.below(1000) < settings.absent_per_mille {
                return Vec::new();
            }
            let volume = rhythm.volume * draw.lognormal(0.92, 0.4) * pace.max(0.1);
            let lunch = lunch(&mut draw, &rhythm, window, from);
            let arrival = draw.lognormal(rhythm.arrival, 0.6);
            let sessions = draw.poisson(settings.sessions_per_day);
            let mut sheet = sheet(draw, window, lunch, volume);
            sheet.spread(sessions, nanoseconds(arrival));
            sheet.moments
        }
    }
}

impl Sheet {
    /// Spreads sessions over a day: their beginnings are drawn uniformly, then pushed apart.
    fn spread(&mut self, sessions: u32, arrival: i64) {
        // Whoever works twenty minutes a day is not an hour late.
        let length = self.window.end - self.window.begin;
        let begin = self.window.begin + arrival.min(length / 2);
        // The last tenth of the day sees no new session, so that most sessions are not cut off.
        let room = (self.window.end - begin) / 10 * 9;
        let mut begins: Vec<i64> = (0..sessions).map(|_| begin + span(&mut self.draw, room)).collect();
        begins.sort_unstable();
        let mut free_from = i64::MIN;
        for (at, number) in begins.into_iter().zip(1..) {
            let at = self.after_lunch(at.max(free_from));
            let last = self.session(at, number);
            free_from = last.saturating_add(nanoseconds(self.draw.lognormal(BREAK_MINUTES, BREAK_SIGMA)));
        }
    }

    /// Fills a quarter of an hour of busy mode with one session after the other.
    fn fill(&mut self) {
        let gap = nanoseconds(GAP_MINUTES * 2.0 / self.pace);
        let mut at = self.window.begin + span(&mut self.draw, gap.min(QUARTER));
        for number in 1..=u16::MAX {
            if at >= self.window.end || self.moments.len() >= MOMENTS_MAX {
                return;
            }
            let last = self.session(at, number);
            at = last.saturating_add(self.gap());
        }
    }

    /// One session from `at` on; answers when its last moment would be, whether or not it was still in the window.
    fn session(&mut self, at: i64, number: u16) -> i64 {
        // What is drawn, and so when everything happens, does not depend on the decoys there are.
        let workplace = match self.draw.percent(50) {
            true => self.primary,
            false => chosen(&self.workplaces, self.draw.bits()),
        };
        let count = u16::try_from(self.draw.geometric(self.moments_mean)).unwrap_or(u16::MAX);
        let mut at = at;
        let mut sequence = 0;
        while at < self.window.end && self.moments.len() < MOMENTS_MAX {
            self.moments.push(Moment { at, session: number, sequence, workplace });
            sequence += 1;
            if sequence >= count {
                break;
            }
            let gap = self.gap();
            at = self.after_lunch(at.saturating_add(gap));
        }
        at
    }

    /// A heavy-tailed gap of more than a second.
    fn gap(&mut self) -> i64 {
        let minutes = self.draw.lognormal(GAP_MINUTES * self.slowness, GAP_SIGMA) / self.pace;
        SECOND + nanoseconds(minutes)
    }

    /// What would fall into the lunch comes after it.
    const fn after_lunch(&self, at: i64) -> i64 {
        let falls_in = at >= self.lunch.begin && at < self.lunch.end;
        if falls_in { at + (self.lunch.end - self.lunch.begin) } else { at }
    }
}

/// What lots are drawn with on each decoy of a persona.
fn workplaces(world: &World, persona: PersonaIndex) -> Vec<Seed> {
    let places = 0..u16::try_from(world.seats().workplace_count(persona)).unwrap_or(u16::MAX);
    let decoys = places.filter_map(|place| world.seats().workplace(persona, place));
    decoys.map(|(decoy, _)| world.decoy_seed(decoy, Purpose::Decoy)).collect()
}

/// The workplace with the highest lot: so a decoy that joins takes some sessions from the others, one that leaves gives its
/// own to them, and all other sessions stay where they were (rendezvous hashing).
fn chosen(workplaces: &[Seed], draw: u64) -> u16 {
    let lots = workplaces.iter().zip(0..);
    lots.max_by_key(|(decoy, _)| decoy.word(draw).number()).map_or(0, |(_, place)| place)
}

/// The working window of a date in instants, and the minute at which it begins. `None` on a free day. On a day on which the
/// clock is changed it is never wider than what the clock on the wall shows.
fn window(world: &World, persona: PersonaIndex, date: Date) -> Option<(Span, u32)> {
    let who = world.persona(persona)?;
    let hours = who.week.hours(date.weekday())?;
    if who.holidays.contains(&date) {
        return None;
    }
    let into_holiday = hours.to > DAY_MINUTES && who.holidays.contains(&date.tomorrow().ok()?);
    let to = if into_holiday { DAY_MINUTES } else { hours.to };
    let begin = instant(who.time_zone.begin(date, hours.from)?);
    let end = instant(who.time_zone.end(date, to)?);
    (begin < end).then_some((Span { begin, end }, hours.from))
}

/// The lunch; nothing in a window of less than five hours, or where lunchtime is not well inside it.
fn lunch(draw: &mut Generator, rhythm: &Rhythm, window: Span, from: u32) -> Span {
    let minute = (rhythm.lunch + draw.below(25)).saturating_sub(12);
    let length = i64::from(draw.between(25, 65)) * MINUTE;
    let begin = window.begin + (i64::from(minute) - i64::from(from)) * MINUTE + span(draw, MINUTE);
    let inside = begin > window.begin + 60 * MINUTE && begin + length < window.end - 60 * MINUTE;
    if inside && window.end - window.begin >= 5 * 60 * MINUTE {
        Span { begin, end: begin + length }
    } else {
        Span { begin: window.begin, end: window.begin }
    }
}

/// A uniform number of nanoseconds below `room`.
fn span(draw: &mut Generator, room: i64) -> i64 {
    let room = u64::try_from(room).unwrap_or(0);
    let wide = (u128::from(draw.bits()) * u128::from(room)) >> 64;
    i64::try_from(wide).unwrap_or(0)
}

/// Minutes as nanoseconds; at most a month.
fn nanoseconds(minutes: f64) -> i64 {
    i64::try_from(whole(minutes.min(43_200.0) * 60e9)).unwrap_or(0)
}

/// An instant in nanoseconds; the years 1678 to 2261, beyond which it stays at the edge.
pub(crate) fn instant(at: Timestamp) -> i64 {
    let edge = if at.as_second() < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(at.as_nanosecond()).unwrap_or(edge)
}

pub(crate) fn timestamp(at: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_nanos(at)).unwrap_or(Timestamp::MAX)
}

fn date_word(date: Date) -> u64 {
    let [year, month, day] = [i64::from(date.year()), i64::from(date.month()), i64::from(date.day())];
    ((year * 16 + month) * 32 + day).cast_unsigned()
}
