//! How bytes reach a decoy: the implementations of the connector port.
//!
//! `rootfs` works on a directory of this machine that is, or becomes, a decoy's root. What it does there is written for any
//! root that the kernel can hold (`tree`), so that another connector that finds one does the same things in the same way:
//! `docker` finds that of a container, or goes through its engine. `ssh` reaches any host that runs an SSH server: through
//! SFTP, or through commands where there is none.

mod docker;
mod rooted;
mod rootfs;
mod ssh;
mod tree;

pub use docker::{
    ContainerEvent, ContainerFacts, ContainerHappening, ContainerName, ContainerState, DockerConnector,
    DockerOptions, Engine, EngineAddress, EngineFacts, Reach, TlsFiles,
};
pub use rootfs::RootfsConnector;
pub use ssh::{SshConnector, SshOptions, WayIn};
