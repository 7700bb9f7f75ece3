//! The moments of one unit of planning: a local day, made of the persona's pattern of life; in busy mode a quarter of an hour.
//!
//! Every unit is drawn by a generator of its own, so that it costs the same whatever the fleet, and can be drawn again by
//! whoever starts in the middle of it.

use std::ops::Range;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::absence;
use crate::life::flow::{Day, Sheet, Sitting};
use crate::life::hours::{self, DayHours};
use crate::life::model::{DRIFT_CHANCE, LOOKS, QUIET};
use crate::life::nature::Nature;
use crate::life::season::{self, Presence};
use crate::planner::Unit;
use crate::random::{Generator, Purpose, Seed, whole};
use crate::settings::{MOMENTS_PER_SESSION, SESSIONS_PER_DAY};
use crate::world::{PersonaIndex, World};
use crate::zone::DAY_MINUTES;

/// What a moment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doing {
    /// The session begins.
    Login,
    /// Files may be changed.
    Work,
    /// Files are left as they are: the persona reads, asks, looks things up elsewhere.
    Look,
    /// The session ends.
    Logout,
}

impl Doing {
    /// Whether it lies between login and logout.
    pub(crate) const fn is_inside(self) -> bool {
        matches!(self, Self::Work | Self::Look)
    }
}

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
    pub(crate) doing: Doing,
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
/// No persona has more moments in one unit, whatever the pace.
const MOMENTS_MAX: usize = 4096;
/// A quarter of an hour, the unit of busy mode.
const QUARTER: i64 = 15 * MINUTE;

/// In busy mode, within a session: the median gap in minutes and the standard deviation of its logarithm.
const GAP_MINUTES: f64 = 6.0;
const GAP_SIGMA: f64 = 1.25;

/// From login to the first moment, and from the last one to logout: minutes as a median, and the standard deviation of the
/// logarithm. At most so much of the time to the next session, or from the last one.
const LOGIN_MINUTES: f64 = 0.7;
const LOGOUT_MINUTES: f64 = 4.0;
const ENDS_SIGMA: f64 = 0.9;
const ENDS_SHARE: f64 = 0.45;

/// Whoever does nothing for so many minutes has logged out meanwhile.
const LOGGED_IN_MINUTES: f64 = 110.0;

/// What every unit of a persona needs.
struct Desk {
    /// By workplace, what lots are drawn with.
    workplaces: Vec<Seed>,
    primary: u16,
}

/// The moments of one unit, in time order. Strictly rising, all inside the hours that the persona keeps.
pub(crate) fn moments(world: &World, persona: PersonaIndex, unit: Unit) -> Vec<Moment> {
    if world.seats().workplace_count(persona) == 0 {
        return Vec::new();
    }
    match unit {
        Unit::Quarter(number) => quarter(world, persona, number),
        Unit::Day(date) => day(world, persona, date).unwrap_or_default(),
    }
}

impl Desk {
    fn of(world: &World, persona: PersonaIndex) -> Self {
        let workplaces = workplaces(world, persona);
        let primary = chosen(&workplaces, world.persona_seed(persona, Purpose::Decoy).number());
        Self { workplaces, primary }
    }

    /// Where a session is spent. What is drawn, and so when everything happens, does not depend on the decoys there are.
    fn workplace(&self, draw: &mut Generator) -> u16 {
        match draw.percent(50) {
            true => self.primary,
            false => chosen(&self.workplaces, draw.bits()),
        }
    }
}

