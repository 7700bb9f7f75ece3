//! The pattern of life: what is a persona's own about how its days, weeks and months go.
//!
//! Everything is drawn from a persona's seed and a date. What lasts longer than a day (a spell in which a project sleeps, an
//! absence, the momentum of a week) is drawn from coarser units of the calendar in the same way, so that anyone may start in
//! the middle and nobody keeps a state.
//!
//! - [`nature`]: what does not change about a persona, spread as among real people.
//! - [`season`]: absences, spells and momentum.
//! - [`hours`]: when on a day something may happen.
//! - [`flow`]: the sessions of a day and the gaps in them.
//! - [`model`], [`figures`]: what the figures are, and what they are worth.

pub(crate) mod figures;
#[cfg(test)]
#[path = "../../tests/life/fit.rs"]
mod fit;
pub(crate) mod flow;
pub(crate) mod hours;
pub(crate) mod model;
pub(crate) mod nature;
pub(crate) mod season;

/// Which hours a persona keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cohort {
    /// The hours of the working week, and no others.
    Office,
    /// Those, and evenings and weekends as it pleases: whoever has projects of their own.
    Free,
}
