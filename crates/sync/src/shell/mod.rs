//! The far side of a transport over SSH, where the account may run commands: the login shell there gets one plain word, `sh`,
//! and a script of ours on its standard input. What carries the words, and what else the transport does, is not known here.

mod answers;
pub(crate) mod script;
mod sums;

pub(crate) use answers::{Shell, absent, is_whole, look, shell};
pub(crate) use sums::{Sums, Told};
