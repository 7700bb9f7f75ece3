//! An otherwise good root, one tell at a time: each is found, and the good one stays good.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is invented here is small and positive"
)]

mod bad;
mod commands;
mod hostile;
mod parsers;
mod root;
mod simulated;
mod tells;
