//! The docker connector against a real engine of the test's own.
//!
//! An engine takes a second to come and to go, and a container half of one: so there are few tests, and each does much.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test prepares fails by panicking")]

mod cuts;
mod decoys;
mod effects;
mod engines;
mod injection;
mod kills;
mod liars;
mod numbers;
mod portable;
mod standing;
mod suites;
mod swaps;
mod tls;
mod unseen;
