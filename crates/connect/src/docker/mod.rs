//! A container as a decoy, through the Docker Engine API, which podman speaks too.
//!
//! Two ways lead to a container's files. The fast one takes the root of its first process as the kernel shows it, and does
//! there what is done to any held root; no process is ever started inside. It needs an engine on this machine and the rights
//! of the superuser. The portable one sends and fetches archives through the engine, wherever that is. Which way a connector
//! takes is settled when it is made.

mod connector;
mod dial;
mod engine;
mod exec;
mod facts;
mod failure;
mod fast;
mod line;
mod portable;
mod standing;

pub use connector::{DockerConnector, DockerOptions, Reach};
pub use engine::{Engine, EngineAddress, EngineFacts, TlsFiles};
pub use facts::{ContainerEvent, ContainerFacts, ContainerHappening, ContainerName, ContainerState};
