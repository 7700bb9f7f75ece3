//! For tests only: a model of every port in memory, doubles that inject faults, a clock that a test moves, and one
//! conformance suite per port.

pub mod connector_suite;
pub mod decoy_under_test;
pub mod doubles;
pub mod driver_suite;
pub mod hostile_capture;
pub mod hostile_suite;
pub mod liar;
mod memory_store;
mod proxy;
pub mod real_azure;
pub mod real_dav;
pub mod real_engine;
pub mod real_gcs;
pub mod real_rclone;
mod real_server;
#[cfg(feature = "store")]
pub mod real_store;
pub mod sshd;
pub mod store_suite;
pub mod transport_suite;
mod virtual_clock;

pub use decoy_under_test::DecoyUnderTest;
pub use memory_store::{Frozen, MemoryStore};
pub use proxy::Proxy;
pub use real_engine::{RealContainer, RealEngine};
pub use real_server::{LOGIN, PASSWORD, Place, RealServer, skip};
pub use virtual_clock::VirtualClock;
