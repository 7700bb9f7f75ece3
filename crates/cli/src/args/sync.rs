//! The arguments of `verisim sync`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use verisim_core::SyncState;

use super::{AcceptArgs, one_of};
use crate::config::units;

/// What to do with captures.
#[derive(Debug, Subcommand)]
pub(crate) enum SyncCommand {
    /// Take up a directory now, instead of when its rule finds it
    Add(SyncAddArgs),
    /// List the captures and how far each is
    Ls {
        /// Only in this state, for instance verified
        #[arg(long = "in", value_name = "STATE", value_parser = sync_state)]
        states: Vec<String>,
        /// At most so many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show all that is known of one capture: where it goes, its passes, and what is not there as it was pushed
    Show {
        /// The job
        #[arg(value_parser = job_number)]
        job: i64,
    },
    /// Try a capture again that failed, was cancelled, is unverified or waits; or all that failed
    Retry(SyncRetryArgs),
    /// Read what is at the destination, and compare it with what was pushed
    Verify {
        /// The job; without one, every capture that was verified before
        #[arg(value_parser = job_number)]
        job: Option<i64>,
    },
    /// Print the manifest of a verified capture, in the format of sha256sum, also after it was cleaned up here
    Manifest {
        /// The job
        #[arg(value_parser = job_number)]
        job: i64,
    },
    /// Follow captures until they rest: bytes, files, rate and time left
    Watch {
        /// The job; without one, all
        #[arg(value_parser = job_number)]
        job: Option<i64>,
    },
    /// Stop a capture's job; nothing is deleted
    Cancel {
        /// The job
        #[arg(value_parser = job_number)]
        job: i64,
    },
    /// Let a capture through in spite of what a rule of its gate found, or take that back
    Override(SyncOverrideArgs),
    /// Show the key by which a destination over SSH is known, and accept it
    Trust {
        /// The destination
        destination: verisim_core::DestinationName,
        #[command(flatten)]
        accept: AcceptArgs,
    },
    /// Say what rsync or rclone meant: reads from standard input what it printed on standard error
    Explain(ExplainArgs),
}

/// Arguments of `sync explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The tool
    #[arg(long, value_enum)]
    pub(crate) tool: ToolArg,
    /// What it was to do
    #[arg(long, value_enum, default_value_t = OperationArg::Push)]
    pub(crate) operation: OperationArg,
    /// Its exit code, as a shell shows it in `$?`; -N where signal N ended it
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = exit_status)]
    pub(crate) exit: i32,
    /// How much is free at the destination, where the tool's words leave open whether it is full
    #[arg(long, value_name = "BYTES", value_parser = units::size)]
    pub(crate) free_space: Option<verisim_core::ByteCount>,
}

/// A tool that carries captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolArg {
    /// rsync over ssh.
    Rsync,
    /// rclone.
    Rclone,
}

/// What a tool was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OperationArg {
    /// Sending a capture.
    Push,
    /// Hashing what is there.
    Hashsum,
}

/// Arguments of `sync add`.
#[derive(Debug, Args)]
pub(crate) struct SyncAddArgs {
    /// The directory
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// The capture rule it belongs to: gives destination, completeness and cleanup
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<verisim_core::CaptureName>,
    /// Wait until it is verified
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Arguments of `sync override`.
#[derive(Debug, Args)]
pub(crate) struct SyncOverrideArgs {
    /// The job
    #[arg(value_parser = job_number)]
    pub(crate) job: i64,
    /// The rule of the gate, as `sync show` names it
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: verisim_core::GateRuleName,
    /// Why; it is kept, and told in an event
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who; otherwise the login of whoever runs this
    #[arg(long, value_name = "WHO")]
    pub(crate) by: Option<String>,
    /// Take the override back: what is not pushed yet is held again, and nothing more is cleaned up
    #[arg(long)]
    pub(crate) revoke: bool,
}

/// Arguments of `sync retry`.
#[derive(Debug, Args)]
pub(crate) struct SyncRetryArgs {
    /// The job
    #[arg(required_unless_present = "all", conflicts_with = "all", value_parser = job_number)]
    pub(crate) job: Option<i64>,
    /// Every capture that failed, or waits for a destination that is away; what was cancelled or could not be proved only where --in names it
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all: only those for this destination
    #[arg(long, value_name = "NAME", requires = "all")]
    pub(crate) destination: Option<verisim_core::DestinationName>,
    /// With --all: only those that this capture rule found
    #[arg(long, value_name = "NAME", requires = "all")]
    pub(crate) rule: Option<verisim_core::CaptureName>,
    /// With --all: those in this state instead of failed: cancelled, unverified, blocked; may be given several times
    #[arg(long = "in", value_name = "STATE", value_parser = retried_state, requires = "all")]
    pub(crate) states: Vec<String>,
}

/// A state of a capture's job.
pub(super) fn sync_state(text: &str) -> Result<String, String> {
    one_of(text, &SyncState::ALL.map(SyncState::name))
}

/// How many signals there are on Linux.
const SIGNAL_MAX: i32 = 64;

/// How a tool ended, as a shell or a language shows it: an exit code is a byte.
fn exit_status(text: &str) -> Result<i32, String> {
    match text.parse::<i32>() {
        Ok(status) if (-SIGNAL_MAX..=255).contains(&status) => Ok(status),
        _ => Err(format!("an exit code is 0 to 255; -1 to -{SIGNAL_MAX} is the signal that ended the tool")),
    }
}

/// A state out of which captures are tried again together.
fn retried_state(text: &str) -> Result<String, String> {
    one_of(text, &verisim_engine::control::RETRIED_STATES)
}

/// The number of a job. People try the name of its capture first.
fn job_number(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| "a capture is named by the number of its job, as `verisim sync ls` lists it".to_owned())
}
