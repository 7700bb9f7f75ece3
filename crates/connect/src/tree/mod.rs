//! What is done to a tree of files inside a held root. Everything here blocks.

mod append;
mod create;
mod facts;
mod look;
mod parents;
mod problem;
mod remove;
mod rename;
mod replace;
mod settle;
mod times;
mod write;

pub(crate) use append::SEARCH_BYTES_MAX;
pub(crate) use create::MODE_DEFAULT;
pub(crate) use facts::{FACT_BYTES_MAX, accounts, facts, first_word, pretty_name};
pub(crate) use look::{list, read, stat};
pub(crate) use problem::Problem;
pub(crate) use remove::{remove, remove_directory};
pub(crate) use rename::rename;
pub(crate) use settle::settle;
pub(crate) use times::set_times;
pub(crate) use write::write;

/// The largest file that is written, read at once, or hashed: 64 MiB. What a persona writes stays far below it, and what
/// is longer is therefore foreign.
pub(crate) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How much of what was found is kept as evidence, in bytes.
pub(crate) const EVIDENCE_BYTES_MAX: usize = 64 * 1024;
