//! The adversary who tries to tell that a host is a decoy.
//!
//! It knows nothing of how Verisim makes life: it depends on `core` alone, reads what is on the decoy through a
//! [`verisim_core::Connector`] as an intruder would, and judges that. Three steps, each on plain data:
//!
//! 1. [`collect`] reads a decoy, within bounds, into an [`Evidence`]. A decoy is hostile: parsers take any bytes.
//! 2. The checks, one module for each tell, are pure functions of an evidence and of what explains it.
//! 3. [`judge_all`] joins what they found into a [`Report`] each; with several decoys it also compares them.
//!
//! A simulation is judged by [`simulation::judge`], from its lines alone.

mod case;
mod checks;
mod coherence;
mod collect;
mod evidence;
mod explain;
mod fleet;
mod judge;
pub mod read;
mod report;
pub mod simulation;
mod stats;

pub use coherence::{Coherence, coherence};
pub use collect::{Limits, Options, collect};
pub use evidence::{
    Entry, Evidence, Host, Layout, Looked, Mailbox, NamedDocument, NamedHistory, NamedLog, Packages,
};
pub use judge::judge_all;
pub use report::{Finding, Report, Verdict};
