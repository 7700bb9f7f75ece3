//! What does not change about a persona.

use super::Cohort;
use super::model::{JITTER, TRAITS};
use crate::character::{DayHabits, Start};
use crate::random::{Generator, Purpose, Seed, whole};

/// How a persona's days go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Nature {
    pub(crate) cohort: Cohort,
    /// Sessions on a day of work, on average.
    pub(crate) sessions: f64,
    /// Log-odds that a moment is followed by another one.
    pub(crate) follow: f64,
    /// How often what follows is quick.
    pub(crate) quick: f64,
    /// Median gaps, in minutes.
    pub(crate) quick_minutes: f64,
    pub(crate) think_minutes: f64,
    /// Standard deviations of their logarithms.
    pub(crate) quick_sigma: f64,
    pub(crate) think_sigma: f64,
    /// Standard deviations of momentum and mood, as logarithms.
    pub(crate) momentum: f64,
    pub(crate) mood: f64,
    /// Below which drive a day stays idle.
    pub(crate) idle: f64,
    /// How likely a project falls asleep in a block, and for how many days, as a median.
    pub(crate) sleep: f64,
    pub(crate) sleep_days: f64,
    /// How likely it is looked after on a day on which it sleeps.
    pub(crate) straggle: f64,
    /// How likely a vacation begins in a quarter of a year.
    pub(crate) away: f64,
    /// An evening's and a weekend's weight.
    pub(crate) evening: f64,
    pub(crate) weekend: f64,
    /// When lunch begins, when the persona gets up and goes to bed on free days, in minutes of the day.
    pub(crate) lunch: f64,
    pub(crate) wake: f64,
    pub(crate) bed: f64,
    /// How late the first session of a working day is, in minutes, as a median.
    pub(crate) arrival: f64,
    /// The weekday, Monday 0, that meetings take.
    pub(crate) dull: u8,
    /// Whether the persona is on call in some weeks, and of how many weeks which one it is.
    pub(crate) on_call: Option<(u8, u8)>,
}

impl Nature {
    /// Of a persona that is like one of `people`, and a little like nobody.
    pub(crate) fn of(seed: Seed, cohort: Cohort, people: &[[i16; TRAITS]]) -> Self {
        let mut draw = Generator::new(seed.purpose(Purpose::Rhythm));
        let like = draw.pick(people).copied().unwrap_or([0; TRAITS]);
        Self::with(cohort, &like.map(|number| f64::from(number) / 100.0 + JITTER * draw.normal()), &mut draw)
    }

    /// With these traits; habits that no table has are drawn.
    pub(crate) fn with(cohort: Cohort, traits: &[f64; TRAITS], draw: &mut Generator) -> Self {
        let [
            sessions,
            follow,
            quick,
            quick_minutes,
            think_minutes,
            quick_sigma,
            think_sigma,
            momentum,
            mood,
            idle,
            sleep,
            sleep_days,
            straggle,
            away,
            evening,
            weekend,
        ] = *traits;
        Self {
            cohort,
            sessions: libm::exp(sessions).min(9.0),
            follow: follow.min(3.5),
            quick: chance(quick),
            quick_minutes: libm::exp(quick_minutes).clamp(0.1, 8.0),
            think_minutes: libm::exp(think_minutes).clamp(2.0, 240.0),
            quick_sigma: quick_sigma.clamp(0.3, 1.6),
            think_sigma: think_sigma.clamp(0.3, 1.8),
            momentum: libm::exp(momentum).min(2.0),
            mood: libm::exp(mood).min(2.0),
            idle,
            sleep: chance(sleep),
            sleep_days: libm::exp(sleep_days).clamp(1.0, 40.0),
            straggle: chance(straggle),
            away: chance(away),
            evening: libm::exp(evening).min(6.0),
            weekend: libm::exp(weekend).min(6.0),
            lunch: 690.0 + 90.0 * draw.unit(),
            wake: 360.0 + 240.0 * draw.unit(),
            bed: 1260.0 + 300.0 * draw.unit(),
            arrival: draw.lognormal(12.0, 0.7),
            dull: u8::try_from(draw.below(5)).unwrap_or(0),
            on_call: None,
        }
    }

    /// The same, and on call in one of four to six weeks. Whoever keeps working hours only is not.
    pub(crate) fn and_on_call(mut self, seed: Seed) -> Self {
        let mut draw = Generator::new(seed.purpose(Purpose::Night));
        let weeks = draw.between(4, 6);
        let which = draw.below(weeks);
        if self.cohort == Cohort::Free {
            self.on_call = u8::try_from(weeks).ok().zip(u8::try_from(which).ok());
        }
        self
    }

    /// The same with what is said of the persona's days, in place of what was drawn.
    pub(crate) fn with_habits(mut self, habits: DayHabits) -> Self {
        match habits.start {
            Start::Usual => {}
            Start::Early => {
                self.arrival = self.arrival.min(EARLY_ARRIVAL);
                (self.wake, self.bed) = (EARLY_WAKE, self.bed.min(EARLY_BED));
            }
            Start::Late => {
                self.arrival = self.arrival.max(LATE_ARRIVAL);
                (self.wake, self.bed) = (self.wake.max(LATE_WAKE), self.bed.max(LATE_BED));
            }
        }
        self.lunch = habits.lunch.map_or(self.lunch, f64::from);
        self
    }

    /// When the persona gets up, in minutes of the day.
    pub(crate) fn wake_minute(&self) -> u32 {
        u32::try_from(whole(self.wake)).unwrap_or(0)
    }
}

/// How late the first session of somebody is who comes early, or late, and when such people get up and go to bed; in minutes.
/// Our choice, inside what is drawn for everybody but for the late arrival.
const EARLY_ARRIVAL: f64 = 5.0;
const EARLY_WAKE: f64 = 390.0;
const EARLY_BED: f64 = 1395.0;
const LATE_ARRIVAL: f64 = 70.0;
const LATE_WAKE: f64 = 510.0;
const LATE_BED: f64 = 1470.0;

/// The probability of log-odds.
pub(crate) fn chance(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}
