//! How a decoy is reached over SSH.

use verisim_ssh::Target;

/// How files are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WayIn {
    /// SFTP where the server has it, else commands where they are allowed.
    #[default]
    Auto,
    /// SFTP only.
    Sftp,
    /// Commands only.
    Exec,
}

/// How a decoy is reached over SSH.
#[derive(Clone)]
pub struct SshOptions {
    /// The host, and how one gets there.
    pub target: Target,
    /// How files are reached.
    pub way: WayIn,
    /// Whether commands may be run on the decoy. An intruder who watches sees them; without them, times of the past are set
    /// to the second only, and what has no SFTP cannot be reached.
    pub commands: bool,
}
