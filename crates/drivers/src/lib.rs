//! What an effect means, and how it is confirmed. Drivers reach decoys only through connectors.

mod connectors;
mod file;
mod traffic;

pub use connectors::Connectors;
pub use file::FileDriver;
pub use traffic::{
    Destinations, NoPasswords, Password, Passwords, SshLogin, SshRan, SshSeen, SshTrouble, SshVisit,
    TrafficDriver,
};
