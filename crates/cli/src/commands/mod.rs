//! One module per command.

mod shell;

use crate::args::Command;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;

/// Does what the command line asks for.
pub(crate) fn run(context: &Context, command: Command) -> CliResult {
    match command {
        Command::Completions { shell } => shell::completions(context, shell),
        Command::Man { dir } => shell::man(context, dir.as_deref()),
        Command::ExitCodes => {
            context.output.raw(crate::exit::table().as_bytes())?;
            Ok(Exit::Done)
        }
        _ => {
            let _config = context.config()?;
            Err(CliError::new(Exit::Failed, "this command is not in this build yet"))
        }
    }
}
