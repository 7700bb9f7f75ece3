//! Decoys that nobody wrote down: found among the containers of an engine, joined to what the configuration says.

mod discover;
mod look;
mod naming;
mod team;

pub(crate) use self::discover::{Findings, FoundDecoy, NamingRule, Remark, decoys_among};
pub(crate) use self::look::{is_absent, look};
pub(crate) use self::team::{role_of, with_found};