/// A day. `None` where the persona does nothing on it.
fn day(world: &World, persona: PersonaIndex, date: Date) -> Option<Vec<Moment>> {
    let (settings, nature) = (world.settings(), world.nature(persona)?);
    let frame = Frame::of(world, persona, nature, date)?;
    let (seed, number) = (world.life_seed(persona), season::number(date));
    let presence = season::presence(seed, nature, number);
    if presence == Presence::Away {
        return None;
    }
    let mut draw = absence::day_draw(seed, date);
    if absence::is_sick(&mut draw, settings.absent_per_mille) {
        return None;
    }
    let pace = world.pace(persona, Unit::Day(date));
    let arrival = draw.lognormal(nature.arrival, 0.6);
    let hours = DayHours::of(nature, frame.work, arrival)?;
    let lunch = frame.lunch(nature, &mut draw);
    let volume = settings.moments_per_session / MOMENTS_PER_SESSION * pace.max(0.1);
    let day = Day { nature, hours, end: frame.end(nature), lunch, volume, pace };
    let factor = hours::factor(nature, date, frame.work.is_some());
    let mut sheet = Sheet::default();
    if presence == Presence::Here {
        let intensity = season::intensity(seed, nature, number);
        let often = settings.sessions_per_day / SESSIONS_PER_DAY;
        let count = draw.poisson(often * nature.sessions * factor * intensity);
        day.work(count, intensity < QUIET, &mut draw, &mut sheet);
    } else {
        let chance = if presence == Presence::Drifting { DRIFT_CHANCE } else { nature.straggle };
        let count = u32::from(draw.unit() < chance);
        day.work(count, true, &mut draw, &mut sheet);
    }
    // Others of their own, so that what is looked at never moves what is worked on.
    let mut draw = Generator::new(seed.purpose(Purpose::Reads).word(date_word(date)));
    let count = draw.poisson(LOOKS * factor.min(1.0));
    // On a free day nobody logs in only to look around.
    if frame.work.is_some() || !sheet.sittings.is_empty() {
        day.look(count, &mut draw, &mut sheet);
    }
    if season::is_called(seed, nature, number) {
        day.night(&mut draw, &mut sheet);
    }
    if sheet.sittings.is_empty() {
        return None;
    }
    // Only now, since most of a silent day's cost would be theirs.
    let span = frame.span(world, persona, date)?;
    Some(frame.moments(span, &sheet, &Desk::of(world, persona), &mut draw))
}

/// The part of a day that is a persona's, in minutes of the local day.
struct Frame {
    from: f64,
    to: f64,
    /// The working hours, on a day that has some.
    work: Option<(f64, f64)>,
}

impl Frame {
    fn of(world: &World, persona: PersonaIndex, nature: &Nature, date: Date) -> Option<Self> {
        let who = world.persona(persona)?;
        if absence::own_absence(who, date).is_some() {
            return None;
        }
        let work = who.week.hours(date.weekday());
        let (from, to) = hours::frame(nature, work)?;
        let into_holiday = to > DAY_MINUTES && is_off(world, persona, date.tomorrow().ok()?);
        let to = if into_holiday { DAY_MINUTES } else { to };
        let work = work.map(|work| (f64::from(work.from), f64::from(work.to.min(to))));
        Some(Self { from: f64::from(from), to: f64::from(to), work })
    }

    /// From which instant up to and without which it lasts; `None` where the clock jumps over it. On a day on which the clock is
    /// changed it is never wider than what the clock on the wall shows.
    fn span(&self, world: &World, persona: PersonaIndex, date: Date) -> Option<Range<i64>> {
        let who = world.persona(persona)?;
        let minute = |minute: f64| u32::try_from(whole(minute)).unwrap_or(0);
        let begin = instant(who.time_zone.begin(date, minute(self.from))?);
        let end = instant(who.time_zone.end(date, minute(self.to))?);
        (begin < end).then_some(begin..end)
    }

    /// The minute from which on nothing happens by day.
    fn end(&self, nature: &Nature) -> f64 {
        hours::end(nature, self.work).min(self.to)
    }

    /// The lunch; nothing in hours of less than five, or where lunchtime is not well inside them.
    fn lunch(&self, nature: &Nature, draw: &mut Generator) -> (f64, f64) {
        let begin = nature.lunch + 25.0 * draw.unit() - 12.0;
        let end = begin + 25.0 + 40.0 * draw.unit();
        match self.work {
            Some((from, to)) if to - from >= 300.0 && begin > from + 60.0 && end < to - 60.0 => (begin, end),
            _ => (self.from, self.from),
        }
    }

    /// The sessions in the order of time, each from login to logout.
    fn moments(&self, span: Range<i64>, sheet: &Sheet, desk: &Desk, draw: &mut Generator) -> Vec<Moment> {
        let mut sittings: Vec<(f64, f64, Sitting)> = Vec::with_capacity(sheet.sittings.len());
        for sitting in &sheet.sittings {
            let parts = sheet.parts(*sitting, LOGGED_IN_MINUTES);
            sittings.extend(parts.filter_map(|part| {
                let (first, last) = sheet.ends(&part)?;
                Some((first, last, part))
            }));
        }
        sittings.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut moments = Vec::with_capacity(sheet.minutes.len() + 2 * sittings.len());
        let mut before = self.from;
        for (turn, (first, last, sitting)) in (1..).zip(&sittings) {
            let after = sittings.get(usize::from(turn)).map_or(self.to, |next| next.0);
            let login = draw.lognormal(LOGIN_MINUTES, ENDS_SIGMA).min((first - before) * ENDS_SHARE);
            let logout = draw.lognormal(LOGOUT_MINUTES, ENDS_SIGMA).min((after - last) * ENDS_SHARE);
            let workplace = desk.workplace(draw);
            let mut sequence = 0;
            let mut add = |minute: f64, doing: Doing| {
                let at = span.start.saturating_add(nanoseconds((minute - self.from).max(0.0)));
                let follows = moments.last().is_none_or(|last: &Moment| last.at < at);
                if follows && at < span.end && moments.len() < MOMENTS_MAX {
                    moments.push(Moment { at, session: turn, sequence, workplace, doing });
                    sequence += u16::from(doing.is_inside());
                }
            };
            let doing = if sitting.looks { Doing::Look } else { Doing::Work };
            add(first - login, Doing::Login);
            let minutes = sheet.minutes.get(sitting.from..sitting.to).unwrap_or(&[]);
            minutes.iter().for_each(|minute| add(*minute, doing));
            add(last + logout, Doing::Logout);
            before = *last;
        }
        moments
    }
}

