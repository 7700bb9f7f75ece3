//! Arguments of `init`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use verisim_realism::{Country, Language};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder that is the root of a decoy; may be given several times
    #[arg(long = "decoy", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) decoys: Vec<PathBuf>,
    /// A folder in which captures appear; may be given several times
    #[arg(long = "capture", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) captures: Vec<PathBuf>,
    /// The folder that captures are pushed to, for instance a mounted NAS
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) destination: Option<PathBuf>,
    /// How many personas work on each decoy
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=20))]
    pub(crate) personas: u8,
    /// The seed from which the personas are invented [default: a new one]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(0..=i64::MAX.unsigned_abs()))]
    pub(crate) seed: Option<u64>,
    /// Invent a whole company: its offices, teams, projects, meetings, hosts and vendors, and the people on the decoys
    #[arg(long)]
    pub(crate) company: bool,
    /// How many people the company has
    #[arg(long, value_name = "N", default_value_t = 12, requires = "company", value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) people: u32,
    /// A language of the people: english, german, french or spanish; may be given several times [default: that of the country]
    #[arg(long = "language", value_name = "LANGUAGE", requires = "company")]
    pub(crate) languages: Vec<Language>,
    /// The country of the company, whose holidays are kept: US, GB, DE, FR, ES, CH, AT, NL, IT or SE [default: by the language]
    #[arg(long, value_name = "CODE")]
    pub(crate) country: Option<Country>,
    /// People out of a JSON list instead of invented ones
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) import: Option<PathBuf>,
}
