//! `verisim up`: the daemon.

use tokio_util::task::AbortOnDropHandle;
use tracing::level_filters::LevelFilter;
use verisim_core::Store as _;
use verisim_engine::Engine;
use verisim_engine::control::{Client, Operator, Server, ServerParts};

use crate::access::{HANDOVER, LOOK};
use crate::args::{LogFormat, UpArgs};
use crate::claim;
use crate::config::Config;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::fleet::{self, Beginning};
use crate::here::Here;
use crate::state::StateDir;

/// How many times as much happens with `--busy`: somebody does something every few seconds.
const BUSY_PACE: f64 = 100.0;

/// Runs until SIGTERM or SIGINT, or until a client says so.
pub(super) async fn up(context: &Context, args: &UpArgs) -> CliResult {
    let mut base = context.declared()?;
    if args.busy {
        (base.life.busy, base.life.pace) = (true, BUSY_PACE);
    }
    let format = if context.output.json { LogFormat::Json } else { args.log_format };
    crate::log::start(&context.global, context.output, format, LevelFilter::INFO);
    let stop = context.stop_token()?;
    let (state, file) = (StateDir::at(&base.state), context.config_file()?);
    if let Some(rival) = claim::rival(&state, &file) {
        return Err(claim::refusal(&state, &file, &rival));
    }
    let beginning = Beginning::of(base).await?;
    let here = open(context, beginning.config()).await?;
    claim::claim(&here.state, &file)?;
    let config = &here.wired.config;
    here.store.put_decoys(here.wired.fleet.decoys().iter().map(|decoy| (**decoy).clone()).collect()).await?;
    let mut parts = here.parts()?;
    let owners = here.owners().await?;
    parts.planner = fleet::plan(&here.wired, &owners)?;
    tracing::info!(
        decoys = config.decoys.len(),
        personas = config.personas.len(),
        captures = config.captures.len(),
        state = %crate::error::show(&config.state),
        "up"
    );
    let has_people = parts.planner.is_some();
    let engine = Engine::new(parts);
    let keeper = beginning.keeper(&here, owners, engine.handle())?;
    let server = Server::bind(
        &here.state.socket(),
        ServerParts {
            operator: Operator::new(engine.handle()),
            shutdown: stop.clone(),
            uid: rustix::process::geteuid().as_raw(),
        },
    )
    .map_err(|error| CliError::io(Exit::Store, "cannot listen on", &here.state.socket(), &error))?;
    // The socket answers for as long as the engine drains.
    let end = verisim_core::CancellationToken::new();
    let serving = tokio::spawn(server.run(end.clone()));
    let bus = std::sync::Arc::clone(engine.handle().bus());
    let telling = tokio::spawn(async move { crate::log::follow(&bus).await });
    let pulse = crate::log::Pulse {
        operator: Operator::new(engine.handle()),
        clock: context.clock(),
        has_people,
        // Whoever declared captures alone waits for no decoy.
        looks_for_decoys: config.discover.docker
            && (config.discover.is_asked_for || config.captures.is_empty()),
        has_captures: !config.captures.is_empty(),
    };
    let pulse = tokio::spawn(pulse.beat(end.clone()));
    let (rules, ears) = (here.wired.rules()?, engine.handle());
    let tell = move |stirred: Vec<verisim_sync::Stirred>| {
        ears.captures_stirred(stirred.into_iter().map(|stirred| (stirred.rule, stirred.relative)));
    };
    let listening = AbortOnDropHandle::new(tokio::spawn(verisim_sync::watch(rules, tell, stop.clone())));
    let keeping = keeper.map(|keeper| AbortOnDropHandle::new(tokio::spawn(keeper.keep(stop.clone()))));
    let done = engine.run(stop).await;
    drop((keeping, listening));
    let _ = telling.await;
    end.cancel();
    let _ = serving.await;
    let _ = pulse.await;
    done?;
    tracing::info!("down");
    Ok(Exit::Done)
}

/// Opens the store. A command that has it for a moment is waited for; a daemon is not.
async fn open(context: &Context, config: Config) -> CliResult<Here> {
    let socket = StateDir::open(&config.state)?.socket();
    let until = context.clock().monotonic() + HANDOVER;
    loop {
        let error = match Here::open(config.clone(), context.clock()).await {
            Ok(here) => return Ok(here),
            Err(error) if error.in_use => error,
            Err(error) => return Err(error),
        };
        let daemon = Client::connect(&socket).await?.is_some();
        if daemon || context.clock().monotonic() >= until {
            return Err(error.hint("`verisim status` asks the daemon that runs"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
