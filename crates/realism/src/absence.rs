//! Whether a persona is away on a day, and why.

use jiff::civil::Date;

use crate::day::date_word;
use crate::life::season::{self, Presence};
use crate::persona::Persona;
use crate::random::{Generator, Purpose, Seed};
use crate::world::{PersonaIndex, World};

/// Why a persona is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// A public holiday of its country, by its name there; or a day off that the configuration names, without one.
    Holiday(Option<&'static str>),
    /// On vacation.
    Vacation,
    /// Ill, or at a doctor's, or with a child that is.
    Sick,
}

impl World {
    /// Whether the persona is away on a local date, in its own zone, and why. Weekends are no absence; busy mode knows none.
    /// Nothing is planned on such a day.
    #[must_use]
    pub fn absence(&self, persona: PersonaIndex, date: Date) -> Option<Absence> {
        let (who, nature) = self.persona(persona).zip(self.nature(persona))?;
        if self.settings().busy {
            return None;
        }
        if let Some(absence) = own_absence(who, date) {
            return Some(absence);
        }
        let seed = self.life_seed(persona);
        if season::presence(seed, nature, season::number(date)) == Presence::Away {
            return Some(Absence::Vacation);
        }
        is_sick(&mut day_draw(seed, date), self.settings().absent_per_mille).then_some(Absence::Sick)
    }
}

/// What is known of a day without a draw: public holidays, and what the configuration says.
pub(crate) fn own_absence(who: &Persona, date: Date) -> Option<Absence> {
    if who.vacations.iter().any(|vacation| vacation.covers(date)) {
        return Some(Absence::Vacation);
    }
    if let Some(name) = who.country.and_then(|country| country.holiday(date)) {
        return Some(Absence::Holiday(Some(name)));
    }
    who.holidays.contains(&date).then_some(Absence::Holiday(None))
}

/// What a day is drawn with; the first draw decides whether the persona is ill.
pub(crate) fn day_draw(seed: Seed, date: Date) -> Generator {
    Generator::new(seed.purpose(Purpose::Day).word(date_word(date)))
}

/// Whether the persona is ill on the day that `draw` is for.
pub(crate) fn is_sick(draw: &mut Generator, absent_per_mille: u32) -> bool {
    draw.below(1000) < absent_per_mille
}
