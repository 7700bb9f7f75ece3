//! The planner: all personas' moments in one order of time.

use std::hint::black_box;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use verisim_core::{IdempotencyKey, SessionId};

use crate::agenda::Agenda;
use crate::day::{self, Doing, Moment, instant, timestamp};
use crate::world::{DecoyIndex, DeskIndex, PersonaIndex, World};
use crate::zone::Zone;

/// What is planned in one piece: a local day; in busy mode a quarter of an hour of universal time, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// A local date of the persona.
    Day(Date),
    /// A quarter of an hour.
    Quarter(i32),
}

impl Unit {
    fn next(self) -> Option<Self> {
        match self {
            Self::Day(date) => date.tomorrow().ok().map(Self::Day),
            Self::Quarter(number) => number.checked_add(1).map(Self::Quarter),
        }
    }

    /// The first unit that can have moments at or after `at`: of days, the one before, since a night shift reaches over.
    fn containing(world: &World, persona: PersonaIndex, at: Timestamp, busy: bool) -> Option<Self> {
        if busy {
            return i32::try_from(at.as_second().div_euclid(900)).ok().map(Self::Quarter);
        }
        let date = world.persona(persona)?.time_zone.local(at).date();
        Some(Self::Day(date.yesterday().unwrap_or(date)))
    }
}

/// Which session of a persona: the unit of planning, and a number in it. Unique for a persona, the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// The day, or the quarter of an hour.
    pub unit: Unit,
    /// Which of its sessions, from 1.
    pub number: u16,
}

impl SessionKey {
    /// The session's id: `20261123-2`, in busy mode `20261123t0845-2`.
    #[must_use]
    pub fn id(&self) -> SessionId {
        let (date, time) = match self.unit {
            Unit::Day(date) => (date, String::new()),
            Unit::Quarter(number) => {
                let begin = Timestamp::from_second(i64::from(number) * 900).unwrap_or(Timestamp::MAX);
                let begin = Zone::utc().local(begin);
                (begin.date(), format!("t{:02}{:02}", begin.hour(), begin.minute()))
            }
        };
        let (year, month, day) = (date.year(), date.month(), date.day());
        SessionId(format!("{year:04}{month:02}{day:02}{time}-{}", self.number).into())
    }
}

/// A moment at which a persona may do something on a decoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub persona: PersonaIndex,
    /// Where.
    pub decoy: DecoyIndex,
    /// What the persona has there.
    pub desk: DeskIndex,
    /// In which session.
    pub session: SessionKey,
    /// Which moment of the session, from 0.
    pub sequence: u32,
    /// What it is for: what is not [`Doing::Work`] leaves files as they are.
    pub doing: Doing,
    /// Whether it is the session's last moment that is planned.
    pub last: bool,
}

impl Slot {
    /// What makes a repeated enqueue of this slot's action harmless. `None` when the slot is of another world.
    #[must_use]
    pub fn key(&self, world: &World) -> Option<IdempotencyKey> {
        let persona = world.persona(self.persona)?;
        Some(IdempotencyKey::for_action(&persona.name, &self.session.id(), self.sequence))
    }
}

/// All personas' moments in one order of time, drawn as they come: one waiting moment per persona, so that the next one costs
/// O(log personas) at the most. There is no state to keep: a planner that starts at an instant gives exactly the slots
/// at and after it that any earlier one gives.
#[derive(Debug)]
pub struct Planner {
    world: Arc<World>,
    agenda: Agenda,
    sheets: Vec<Option<Sheet>>,
    /// Whether logins and logouts are slots, too.
    tells_sessions: bool,
}

/// What is left of a persona's unit.
#[derive(Debug)]
struct Sheet {
    unit: Unit,
    next: u32,
    moments: Box<[Moment]>,
}

/// How many slots ahead the parts of memory are fetched, one after the other: each leads to the next.
const SHEETS_AHEAD: usize = 12;
const MOMENTS_AHEAD: usize = 8;
const DESKS_AHEAD: usize = 4;

/// How many units without a moment are passed over in one go; then the search goes on when time has come that far.
const SILENCE_MAX: u32 = 400;

impl Planner {
    /// A planner whose first slot is the first one at or after `from`.
    #[must_use]
    pub fn new(world: &Arc<World>, from: Timestamp) -> Self {
        let everybody = (0u32..).map(PersonaIndex).take(world.personas().len());
        let busy = world.settings().busy;
        Self::of(world, everybody, from, busy, false)
    }

    /// The same, with the logins and logouts of the ordinary days as slots: for those who keep records of them.
    #[must_use]
    pub fn with_sessions(world: &Arc<World>, from: Timestamp) -> Self {
        let everybody = (0u32..).map(PersonaIndex).take(world.personas().len());
        let busy = world.settings().busy;
        Self::of(world, everybody, from, busy, true)
    }

    /// A planner of the ordinary days of these personas, in busy mode too; `tells_sessions` as [`Self::with_sessions`].
    pub(crate) fn by_day(
        world: &Arc<World>,
        personas: impl Iterator<Item = PersonaIndex>,
        from: Timestamp,
        tells_sessions: bool,
    ) -> Self {
        Self::of(world, personas, from, false, tells_sessions)
    }

    fn of(
        world: &Arc<World>,
        personas: impl Iterator<Item = PersonaIndex>,
        from: Timestamp,
        busy: bool,
        tells_sessions: bool,
    ) -> Self {
        let mut sheets = Vec::new();
        sheets.resize_with(world.personas().len(), || None);
        let mut planner =
            Self { world: Arc::clone(world), agenda: Agenda::default(), sheets, tells_sessions };
        for persona in personas {
            if let Some(unit) = Unit::containing(world, persona, from, busy) {
                planner.turn(persona, unit, instant(from));
            }
        }
        planner
    }

