//! The command line.

mod audit;
mod burn;
mod decoy;
mod init;
mod sync;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use verisim_core::{ActivityState, DecoyName, FileMode, PersonaName, SyncState};

pub(crate) use self::audit::AuditArgs;
pub(crate) use self::burn::{BurnInArgs, WhyArgs};
pub(crate) use self::decoy::{AcceptArgs, DecoyCommand, LedgerArgs, ReleaseArgs, TrustArgs};
pub(crate) use self::init::InitArgs;
pub(crate) use self::sync::{
    ExplainArgs, OperationArg, SyncAddArgs, SyncCommand, SyncOverrideArgs, SyncRetryArgs, ToolArg,
};
use crate::config::units;

/// Keeps decoys alive, and brings home what they catch.
#[derive(Debug, Parser)]
#[command(
    name = "verisim",
    version,
    about = "Keeps decoys alive, and brings home what they catch",
    long_about = "Keeps decoys alive, and brings home what they catch.\n\n\
        Fictional employees work on your decoys, so that an intruder finds a place that is lived in. What the decoys \
        capture is pushed to storage, read back there and compared, and deleted locally only when that is safe.\n\n\
        Start with `verisim demo`.",
    disable_help_subcommand = false,
    propagate_version = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The configuration [default: ./verisim.toml, else /etc/verisim/verisim.toml]
    #[arg(long, short = 'c', global = true, value_name = "FILE", env = "VERISIM_CONFIG", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The state folder, instead of the one the configuration names
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,
    /// Where decoys are looked for among containers, unless the configuration says where [default: the usual socket]
    #[arg(long, global = true, value_name = "ADDRESS", env = "DOCKER_HOST", hide_env_values = true)]
    pub(crate) docker_host: Option<String>,
    /// Print one JSON object a line instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more (twice: everything)
    #[arg(long, short = 'v', global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say nothing but results and errors
    #[arg(long, short = 'q', global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it all: a small company of decoys on this machine, alive, and evidence going to a local vault
    Demo(DemoArgs),
    /// Run what the configuration describes, until told to stop
    Up(UpArgs),
    /// Write a configuration by looking around: the folders that are given, else containers that are decoys, and the usual places of a Cowrie
    Init(InitArgs),
    /// Say what is missing, per decoy and per destination, and how to mend it
    Doctor,
    /// Show what the personas will do next, and why (with -v: the weights that were drawn from)
    Plan(PlanArgs),
    /// Show what they would do in the coming days, as JSON lines, without doing it
    Simulate(SimulateArgs),
    /// Look at decoys as an intruder would, and say what gives them away: a score, and tells in the order of their weight
    Audit(AuditArgs),
    /// Give decoys a past before they are exposed: files of months, with owners, modes and times; or take it back
    BurnIn(BurnInArgs),
    /// Put a file on a decoy
    Plant(PlantArgs),
    /// Print a file of a decoy
    Read(ReadArgs),
    /// Say which plan, persona, session and story put something where it is
    Why(WhyArgs),
    /// Remove a file from a decoy
    Rm(RmArgs),
    /// List what Verisim knows to be on a decoy
    Ledger(LedgerArgs),
    /// Decide about a path that somebody else changed, and that is left alone since
    Release(ReleaseArgs),
    /// Decide about a whole decoy
    #[command(subcommand)]
    Decoy(DecoyCommand),
    /// Captures on their way home
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Show what is queued, and what became of it
    Jobs(JobsArgs),
    /// Show what happened
    Events(EventsArgs),
    /// Show how everything stands
    Status,
    /// Print the completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all of them to a folder
    Man {
        /// The folder
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
    /// List the exit codes
    #[command(long_about = exit_codes_about())]
    ExitCodes,
}

fn exit_codes_about() -> String {
    format!("The exit codes of verisim:\n\n{}", crate::exit::table())
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the company lives
    #[arg(long, value_name = "DIR", default_value = "verisim-demo", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// End after this time [default: on a terminal when you press q, else 40s]
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration)]
    pub(crate) length: Option<Duration>,
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Let people work at all hours, and far more than people do: to see it at once
    #[arg(long)]
    pub(crate) busy: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// How many actions
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: u32,
    /// Only on this decoy
    #[arg(long, value_name = "NAME")]
    pub(crate) decoy: Option<DecoyName>,
    /// Only by this persona
    #[arg(long, value_name = "NAME")]
    pub(crate) persona: Option<PersonaName>,
}

