//! `verisim sync verify`: captures looked at once more, and a report that names files.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use verisim_core::{
    CancellationToken, EventId, EventPayload, FailureKind, Findings, JobId, Lane, SyncProgress, printable,
};
use verisim_engine::control::{Answer, JobView, Request, RunningView};

use super::captures::{show_captures, show_findings};
use super::show::{list, tone};
use super::sync::{Pace, captures, is_settled, lines, verdict};
use crate::access::{Access, confused};
use crate::config::Config;
use crate::config::units::show_size;
use crate::context::Context;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::output::{Output, Tone};
use crate::render;
use crate::render::progress::Progress as Drawn;

/// What a verification of one capture came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    /// Every file is there as it was pushed.
    Verified,
    /// Files were missing or different. The state says whether they were mended.
    Damaged,
    /// Some files could not be read.
    Unverifiable,
    /// Nobody could look: that is no finding, and the capture is what it was.
    NotLooked,
    /// Whoever asked for it ended this command before it was looked at to the end: no finding either.
    Stopped,
    /// So, too, and a daemon goes on with it.
    LeftToDaemon,
    /// It failed otherwise, or somebody cancelled it.
    Failed,
}

/// The report on one capture.
#[derive(Serialize)]
struct Verification<'a> {
    job: JobId,
    capture: &'a str,
    destination: &'a str,
    remote: Option<&'a str>,
    /// Where the capture stands now.
    state: &'a str,
    result: Came,
    /// Why nobody could look, or what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// What was found, by name: the first of each kind, and how many there are.
    findings: &'a Findings,
}

impl<'a> Verification<'a> {
    fn of(job: &'a JobView, result: Came, why: Option<String>, findings: &'a Findings) -> Self {
        Self {
            job: job.id,
            capture: &job.subject,
            destination: job.lane.0.trim_start_matches("destination/"),
            remote: job.remote.as_deref(),
            state: &job.state,
            result,
            why,
            findings,
        }
    }
}

/// Has captures verified once more, and names what is not as it was pushed.
pub(super) async fn verify(context: &Context, config: Config, job: Option<JobId>) -> CliResult {
    let mut access = Access::open(context, config).await?;
    let mut cleaned = 0;
    let before = match job {
        Some(job) => {
            let job = access.job(job).await?;
            if job.state == "CLEANED" {
                return audit(context, access, job).await;
            }
            vec![job]
        }
        None => {
            let all = list(&mut access, captures()).await?;
            cleaned = all.iter().filter(|job| job.state == "CLEANED").count();
            // One whose verification was cut short awaits it still.
            let states = ["VERIFIED", "CLEANUP_ELIGIBLE", "AWAITING_VERIFY"];
            let is_meant = |job: &JobView| states.contains(&job.state.as_str());
            all.into_iter().filter(is_meant).collect()
        }
    };
    if before.is_empty() {
        context.output.say("no capture was verified before; `verisim sync ls` lists them");
        return Ok(Exit::Done);
    }
    let since = access.last_event().await?;
    let refused = ask(&mut access, &before).await?;
    let stop = context.stop_token()?;
    let mut views = settle(context, &mut access, (&before, &refused), &stop).await?;
    for job in before.iter().filter(|job| refused.contains_key(&job.id)) {
        views.push(access.job(job.id).await?);
    }
    views.sort_unstable_by_key(|job| std::cmp::Reverse(job.id));
    let damaged = damage(context.output, &mut access, &before, since).await?;
    let cut_short = match access {
        _ if !stop.is_cancelled() => None,
        Access::Daemon(_) => Some(Came::LeftToDaemon),
        Access::Here(_) => Some(Came::Stopped),
    };
    let exit = report(context, &before, &views, (&refused, cut_short), &damaged)?;
    if cleaned > 0 {
        context.output.say(format_args!(
            "{cleaned} cleaned up were not looked at; `verisim sync verify JOB` looks at one, and `audit` in a [[capture]] at all in turn"
        ));
    }
    Ok(exit)
}

