//! Captures on their way home: one step of a job at a time, and what a step's report means.

mod discover;
mod judge;
mod stand;
mod step;
mod tidy;
mod wake;

pub(crate) use discover::discover;
pub use discover::new_job;
pub(crate) use judge::sync_event;
pub(crate) use stand::stand_by;
pub(crate) use step::{Step, StepEnd, chronicle};
pub(crate) use tidy::{audit, tidy};
pub(crate) use wake::wake;
