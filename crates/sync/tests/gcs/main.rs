//! The transport to stores of objects, against an emulator of Google Cloud Storage.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]
#![allow(clippy::disallowed_methods, reason = "it takes the time, and starts what a laboratory has")]

#[path = "../common/mod.rs"]
mod common;
mod conformance;
mod place;
mod provoked;
#[path = "../common/emulated.rs"]
mod sending;
