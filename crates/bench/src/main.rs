//! Measures Verisim against what a user would pick instead. Each pair is measured in turns in one run, on data made here;
//! what counts is the ratio. Run by `./bench`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measuring tool: it takes the time, starts the peers, reads its arguments and prints a table"
)]

mod at_once;
mod carry;
mod docker;
mod faults;
mod files;
mod hash;
mod idle;
mod measure;
mod memory;
mod month;
mod plan;
mod plant;
mod push;
mod queue;
mod report;
mod soak;
mod ssh;

use clap::Parser;

/// Measures Verisim against what a user would pick instead.
#[derive(Debug, Parser)]
enum Command {
    /// Many small files with mode, owner and times.
    Plant(plant::Options),
    /// Files into a container of a real engine.
    Docker(docker::Options),
    /// Files to a host over SSH.
    Ssh(ssh::Options),
    /// Many decoys at once, against one after the other, all far away.
    AtOnce(at_once::Options),
    /// Durable jobs per second, through enqueue, lease, start and record.
    Queue(queue::Options),
    /// The real daemon under load, killed again and again; what it did is proved afterwards.
    Soak(soak::Options),
    /// Pushes by the real daemon while everything fails that can; what arrived is proved afterwards.
    Faults(faults::Options),
    /// Planned effects per second, at fleets of 10, 1,000 and 100,000 decoys.
    Plan(plan::Options),
    /// The memory of an idle daemon with a large fleet.
    Idle(idle::Options),
    /// Verified push of many small files and of a large one.
    Push(push::Options),
    /// The same to a host over SSH.
    Carry(carry::Options),
    /// Hashing alone.
    Hash(hash::Options),
    /// The memory that a capture of very many files takes.
    Memory(memory::Options),
    /// A virtual month: of plans, twice, and of the whole engine with its store.
    Month(month::Options),
    /// Everything but the soak, and one table.
    All(Everything),
}

/// Where everything is measured.
#[derive(Debug, clap::Args)]
struct Everything {
    /// A folder on the disk that is meant.
    #[arg(long, default_value = ".")]
    dir: String,
    /// The binary.
    #[arg(long, default_value = "target/release/verisim")]
    verisim: String,
    /// The peer's program.
    #[arg(long)]
    riverqueue: Option<String>,
}

fn main() -> Result<(), measure::Error> {
    let mut report = report::Report::default();
    match Command::parse() {
        Command::Soak(options) => return soak::run(&options),
        Command::Faults(options) => return faults::run(&options),
        // What it says is for the process that began it.
        Command::Memory(options) if options.is_part() => return memory::run(&options, &mut report),
        Command::All(options) => everything(&options, &mut report)?,
        one => run(one, &mut report)?,
    }
    report.finish()
}

fn run(command: Command, report: &mut report::Report) -> Result<(), measure::Error> {
    match command {
        Command::Plant(options) => plant::run(&options, report),
        Command::Docker(options) => docker::run(&options, report),
        Command::Ssh(options) => ssh::run(&options, report),
        Command::AtOnce(options) => at_once::run(&options, report),
        Command::Queue(options) => queue::run(&options, report),
        Command::Plan(options) => plan::run(&options, report),
        Command::Idle(options) => idle::run(&options, report),
        Command::Push(options) => push::run(&options, report),
        Command::Carry(options) => carry::run(&options, report),
        Command::Hash(options) => hash::run(&options, report),
        Command::Memory(options) => memory::run(&options, report),
        Command::Month(options) => month::run(&options, report),
        Command::Soak(_) | Command::Faults(_) | Command::All(_) => Err("not a measurement of one row".into()),
    }
}

/// Every measurement as it is without further arguments.
fn everything(options: &Everything, report: &mut report::Report) -> Result<(), measure::Error> {
    // Nothing is removed between two measurements: the file system would be slower for the later one.
    let ground = tempfile::Builder::new().prefix("bench").tempdir_in(&options.dir)?;
    let dir = ["--dir", ground.path().to_str().ok_or("the folder's name is no text")?];
    let mut queue = vec!["queue", dir[0], dir[1]];
    if let Some(program) = &options.riverqueue {
        queue.extend(["--riverqueue", program]);
    }
    let all = [
        vec!["carry", "--keep", dir[0], dir[1]],
        vec!["push", "--keep", dir[0], dir[1]],
        vec!["hash", dir[0], dir[1]],
        queue,
        vec!["plant", dir[0], dir[1]],
        vec!["docker"],
        vec!["ssh"],
        vec!["at-once"],
        vec!["plan"],
        vec!["idle", "--verisim", &options.verisim],
        vec!["month", dir[0], dir[1]],
        vec!["memory", dir[0], dir[1]],
    ];
    for arguments in all {
        run(Command::try_parse_from(["verisim-bench"].into_iter().chain(arguments))?, report)?;
    }
    Ok(())
}
