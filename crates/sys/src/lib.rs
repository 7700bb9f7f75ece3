//! What Verisim asks of the kernel, in one place: files resolved inside a root, the processes that such a root belongs to,
//! and their network.
//!
//! Everything here blocks and is meant for a thread that may. Nothing here follows a link out of a root, opens anything
//! but a regular file on a real file system for reading, or reads without a bound (INV-7).

mod directory;
mod entry;
mod error;
mod filesystem;
mod freezer;
mod head_tail;
mod ids;
mod meta;
mod network;
mod process;
mod root;
mod runner;
mod staged;
mod writers;

pub use directory::{Directory, Names};
pub use entry::{Entry, Regular};
pub use error::{Error, Result};
pub use filesystem::is_local;
pub use freezer::Freezer;
pub use head_tail::HeadTail;
pub use ids::IdMap;
pub use meta::Meta;
pub use network::NetworkNamespace;
pub use process::HeldProcess;
pub use root::Root;
pub use runner::{Ask, Ended, Input, Limits, Printed, Ran, Runner, Secrets, Taker, TimeOut};
pub use staged::Staged;
pub use writers::written_to;
