//! Measures Verisim against what a user would pick instead. Each pair is measured in turns in one run, on data made here;
//! what counts is the ratio. Run by `./bench`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measuring tool: it takes the time, starts the peers, reads its arguments and prints a table"
)]

mod idle;
mod measure;
mod plan;
mod plant;
mod push;
mod queue;
mod soak;

use clap::Parser;

/// Measures Verisim against what a user would pick instead.
#[derive(Debug, Parser)]
enum Command {
    /// Many small files with mode, owner and times.
    Plant(plant::Options),
    /// Durable jobs per second, through enqueue, lease, start and record.
    Queue(queue::Options),
    /// The real daemon under load, killed again and again; what it did is proved afterwards.
    Soak(soak::Options),
    /// Planned effects per second, at fleets of 10, 1,000 and 100,000 decoys.
    Plan(plan::Options),
    /// The memory of an idle daemon with a large fleet.
    Idle(idle::Options),
    /// Verified push of many small files and of a large one.
    Push(push::Options),
}

fn main() -> Result<(), measure::Error> {
    match Command::parse() {
        Command::Plant(options) => plant::run(&options),
        Command::Queue(options) => queue::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Plan(options) => plan::run(&options),
        Command::Idle(options) => idle::run(&options),
        Command::Push(options) => push::run(&options),
    }
}
