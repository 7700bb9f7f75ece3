//! `verisim burn-in`: a decoy gets a past before it is exposed, or loses it again.

mod draw;
mod existing;
mod tell;

use std::sync::{Arc, Mutex, PoisonError};

use verisim_core::{Amend, Amendment, BurnIn, BurnState, DecoyName, Recorded, Store};
use verisim_engine::{BurnError, Burner, Exposure, Member};

use crate::access::Access;
use crate::args::BurnInArgs;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::here::Here;
use crate::render::progress::{Progress, bar};
use crate::render::time;

/// How wide the bar of progress is.
const BAR_CELLS: usize = 30;

/// Gives decoys their past, or takes it back. What goes wrong with one does not keep the others from theirs.
pub(super) async fn burn_in(context: &Context, args: &BurnInArgs) -> CliResult {
    let config = context.config()?;
    let here = match Access::open(context, config).await? {
        Access::Here(here) => *here,
        Access::Daemon(_) => {
            let (message, hint) = match args.undo {
                true => (
                    "a daemon runs, and people live on its decoys: no past is taken back beside it",
                    "stop it (the `verisim up`), and say it again; better a new root than a past that is taken from under people",
                ),
                false => (
                    "a daemon runs, and people live on its decoys: nothing is back-dated beside it",
                    "stop it (the `verisim up`), burn in, and start it again",
                ),
            };
            return Err(CliError::new(Exit::Usage, message).hint(hint));
        }
    };
    for name in &args.decoys {
        here.wired.member(name)?;
    }
    let mut worst = Exit::Done;
    for name in &args.decoys {
        let done = match args.undo {
            true => undo(context, &here, name, args.force).await,
            false => give(context, &here, name, args).await,
        };
        match done {
            Ok(Exit::Done) => {}
            Ok(exit) => worst = exit,
            Err(error) if error.is_quiet() || args.decoys.len() == 1 => return Err(error),
            Err(error) => {
                worst = error.exit;
                context.output.error(&CliError { message: format!("{name}: {}", error.message), ..error });
            }
        }
        if context.stop_token()?.is_cancelled() {
            break;
        }
    }
    Ok(worst)
}

async fn give(context: &Context, here: &Here, name: &DecoyName, args: &BurnInArgs) -> CliResult {
    let (burner, member) = burner(context, here, name, "is given a past")?;
    let begun = burner.known().await.map_err(broken)?;
    if let Some(burn) = &begun {
        require_unfinished(burn)?;
    }
    let facts = member.connector.probe().await?;
    if !facts.writable {
        return Err(CliError::new(Exit::Unreachable, format!("{name} takes no writes")));
    }
    recognise(here, name, facts.identity).await?;
    if let Some(lack) = Burner::cannot_undo(member.connector.capabilities()).filter(|_| !args.no_undo) {
        return Err(CliError::new(Exit::Usage, format!("a past of {name} could not be taken back: {lack}"))
            .hint("say --no-undo to give it one all the same"));
    }
    if let Some(exposure) = burner.exposure().await.map_err(broken)? {
        return Err(exposed(name, &exposure, begun.is_some()));
    }
    let burn = match begun {
        Some(burn) => {
            context.output.say(format!(
                "{name}: its past of {} days up to {} was begun, and goes on",
                burn.days,
                time::utc(burn.until)
            ));
            burn
        }
        None => {
            let drawn = draw::drawn(context, here, &member, args.days).await?;
            burner.begin(drawn).await.map_err(broken)?
        }
    };
    let planted = burner.plant(burn).await.map_err(broken)?;
    let burn = burner.known().await.map_err(broken)?;
    let Some(burn) = burn else {
        return Err(CliError::new(Exit::Store, "the burn-in is not in the store any more"));
    };
    drop(burner);
    tell::planted(context, &burn, &planted)?;
    Ok(Exit::Done)
}

async fn undo(context: &Context, here: &Here, name: &DecoyName, force: bool) -> CliResult {
    let (burner, member) = burner(context, here, name, "loses its past")?;
    let Some(burn) = burner.known().await.map_err(broken)? else {
        return Err(CliError::new(
            Exit::Usage,
            format!("{name} was given no past; there is nothing to take back"),
        ));
    };
    let facts = member.connector.probe().await?;
    recognise(here, name, facts.identity).await?;
    if let Some(lack) = Burner::cannot_undo(member.connector.capabilities()) {
        return Err(CliError::new(Exit::Failed, format!("the past of {name} cannot be taken back: {lack}")));
    }
    if burn.state == BurnState::Done
        && !force
        && let Some(exposure) = burner.exposure().await.map_err(broken)?
    {
        return Err(lived_on(name, &exposure));
    }
    let undone = burner.undo(burn).await.map_err(broken)?;
    drop(burner);
    tell::undone(context, name, &undone)?;
    Ok(if undone.left.is_empty() && undone.directories.is_empty() { Exit::Done } else { Exit::Found })
}

