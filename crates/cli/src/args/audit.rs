//! The arguments of `audit`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use verisim_core::DecoyName;

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The decoys [default: all of the configuration, where neither folders nor a simulation are given]
    pub(crate) decoys: Vec<DecoyName>,
    /// A folder of this machine: the root of a host, a folder of homes, a home, or any tree; may be given several times
    #[arg(long = "dir", value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub(crate) dirs: Vec<PathBuf>,
    /// What `verisim simulate --json` printed; `-` is the standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) simulation: Option<PathBuf>,
    /// Pass over this path, as the decoy has it, and what is below; may be given several times
    #[arg(long, value_name = "PATH")]
    pub(crate) exclude: Vec<OsString>,
    /// Name every contradiction between files, logins, logs and histories too, and end with exit code 6 where there is one
    #[arg(long)]
    pub(crate) strict: bool,
    /// End with exit code 6 where a score is below this one
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) min_score: u8,
}
