//! Drives the real binary.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod audit;
mod bad_input;
mod burn_in;
mod containers;
mod daemon;
mod demo;
mod evidence;
mod explain;
mod files;
mod fleet;
mod gate;
mod hosts;
mod laboratory;
mod looking;
mod remotes;
mod roots;
mod sandbox;
mod sessions;
mod shell;
mod simulate;
mod traffic;
mod watching;
