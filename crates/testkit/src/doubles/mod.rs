//! Doubles of the ports: models that behave, until a script tells them not to.

mod connector;
mod direct_dial;
mod driver;
mod faults;
mod faulty_connector;
mod jobs;
mod store;
mod sync;

pub use connector::SwitchConnector;
pub use direct_dial::DirectDial;
pub use driver::{Call, DriverFault, ModelDriver};
pub use faults::{Fault, Faults, Phase};
pub use faulty_connector::FaultyConnector;
pub use jobs::{action_job, decoy, plant};
pub use store::FaultStore;
pub use sync::{ModelSync, sync_spec};
