//! The arguments of what a person decides about a decoy.

use clap::{Args, Subcommand};
use verisim_core::DecoyName;

/// Arguments of `ledger`.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// The decoy
    pub(crate) decoy: DecoyName,
    /// Only the paths that are left alone until you decide: see `verisim release`
    #[arg(long)]
    pub(crate) frozen: bool,
}

/// Arguments of `release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// The decoy
    pub(crate) decoy: DecoyName,
    /// The path on the decoy
    pub(crate) path: std::ffi::OsString,
    #[command(flatten)]
    pub(crate) decision: DecisionArgs,
}

/// One of the two.
#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DecisionArgs {
    /// What stands there now is ours from now on: it is worked on as it is
    #[arg(long)]
    pub(crate) adopt: bool,
    /// What stands there is somebody else's: it leaves the ledger, and is never touched
    #[arg(long)]
    pub(crate) forget: bool,
}

/// What a person decides about a whole decoy.
#[derive(Debug, Subcommand)]
pub(crate) enum DecoyCommand {
    /// Its root was replaced on purpose: what was known of the former one is forgotten, and life starts anew
    Accept {
        /// The decoy
        decoy: DecoyName,
    },
    /// Show the key by which a host over SSH is known, and accept it
    Trust(TrustArgs),
}

/// Arguments of `decoy trust`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrustArgs {
    /// The decoy
    pub(crate) decoy: DecoyName,
    #[command(flatten)]
    pub(crate) accept: AcceptArgs,
}

/// How a host key is accepted.
#[derive(Debug, Clone, Args)]
pub(crate) struct AcceptArgs {
    /// Accept the key, and those of unknown hosts on the way, without being asked
    #[arg(long)]
    pub(crate) yes: bool,
    /// Accept the key if it has this fingerprint, as `ssh-keygen -l` prints it on the host
    #[arg(long, value_name = "SHA256:..", conflicts_with = "yes")]
    pub(crate) fingerprint: Option<String>,
}