/// Whether a day is a holiday or one of a vacation, of which not even its first hours are worked. Illness comes as it likes.
fn is_off(world: &World, persona: PersonaIndex, date: Date) -> bool {
    let Some((who, nature)) = world.persona(persona).zip(world.nature(persona)) else { return true };
    absence::own_absence(who, date).is_some()
        || season::is_vacation(world.life_seed(persona), nature, season::number(date))
}

/// A quarter of an hour of busy mode, filled with one session after the other.
fn quarter(world: &World, persona: PersonaIndex, number: i32) -> Vec<Moment> {
    let desk = Desk::of(world, persona);
    let seed = world.persona_seed(persona, Purpose::Quarter).word(u64::from(number.cast_unsigned()));
    let mut draw = Generator::new(seed);
    let pace = world.pace(persona, Unit::Quarter(number));
    let mean = world.settings().moments_per_session.max(2.0);
    let begin = i64::from(number) * QUARTER;
    let gap = |draw: &mut Generator| SECOND + nanoseconds(draw.lognormal(GAP_MINUTES, GAP_SIGMA) / pace);
    let mut at = begin + span(&mut draw, nanoseconds(GAP_MINUTES * 2.0 / pace).min(QUARTER));
    let mut moments = Vec::new();
    for session in 1..=u16::MAX {
        let workplace = desk.workplace(&mut draw);
        let count = u16::try_from(draw.geometric(mean)).unwrap_or(u16::MAX);
        for sequence in 0..count {
            if at >= begin + QUARTER || moments.len() >= MOMENTS_MAX {
                return with_ends(&moments, begin, pace, seed);
            }
            moments.push(Moment { at, session, sequence, workplace, doing: Doing::Work });
            at = at.saturating_add(gap(&mut draw));
        }
    }
    with_ends(&moments, begin, pace, seed)
}

/// Puts a login before the first moment of each session, and a logout behind the last one. Draws of their own, so that what is
/// done stays where it is.
fn with_ends(work: &[Moment], begin: i64, pace: f64, seed: Seed) -> Vec<Moment> {
    let mut draw = Generator::new(seed.text("ends"));
    let mut away = |minutes: f64, room: i64| {
        let wanted = nanoseconds(draw.lognormal(minutes, ENDS_SIGMA) / pace);
        // As a share in hundredths, so that two that are next to each other never meet.
        wanted.min(room / 100 * whole(ENDS_SHARE * 100.0).cast_signed()).max(0)
    };
    let sessions: Vec<&[Moment]> = work.chunk_by(|a, b| a.session == b.session).collect();
    let mut out = Vec::with_capacity(work.len() + 2 * sessions.len());
    let mut before = begin;
    for (place, session) in sessions.iter().enumerate() {
        let (Some(first), Some(last)) = (session.first(), session.last()) else { continue };
        let after =
            sessions.get(place + 1).and_then(|next| next.first()).map_or(begin + QUARTER, |next| next.at);
        let login = first.at - away(LOGIN_MINUTES, first.at - before);
        let logout = last.at + away(LOGOUT_MINUTES, after - last.at);
        if login < first.at && login > before {
            out.push(Moment { at: login, sequence: 0, doing: Doing::Login, ..*first });
        }
        out.extend_from_slice(session);
        if logout > last.at && logout < after {
            out.push(Moment { at: logout, doing: Doing::Logout, ..*last });
        }
        before = last.at;
    }
    out
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

pub(crate) fn date_word(date: Date) -> u64 {
    let [year, month, day] = [i64::from(date.year()), i64::from(date.month()), i64::from(date.day())];
    ((year * 16 + month) * 32 + day).cast_unsigned()
}
