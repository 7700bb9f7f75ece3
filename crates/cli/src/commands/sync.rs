//! `verisim sync`: captures on their way home.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use verisim_core::{CancellationToken, JobId, JobKind, Progress, RelPath, Timestamp};
use verisim_engine::control::{Answer, JobQuery, JobView, Request, RunningView};

use super::captures::{damage_of, show_capture, show_captures};
use super::changes::{Changes, note_of, state_of};
use super::gate::is_held;
use super::retry;
use super::show::list;
use crate::access::Access;
use crate::args::{SyncAddArgs, SyncCommand};
use crate::config::units::show_size;
use crate::config::{Config, Each};
use crate::context::{Context, absolute};
use crate::error::{CliError, CliResult, advice, show};
use crate::exit::Exit;
use crate::render;
use crate::render::progress::Progress as Drawn;
use crate::render::table::fit_end;

/// The most captures that are listed, verified or watched in one go.
const CAPTURES_MAX: usize = 100_000;

/// Does what is asked about captures.
pub(super) async fn sync(context: &Context, command: &SyncCommand) -> CliResult {
    match command {
        // An old log is explained on any machine, without a configuration.
        SyncCommand::Explain(args) => super::explain::explain(context.output, args),
        SyncCommand::Add(args) => add(context, context.config()?, args).await,
        SyncCommand::Ls { states, limit } => {
            let mut access = Access::look(context, context.config()?).await?;
            let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
            let jobs = list(&mut access, JobQuery { states: states.clone(), limit, ..captures() }).await?;
            let none = if states.is_empty() {
                "no capture was found yet; a daemon looks for new ones once a minute"
            } else {
                "no capture is in this state"
            };
            if matches!(access, Access::Here(_)) && jobs.iter().any(|job| !is_settled(job, context.now())) {
                context.output.say("no daemon runs, so that nothing goes on; `verisim up` starts one");
            }
            show_captures(context, &jobs, none)
        }
        SyncCommand::Retry(args) => match args.job {
            Some(job) => change(context, context.config()?, Request::Retry { job: JobId(job) }).await,
            None => retry::retry_all(context, context.config()?, args).await,
        },
        SyncCommand::Cancel { job } => {
            change(context, context.config()?, Request::Cancel { job: JobId(*job) }).await
        }
        SyncCommand::Show { job } => {
            let mut access = Access::look(context, context.config()?).await?;
            let job = access.job(JobId(*job)).await?;
            let damage = damage_of(&mut access, job.id).await?;
            show_capture(context, &job, &damage)
        }
        SyncCommand::Verify { job } => {
            super::verify::verify(context, context.config()?, job.map(JobId)).await
        }
        SyncCommand::Manifest { job } => manifest(context, context.config()?, JobId(*job)).await,
        SyncCommand::Override(args) => super::gate::decide(context, args).await,
        SyncCommand::Watch { job } => watch(context, context.config()?, job.map(JobId)).await,
        SyncCommand::Trust { destination, accept } => {
            super::trust::trust_destination(context, &context.config()?, destination, accept).await
        }
    }
}

/// A line of a manifest, for scripts.
#[derive(serde::Serialize)]
struct Listed<'a> {
    path: &'a RelPath,
    sha256: &'a verisim_core::Digest,
}

/// The manifest as it was confirmed: what `sha256sum -c` takes from the capture's folder, wherever that is now.
async fn manifest(context: &Context, config: Config, job: JobId) -> CliResult {
    let mut access = Access::look(context, config).await?;
    let mut parser = verisim_core::manifest::Parser::new(verisim_core::manifest::Sorted::Required);
    for piece in 0.. {
        let Answer::Piece { body, more } = access.ask(Request::Manifest { job, piece }).await? else {
            return Err(CliError::new(
                Exit::Failed,
                "the daemon answered something else than what was asked",
            ));
        };
        if context.output.json {
            let mut entries = Vec::new();
            let read = parser.feed(body.as_bytes(), |entry| entries.push(entry));
            read.map_err(|error| CliError::new(Exit::Store, error))?;
            entries.iter().try_for_each(|entry| {
                context.output.typed("file", &Listed { path: &entry.path, sha256: &entry.sha256 })
            })?;
        } else if context.output.terminal {
            // A name may hold what a terminal obeys; in a pipe the bytes are those that `sha256sum -c` takes.
            for line in body.as_bytes().split_inclusive(|byte| *byte == b'\n') {
                let text = String::from_utf8_lossy(line);
                context
                    .output
                    .raw(format!("{}\n", verisim_core::printable(text.trim_end_matches('\n'))).as_bytes())?;
            }
        } else {
            context.output.raw(body.as_bytes())?;
        }
        if !more {
            break;
        }
    }
    Ok(Exit::Done)
}

pub(super) fn captures() -> JobQuery {
    JobQuery { kind: Some(JobKind::Sync), limit: CAPTURES_MAX, ..JobQuery::default() }
}

