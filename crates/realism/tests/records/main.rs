//! The records of a past: read by the real tools, and joined with the files of the same past.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it stands")]

#[path = "../common/mod.rs"]
mod common;

mod coherent;
mod live;
mod meets;
mod order;
mod sandbox;
mod tools;
