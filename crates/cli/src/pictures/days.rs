//! A persona's days: sessions as bars, plants and edits as dots.

use verisim_core::Timestamp;
use verisim_realism::{Change, PersonaIndex, Scene, Slot, World, Zone};

use super::svg::{Anchor, Axis, BLUE, FAINT, GREEN, INK, ORANGE, Svg};
use super::{Picture, local};

/// So many days are shown.
const DAYS_MAX: u32 = 42;
const ROW: f64 = 15.0;
const TOP: f64 = 30.0;
const LEFT: f64 = 86.0;
const WIDTH: f64 = 720.0;

/// What one persona does in the first weeks.
#[derive(Debug)]
pub(super) struct Diary {
    persona: PersonaIndex,
    who: String,
    zone: Zone,
    first: jiff::civil::Date,
    days: u32,
    login: Option<Timestamp>,
    sessions: Vec<(Timestamp, Timestamp)>,
    dots: Vec<(Timestamp, &'static str)>,
}

impl Diary {
    pub(super) fn of(world: &World, persona: PersonaIndex, from: Timestamp, days: u32) -> Option<Self> {
        let who = world.persona(persona)?;
        Some(Self {
            persona,
            who: format!("{}, {}, {}", who.full_name, who.role, who.time_zone),
            zone: who.time_zone.clone(),
            first: local(from, who.time_zone.offset_seconds(from)).date(),
            days: days.min(DAYS_MAX),
            login: None,
            sessions: Vec::new(),
            dots: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, scene: &Scene, slot: &Slot) {
        if slot.persona != self.persona || self.place(slot.at).is_none() {
            return;
        }
        match scene {
            Scene::Login(_) => self.login = Some(slot.at),
            Scene::Logout(_) => self.sessions.extend(self.login.take().map(|login| (login, slot.at))),
            Scene::Effect(step, _) => {
                let color = match &step.decision.change {
                    Change::Create { .. } => ORANGE,
                    Change::Visit { .. } | Change::Mail { .. } => GREEN,
                    Change::Remove { .. } => INK,
                    Change::Edit { .. } | Change::Append { .. } | Change::Rename { .. } => BLUE,
                };
                self.dots.push((slot.at, color));
            }
        }
    }

    /// The day, from 0, and the hour of it; `None` beyond what is shown.
    fn place(&self, at: Timestamp) -> Option<(u32, f64)> {
        let local = local(at, self.zone.offset_seconds(at));
        let days = local.date().duration_since(self.first).as_hours() / 24;
        let day = u32::try_from(days).ok().filter(|day| *day < self.days)?;
        let time = local.time();
        let seconds = f64::from(time.minute()) * 60.0 + f64::from(time.second());
        Some((day, f64::from(time.hour()) + seconds / 3600.0))
    }

    pub(super) fn picture(&self, name: &'static str) -> Picture {
        let hours = Axis::plain(0.0, 24.0, LEFT, LEFT + WIDTH);
        let height = TOP + f64::from(self.days) * ROW + 14.0;
        let mut svg = Svg::new(LEFT + WIDTH + 16.0, height);
        svg.text(LEFT, 14.0, Anchor::Start, &self.who);
        let top = |day: u32| TOP + f64::from(day) * ROW;
        let mut date = self.first;
        for day in 0..self.days {
            let weekend = date.weekday().to_monday_zero_offset() >= 5;
            if weekend {
                svg.rect([LEFT, top(day), WIDTH, ROW], "#f3f4f7", None);
            }
            svg.small(LEFT - 8.0, top(day) + 11.0, Anchor::End, date.strftime("%a %d %b"));
            date = date.tomorrow().unwrap_or(date);
        }
        for hour in (0_u8..=24).step_by(3) {
            let x = hours.at(f64::from(hour));
            svg.line([x, TOP, x, height - 14.0], FAINT, 0.7);
            svg.small(x, height - 2.0, Anchor::Middle, format!("{hour:02}"));
        }
        for (login, logout) in &self.sessions {
            let Some(((day, begin), (last, end))) = self.place(*login).zip(self.place(*logout)) else {
                continue;
            };
            let end = if last == day { end } else { 24.0 };
            let (x, width) = (hours.at(begin), (hours.at(end) - hours.at(begin)).max(1.5));
            svg.rect([x, top(day) + 3.0, width, ROW - 6.0], "#c9dcf0", None);
        }
        for (at, color) in &self.dots {
            if let Some((day, hour)) = self.place(*at) {
                svg.circle(hours.at(hour), top(day) + ROW / 2.0, 2.2, color, Some(&at.to_string()));
            }
        }
        let text = "A row a day, weekends in grey. Bars are sessions from login to logout; orange dots are new files, blue ones edits, \
                    dark ones removals, green ones connections.";
        Picture { name, title: "Somebody's days", text: text.into(), svg }
    }
}