pub(super) async fn change(context: &Context, config: Config, request: Request) -> CliResult {
    let mut access = Access::open(context, config).await?;
    let job = access.ask_job(request).await?;
    show_captures(context, &[job], "")?;
    if matches!(access, Access::Here(_)) {
        context.output.say("no daemon runs; `verisim sync watch` or `verisim up` goes on with it");
    }
    Ok(Exit::Done)
}

async fn add(context: &Context, config: Config, args: &SyncAddArgs) -> CliResult {
    let dir = absolute(&args.dir)?;
    match std::fs::symlink_metadata(&dir) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => {
            let what = format!("{} is not a directory, and only a directory is a capture", show(&dir));
            return Err(CliError::new(Exit::Usage, what)
                .hint("put what belongs together into a directory, and name that"));
        }
        Err(error) => {
            let hint = "name a directory that is there; `verisim sync ls` lists the captures that are known";
            return Err(CliError::io(Exit::Usage, "cannot take up", &dir, &error).hint(hint));
        }
    }
    let rule = config.captures.iter().find(|rule| match (&args.rule, rule.each) {
        (Some(name), _) => rule.name == *name,
        (None, Each::Folder) => rule.path == dir,
        (None, Each::Directory) => dir.parent() == Some(rule.path.as_path()),
    });
    let Some(rule) = rule else {
        return Err(CliError::new(
            Exit::Usage,
            format!("no capture rule of the configuration covers {}", show(&dir)),
        )
        .hint("a [[capture]] with its folder as `path` says where it goes and when it is complete"));
    };
    let relative = match (rule.each, dir.file_name()) {
        (Each::Directory, Some(name)) => {
            Some(RelPath::new(name.as_bytes()).map_err(|error| CliError::new(Exit::Usage, error))?)
        }
        _ => None,
    };
    if rule.path.as_path() != if relative.is_some() { dir.parent().unwrap_or(&dir) } else { &dir } {
        return Err(CliError::new(
            Exit::Usage,
            format!("{} is no capture of the rule {}", show(&dir), rule.name),
        )
        .hint("it must be a directory, where the rule looks for captures"));
    }
    let request = Request::SyncAdd { rule: rule.name.clone(), relative };
    let mut access = Access::open(context, config).await?;
    let (job, new) = access.make(request).await?;
    if !new {
        context.output.say(format!("it is known already, as job {job}"));
    }
    if args.wait {
        return follow(context, &mut access, &[job], &context.stop_token()?, false).await;
    }
    let job = access.job(job).await?;
    show_captures(context, &[job], "")
}

/// Whether a capture's job rests, well or badly, as far as a person who waits is concerned: one that lacks something is
/// asked about again some minutes later, and nobody waits for that.
pub(super) fn is_settled(job: &JobView, now: Timestamp) -> bool {
    let waits = job.state == "BLOCKED" || is_held(job);
    let lacks = waits && job.next_at.is_some_and(|at| at > now);
    job.rests || lacks || job.away_since.is_some() || matches!(job.state.as_str(), "VERIFIED" | "CLEANED")
}

async fn watch(context: &Context, config: Config, job: Option<JobId>) -> CliResult {
    let mut access = Access::open(context, config).await?;
    let jobs = match job {
        Some(job) => vec![job],
        None => {
            let all = list(&mut access, captures()).await?;
            all.into_iter().filter(|job| !is_settled(job, context.now())).map(|job| job.id).collect()
        }
    };
    if jobs.is_empty() {
        let waiting = waiting(&mut access).await?;
        context.output.say(match waiting {
            0 => "no capture is under way".to_owned(),
            some => format!("no capture is under way; {some} wait, and `verisim sync ls` says for what"),
        });
        return Ok(Exit::Done);
    }
    if matches!(access, Access::Here(_)) {
        context.output.say("no daemon runs; the work is done here, and stops with this command");
    }
    let stop = context.stop_token()?;
    let exit = follow(context, &mut access, &jobs, &stop, true).await?;
    // Whoever has seen enough has got what was asked for.
    Ok(if stop.is_cancelled() { Exit::Done } else { exit })
}

/// How many captures wait for something: a signal, their gate, a destination that is away, or what they lack.
async fn waiting(access: &mut Access) -> CliResult<usize> {
    let states = ["WAITING", "QUEUED", "BLOCKED"].map(str::to_owned).to_vec();
    Ok(list(access, JobQuery { states, ..captures() }).await?.len())
}

async fn follow(
    context: &Context,
    access: &mut Access,
    jobs: &[JobId],
    stop: &CancellationToken,
    tells_changes: bool,
) -> CliResult {
    let mut progress = Drawn::new(context.output);
    let tells_changes = tells_changes && !progress.is_drawn() && !context.output.quiet;
    let mut changes = Changes::default();
    let mut pace = Pace::default();
    let mut told = HashMap::new();
    let tick = |views: &[JobView], running: &[RunningView]| {
        progress.draw(&lines(views, running, context, &mut pace));
        if tells_changes {
            changes.tell(context, views);
        }
        if context.output.json {
            tell(context, running, &mut told);
        }
    };
    let views = access.settle(jobs, stop, |job| is_settled(job, context.now()), tick).await?;
    drop(progress);
    show_captures(context, &views, "")?;
    Ok(views.iter().map(verdict).max_by_key(|exit| exit.code()).unwrap_or(Exit::Done))
}

