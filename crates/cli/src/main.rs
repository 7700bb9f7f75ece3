//! The binary `verisim`: arguments, configuration, wiring, rendering, exit codes. The only crate that prints, reads the
//! environment and asks what time it is.

mod access;
mod args;
mod claim;
mod clock;
mod commands;
mod config;
mod context;
mod engines;
mod error;
mod exit;
mod fleet;
mod here;
mod hosts;
mod links;
mod log;
mod object;
mod output;
mod owners;
mod people;
mod pictures;
mod render;
mod secrets;
mod ssh_login;
mod state;
mod tools;
mod unready;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let output = Output::new(&cli.global);
    let context = Context::new(cli.global, output);
    match commands::run(&context, cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            if !error.is_quiet() {
                output.error(&error);
            }
            error.exit.into()
        }
    }
}

/// Says what is wrong with the command line. Help and version go to standard output and are no mistake.
fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done;
    }
    if output::json_is_asked_for() {
        let text = error.render().to_string();
        let message = text.trim_start_matches("error: ").trim_end();
        Output::for_scripts().error(&CliError::new(Exit::Usage, message));
    } else {
        let _ = error.print();
    }
    Exit::Usage
}