/// Looks at one that was cleaned up, at its destination. Damage can be told, and not be mended from here: nothing is left here
/// to be sent again.
async fn audit(context: &Context, mut access: Access, job: JobView) -> CliResult {
    let output = context.output;
    let since = access.last_event().await?;
    let stop = context.stop_token()?;
    let inventory = job.progress.as_ref().and_then(|progress| progress.inventory).unwrap_or_default();
    output.say(format_args!(
        "it was cleaned up here; what is at the destination is hashed and compared: {} files, {}",
        inventory.files,
        show_size(inventory.bytes)
    ));
    let asked = tokio::select! {
        biased;
        asked = access.ask(Request::Audit { job: job.id }) => Some(asked),
        () = stop.cancelled() => None,
    };
    let (came, findings, why) = match asked {
        None => (Came::Stopped, Findings::default(), None),
        Some(Ok(Answer::Audited(found))) => {
            let came = match (found.findings.wrong_total(), found.findings.unverifiable.total) {
                (0, 0) => Came::Verified,
                (0, _) => Came::Unverifiable,
                _ => Came::Damaged,
            };
            damage(output, &mut access, std::slice::from_ref(&job), since).await?;
            (came, found.findings, None)
        }
        Some(Ok(_)) => return Err(confused()),
        Some(Err(error)) if error.exit == Exit::Unreachable => {
            (Came::NotLooked, Findings::default(), Some(error.message))
        }
        Some(Err(error)) => return Err(error),
    };
    show_captures(context, std::slice::from_ref(&job), "")?;
    tell(output, &Verification::of(&job, came, why, &findings))?;
    summary(output, 1, &HashMap::from([(came, 1)]), 0);
    if came == Came::Damaged {
        output.say("it is not here any more to be sent again: look for another copy of what is damaged, and at the destination's disk");
    }
    Ok(exit_of(&job, came))
}

