//! Who the people on the decoys are, when they work, and what they leave behind: the planner.
//!
//! Pure, synchronous and seeded: the same world, ledger and instant give the same plan, on any machine (INV-9, INV-11).
//! Nothing here reads a clock, a global or the time zones of the machine; numbers are drawn by generators that are seeded
//! with names and dates, so that a plan can be drawn again from any instant on, and one persona's days do not depend on who
//! else there is.
//!
//! - [`World`] joins [`Persona`]s, [`DecoyProfile`]s and [`Settings`], and reports everything that is wrong with them at once.
//! - [`Company`] is what they work for: teams, projects, tickets, meetings, holidays, as of any date.
//! - [`Planner`] gives the [`Slot`]s at which personas may act, in the order of time.
//! - [`decide`] chooses what is done at a slot, from what the [`LedgerIndex`] knows, and says why; [`compose`] makes the
//!   action of it.
//! - [`Simulation`] runs all of it under a virtual clock; [`past`] gives a decoy some days behind it, and [`records`] the
//!   accounts, logins, logs and histories of those days.

mod absence;
mod agenda;
mod cache;
mod change;
mod character;
pub mod company;
mod compose;
mod configuration;
mod converse;
mod day;
mod decide;
mod document;
mod habits;
mod language;
mod ledger_index;
mod lexicon;
mod life;
mod locale;
mod log;
mod mail;
mod markup;
mod mistake;
mod name;
mod network;
mod past;
mod persona;
mod planner;
mod prose;
mod random;
mod records;
mod rotate;
mod script;
mod seats;
mod settings;
mod simulate;
mod source;
mod table;
mod todo;
mod upkeep;
mod voice;
mod week;
mod world;
mod zone;

pub use absence::Absence;
pub use change::Change;
pub use character::{Character, DayHabits, Seniority, Start, Tone, UnknownWord, Vacation};
pub use company::{Company, Country, UnknownCountry};
pub use compose::{ComposeError, compose};
pub use day::Doing;
pub use decide::{Cause, Decision, Why, decide};
pub use language::{Language, UnknownLanguage};
pub use ledger_index::LedgerIndex;
pub use life::Cohort;
pub use mail::Letter;
pub use mistake::{Mistake, Mistakes};
pub use past::{Past, PastDirectory, PastFile, past};
pub use persona::{DecoyProfile, Persona, Role};
pub use planner::{Planner, SessionKey, Slot, Unit};
pub use records::{
    Existing, ExistingFile, Grown, How, LeftOut, RecordFile, RecordKeeper, Records, Story, StoryKind, records,
};
pub use settings::{CLASSES, ClassWeights, EffectWeights, Settings, TrafficWeights};
pub use simulate::{Content, Scene, Simulation, Step, Written};
pub use week::{Hours, InvalidWeek, WorkWeek};
pub use world::{DecoyIndex, DeskIndex, PersonaIndex, World};
pub use zone::{UnknownZone, Zone};
