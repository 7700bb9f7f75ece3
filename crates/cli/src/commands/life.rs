//! `verisim plan`: what the personas will do next.

use verisim_core::{Store as _, Timestamp};
use verisim_engine::Preview;
use verisim_engine::control::{Answer, Request};

use crate::access::Access;
use crate::args::PlanArgs;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::here::Here;
use crate::output::Tone;
use crate::render::table::{Cell, cell, plain, reason, table};
use crate::render::time;
use crate::wire::{unknown_decoy, unknown_persona};

/// How many actions are looked through for those of one decoy or persona.
const LOOKED_AT_MAX: usize = 10_000;

/// Shows what happens next, and why.
pub(super) async fn plan(context: &Context, args: &PlanArgs) -> CliResult {
    let config = context.config()?;
    if let Some(name) = args.decoy.as_ref().filter(|name| config.decoys.iter().all(|d| d.name != **name)) {
        return Err(unknown_decoy(&config, name));
    }
    if let Some(name) = args.persona.as_ref().filter(|name| config.personas.iter().all(|p| p.name != **name))
    {
        return Err(unknown_persona(&config, name));
    }
    let mut access = Access::look(context, config).await?;
    let wanted = usize::try_from(args.count).unwrap_or(usize::MAX);
    let all = args.decoy.is_none() && args.persona.is_none();
    let limit = if all { wanted } else { LOOKED_AT_MAX };
    let previews = match &mut access {
        Access::Here(here) => preview(here, context.now(), limit).await?,
        Access::Daemon(_) => match access.ask(Request::Plan { limit }).await? {
            Answer::Plan(previews) => previews,
            _ => return Err(CliError::new(Exit::Failed, "the daemon did not say what is planned")),
        },
    };
    let shown = |preview: &&Preview| {
        args.decoy.as_ref().is_none_or(|decoy| *decoy == preview.decoy)
            && args.persona.as_ref().is_none_or(|persona| *persona == preview.persona)
    };
    let previews: Vec<&Preview> = previews.iter().filter(shown).take(wanted).collect();
    if context.output.json {
        previews.iter().try_for_each(|preview| context.output.typed("plan", preview))?;
        return Ok(Exit::Done);
    }
    if previews.is_empty() {
        context
            .output
            .say("nothing is planned: nobody works on these decoys, or not for the coming two weeks");
        return Ok(Exit::Done);
    }
    let now = context.now();
    let row = |preview: &&Preview| -> Vec<Cell> {
        let (what, why) = preview.what.split_once(": ").unwrap_or((&preview.what, ""));
        vec![
            plain(time::utc(preview.at)),
            cell(time::distance(preview.at, now), Tone::Faint),
            plain(preview.decoy.as_str()),
            plain(preview.persona.as_str()),
            cell(what, Tone::Strong),
            cell(if context.global.verbose > 0 { why.to_owned() } else { reason(why) }, Tone::Faint),
        ]
    };
    let rows: Vec<Vec<Cell>> = previews.iter().map(row).collect();
    context.output.raw(
        table(context.output.color, &["when", "", "decoy", "persona", "what", "why"], &rows).as_bytes(),
    )?;
    Ok(Exit::Done)
}

/// The same from the store, where no daemon runs.
async fn preview(here: &Here, now: Timestamp, limit: usize) -> CliResult<Vec<Preview>> {
    let Some(mut planner) = here.planner().await? else { return Ok(Vec::new()) };
    let mut after = None;
    loop {
        let page = here.store.ledger_scan(after, 1000).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.decoy.clone(), last.path.clone()));
        page.into_iter().for_each(|entry| planner.load(entry));
    }
    planner.seek(now);
    Ok(planner.preview(now, limit))
}
