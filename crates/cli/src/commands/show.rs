//! `verisim jobs`, `events` and `status`: what is queued, what happened, how everything stands.

use verisim_core::{DecoyName, Event, EventId, JobKind, Lane, Timestamp};
use verisim_engine::control::{Answer, JobQuery, JobView, Request, StatusView};

use super::places;
use crate::access::Access;
use crate::args::{EventsArgs, JobsArgs};
use crate::config::units::{BYTES_PER_MBIT, show_size};
use crate::config::{CaptureConfig, Config};
use crate::context::Context;
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;
use crate::output::{Output, Tone};
use crate::render::table::{Cell, cell, plain, reason, table};
use crate::render::{event, time};
use crate::state::StateDir;

/// How long is waited between two looks for events where no daemon pushes them.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(500);

/// With how many events one begins to follow them, where nothing else is said.
const FOLLOW_LAST: u32 = 20;

/// Lists jobs, the newest first.
pub(super) async fn jobs(context: &Context, args: &JobsArgs) -> CliResult {
    let config = context.config()?;
    let mut access = Access::look(context, config.clone()).await?;
    let query = JobQuery {
        kind: None,
        states: args.states.clone(),
        lane: args.decoy.as_ref().map(Lane::of_decoy),
        before: None,
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
    };
    let jobs = list(&mut access, query).await?;
    known_decoy(&config, args.decoy.as_ref().filter(|_| jobs.is_empty()))?;
    let narrowed = !args.states.is_empty() || args.decoy.is_some();
    show_jobs(context, &jobs, if narrowed { "no job is like that" } else { "there is no job yet" })
}

/// Refuses a name that nothing bears. One that the history knows is never asked about: decoys come and go.
fn known_decoy(config: &Config, decoy: Option<&DecoyName>) -> CliResult<()> {
    match decoy {
        Some(name) if config.decoys.iter().all(|decoy| decoy.name != *name) => {
            Err(crate::wire::unknown_decoy(config, name))
        }
        _ => Ok(()),
    }
}

/// Asks for jobs, page by page.
pub(super) async fn list(access: &mut Access, query: JobQuery) -> CliResult<Vec<JobView>> {
    const PAGE: usize = 1000;
    let mut found: Vec<JobView> = Vec::new();
    let mut query = query;
    let limit = query.limit;
    loop {
        query.limit = PAGE.min(limit - found.len());
        let Answer::Jobs(page) = access.ask(Request::Jobs(query.clone())).await? else { return Ok(found) };
        let full = page.len() == PAGE;
        query.before = page.last().map(|job| job.id);
        found.extend(page);
        if !full || found.len() >= limit {
            return Ok(found);
        }
    }
}

/// Prints jobs as a table, or one object a line.
/// `none` is said where there are none.
pub(super) fn show_jobs(context: &Context, jobs: &[JobView], none: &str) -> CliResult {
    let output = context.output;
    if output.json {
        jobs.iter().try_for_each(|job| output.typed("job", job))?;
        return Ok(Exit::Done);
    }
    if jobs.is_empty() {
        output.say(none);
        return Ok(Exit::Done);
    }
    let now = context.now();
    let rows: Vec<Vec<Cell>> = jobs.iter().map(|job| row(job, now, context.global.verbose > 0)).collect();
    output.raw(table(output.color, &["job", "state", "where", "what", "when", "why"], &rows).as_bytes())?;
    Ok(Exit::Done)
}

fn row(job: &JobView, now: verisim_core::Timestamp, verbose: bool) -> Vec<Cell> {
    let what = match &job.action {
        Some(action) => format!("{action} {}", job.subject),
        None => job.subject.clone(),
    };
    let next = match job.next_at {
        Some(at) if !job.rests => time::distance(at, now),
        _ => time::distance(job.updated_at, now),
    };
    let note = job.progress.as_ref().and_then(|progress| progress.note.clone());
    let why = match (&job.failure, note) {
        _ if job.away_since.is_some() && job.state != "VERIFIED" => {
            let since = job.away_since.map_or_else(String::new, |at| time::distance(at, now));
            format!("{} went away {since}", job.lane)
        }
        (Some((kind, detail)), _) if job.state != "DONE" && job.state != "VERIFIED" => {
            format!("{kind}: {detail}")
        }
        (_, Some(note)) => note,
        _ if verbose => job.why.clone(),
        _ => reason(&job.why),
    };
    vec![
        plain(job.id.to_string()),
        cell(&job.state, tone(&job.state)),
        plain(job.lane.to_string()),
        cell(verisim_core::printable(&what), Tone::Strong),
        cell(next, Tone::Faint),
        cell(verisim_core::printable(&why), Tone::Faint),
    ]
}

