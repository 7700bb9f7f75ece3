//! `verisim ledger`, `release` and `decoy accept`: what is known to be on a decoy, and what a person decides about it.

use verisim_core::{DecoyName, DecoyPath, OwnershipPolicy};
use verisim_engine::control::{Answer, LedgerView, Release, Request};

use super::files::decoy_path;
use crate::access::{Access, confused};
use crate::args::{DecoyCommand, LedgerArgs, ReleaseArgs};
use crate::config::units::show_size;
use crate::context::Context;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::output::Tone;
use crate::render::table::{Cell, cell, counted, plain, table};
use crate::render::time;
use crate::wire::Wired;

/// How many entries are asked for at once.
const PAGE: usize = 1_000;

/// Lists what is known to be on a decoy.
pub(super) async fn ledger(context: &Context, args: &LedgerArgs) -> CliResult {
    let config = context.config()?;
    Wired::new(config.clone(), context.clock()).member(&args.decoy)?;
    let mut access = Access::look(context, config).await?;
    let mut all: Vec<LedgerView> = Vec::new();
    loop {
        let after = all.last().map(|entry| entry.path.clone());
        let (decoy, frozen) = (args.decoy.clone(), args.frozen);
        let request = Request::Ledger { decoy, frozen, after, limit: PAGE };
        let Answer::Ledger(page) = access.ask(request).await? else { return Err(confused()) };
        let full = page.len() == PAGE;
        if context.output.json {
            page.iter().try_for_each(|entry| context.output.typed("path", entry))?;
        }
        all.extend(page);
        if !full {
            break;
        }
    }
    if context.output.json {
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        context.output.say(if args.frozen {
            "nothing waits for a decision"
        } else {
            "nothing is known to be there"
        });
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<Cell>> = all.iter().map(row).collect();
    let heading = ["path", "class", "policy", "hash", "size", "who", "edits", "since"];
    context.output.raw(table(context.output.color, &heading, &rows).as_bytes())?;
    Ok(Exit::Done)
}

fn row(entry: &LedgerView) -> Vec<Cell> {
    let (policy, tone) = match entry.policy {
        OwnershipPolicy::Owned => ("owned", Tone::Plain),
        OwnershipPolicy::Append => ("append", Tone::Plain),
        OwnershipPolicy::HandsOff => ("hands off", Tone::Bad),
        OwnershipPolicy::Foreign => ("foreign", Tone::Faint),
    };
    vec![
        cell(entry.path.to_string(), Tone::Strong),
        plain(entry.class.wire().replace('_', " ")),
        cell(policy, tone),
        cell(entry.sha256.to_string().chars().take(12).collect::<String>(), Tone::Faint),
        plain(show_size(entry.size)),
        plain(entry.persona.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)),
        plain(entry.edits.to_string()),
        cell(time::utc(entry.since), Tone::Faint),
    ]
}

/// Decides about a path that is left alone.
pub(super) async fn release(context: &Context, args: &ReleaseArgs) -> CliResult {
    let path: DecoyPath = decoy_path(&args.path)?;
    let mut access = open(context, &args.decoy).await?;
    let decision = if args.decision.adopt { Release::Adopt } else { Release::Forget };
    let request = Request::Release { decoy: args.decoy.clone(), path: path.clone(), decision };
    let Answer::Ledger(after) = access.ask(request).await? else { return Err(confused()) };
    if context.output.json {
        after.iter().try_for_each(|entry| context.output.typed("path", entry))?;
        return Ok(Exit::Done);
    }
    match after.first() {
        Some(entry) => context.output.say(format!(
            "{path} on {} is ours as it is now: {}, {}",
            args.decoy,
            show_size(entry.size),
            entry.sha256
        )),
        None => {
            context
                .output
                .say(format!("{path} on {} is not ours any more, and is never touched", args.decoy));
        }
    }
    Ok(Exit::Done)
}

/// Decides about a whole decoy.
pub(super) async fn decoy(context: &Context, command: &DecoyCommand) -> CliResult {
    let decoy = match command {
        DecoyCommand::Accept { decoy } => decoy,
        DecoyCommand::Trust(args) => return super::trust::trust(context, args).await,
    };
    let mut access = open(context, decoy).await?;
    let request = Request::AcceptRoot { decoy: decoy.clone() };
    let Answer::Accepted { forgotten } = access.ask(request).await? else { return Err(confused()) };
    if context.output.json {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            decoy: &'a DecoyName,
            forgotten: u64,
        }
        context.output.typed("accepted", &Line { decoy, forgotten })?;
    } else {
        let paths = counted(forgotten, "path");
        context.output.say(format!("{decoy} starts anew; {paths} of its former root are forgotten"));
    }
    Ok(Exit::Done)
}

/// A way to the store, for a decoy that there is.
async fn open(context: &Context, decoy: &DecoyName) -> CliResult<Access> {
    let config = context.config()?;
    Wired::new(config.clone(), context.clock()).member(decoy)?;
    Access::open(context, config).await
}
