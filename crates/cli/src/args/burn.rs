//! The arguments of `burn-in` and `why`.

use std::ffi::OsString;

use clap::Args;
use verisim_core::DecoyName;

/// Arguments of `burn-in`.
#[derive(Debug, Args)]
pub(crate) struct BurnInArgs {
    /// The decoys, before they are exposed
    #[arg(required = true)]
    pub(crate) decoys: Vec<DecoyName>,
    /// How many days the past reaches back
    #[arg(long, value_name = "N", default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub(crate) days: u32,
    /// Take back what a burn-in planted, and only that
    #[arg(long, conflicts_with_all = ["days", "no_undo"])]
    pub(crate) undo: bool,
    /// Take back what can be, where people have lived on the decoy since: what they changed stays, without accounts
    #[arg(long, requires = "undo")]
    pub(crate) force: bool,
    /// Go on where the way to a decoy does not allow to take it back
    #[arg(long)]
    pub(crate) no_undo: bool,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// A path on a decoy, or the number of an event
    #[arg(value_name = "PATH|EVENT")]
    pub(crate) what: OsString,
    /// Only on this decoy
    #[arg(long, value_name = "NAME")]
    pub(crate) decoy: Option<DecoyName>,
}