/// An instant, as RFC 3339 has it.
fn instant(text: &str) -> Result<verisim_core::Timestamp, String> {
    text.parse()
        .map_err(|_| "an instant looks like 2026-03-02T00:00:00Z, or 2026-03-02T09:00:00+01:00".to_owned())
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How many days
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub(crate) days: u32,
    /// The first moment, for instance 2026-03-02T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) from: Option<verisim_core::Timestamp>,
    /// Invent so many decoys instead of those of the configuration [default with --personas: one for four of them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) decoys: Option<u32>,
    /// Invent so many personas instead of those of the configuration [default with --decoys: four on each of them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) personas: Option<u32>,
    /// The seed of the plan and of what is invented [default: the configuration's, else 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(0..=i64::MAX.unsigned_abs()))]
    pub(crate) seed: Option<u64>,
    /// Leave out what needs the content, which is much faster
    #[arg(long)]
    pub(crate) no_bodies: bool,
    /// Write pictures into this folder: one page, `index.html`, and the SVG files that it is made of
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
}

/// Arguments of `plant`.
#[derive(Debug, Args)]
pub(crate) struct PlantArgs {
    /// The decoy
    pub(crate) decoy: DecoyName,
    /// The path on the decoy
    pub(crate) path: std::ffi::OsString,
    /// The file with the content; `-` is the standard input
    #[arg(default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The mode, in octal
    #[arg(long, value_name = "OCTAL", default_value = "0644", value_parser = units::mode)]
    pub(crate) mode: FileMode,
    /// The owner, as UID:GID, or the login of an account on the decoy [default: whom the place belongs to]
    #[arg(long, value_name = "OWNER")]
    pub(crate) owner: Option<units::OwnerArg>,
    /// How long to wait for it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::duration)]
    pub(crate) wait: Duration,
}

/// Arguments of `read`.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// The decoy
    pub(crate) decoy: DecoyName,
    /// The path on the decoy
    pub(crate) path: std::ffi::OsString,
    /// Read at most so much
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = units::size)]
    pub(crate) limit: verisim_core::ByteCount,
}

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// The decoy
    pub(crate) decoy: DecoyName,
    /// The path on the decoy
    pub(crate) path: std::ffi::OsString,
    /// How long to wait for it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::duration)]
    pub(crate) wait: Duration,
}

/// Arguments of `jobs`.
#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    /// Only in this state, for instance failed
    #[arg(long = "in", value_name = "STATE", value_parser = any_state)]
    pub(crate) states: Vec<String>,
    /// Only of this decoy
    #[arg(long, value_name = "NAME")]
    pub(crate) decoy: Option<DecoyName>,
    /// At most so many, the newest first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// Arguments of `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Wait for more; begins with the newest 20, unless --all, --last or --after says otherwise
    #[arg(long, short = 'f')]
    pub(crate) follow: bool,
    /// With --follow: begin with all that is kept
    #[arg(long, requires = "follow", conflicts_with_all = ["after", "last"])]
    pub(crate) all: bool,
    /// Only these topics: `*` is one token, `>` the rest, for instance 'decoy.*.tampered'
    #[arg(long, value_name = "FILTER", default_value = ">", value_parser = topic)]
    pub(crate) topic: String,
    /// Only of this decoy
    #[arg(long, value_name = "NAME")]
    pub(crate) decoy: Option<DecoyName>,
    /// Only after this event
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<i64>,
    /// Only the newest N of them
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) last: Option<u32>,
}

/// A filter of topics, checked and kept as it was written.
fn topic(text: &str) -> Result<String, verisim_core::InvalidTopic> {
    text.parse::<verisim_core::TopicFilter>().map(|_| text.to_owned())
}

/// A state of any job.
fn any_state(text: &str) -> Result<String, String> {
    one_of(
        text,
        &[&SyncState::ALL.map(SyncState::name)[..], &ActivityState::ALL.map(ActivityState::name)].concat(),
    )
}

/// One of these names, whatever the case.
fn one_of(text: &str, names: &[&str]) -> Result<String, String> {
    let wanted = text.to_ascii_uppercase().replace(['-', ' '], "_");
    if names.contains(&wanted.as_str()) {
        return Ok(wanted);
    }
    let names: std::collections::BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    Err(format!("there are: {}", names.into_iter().collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_state_that_there_is_not_is_answered_with_those_there_are() {
        assert_eq!(super::sync::sync_state("awaiting-verify"), Ok("AWAITING_VERIFY".to_owned()));
        assert_eq!(super::any_state("skipped"), Ok("SKIPPED".to_owned()));
        let told = super::sync::sync_state("skipped").unwrap_err();
        assert!(told.contains("awaiting_verify, blocked, cancelled"), "{told}");
    }

    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