fn burner(
    context: &Context,
    here: &Here,
    name: &DecoyName,
    doing: &'static str,
) -> CliResult<(Burner, Member)> {
    let member = here.wired.member(name)?;
    let bars = Mutex::new(Progress::new(context.output));
    let (name, unicode) = (name.clone(), crate::output::speaks_unicode());
    let shown = name.clone();
    let progress = move |done: u32, all: u32| {
        let bar = bar(u64::from(done), u64::from(all), BAR_CELLS, unicode);
        let line = format!("{shown} {doing}  {bar}  {done} of {all} files");
        bars.lock().unwrap_or_else(PoisonError::into_inner).draw(&[line]);
    };
    let burner = Burner {
        store: Arc::clone(&here.store) as Arc<dyn Store>,
        connector: Arc::clone(&member.connector),
        clock: context.clock(),
        decoy: name,
        stop: context.stop_token()?,
        progress: Box::new(progress),
    };
    Ok((burner, member))
}

/// Of a past on which people went on an undo leaves what they changed, in homes without accounts.
fn lived_on(name: &DecoyName, exposure: &Exposure) -> CliError {
    let since = match exposure {
        Exposure::File { at, .. } | Exposure::Action { at, .. } => time::utc(*at),
    };
    let message = format!(
        "people have lived on {name} since its past was given (the first sign is of {since}): what they changed would stay, and \
         their accounts would go"
    );
    CliError::new(Exit::Usage, message).hint(format!(
        "give {name} a new root instead, and say `verisim decoy accept {name}`; --force takes back what can be all the same"
    ))
}

/// Only the decoy that is known is worked on; one that is met for the first time is remembered.
async fn recognise(here: &Here, name: &DecoyName, identity: Option<String>) -> CliResult<()> {
    let Some(identity) = identity else { return Ok(()) };
    match here.store.root_identity(name).await? {
        Some(known) if known == identity => Ok(()),
        Some(_) => Err(CliError::new(
            Exit::Found,
            format!("what answers as {name} is not the decoy that is known; nothing was changed"),
        )
        .hint(format!(
            "is a mount missing? if its root was replaced on purpose: verisim decoy accept {name}"
        ))),
        None => {
            let change = Amendment { decoy: name.clone(), change: Amend::Root(identity), events: Vec::new() };
            match here.store.amend(change).await? {
                Recorded::Committed => Ok(()),
                Recorded::Stale => Err(CliError::new(Exit::Failed, format!("{name} is being worked on"))),
            }
        }
    }
}

fn require_unfinished(burn: &BurnIn) -> CliResult<()> {
    let name = &burn.decoy;
    match burn.state {
        BurnState::Planting => Ok(()),
        BurnState::Done => {
            let what = format!(
                "{name} has a past already: {} days up to {}, {} files",
                burn.days,
                time::utc(burn.until),
                burn.files
            );
            Err(CliError::new(Exit::Usage, what)
                .hint(format!("for another one, first take it back: verisim burn-in --undo {name}")))
        }
        BurnState::Undoing => Err(CliError::new(
            Exit::Usage,
            format!("the past of {name} is being taken back, and that is not finished"),
        )
        .hint(format!("finish it first: verisim burn-in --undo {name}"))),
    }
}

/// Live is live: nothing is back-dated beside what happened in the present.
fn exposed(name: &DecoyName, exposure: &Exposure, begun: bool) -> CliError {
    let seen = match exposure {
        Exposure::File { path, at, by_hand } => {
            let whose = if *by_hand { "put there by hand" } else { "of the people who live there" };
            format!("{path} is {whose} since {}", time::utc(*at))
        }
        Exposure::Action { job, at } => format!("job {job} was carried out there, {}", time::utc(*at)),
    };
    let error = CliError::new(
        Exit::Usage,
        format!("{name} lives already ({seen}), and nothing is back-dated after that"),
    );
    if begun {
        return error.hint(format!(
            "its past was begun and never finished: leave it as it is, or take it back: verisim burn-in --undo {name}"
        ));
    }
    error.hint(format!(
        "give it a new root (a fresh container or folder), say `verisim decoy accept {name}`, and burn in before the daemon starts"
    ))
}

fn broken(error: BurnError) -> CliError {
    const AGAIN: &str = "nothing is lost: the same command goes on where it was";
    match error {
        BurnError::Store(error) => error.into(),
        BurnError::Failed(failure) => {
            let error = CliError::from(failure);
            let hint =
                error.hint.as_ref().map_or_else(|| AGAIN.to_owned(), |hint| format!("{hint}; {AGAIN}"));
            error.hint(hint)
        }
        BurnError::Stopped => CliError::new(Exit::Failed, "stopped").hint(AGAIN),
    }
}
