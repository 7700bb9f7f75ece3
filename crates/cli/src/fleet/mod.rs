//! Decoys that nobody wrote down: found among the containers of an engine, joined to what the configuration says.

mod beginning;
mod discover;
mod keeper;
mod look;
mod memory;
mod naming;
mod roster;
mod team;

pub(crate) use self::beginning::Beginning;
pub(crate) use self::discover::{Findings, FoundDecoy, NamingRule, Remark, decoys_among};
pub(crate) use self::look::{is_absent, look};
pub(crate) use self::memory::{recalled, strangers};
pub(crate) use self::roster::plan;
pub(crate) use self::team::{role_of, with_found};