/// Asks for a pass over each. Answers those of which the destination is away, and why; each destination is asked once.
async fn ask(access: &mut Access, jobs: &[JobView]) -> CliResult<HashMap<JobId, String>> {
    let (mut refused, mut away) = (HashMap::new(), HashMap::<&Lane, String>::new());
    for job in jobs {
        if let Some(why) = away.get(&job.lane) {
            refused.insert(job.id, why.clone());
            continue;
        }
        match access.ask_job(Request::Verify { job: job.id }).await {
            Ok(_) => {}
            Err(error) if error.exit == Exit::Unreachable => {
                refused.insert(job.id, error.message.clone());
                away.insert(&job.lane, error.message);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

async fn settle(
    context: &Context,
    access: &mut Access,
    (before, refused): (&[JobView], &HashMap<JobId, String>),
    stop: &CancellationToken,
) -> CliResult<Vec<JobView>> {
    let jobs: Vec<JobId> = before.iter().map(|job| job.id).filter(|job| !refused.contains_key(job)).collect();
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let was_verified: BTreeSet<JobId> =
        before.iter().filter(|job| last_pass(job).is_some()).map(|job| job.id).collect();
    let mut progress = Drawn::new(context.output);
    let mut pace = Pace::default();
    let tick = |views: &[JobView], running: &[RunningView]| {
        progress.draw(&lines(views, running, context, &mut pace));
    };
    // A capture whose destination went away meanwhile is what it was in a moment.
    let settled = |job: &JobView| {
        is_settled(job, context.now()) && (job.state != "AWAITING_VERIFY" || !was_verified.contains(&job.id))
    };
    access.settle(&jobs, stop, settled, tick).await
}

/// What was found damaged since, by capture; a script gets the events too.
async fn damage(
    output: Output,
    access: &mut Access,
    jobs: &[JobView],
    since: EventId,
) -> CliResult<HashMap<JobId, Findings>> {
    let mut damaged = HashMap::new();
    access
        .events(since, "sync.>", |event| {
            let Some(job) = event.body.job.filter(|id| jobs.iter().any(|job| job.id == *id)) else {
                return Ok(());
            };
            match &event.body.payload {
                EventPayload::RemoteDamaged { .. } if output.json => render::event::show(output, &event)?,
                EventPayload::Sync(sync) if sync.findings.wrong_total() > 0 => {
                    damaged.entry(job).or_insert_with(|| sync.findings.clone());
                }
                _ => {}
            }
            Ok(())
        })
        .await?;
    Ok(damaged)
}

fn last_pass(job: &JobView) -> Option<verisim_core::CaptureProof> {
    job.progress.as_ref().and_then(|progress| progress.passes.last().copied())
}

/// Prints the report, and answers the exit code of the worst.
fn report(
    context: &Context,
    before: &[JobView],
    views: &[JobView],
    (refused, cut_short): (&HashMap<JobId, String>, Option<Came>),
    damaged: &HashMap<JobId, Findings>,
) -> CliResult {
    let output = context.output;
    let (mut counts, mut exit) = (HashMap::<Came, usize>::new(), Exit::Done);
    let mut mended = 0;
    let nothing = SyncProgress::default();
    show_captures(context, views, "")?;
    for job in views {
        let former = before.iter().find(|former| former.id == job.id).and_then(last_pass);
        let came = match (judge(job, former, damaged.contains_key(&job.id)), cut_short) {
            (Came::NotLooked, Some(cut_short)) if is_under_way(job) && !refused.contains_key(&job.id) => {
                cut_short
            }
            (came, _) => came,
        };
        *counts.entry(came).or_default() += 1;
        mended += usize::from(came == Came::Damaged && job.state == "VERIFIED");
        let of_job = exit_of(job, came);
        exit = if of_job.code() > exit.code() { of_job } else { exit };
        let findings =
            damaged.get(&job.id).unwrap_or_else(|| &job.progress.as_ref().unwrap_or(&nothing).findings);
        let why = why(job, came, refused.get(&job.id));
        tell(output, &Verification::of(job, came, why, findings))?;
    }
    summary(output, views.len(), &counts, mended);
    Ok(exit)
}

fn exit_of(job: &JobView, came: Came) -> Exit {
    match came {
        Came::Verified => Exit::Done,
        Came::Damaged | Came::Unverifiable => Exit::Found,
        Came::NotLooked => Exit::Unreachable,
        Came::Stopped | Came::LeftToDaemon => Exit::Failed,
        Came::Failed => verdict(job),
    }
}

fn judge(job: &JobView, former: Option<verisim_core::CaptureProof>, is_damaged: bool) -> Came {
    let is_news = last_pass(job) != former;
    match job.state.as_str() {
        _ if is_damaged => Came::Damaged,
        "UNVERIFIED" => Came::Unverifiable,
        "VERIFIED" | "CLEANUP_ELIGIBLE" | "CLEANING" | "CLEANED" if is_news => Came::Verified,
        "VERIFIED" | "CLEANUP_ELIGIBLE" | "AWAITING_VERIFY" | "BLOCKED" => Came::NotLooked,
        _ => Came::Failed,
    }
}

/// Whether a pass over it is due or begun, and nothing was heard that kept it from being made.
fn is_under_way(job: &JobView) -> bool {
    let has_failed = job.failure.as_ref().is_some_and(|(kind, _)| *kind != FailureKind::Cancelled);
    job.state == "AWAITING_VERIFY" && job.away_since.is_none() && !has_failed
}

fn why(job: &JobView, came: Came, refused: Option<&String>) -> Option<String> {
    match came {
        Came::Verified | Came::Damaged | Came::Unverifiable | Came::Stopped | Came::LeftToDaemon => None,
        Came::NotLooked | Came::Failed => {
            let failed = job.failure.as_ref().map(|(kind, detail)| format!("{kind}: {detail}"));
            let noted = || job.progress.as_ref().and_then(|progress| progress.note.clone());
            refused.cloned().or(failed).or_else(noted)
        }
    }
}

/// One capture of the report: what was found by name, and why nobody could look.
fn tell(output: Output, verification: &Verification<'_>) -> CliResult<()> {
    if output.json {
        return output.typed("verification", verification);
    }
    let could_not = match (verification.result, &verification.why) {
        (Came::NotLooked, Some(why)) => {
            Some(format!("nobody could look, so it is what it was: {}", printable(why)))
        }
        _ => None,
    };
    if verification.findings.is_empty() && could_not.is_none() {
        return Ok(());
    }
    let heading = format!("{} {}", verification.job, printable(verification.capture));
    output.line(output.paint(Tone::Strong, heading))?;
    show_findings(output, verification.findings)?;
    could_not.map_or(Ok(()), |said| output.line(format!("{:8}{}", "", output.paint(Tone::Warn, said))))
}

/// What came of all of them; `mended` of the damaged ones were sent again from here, and verified since.
fn summary(output: Output, total: usize, counts: &HashMap<Came, usize>, mended: usize) {
    let count = |came| counts.get(&came).copied().unwrap_or(0);
    let mut said = vec![format!(
        "{} of {total} captures are at the destination as they were pushed",
        count(Came::Verified)
    )];
    let damaged = match mended {
        0 => "damaged there, as listed above".to_owned(),
        all if all == count(Came::Damaged) => {
            "damaged there, as listed above; what was damaged was sent again from here, and is verified now"
                .to_owned()
        }
        some => format!(
            "damaged there, as listed above; {some} of them were sent again from here, and are verified now"
        ),
    };
    for (came, what) in [
        (Came::Damaged, damaged.as_str()),
        (Came::Unverifiable, "could not be proved in full"),
        (Came::NotLooked, "could not be looked at now, and are what they were; try again later"),
        (
            Came::Stopped,
            "not looked at to the end, and are what they were: this was stopped; run it again to look at all",
        ),
        (
            Came::LeftToDaemon,
            "not looked at to the end yet: this was stopped, and the daemon goes on with them; see `verisim sync ls`",
        ),
        (Came::Failed, "failed"),
    ] {
        if count(came) > 0 {
            said.push(format!("{} {what}", count(came)));
        }
    }
    let is_good = count(Came::Verified) == total;
    output.say(output.paint(tone(if is_good { "VERIFIED" } else { "FAILED" }), said.join("; ")));
}
