//! The traffic driver against real servers, asked by their own logs, and against servers that mean harm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what is not right in a test shall fail it")]

mod hostile;
mod real;
mod rules;
mod stage;