/// How a state is to be taken.
pub(super) fn tone(state: &str) -> Tone {
    match state {
        "DONE" | "VERIFIED" | "CLEANED" => Tone::Good,
        "FAILED" | "TAMPERED" | "UNVERIFIED" => Tone::Bad,
        "SKIPPED" | "UNKNOWN" | "BLOCKED" | "CANCELLED" => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// Prints what happened.
pub(super) async fn events(context: &Context, args: &EventsArgs) -> CliResult {
    let config = context.config()?;
    let mut access = Access::look(context, config.clone()).await?;
    let output = context.output;
    let from = EventId(args.after.unwrap_or(0));
    let last = match args.last {
        // Whoever waits for what comes wants to see what led to it, and not months of history.
        None if args.follow && !args.all && args.after.is_none() => Some(FOLLOW_LAST),
        last => last,
    };
    let last = last.map(|last| usize::try_from(last).unwrap_or(usize::MAX));
    let (mut kept, mut found) = (std::collections::VecDeque::new(), false);
    let each = |event: Event| {
        if !is_about(&event, args.decoy.as_ref()) {
            return Ok(());
        }
        found = true;
        let Some(last) = last else { return event::show(output, &event) };
        if kept.len() == last {
            kept.pop_front();
        }
        if last > 0 {
            kept.push_back(event);
        }
        Ok(())
    };
    let seen = access.events(from, &args.topic, each).await?;
    kept.iter().try_for_each(|event| event::show(output, event))?;
    known_decoy(&config, args.decoy.as_ref().filter(|_| !found))?;
    if args.after.is_some_and(|after| after < seen.1.0) {
        output.say(format!("events up to {} may have been pruned", seen.1));
    }
    if !args.follow {
        return Ok(Exit::Done);
    }
    follow(context, config, access, seen.0, args).await
}

fn is_about(event: &Event, decoy: Option<&DecoyName>) -> bool {
    decoy.is_none_or(|decoy| event.body.decoy.as_ref() == Some(decoy))
}

async fn follow(
    context: &Context,
    config: Config,
    access: Access,
    seen: EventId,
    args: &EventsArgs,
) -> CliResult {
    let stop = context.stop_token()?;
    let output = context.output;
    let mut seen = seen;
    let mut access = Some(access);
    loop {
        if let Some(Access::Daemon(client)) = access.take() {
            let mut stream = client.follow(Some(seen), &args.topic).await?;
            loop {
                let next = tokio::select! {
                    next = stream.next() => next?,
                    () = stop.cancelled() => return Ok(Exit::Done),
                };
                let Some(event) = next else { break };
                seen = event.id;
                if is_about(&event, args.decoy.as_ref()) {
                    event::show(output, &event)?;
                }
            }
            output.say("the daemon ended; waiting for the next one");
        } else {
            // The store was let go, so that a daemon can start; nothing happens in it meanwhile.
            output.say("no daemon runs; waiting for one");
        }
        // Only a daemon is waited for: holding the store would keep it from starting.
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = stop.cancelled() => return Ok(Exit::Done),
            }
            let socket = StateDir::at(&config.state).socket();
            if let Some(client) = verisim_engine::control::Client::connect(&socket).await? {
                access = Some(Access::Daemon(client));
                break;
            }
        }
    }
}

/// Prints how everything stands.
pub(super) async fn status(context: &Context) -> CliResult {
    let config = context.config()?;
    let mut access = Access::look(context, config.clone()).await?;
    let running = matches!(access, Access::Daemon(_));
    let Answer::Status(status) = access.ask(Request::Status).await? else {
        return Err(CliError::new(Exit::Failed, "the daemon did not say how it stands"));
    };
    let captures =
        list(&mut access, JobQuery { kind: Some(JobKind::Sync), limit: 1000, ..JobQuery::default() }).await?;
    let missing: Vec<&CaptureConfig> = config.captures.iter().filter(|rule| !rule.path.is_dir()).collect();
    let limits = limits(&config, status.now);
    let full = places::full(&captures);
    if context.output.json {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            daemon: bool,
            limits: &'a [Limit<'a>],
            /// The capture rules whose folder is not there.
            missing: Vec<&'a str>,
            /// The destinations of which all places are taken while captures wait.
            full: &'a [places::Full<'a>],
            /// How many captures are in which state, the latest 1,000 of them.
            captures: std::collections::BTreeMap<&'a str, usize>,
            #[serde(flatten)]
            status: &'a StatusView,
        }
        let missing = missing.iter().map(|rule| rule.name.as_str()).collect();
        let mut states = std::collections::BTreeMap::new();
        for capture in &captures {
            *states.entry(capture.state.as_str()).or_default() += 1;
        }
        context.output.typed(
            "status",
            &Line {
                daemon: running,
                limits: &limits,
                missing,
                full: &full,
                captures: states,
                status: &status,
            },
        )?;
    } else {
        context.output.raw(status_text(context.output, running, &status, &captures).as_bytes())?;
        for full in &full {
            context.output.line(format!("waiting   {full}"))?;
        }
        for limit in &limits {
            context.output.line(format!("limit     {limit}"))?;
        }
        for rule in &missing {
            let what = format!("{} of {} is not there: make it, or mend `path`", show(&rule.path), rule.name);
            context.output.line(format!("          {}", context.output.paint(Tone::Bad, what)))?;
        }
    }
    let silent = status.decoys.iter().any(|decoy| decoy.silent_since.is_some());
    let away = silent || !missing.is_empty() || !status.away.is_empty();
    Ok(if away { Exit::Unreachable } else { Exit::Done })
}

