//! The durable store on SQLite: one writer with group commit, a few readers, one file.
//!
//! - [`SqliteStore`] is the port's implementation; it encodes and decodes on the caller's side.
//! - `writer` is the one thread that writes: it drains what waits, runs it in one transaction, commits once, and answers.
//! - `queue` is the order of open jobs in memory: which job may be given out next is decided there, and made true in SQL.
//! - `open` takes the exclusive lock, refuses what is damaged or newer, and upgrades what is older after a backup.
//! - `wire` is everything that is stored as JSON, with its version; `codes` is every enum that is stored as a number or word.
//!
//! Leases, fences and states live in the table `job`, which is narrow because it changes at every step; what never changes
//! after the enqueue lives in `work`.

mod amend;
mod burn;
mod codes;
mod enqueue;
mod error;
mod events;
mod ledger;
mod lifecycle;
mod open;
mod presence;
mod prune;
mod queue;
mod reader;
mod rows;
mod schema;
mod store;
mod tx;
mod wire;
mod writer;

pub use store::SqliteStore;
pub use writer::Metrics;