    /// The world that is planned.
    #[must_use]
    pub const fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// When something is due next: the next slot, or, in a silence of more than a year, when to look again.
    #[must_use]
    pub fn peek(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(at, _)| timestamp(at))
    }

    /// When the session of the slot that was given last to its persona is over; `None` where no logout is planned, or none is told.
    #[must_use]
    pub fn session_ends(&self, slot: &Slot) -> Option<Timestamp> {
        let sheet = self.sheets.get(slot.persona.0 as usize)?.as_ref()?;
        let rest = sheet.moments.get(sheet.next as usize..).filter(|_| sheet.unit == slot.session.unit)?;
        let own = rest.iter().take_while(|moment| moment.session == slot.session.number);
        own.last().filter(|moment| moment.doing == Doing::Logout).map(|moment| timestamp(moment.at))
    }

    /// The next slot strictly before `until`, in the order of time; `None` when there is none.
    pub fn pop_until(&mut self, until: Timestamp) -> Option<Slot> {
        let until = instant(until);
        loop {
            let (at, number) = self.agenda.first()?;
            if at >= until {
                return None;
            }
            self.fetch_ahead();
            let sheet = self.sheets.get_mut(number as usize)?.as_mut()?;
            let moment = sheet.moments.get(sheet.next as usize).copied();
            sheet.next += 1;
            let following = sheet.moments.get(sheet.next as usize).copied();
            let (persona, unit) = (PersonaIndex(number), sheet.unit);
            match (following, unit.next()) {
                (Some(following), _) => self.agenda.add((following.at, number)),
                (None, Some(next)) => self.turn(persona, next, at),
                (None, None) => {}
            }
            // Only now, so that the near part of the agenda keeps what was just added.
            self.agenda.take();
            let slot = moment.and_then(|moment| self.slot(persona, unit, moment, following));
            if slot.is_some() {
                return slot;
            }
        }
    }

    /// Has the processor fetch what the coming slots need, while this one is decided: with a large fleet all of it is far
    /// away in memory, and each line of it is waited for. Nothing depends on what is read here.
    fn fetch_ahead(&self) {
        if let Some(number) = self.agenda.ahead(SHEETS_AHEAD) {
            black_box(self.sheets.get(number as usize).map(|sheet| sheet.as_ref().map(|sheet| sheet.next)));
            self.world.seats().fetch(PersonaIndex(number));
        }
        if let Some(number) = self.agenda.ahead(MOMENTS_AHEAD)
            && let Some(Some(sheet)) = self.sheets.get(number as usize)
        {
            black_box(sheet.moments.get(sheet.next as usize).map(|moment| moment.at));
            self.world.fetch(PersonaIndex(number));
        }
    }

    /// Where a slot that comes soon is spent, if nothing comes between.
    pub(crate) fn coming(&self) -> Option<DeskIndex> {
        let number = self.agenda.ahead(DESKS_AHEAD)?;
        let sheet = self.sheets.get(number as usize)?.as_ref()?;
        let moment = sheet.moments.get(sheet.next as usize)?;
        self.world.seats().workplace(PersonaIndex(number), moment.workplace).map(|(_, desk)| desk)
    }

    fn slot(
        &self,
        persona: PersonaIndex,
        unit: Unit,
        moment: Moment,
        following: Option<Moment>,
    ) -> Option<Slot> {
        let (decoy, desk) = self.world.seats().workplace(persona, moment.workplace)?;
        Some(Slot {
            at: timestamp(moment.at),
            persona,
            decoy,
            desk,
            session: SessionKey { unit, number: moment.session },
            sequence: u32::from(moment.sequence),
            doing: moment.doing,
            last: following.is_none_or(|next| next.session != moment.session),
        })
    }

    /// Draws the first unit from `unit` on that has a moment at or after `from`.
    fn turn(&mut self, persona: PersonaIndex, unit: Unit, from: i64) {
        if self.world.seats().workplace_count(persona) == 0 {
            return;
        }
        let (mut unit, mut seen) = (unit, unit);
        for _ in 0..SILENCE_MAX {
            let mut moments = day::moments(&self.world, persona, unit);
            if !self.tells_sessions {
                moments.retain(|moment| moment.doing.is_inside());
            }
            let next = moments.partition_point(|moment| moment.at < from);
            if let Some(first) = moments.get(next) {
                let next = u32::try_from(next).unwrap_or(u32::MAX);
                self.wait(persona, first.at, Sheet { unit, next, moments: moments.as_slice().into() });
                return;
            }
            seen = unit;
            match unit.next() {
                Some(next) => unit = next,
                None => return,
            }
        }
        // Nothing for more than a year: an empty sheet waits for the time when it is near, and the search goes on behind it.
        let at = match seen {
            Unit::Day(date) => Zone::utc().begin(date, 0).map_or(i64::MAX, instant),
            Unit::Quarter(number) => i64::from(number) * 900_000_000_000,
        };
        self.wait(persona, at, Sheet { unit: seen, next: 0, moments: Box::default() });
    }

    fn wait(&mut self, persona: PersonaIndex, at: i64, sheet: Sheet) {
        if let Some(place) = self.sheets.get_mut(persona.0 as usize) {
            *place = Some(sheet);
            self.agenda.add((at, persona.0));
        }
    }
}