/// How far a running push is, as an object for scripts.
#[derive(serde::Serialize)]
struct Far {
    job: JobId,
    #[serde(flatten)]
    progress: Progress,
}

/// Prints how far each is, where that changed.
fn tell(context: &Context, running: &[RunningView], told: &mut HashMap<JobId, Progress>) {
    for view in running {
        if told.insert(view.job, view.progress) != Some(view.progress) {
            // Whoever reads no more is told by the last line.
            let _ = context.output.typed("progress", &Far { job: view.job, progress: view.progress });
        }
    }
}

/// What a capture's state means for the exit code.
pub(super) fn verdict(job: &JobView) -> Exit {
    match job.state.as_str() {
        "VERIFIED" | "CLEANED" | "CLEANUP_ELIGIBLE" | "CLEANING" => Exit::Done,
        "UNVERIFIED" => Exit::Found,
        _ if is_held(job) => Exit::Found,
        _ if job.away_since.is_some() => Exit::Unreachable,
        _ => job.failure.as_ref().map_or(Exit::Failed, |(kind, _)| advice(*kind).0),
    }
}

/// How fast jobs go since they were first seen to go: where each stood, and when.
#[derive(Default)]
pub(super) struct Pace(HashMap<JobId, (Duration, u64)>);

impl Pace {
    /// `, 80 MiB/s, 12s left`, or nothing while there is nothing to tell it from.
    fn told(&mut self, job: JobId, at: Progress, now: Duration) -> String {
        let (since, from) = *self.0.entry(job).or_insert((now, at.bytes_done));
        // What goes backwards was begun again.
        if at.bytes_done < from {
            self.0.insert(job, (now, at.bytes_done));
            return String::new();
        }
        let millis = now.saturating_sub(since).as_millis();
        let moved = u128::from(at.bytes_done - from) * 1000;
        let rate = u64::try_from(moved.checked_div(millis).unwrap_or(0)).unwrap_or(u64::MAX);
        if millis < 1000 || rate == 0 {
            return String::new();
        }
        let left = at.bytes_total.saturating_sub(at.bytes_done).div_ceil(rate);
        format!(", {}/s, {} left", show_size(rate), render::time::rough(Duration::from_secs(left)))
    }
}

/// How much of it is there, in hundredths: of its bytes, or of its files where nobody counts bytes.
fn percent(at: Progress) -> u64 {
    let (done, total) = match at.bytes_total {
        0 => (at.files_done, at.files_total),
        total => (at.bytes_done, total),
    };
    let share = u128::from(done) * 100;
    u64::try_from(share.checked_div(u128::from(total)).unwrap_or(100)).unwrap_or(100).min(100)
}

pub(super) fn lines(
    views: &[JobView],
    running: &[RunningView],
    context: &Context,
    pace: &mut Pace,
) -> Vec<String> {
    let (now, moment) = (context.now(), context.clock().monotonic());
    let line = |job: &JobView| {
        let progress = running.iter().find(|running| running.job == job.id).map(|running| running.progress);
        let name = verisim_core::printable(&job.subject);
        match progress {
            // What matters comes first: a narrow terminal cuts the rest.
            // A verification counts files alone.
            Some(at) if at.bytes_total == 0 => format!(
                "{:>6}  {:<16}  {:>3}%  {}, {} of {} files",
                job.id,
                fit_end(&name, 16),
                percent(at),
                state_of(job),
                at.files_done,
                at.files_total,
            ),
            Some(at) => format!(
                "{:>6}  {:<16}  {:>3}%  {} of {}{}, {} of {} files",
                job.id,
                fit_end(&name, 16),
                percent(at),
                show_size(at.bytes_done),
                show_size(at.bytes_total),
                pace.told(job.id, at, moment),
                at.files_done,
                at.files_total,
            ),
            None => {
                format!("{:>6}  {:<16}  {}  {}", job.id, fit_end(&name, 16), state_of(job), note_of(job))
            }
        }
    };
    views.iter().filter(|job| !is_settled(job, now)).take(20).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_told_once_there_is_one() {
        let at = |bytes_done| Progress { files_done: 0, files_total: 1, bytes_done, bytes_total: 10 << 20 };
        let mut pace = Pace::default();
        let mut told = |bytes, second| pace.told(JobId(1), at(bytes), Duration::from_secs(second));
        assert_eq!(told(0, 5), "");
        assert_eq!(told(2 << 20, 7), ", 1.0 MiB/s, 8s left");
        assert_eq!(told(2 << 20, u64::MAX / 2), "", "what stands still has no end");
    }
}
