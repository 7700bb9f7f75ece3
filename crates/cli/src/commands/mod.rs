//! One module per command.

mod audit;
mod burn_in;
mod captures;
mod changes;
mod decide;
mod demo;
mod doctor;
mod explain;
mod files;
mod gate;
mod init;
mod life;
mod places;
mod retry;
mod shell;
mod show;
mod simulate;
mod sync;
mod trust;
mod up;
mod verify;
mod why;

use crate::args::Command;
use crate::context::Context;
use crate::error::CliResult;

/// Does what the command line asks for.
pub(crate) fn run(context: &Context, command: Command) -> CliResult {
    match command {
        Command::Demo(args) => context.block_on(demo::demo(context, &args)),
        Command::Up(args) => context.block_on(up::up(context, &args)),
        Command::Init(args) => init::init(context, &args),
        Command::Doctor => context.block_on(doctor::doctor(context)),
        Command::Plan(args) => context.block_on(life::plan(context, &args)),
        Command::Simulate(args) => context.block_on(simulate::simulate(context, &args)),
        Command::Audit(args) => context.block_on(audit::audit(context, &args)),
        Command::BurnIn(args) => context.block_on(burn_in::burn_in(context, &args)),
        Command::Why(args) => context.block_on(why::why(context, &args)),
        Command::Plant(args) => context.block_on(files::plant(context, &args)),
        Command::Read(args) => context.block_on(files::read(context, &args)),
        Command::Rm(args) => context.block_on(files::rm(context, &args)),
        Command::Ledger(args) => context.block_on(decide::ledger(context, &args)),
        Command::Release(args) => context.block_on(decide::release(context, &args)),
        Command::Decoy(command) => context.block_on(decide::decoy(context, &command)),
        Command::Sync(command) => context.block_on(sync::sync(context, &command)),
        Command::Jobs(args) => context.block_on(show::jobs(context, &args)),
        Command::Events(args) => context.block_on(show::events(context, &args)),
        Command::Status => context.block_on(show::status(context)),
        Command::Completions { shell } => shell::completions(context, shell),
        Command::Man { dir } => shell::man(context, dir.as_deref()),
        Command::ExitCodes => shell::exit_codes(context),
    }
}
