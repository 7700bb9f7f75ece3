//! `verisim simulate`: the plan under a virtual clock, without touching anything; as lines, and as pictures.

mod company;
mod line;

use std::sync::Arc;
use std::time::Duration;

use verisim_core::Timestamp;
use verisim_realism::{Content, Simulation, World};

use self::line::Line;
use crate::args::SimulateArgs;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::pictures::Album;
use crate::wire::Wired;

/// The seed where neither the arguments nor a configuration name one.
const SEED: u64 = 1;

/// Tells what the personas will do, session by session, and paints it.
pub(super) async fn simulate(context: &Context, args: &SimulateArgs) -> CliResult {
    let Some(world) = world(context, args).await? else {
        context.output.say("nobody works on any decoy: there is nothing to simulate");
        return Ok(Exit::Done);
    };
    let from = args.from.unwrap_or_else(|| context.now());
    let span = Duration::from_secs(u64::from(args.days) * 86_400);
    let until = from.saturating_add(span).unwrap_or(Timestamp::MAX);
    let content = if args.no_bodies { Content::None } else { Content::Bodies };
    let mut album = args.out.as_ref().map(|_| Album::new(&world, from, args.days));
    // Whoever wants pictures alone is not told everything besides.
    let tells = context.output.json || args.out.is_none();
    let mut told = 0_u64;
    let mut results = context.output.results();
    for scene in Simulation::scenes(&world, from, until, content) {
        let Some(line) = Line::of(&world, &scene) else { continue };
        if let Some(album) = &mut album {
            album.add(&world, &scene);
        }
        told += 1;
        if context.output.json {
            results.typed("scene", &line)?;
        } else if tells {
            results.line(line)?;
        }
    }
    results.finish()?;
    if let (Some(album), Some(dir)) = (album, &args.out) {
        let failed = |error| CliError::new(Exit::Failed, format!("{}: {error}", dir.display()));
        let page = album.write(dir).map_err(failed)?;
        context.output.say(format!("the pictures are in {}", page.display()));
    }
    if told == 0 {
        context.output.say("nothing happens in this time");
    }
    Ok(Exit::Done)
}

/// The configuration's world, or one that is invented.
async fn world(context: &Context, args: &SimulateArgs) -> CliResult<Option<Arc<World>>> {
    if args.decoys.is_some() || args.personas.is_some() || context.has_no_config()? {
        let world = company::invent(args.decoys, args.personas, args.seed.unwrap_or(SEED))
            .map_err(|error| CliError::new(Exit::Failed, error))?;
        return Ok(Some(Arc::new(world)));
    }
    let mut config = context.config()?;
    config.seed = args.seed.unwrap_or(config.seed);
    Wired::new(config, context.clock()).world().await
}
