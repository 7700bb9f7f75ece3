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
mod host_root;
mod hosts;
mod laboratory;
mod looking;
mod one_story;
mod remotes;
mod roots;
mod sandbox;
mod sessions;
mod shell;
mod simulate;
mod timeline;
mod traffic;
mod watching;
