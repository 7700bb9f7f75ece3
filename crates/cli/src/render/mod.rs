//! How things look to people.

pub(crate) mod event;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod time;