/// How fast a destination may be filled.
#[derive(serde::Serialize)]
struct Limit<'a> {
    destination: &'a str,
    bytes_per_second: u64,
    /// Whether it holds at this moment.
    holds: bool,
}

impl std::fmt::Display for Limit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.destination;
        // As it was written, where it was in megabits.
        let rate = match self.bytes_per_second {
            bits if bits % BYTES_PER_MBIT == 0 => format!("{} Mbit/s", bits / BYTES_PER_MBIT),
            bytes => format!("{}/s", show_size(bytes)),
        };
        match self.holds {
            true => write!(f, "{name} is filled at no more than {rate} now"),
            false => write!(f, "{name} has none now, and {rate} in its windows"),
        }
    }
}

fn limits(config: &Config, now: Timestamp) -> Vec<Limit<'_>> {
    let limited = config.destinations.iter().filter_map(|to| Some((to, to.bandwidth.as_ref()?)));
    limited
        .map(|(to, bandwidth)| Limit {
            destination: to.name.as_str(),
            bytes_per_second: bandwidth.bytes_per_second,
            holds: bandwidth.at(now).is_some(),
        })
        .collect()
}

fn status_text(output: Output, running: bool, status: &StatusView, captures: &[JobView]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let daemon = if running {
        output.paint(Tone::Good, format!("runs ({} jobs at this moment)", status.running))
    } else {
        output.paint(Tone::Warn, "does not run; `verisim up` starts it")
    };
    let _ = writeln!(out, "daemon    {daemon}");
    let store = &status.store;
    let _ = writeln!(out, "store     {}, {} events", show_size(store.bytes), store.last_event);
    if let Some(trouble) = &status.trouble {
        let _ = writeln!(out, "          {}", output.paint(Tone::Bad, verisim_core::printable(trouble)));
    }
    let open: Vec<String> = store
        .open_jobs
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(state, n)| format!("{n} {}", state.to_lowercase()))
        .collect();
    let _ =
        writeln!(out, "jobs      {}", if open.is_empty() { "none open".to_owned() } else { open.join(", ") });
    if let Some(at) = status.next_slot {
        let _ = writeln!(out, "next      {}", time::distance(at, status.now));
    }
    let silent: Vec<&verisim_engine::control::DecoyView> =
        status.decoys.iter().filter(|decoy| decoy.silent_since.is_some()).collect();
    let left: Vec<_> = status.decoys.iter().filter_map(|decoy| Some((decoy, decoy.left_since?))).collect();
    let answer = match (status.decoys.len() - left.len(), silent.len()) {
        (0, _) => "none".to_owned(),
        (all, _) if !running => format!("{all}; `verisim doctor` asks whether they answer"),
        (all, 0) => format!("{all}, all answer"),
        (all, silent) => format!("{all}, {silent} of them left alone"),
    };
    let _ = writeln!(out, "decoys    {answer}");
    for decoy in silent {
        let since = decoy.silent_since.map_or_else(String::new, |at| time::distance(at, status.now));
        let _ = writeln!(out, "          {} left alone {since}", output.paint(Tone::Bad, &decoy.name));
        if let Some(why) = &decoy.why {
            let _ = writeln!(out, "          {}", verisim_core::printable(why));
        }
    }
    for (decoy, since) in left {
        let why = decoy.why.as_deref().map(verisim_core::printable).unwrap_or_default();
        let _ = writeln!(
            out,
            "          {} left {}: {why}",
            output.paint(Tone::Warn, &decoy.name),
            time::distance(since, status.now)
        );
    }
    for away in &status.away {
        let name = away.lane.0.trim_start_matches("destination/");
        let _ = writeln!(
            out,
            "away      {} went away {}; its captures wait: {}",
            output.paint(Tone::Bad, name),
            time::distance(away.since, status.now),
            verisim_core::printable(&away.why)
        );
    }
    let mut states: Vec<(String, usize)> = Vec::new();
    for capture in captures {
        match states.iter_mut().find(|(state, _)| *state == capture.state) {
            Some((_, count)) => *count += 1,
            None => states.push((capture.state.clone(), 1)),
        }
    }
    let states: Vec<String> = states
        .iter()
        .map(|(state, count)| output.paint(tone(state), format!("{count} {}", state.to_lowercase())))
        .collect();
    let _ =
        writeln!(out, "captures  {}", if states.is_empty() { "none".to_owned() } else { states.join(", ") });
    let held = captures.iter().filter(|job| super::gate::is_held(job)).count();
    if held > 0 {
        let told = format!("{held} held by their gate; `verisim sync ls --in waiting` says by what");
        let _ = writeln!(out, "          {}", output.paint(Tone::Bad, told));
    }
    out
}
