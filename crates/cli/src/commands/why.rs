//! `verisim why`: which plan, persona, session and story put something where it is.

use verisim_core::{
    BurnFate, BurnIn, DecoyName, DecoyPath, Event, EventId, EventPayload, OwnershipPolicy, Payload, printable,
};
use verisim_engine::control::{Answer, PastView, Request, WhyView};

use crate::access::{Access, confused};
use crate::args::WhyArgs;
use crate::config::units::show_size;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::render::table::counted;
use crate::render::time;
use crate::wire::unknown_decoy;

/// Says why a path is what it is, or what an event was about.
pub(super) async fn why(context: &Context, args: &WhyArgs) -> CliResult {
    let config = context.config()?;
    let mut decoys: Vec<DecoyName> = config.decoys.iter().map(|decoy| decoy.name.clone()).collect();
    if let Some(name) = &args.decoy {
        if !decoys.contains(name) {
            return Err(unknown_decoy(&config, name));
        }
        decoys = vec![name.clone()];
    }
    let text = args.what.to_str().unwrap_or_default();
    let mut access = Access::look(context, config).await?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let event = event(&mut access, text).await?;
        return of_event(context, &mut access, &event).await;
    }
    let path = super::files::decoy_path(&args.what)?;
    let mut found = 0;
    for decoy in &decoys {
        let view = ask(&mut access, decoy, &path).await?;
        let is_told = view.is_ours() || decoys.len() == 1 || below_a_past(&view);
        if context.output.json {
            if is_told {
                context.output.typed("why", &Line { ours: view.is_ours(), view: &view })?;
            }
        } else if is_told {
            tell(context, &view)?;
        }
        found += u32::from(is_told);
    }
    if found == 0 && !context.output.json {
        context.output.line(format!("{path}: nobody of ours put anything there, on any decoy"))?;
    }
    Ok(Exit::Done)
}

#[derive(serde::Serialize)]
struct Line<'a> {
    ours: bool,
    #[serde(flatten)]
    view: &'a WhyView,
}

async fn ask(access: &mut Access, decoy: &DecoyName, path: &DecoyPath) -> CliResult<WhyView> {
    let request = Request::Why { decoy: decoy.clone(), path: path.clone() };
    match access.ask(request).await? {
        Answer::Why(view) => Ok(*view),
        _ => Err(confused()),
    }
}

async fn event(access: &mut Access, text: &str) -> CliResult<Event> {
    let gone = || {
        CliError::new(Exit::Usage, format!("there is no event {text}"))
            .hint("`verisim events` lists those that are kept")
    };
    let number: i64 = text.parse().map_err(|_| gone())?;
    let after = EventId(number.saturating_sub(1));
    let request = Request::Events { after, topic: ">".to_owned(), limit: 1 };
    let Answer::Events { events, .. } = access.ask(request).await? else { return Err(confused()) };
    events.into_iter().find(|event| event.id.0 == number).ok_or_else(gone)
}

async fn of_event(context: &Context, access: &mut Access, event: &Event) -> CliResult {
    if context.output.json {
        context.output.typed("why_event", event)?;
    } else {
        context.output.line(sentence(event))?;
        if let EventPayload::BurnIn { .. } = event.body.payload {
            context.output.line("  a person called `verisim burn-in`")?;
        }
    }
    let path = match &event.body.payload {
        EventPayload::Activity(Payload::Plant(plant)) => Some(&plant.path),
        EventPayload::Activity(Payload::Edit(edit)) => Some(&edit.path),
        EventPayload::Activity(Payload::Append(append)) => Some(&append.path),
        EventPayload::Activity(Payload::Move(moved)) => Some(&moved.to),
        EventPayload::Activity(Payload::Remove(removed)) => Some(&removed.path),
        EventPayload::Tampered { path, .. } => Some(path),
        _ => None,
    };
    if let (Some(decoy), Some(path), false) = (&event.body.decoy, path, context.output.json) {
        tell(context, &ask(access, decoy, path).await?)?;
    }
    Ok(Exit::Done)
}

