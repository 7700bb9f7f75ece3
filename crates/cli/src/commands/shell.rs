//! What the shell wants: completions, manual pages, exit codes.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use serde::Serialize;

use crate::args::Cli;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;

/// Prints the completions for a shell.
pub(super) fn completions(context: &Context, shell: clap_complete::Shell) -> CliResult {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "verisim", &mut script);
    text(context, "completions", &script)?;
    Ok(Exit::Done)
}

/// Prints what the exit codes mean.
pub(super) fn exit_codes(context: &Context) -> CliResult {
    #[derive(Serialize)]
    struct Line {
        code: u8,
        name: Exit,
        meaning: &'static str,
    }
    if context.output.json {
        for (exit, meaning) in crate::exit::TABLE {
            context.output.typed("exit_code", &Line { code: exit.code(), name: exit, meaning })?;
        }
    } else {
        context.output.raw(crate::exit::table().as_bytes())?;
    }
    Ok(Exit::Done)
}

/// Prints a text that a program wants as it is; as JSON, it is one string.
fn text(context: &Context, kind: &'static str, text: &[u8]) -> CliResult<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        text: std::borrow::Cow<'a, str>,
    }
    if context.output.json {
        context.output.typed(kind, &Line { text: String::from_utf8_lossy(text) })
    } else {
        context.output.raw(text)
    }
}

/// Prints the manual page, or writes one for every command to a folder.
pub(super) fn man(context: &Context, dir: Option<&Path>) -> CliResult {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = dir else {
        text(context, "man", &page(&command, true)?)?;
        return Ok(Exit::Done);
    };
    std::fs::create_dir_all(dir)
        .map_err(|error| CliError::io(Exit::Failed, "cannot make the folder", dir, &error))?;
    let mut pages = vec![("verisim".to_owned(), command)];
    while let Some((name, command)) = pages.pop() {
        let file = dir.join(format!("{name}.1"));
        std::fs::write(&file, page(&command, name == "verisim")?)
            .map_err(|error| CliError::io(Exit::Failed, "cannot write", &file, &error))?;
        let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
        pages.extend(inner.map(|inner| (format!("{name}-{}", inner.get_name()), inner.clone())));
    }
    context.output.say(format!("manual pages written to {}", crate::error::show(dir)));
    Ok(Exit::Done)
}

fn page(command: &Command, top: bool) -> CliResult<Vec<u8>> {
    let mut text = Vec::new();
    let trouble =
        |error: std::io::Error| CliError::new(Exit::Failed, format!("cannot make the manual page: {error}"));
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(trouble)?;
    if top {
        text.extend_from_slice(b".SH \"EXIT STATUS\"\n");
        for line in crate::exit::table().lines() {
            let (code, meaning) = line.trim().split_once("  ").unwrap_or((line, ""));
            text.extend_from_slice(format!(".TP\n\\fB{code}\\fR\n{meaning}\n").as_bytes());
        }
    }
    Ok(text)
}