/// Whether the path lies in a directory of a decoy that has a past: worth a word, though nothing of ours is there.
fn below_a_past(view: &WhyView) -> bool {
    view.directory.is_some() || view.past.is_some()
}

fn tell(context: &Context, view: &WhyView) -> CliResult<()> {
    let line = |text: String| context.output.line(text);
    line(format!("{} on {}", view.path, view.decoy))?;
    if let Some(past) = &view.past {
        tell_past(context, past)?;
    }
    if let Some(known) = &view.known {
        let who =
            known.persona.as_ref().map_or_else(|| "nobody in particular".to_owned(), ToString::to_string);
        line(match known.policy {
            OwnershipPolicy::Foreign => {
                "  the ledger: what stands there is somebody else's, and its name is not used".to_owned()
            }
            OwnershipPolicy::HandsOff => {
                "  the ledger: somebody else changed it, and it waits for a decision (`verisim release`)"
                    .to_owned()
            }
            OwnershipPolicy::Owned | OwnershipPolicy::Append => format!(
                "  the ledger: {} of {who}, {}, {} since {}",
                known.class.wire().replace('_', " "),
                show_size(known.size),
                counted(u64::from(known.edits), "change"),
                time::utc(known.since)
            ),
        })?;
    }
    view.events.iter().try_for_each(|event| line(format!("  {}", sentence(event))))?;
    if let Some(made) = view.directory {
        line(
            if made {
                "  a directory that the past made"
            } else {
                "  a directory that was there before the past"
            }
            .to_owned(),
        )?;
    }
    match (&view.burn_in, view.is_ours()) {
        (Some(burn), is_ours) => {
            if !is_ours && view.directory.is_none() {
                line("  nobody of ours put it there".to_owned())?;
            }
            line(format!("  {}", story(burn)))
        }
        (None, false) => line("  nobody of ours put it there".to_owned()),
        (None, true) => Ok(()),
    }
}

fn tell_past(context: &Context, past: &PastView) -> CliResult<()> {
    let line = |text: String| context.output.line(text);
    let facts = &past.facts;
    line(match past.fate {
        BurnFate::Planted => "  the past of this decoy put it there".to_owned(),
        BurnFate::Planned => "  the past of this decoy will put it there once it goes on".to_owned(),
        BurnFate::Taken => "  the past of this decoy would have put something there, but something else stood there".to_owned(),
        BurnFate::Undone => "  the past of this decoy had put it there; it was taken back".to_owned(),
        BurnFate::Left => "  the past of this decoy put it there; it was changed since, and stayed when the past was taken back".to_owned(),
    })?;
    let who = facts.persona.as_ref().map_or_else(|| "the system itself".to_owned(), ToString::to_string);
    let session = facts.session.as_ref().map_or_else(String::new, |session| format!(", session {session}"));
    line(format!(
        "  {who}{session}: came {}, last changed {} ({})",
        time::utc(facts.born_at),
        time::utc(facts.dress.mtime),
        counted(u64::from(facts.edits), "change")
    ))?;
    line(format!("  why: {}", printable(&facts.why)))
}

/// What is said of a whole past.
fn story(burn: &BurnIn) -> String {
    format!(
        "{} was given a past of {} days up to {}; its change times are one cluster, because {}",
        burn.decoy,
        burn.days,
        time::utc(burn.until),
        burn.story
    )
}

fn sentence(event: &Event) -> String {
    let told = crate::render::event::tell(event);
    let session =
        event.body.session.as_ref().map_or_else(String::new, |session| format!(", session {session}"));
    let why = if event.body.detail.is_empty() {
        String::new()
    } else {
        format!("; why: {}", printable(&event.body.detail))
    };
    let words = [told.who, told.verb, told.object].into_iter().filter(|word| !word.is_empty());
    format!(
        "event {}, {}: {}{session}{why}",
        event.id,
        time::utc(event.body.time),
        words.collect::<Vec<_>>().join(" ")
    )
}
